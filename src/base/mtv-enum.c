/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-enum.h"

gboolean
mtv_enum_from_string (const char *const *names, guint n_names, const char *string, guint *value)
{
  for (guint i = 0; i < n_names; i++)
    if (g_strcmp0 (names[i], string) == 0)
      {
        *value = i;
        return TRUE;
      }
  return FALSE;
}
