/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-time.h"
#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-table.h"

#include <glib/gi18n.h>
#include <string.h>

static gboolean
is_span (const char *key)
{
  static const char *const ends[] = { "-interval", "-downtime", "-timeout", "-grace" };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    if (g_str_has_suffix (key, ends[i]))
      return TRUE;
  return FALSE;
}

static char *
format_value (const char *key, GVariant *value)
{
  if (is_span (key) && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    return mtvctl_format_span (g_variant_get_uint64 (value));
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  return g_variant_print (value, FALSE);
}

int
mtvctl_defaults_show (Mtvctl *ctl, char **args, GError **error)
{
  static const MtvctlColumn columns[] = {
    { N_ ("SETTING"), 0, 12, 0 },
    { N_ ("VALUE"), 0, 8, 0 },
  };
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));
  const char *key;
  GVariant *value;
  GVariantIter iter;

  if (manager == NULL)
    return MTVCTL_ERROR;
  GVariant *defaults = mtv_dbus_manager_get_defaults (manager);
  if (ctl->json)
    {
      mtvctl_print_json (ctl, json_gvariant_serialize (defaults));
      return MTVCTL_OK;
    }
  g_variant_iter_init (&iter, defaults);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      mtvctl_table_add (table, key);
      mtvctl_table_take (table, format_value (key, value));
    }
  mtvctl_print_table (ctl, table, NULL, _ ("No settings."));
  return MTVCTL_OK;
}

/* @text as what the setting is now; NULL if it cannot be that. (transfer full) */
static GVariant *
parse_value (const char *key, const char *text, GVariant *now)
{
  guint64 number = 0;

  if (g_variant_is_of_type (now, G_VARIANT_TYPE_STRING))
    return g_variant_take_ref (g_variant_new_string (text));
  if (is_span (key) && g_variant_is_of_type (now, G_VARIANT_TYPE_UINT64))
    return mtv_time_parse_span (text, &number, NULL)
               ? g_variant_take_ref (g_variant_new_uint64 (number))
               : NULL;
  return g_variant_parse (g_variant_get_type (now), text, NULL, NULL, NULL);
}

static void
set_unknown (const char *key, GVariant *defaults, GError **error)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  const char *known;
  GVariantIter iter;

  g_variant_iter_init (&iter, defaults);
  while (g_variant_iter_next (&iter, "{&sv}", &known, NULL))
    g_ptr_array_add (keys, (gpointer) known);
  g_ptr_array_add (keys, NULL);
  const char *close = mtvctl_closest (key, (const char *const *) keys->pdata);
  if (close != NULL)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 _ ("There is no setting '%s'. Did you mean '%s'?"), key, close);
  else
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _ ("There is no setting '%s'."),
                 key);
}

static gboolean
add_setting (GVariantBuilder *settings, GVariant *defaults, const char *arg, GError **error)
{
  const char *sign = strchr (arg, '=');

  if (sign == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _ ("'%s' is not of the form KEY=VALUE."), arg);
      return FALSE;
    }
  g_autofree char *key = g_strndup (arg, sign - arg);
  g_autoptr (GVariant) now = g_variant_lookup_value (defaults, key, NULL);
  if (now == NULL)
    {
      set_unknown (key, defaults, error);
      return FALSE;
    }
  g_autoptr (GVariant) value = parse_value (key, sign + 1, now);
  if (value == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _ ("'%s' is not a value for %s."), sign + 1, key);
      return FALSE;
    }
  g_variant_builder_add (settings, "{sv}", key, value);
  return TRUE;
}

int
mtvctl_defaults_set (Mtvctl *ctl, char **args, GError **error)
{
  g_auto (GVariantBuilder) settings = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);

  if (manager == NULL)
    return MTVCTL_ERROR;
  for (; *args != NULL; args++)
    if (!add_setting (&settings, mtv_dbus_manager_get_defaults (manager), *args, error))
      return MTVCTL_ERROR;
  if (mtv_dbus_manager_call_set_defaults_sync (manager, g_variant_builder_end (&settings),
                                               mtvctl_no_options (), mtvctl_call_flags (ctl),
                                               MTVCTL_TIMEOUT_MSEC, NULL, error))
    return MTVCTL_OK;
  mtvctl_explain (error, _ ("Cannot change the settings"));
  return MTVCTL_ERROR;
}
