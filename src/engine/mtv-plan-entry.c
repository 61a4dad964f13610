/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-plan-entry-private.h"

struct _MtvPlanEntry
{
  GObject parent;

  MtvPlan *plan;      /* (owned) */
  MtvMigration *last; /* (owned) (nullable) */
};

G_DEFINE_FINAL_TYPE (MtvPlanEntry, mtv_plan_entry, G_TYPE_OBJECT)

static guint changed_signal;

static void
mtv_plan_entry_dispose (GObject *object)
{
  g_clear_object (&MTV_PLAN_ENTRY (object)->last);

  G_OBJECT_CLASS (mtv_plan_entry_parent_class)->dispose (object);
}

static void
mtv_plan_entry_finalize (GObject *object)
{
  g_clear_pointer (&MTV_PLAN_ENTRY (object)->plan, mtv_plan_free);

  G_OBJECT_CLASS (mtv_plan_entry_parent_class)->finalize (object);
}

static void
mtv_plan_entry_class_init (MtvPlanEntryClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_plan_entry_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_plan_entry_finalize;

  changed_signal = g_signal_new ("changed", MTV_TYPE_PLAN_ENTRY, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                 NULL, G_TYPE_NONE, 0);
}

static void
mtv_plan_entry_init (MtvPlanEntry *self)
{
  (void) self;
}

MtvPlanEntry *
mtv_plan_entry_new (MtvPlan *plan)
{
  MtvPlanEntry *self = g_object_new (MTV_TYPE_PLAN_ENTRY, NULL);

  self->plan = plan;
  return self;
}

MtvPlan *
mtv_plan_entry_peek_plan (MtvPlanEntry *self)
{
  return self->plan;
}

void
mtv_plan_entry_changed (MtvPlanEntry *self)
{
  g_signal_emit (self, changed_signal, 0);
}

void
mtv_plan_entry_set_last_migration (MtvPlanEntry *self, MtvMigration *migration)
{
  if (self->last != NULL)
    g_signal_handlers_disconnect_by_data (self->last, self);
  g_set_object (&self->last, migration);
  if (migration != NULL)
    g_signal_connect_object (migration, "changed", G_CALLBACK (mtv_plan_entry_changed), self,
                             G_CONNECT_SWAPPED);
  mtv_plan_entry_changed (self);
}

const MtvPlan *
mtv_plan_entry_get_plan (MtvPlanEntry *self)
{
  g_return_val_if_fail (MTV_IS_PLAN_ENTRY (self), NULL);

  return self->plan;
}

static GVariant *
target_names (const MtvPlan *plan)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{ss}"));

  for (guint i = 0; i < plan->vms->len; i++)
    {
      const MtvPlanVm *vm = g_ptr_array_index (plan->vms, i);

      if (vm->target_name != NULL)
        g_variant_builder_add (&builder, "{ss}", vm->id, vm->target_name);
    }
  return g_variant_builder_end (&builder);
}

/* A span that the daemon has a default for is left out as long as that is the one. */
static void
add_schedule (GVariantDict *dict, const MtvSchedule *schedule)
{
  const struct
  {
    const char *key;
    guint64 value;
  } numbers[] = { { "interval", schedule->interval },
                  { "max-downtime", schedule->max_downtime },
                  { "shutdown-timeout", schedule->shutdown_timeout },
                  { "cutover-time", schedule->cutover_time },
                  { "throttle", schedule->throttle } };

  g_variant_dict_insert (dict, "warm", "b", schedule->warm);
  g_variant_dict_insert (dict, "shutdown", "s", schedule->shutdown);
  if (schedule->warm)
    g_variant_dict_insert (dict, "interval-auto", "b", schedule->interval_auto);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (numbers[i].value != 0)
      g_variant_dict_insert (dict, numbers[i].key, "t", numbers[i].value);
}

GVariant *
mtv_plan_entry_get_options (MtvPlanEntry *self)
{
  g_return_val_if_fail (MTV_IS_PLAN_ENTRY (self), NULL);

  const MtvPlan *plan = self->plan;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "description", "s",
                         plan->description == NULL ? "" : plan->description);
  g_variant_dict_insert (&dict, "devices", "s", plan->devices);
  g_variant_dict_insert (&dict, "format", "s", plan->format);
  g_variant_dict_insert (&dict, "hash", "s", plan->hash);
  g_variant_dict_insert (&dict, "verify", "s", plan->verify);
  g_variant_dict_insert (&dict, "target-power-state", "s", plan->target_power_state);
  g_variant_dict_insert_value (&dict, "target-names", target_names (plan));
  add_schedule (&dict, &plan->schedule);
  g_variant_dict_insert_value (
      &dict, "networks", plan->networks != NULL ? plan->networks : g_variant_new ("a{ss}", NULL));
  g_variant_dict_insert_value (&dict, "ignore",
                               plan->ignore != NULL ? plan->ignore : g_variant_new ("as", NULL));
  return g_variant_dict_end (&dict);
}

const char *
mtv_plan_entry_get_state (MtvPlanEntry *self)
{
  g_return_val_if_fail (MTV_IS_PLAN_ENTRY (self), NULL);

  if (self->plan->archived)
    return "archived";
  if (self->last == NULL)
    return "ready";

  const char *state = mtv_migration_get_state (self->last);
  return g_str_equal (state, "running") ? "executing" : state;
}

MtvMigration *
mtv_plan_entry_get_last_migration (MtvPlanEntry *self)
{
  g_return_val_if_fail (MTV_IS_PLAN_ENTRY (self), NULL);

  return self->last;
}
