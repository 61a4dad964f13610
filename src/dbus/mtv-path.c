/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-path.h"

#include "base/mtv-error.h"

#include <string.h>

static gboolean
is_id (const char *id)
{
  return *id != '\0' && id[strspn (id, "abcdefghijklmnopqrstuvwxyz0123456789")] == '\0';
}

char *
mtv_path_new (const char *kind, const char *id)
{
  g_assert (is_id (id));
  return g_strdup_printf (MTV_PATH "/%s/%s", kind, id);
}

char *
mtv_path_new_for_job (const MtvJobRecord *record)
{
  g_assert (is_id (record->run_id));
  return g_strdup_printf (MTV_PATH "/migration/%s/vm/%u", record->run_id, record->number);
}

/* The id in @path, NULL if it is not the path of a @kind. */
static const char *
get_id (const char *path, const char *kind)
{
  g_autofree char *prefix = g_strdup_printf (MTV_PATH "/%s/", kind);

  if (!g_str_has_prefix (path, prefix) || !is_id (path + strlen (prefix)))
    return NULL;
  return path + strlen (prefix);
}

MtvProviderEntry *
mtv_path_find_provider (MtvEngine *engine, const char *path, GError **error)
{
  const char *id = get_id (path, "provider");
  MtvProviderEntry *entry = id == NULL ? NULL : mtv_engine_find_provider (engine, id, NULL);

  if (entry == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "There is no provider '%s'", path);
  return entry;
}

MtvPlanEntry *
mtv_path_find_plan (MtvEngine *engine, const char *path, GError **error)
{
  const char *id = get_id (path, "plan");
  MtvPlanEntry *entry = id == NULL ? NULL : mtv_engine_find_plan (engine, id, NULL);

  if (entry == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "There is no plan '%s'", path);
  return entry;
}
