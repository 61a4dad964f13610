/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-table.h"

#include <glib/gi18n.h>
#include <string.h>

/* What "" is called on the command line. */
#define ALL "all"

/* The rule of @target, or all rules for NULL. */
static GVariant *
get_rules (MtvDBusManager *manager, const char *target)
{
  GVariantBuilder rules = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{ss}"));
  GVariantIter iter;
  const char *name, *rule;

  g_variant_iter_init (&iter, mtv_dbus_manager_get_throttles (manager));
  while (g_variant_iter_loop (&iter, "(&s&s)", &name, &rule))
    {
      const char *shown = *name == '\0' ? ALL : name;

      if (target != NULL && strcmp (target, shown) != 0)
        continue;
      g_variant_builder_open (&rules, G_VARIANT_TYPE ("a{ss}"));
      g_variant_builder_add (&rules, "{ss}", "target", shown);
      g_variant_builder_add (&rules, "{ss}", "rule", rule);
      g_variant_builder_close (&rules);
    }
  return g_variant_ref_sink (g_variant_builder_end (&rules));
}

static int
show (Mtvctl *ctl, MtvDBusManager *manager, const char *target)
{
  static const MtvctlColumn columns[] = {
    { N_ ("TARGET"), 0, 12, 0 },
    { N_ ("RULE"), 0, 8, 0 },
  };
  g_autoptr (GVariant) rules = get_rules (manager, target);
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));

  if (ctl->json)
    {
      mtvctl_print_json (ctl, json_gvariant_serialize (rules));
      return MTVCTL_OK;
    }
  for (gsize i = 0; i < g_variant_n_children (rules); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (rules, i);
      const char *name, *rule;

      g_variant_lookup (entry, "target", "&s", &name);
      g_variant_lookup (entry, "rule", "&s", &rule);
      mtvctl_table_add (table, name);
      mtvctl_table_add (table, rule);
    }
  mtvctl_print_table (ctl, table, NULL, _ ("No throttles."));
  return MTVCTL_OK;
}

int
mtvctl_throttle (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);

  if (manager == NULL)
    return MTVCTL_ERROR;
  if (args[0] == NULL || args[1] == NULL)
    return show (ctl, manager, args[0]);

  g_autofree char *rule = g_strjoinv (" ", args + 1);
  const char *target = strcmp (args[0], ALL) == 0 ? "" : args[0];
  if (mtv_dbus_manager_call_set_throttle_sync (manager, target, rule, mtvctl_no_options (),
                                               mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC, NULL,
                                               error))
    return MTVCTL_OK;
  mtvctl_explain (error, _ ("Cannot set the throttle"));
  return MTVCTL_ERROR;
}
