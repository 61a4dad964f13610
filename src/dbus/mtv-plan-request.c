/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-plan-request.h"

#include "base/mtv-error.h"
#include "dbus/mtv-options.h"

static const MtvOption known[] = {
  { "description", "s" },  { "devices", "s" },
  { "format", "s" },       { "hash", "s" },
  { "verify", "s" },       { "target-names", "a{ss}" },
  { "networks", "a{ss}" }, { "target-power-state", "s" },
  { "ignore", "as" },      { "warm", "b" },
  { "interval", "t" },     { "interval-auto", "b" },
  { "max-downtime", "t" }, { "cutover-time", "t" },
  { "shutdown", "s" },     { "shutdown-timeout", "t" },
  { "throttle", "t" },     { NULL, NULL },
};

static const struct
{
  const char *key;
  gsize offset;
} choices[] = {
  { "devices", G_STRUCT_OFFSET (MtvPlan, devices) },
  { "format", G_STRUCT_OFFSET (MtvPlan, format) },
  { "hash", G_STRUCT_OFFSET (MtvPlan, hash) },
  { "verify", G_STRUCT_OFFSET (MtvPlan, verify) },
  { "target-power-state", G_STRUCT_OFFSET (MtvPlan, target_power_state) },
  { "shutdown", G_STRUCT_OFFSET (MtvPlan, schedule.shutdown) },
};

static const struct
{
  const char *key;
  gsize offset;
  gboolean only_warm;
} numbers[] = {
  { "interval", G_STRUCT_OFFSET (MtvPlan, schedule.interval), TRUE },
  { "max-downtime", G_STRUCT_OFFSET (MtvPlan, schedule.max_downtime), TRUE },
  { "cutover-time", G_STRUCT_OFFSET (MtvPlan, schedule.cutover_time), TRUE },
  { "shutdown-timeout", G_STRUCT_OFFSET (MtvPlan, schedule.shutdown_timeout), FALSE },
  { "throttle", G_STRUCT_OFFSET (MtvPlan, schedule.throttle), FALSE },
};

static gboolean
parse_choices (MtvPlan *plan, GVariant *options, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (choices); i++)
    {
      char **choice = G_STRUCT_MEMBER_P (plan, choices[i].offset);
      const char *value;

      if (!g_variant_lookup (options, choices[i].key, "&s", &value))
        continue;
      if (!mtv_plan_validate_option (choices[i].key, value, error))
        return FALSE;
      g_free (*choice);
      *choice = g_strdup (value);
    }
  return TRUE;
}

/* 0 is what a plan has for "not given"; who gives it means something else by it. */
static gboolean
parse_schedule (MtvPlan *plan, GVariant *options, GError **error)
{
  MtvSchedule *schedule = &plan->schedule;

  g_variant_lookup (options, "warm", "b", &schedule->warm);
  g_variant_lookup (options, "interval-auto", "b", &schedule->interval_auto);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      guint64 *number = G_STRUCT_MEMBER_P (plan, numbers[i].offset);

      if (!g_variant_lookup (options, numbers[i].key, "t", number))
        continue;
      if (*number != 0 && (schedule->warm || !numbers[i].only_warm))
        continue;
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   *number == 0 ? "Option '%s' cannot be 0"
                                : "Option '%s' means nothing without 'warm'",
                   numbers[i].key);
      return FALSE;
    }
  if (schedule->interval_auto && (!schedule->warm || schedule->interval != 0))
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           schedule->warm ? "'interval' and 'interval-auto' exclude each other"
                                          : "Option 'interval-auto' means nothing without 'warm'");
      return FALSE;
    }
  return mtv_schedule_check (schedule, g_get_real_time (), error);
}

static MtvPlanVm *
find_vm (MtvPlan *plan, const char *reference)
{
  for (guint i = 0; i < plan->vms->len; i++)
    {
      MtvPlanVm *vm = g_ptr_array_index (plan->vms, i);

      if (g_strcmp0 (vm->id, reference) == 0)
        return vm;
    }
  return NULL;
}

static gboolean
parse_target_names (MtvPlan *plan, GVariant *options, GError **error)
{
  g_autoptr (GVariant) names
      = g_variant_lookup_value (options, "target-names", G_VARIANT_TYPE ("a{ss}"));
  GVariantIter iter;
  const char *reference, *name;

  if (names == NULL)
    return TRUE;

  g_variant_iter_init (&iter, names);
  while (g_variant_iter_next (&iter, "{&s&s}", &reference, &name))
    {
      MtvPlanVm *vm = find_vm (plan, reference);

      if (vm == NULL || *name == '\0')
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       vm == NULL ? "Option 'target-names' names '%s', which is not in the plan"
                                  : "Option 'target-names' has no name for '%s'",
                       reference);
          return FALSE;
        }
      g_free (vm->target_name);
      vm->target_name = g_strdup (name);
    }
  return TRUE;
}

MtvPlan *
mtv_plan_request_parse (const char *name, const char *const *vms, GVariant *options, GError **error)
{
  g_autoptr (MtvPlan) plan = mtv_plan_new ();

  plan->name = g_strdup (name);
  for (; *vms != NULL; vms++)
    mtv_plan_add_vm (plan)->id = g_strdup (*vms);

  if (!mtv_options_check (options, known, error) || !parse_choices (plan, options, error)
      || !parse_target_names (plan, options, error) || !parse_schedule (plan, options, error))
    return NULL;

  g_variant_lookup (options, "description", "s", &plan->description);
  plan->networks = g_variant_lookup_value (options, "networks", NULL);
  plan->ignore = g_variant_lookup_value (options, "ignore", NULL);
  return g_steal_pointer (&plan);
}
