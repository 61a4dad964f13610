/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-concerns.h"

#include "mtvctl-format.h"
#include "mtvctl-output.h"
#include "mtvctl-vm.h"

#include <glib/gi18n.h>

#define MAX_NAMES 4 /* more virtual machines than that are counted */

typedef struct
{
  GVariant *concern; /* (owned) the first of them */
  GPtrArray *vms;    /* (owned) (element-type char *) */
} Group;

static void
group_free (gpointer data)
{
  Group *group = data;

  g_variant_unref (group->concern);
  g_ptr_array_unref (group->vms);
  g_free (group);
}

/* (element-type Group) in the order in which each came up first. */
static GPtrArray *
make_groups (GVariant *concerns)
{
  GPtrArray *groups = g_ptr_array_new_with_free_func (group_free);
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (gsize i = 0; i < g_variant_n_children (concerns); i++)
    {
      g_autoptr (GVariant) concern = g_variant_get_child_value (concerns, i);
      const char *vm = mtvctl_dict_string (concern, "vm");
      g_autofree char *key = g_strjoin ("\n", mtvctl_dict_string (concern, "category"),
                                        mtvctl_dict_string (concern, "id"),
                                        mtvctl_dict_string (concern, "assessment"), NULL);
      Group *group = g_hash_table_lookup (known, key);

      if (group == NULL)
        {
          group = g_new0 (Group, 1);
          group->concern = g_variant_ref (concern);
          group->vms = g_ptr_array_new_with_free_func (g_free);
          g_ptr_array_add (groups, group);
          g_hash_table_insert (known, g_steal_pointer (&key), group);
        }
      if (*vm != '\0')
        g_ptr_array_add (group->vms, mtvctl_escape (vm));
    }
  return groups;
}

/* "web, db and 58 more: ", or nothing when it is about none. */
static char *
describe_vms (GPtrArray *vms)
{
  guint shown = vms->len > MAX_NAMES ? MAX_NAMES - 1 : vms->len;
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < shown; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", (char *) vms->pdata[i]);
  if (shown < vms->len)
    g_string_append_printf (text, _ (" and %u more"), vms->len - shown);
  if (shown > 0)
    g_string_append (text, ": ");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
append_group (Mtvctl *ctl, const Group *group, GString *out)
{
  MtvctlStyle style;
  g_autofree char *category
      = mtvctl_state_label (mtvctl_dict_string (group->concern, "category"), &style);
  g_autofree char *vms = describe_vms (group->vms);
  g_autofree char *label = mtvctl_escape (mtvctl_dict_string (group->concern, "label"));
  g_autofree char *id = mtvctl_escape (mtvctl_dict_string (group->concern, "id"));
  g_autofree char *text = mtvctl_escape (mtvctl_dict_string (group->concern, "assessment"));
  g_autofree char *wrapped = mtvctl_wrap (text, ctl->out.width, "  ");

  g_string_append_printf (out, "\n%s%s%s: %s%s [%s]\n", mtvctl_style (&ctl->out, style), category,
                          mtvctl_style (&ctl->out, MTVCTL_PLAIN), vms, label, id);
  if (*text != '\0')
    g_string_append_printf (out, "%s\n", wrapped);
}

void
mtvctl_append_concerns (Mtvctl *ctl, GVariant *concerns, GString *out)
{
  static const char *const categories[] = { "critical", "warning", "information" };
  g_autoptr (GPtrArray) groups = make_groups (concerns);

  for (guint c = 0; c < G_N_ELEMENTS (categories); c++)
    for (guint i = 0; i < groups->len; i++)
      {
        const Group *group = groups->pdata[i];

        if (g_str_equal (mtvctl_dict_string (group->concern, "category"), categories[c]))
          append_group (ctl, group, out);
      }
}
