/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-work.h"
#include "engine/mtv-engine-private.h"
#include "engine/mtv-job-private.h"
#include "engine/mtv-migration-private.h"
#include "engine/mtv-plan-entry-private.h"
#include "model/mtv-name.h"
#include "model/mtv-plan-check.h"
#include "provider/mtv-destination.h"
#include "store/mtv-store-objects.h"

/* Looking at a plan as it would run now: the same for the dry run and for the start. */
typedef struct
{
  MtvPlanEntry *entry;         /* (owned) */
  MtvSource *source;           /* (owned) */
  MtvDestination *destination; /* (owned) */
  GPtrArray *vms;              /* (owned) (element-type MtvVm) (nullable elements) */
  GPtrArray *targets;          /* (owned) (element-type MtvTarget) for those that are there */
  GPtrArray *concerns;         /* (owned) (element-type MtvConcern) */
  guint64 free_space;
  guint32 uid;
} Look;

static void
unref_vm (gpointer vm)
{
  g_clear_pointer ((MtvVm **) &vm, mtv_vm_unref);
}

static void
look_free (gpointer data)
{
  Look *look = data;

  g_clear_object (&look->entry);
  g_clear_object (&look->source);
  g_clear_object (&look->destination);
  g_ptr_array_unref (look->vms);
  g_ptr_array_unref (look->targets);
  g_ptr_array_unref (look->concerns);
  g_free (look);
}

static char *
name_for (const MtvPlanVm *planned, const MtvVm *vm)
{
  return planned->target_name != NULL ? g_strdup (planned->target_name)
                                      : mtv_name_to_dns (vm->name);
}

static MtvTarget *
target_for (const MtvPlan *plan, const MtvPlanVm *planned, MtvVm *vm)
{
  MtvTarget *target = mtv_target_new (vm);

  target->run_id = g_strdup ("");
  target->name = name_for (planned, vm);
  target->name_given = planned->target_name != NULL;
  target->plan = g_strdup (plan->name);
  target->source = g_strdup ("");
  target->devices = g_strdup (mtv_plan_devices_for (plan, vm));
  target->format = g_strdup (plan->format);
  mtv_hash_from_string (plan->hash, &target->hash);
  target->networks = plan->networks == NULL ? NULL : g_variant_ref (plan->networks);
  return target;
}

/* Has an earlier run of the plan brought this VM over? */
static gboolean
has_arrived (MtvEngine *self, const MtvPlan *plan, const char *vm_id)
{
  for (guint i = 0; i < self->context.migrations->len; i++)
    {
      MtvMigration *migration = g_ptr_array_index (self->context.migrations, i);
      GPtrArray *jobs = mtv_migration_get_jobs (migration);

      if (!g_str_equal (mtv_migration_get_record (migration)->plan_id, plan->id))
        continue;
      for (guint j = 0; j < jobs->len; j++)
        {
          MtvJob *job = g_ptr_array_index (jobs, j);

          if (g_str_equal (mtv_job_get_record (job)->vm_id, vm_id)
              && g_str_equal (mtv_job_get_state (job), "succeeded"))
            return TRUE;
        }
    }
  return FALSE;
}

/* The part of the plan that is still to be done. */
static MtvPlan *
what_is_left (MtvEngine *self, const MtvPlan *plan)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_plan_to_variant (plan));
  MtvPlan *left = mtv_plan_from_variant (variant, NULL);

  for (guint i = left->vms->len; i > 0; i--)
    {
      MtvPlanVm *vm = g_ptr_array_index (left->vms, i - 1);

      if (!has_arrived (self, plan, vm->id))
        continue;
      g_free (vm->id);
      g_free (vm->name);
      g_free (vm->target_name);
      g_free (g_ptr_array_remove_index (left->vms, i - 1));
    }
  return left;
}

static gboolean
is_warm (const Look *look)
{
  return mtv_plan_entry_get_plan (look->entry)->schedule.warm;
}

static gboolean
look_work (gpointer data, GCancellable *cancellable, GError **error)
{
  Look *look = data;
  gboolean check_warm
      = is_warm (look) && (mtv_source_get_caps (look->source) & MTV_SOURCE_CAN_WARM);

  (void) error;
  for (guint i = 0; i < look->targets->len; i++)
    {
      MtvTarget *target = g_ptr_array_index (look->targets, i);

      if (check_warm)
        mtv_source_check_warm (look->source, target->vm, look->concerns, cancellable);
      mtv_destination_check (look->destination, target, look->concerns, cancellable);
    }
  look->free_space = mtv_destination_get_free_space (look->destination, cancellable);
  return TRUE;
}

/* Takes the plan's own provider objects; FALSE when one is not usable. */
static gboolean
find_ends (MtvEngine *self, const MtvPlan *plan, MtvProviderEntry **source,
           MtvDestination **destination, GError **error)
{
  MtvProviderEntry *to;

  *source = mtv_engine_find_provider (self, plan->source, error);
  to = *source == NULL ? NULL : mtv_engine_find_provider (self, plan->destination, error);
  if (to == NULL)
    return FALSE;

  MtvProviderEntry *broken = mtv_provider_entry_get_provider (*source) == NULL ? *source
                             : mtv_provider_entry_get_provider (to) == NULL    ? to
                                                                               : NULL;
  if (broken != NULL)
    {
      const GError *why = mtv_provider_entry_get_error (broken);

      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The provider '%s' is not usable: %s",
                   mtv_provider_entry_get_config (broken)->name,
                   why == NULL ? "unknown" : why->message);
      return FALSE;
    }
  *destination = MTV_DESTINATION (mtv_provider_entry_get_provider (to));
  return TRUE;
}

/* What stands against the plan as a whole. */
static void
check_plan (Look *look, const MtvPlan *left)
{
  if (left->vms->len == 0)
    mtv_concerns_add (look->concerns, "plan.complete", MTV_CONCERN_CRITICAL, NULL,
                      "Nothing is left to do",
                      "Every virtual machine of plan '%s' has arrived already; archive or remove "
                      "the plan.",
                      left->name);
  if (is_warm (look) && !(mtv_source_get_caps (look->source) & MTV_SOURCE_CAN_WARM))
    mtv_concerns_add (look->concerns, "warm.unsupported", MTV_CONCERN_CRITICAL, NULL,
                      "The source cannot migrate warm",
                      "This source cannot tell what a running VM changes; make plan '%s' a cold "
                      "one.",
                      left->name);
  mtv_plan_check (left, look->vms, look->concerns);
}

static Look *
look_new (MtvEngine *self, MtvPlanEntry *entry, guint32 uid, GError **error)
{
  g_autoptr (MtvPlan) left = what_is_left (self, mtv_plan_entry_get_plan (entry));
  MtvProviderEntry *source;
  MtvDestination *destination;

  if (!find_ends (self, left, &source, &destination, error))
    return NULL;

  Look *look = g_new0 (Look, 1);
  look->entry = g_object_ref (entry);
  look->source = g_object_ref (MTV_SOURCE (mtv_provider_entry_get_provider (source)));
  look->destination = g_object_ref (destination);
  look->uid = uid;
  look->vms = g_ptr_array_new_with_free_func (unref_vm);
  look->targets = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_target_free);
  look->concerns = mtv_concerns_new ();
  for (guint i = 0; i < left->vms->len; i++)
    {
      MtvPlanVm *planned = g_ptr_array_index (left->vms, i);
      MtvVm *vm = mtv_provider_entry_find_vm (source, planned->id, NULL);

      g_ptr_array_add (look->vms, vm == NULL ? NULL : mtv_vm_ref (vm));
      if (vm != NULL)
        g_ptr_array_add (look->targets, target_for (left, planned, vm));
    }
  check_plan (look, left);
  return look;
}

static void
look_async (MtvEngine *self, MtvPlanEntry *entry, guint32 uid, GTask *task,
            GAsyncReadyCallback callback)
{
  GError *error = NULL;
  Look *look = look_new (self, entry, uid, &error);

  if (look == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  mtv_work_async ("mtv-validate", look_work, look, look_free, self, NULL, callback, task);
}

/* The dry run. */

static guint64
get_allocated (const MtvVm *vm)
{
  guint64 sum = 0;

  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (vm->disks, i);
      sum += disk->allocated;
    }
  return sum;
}

static GVariant *
describe_target (const MtvTarget *target)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", target->vm->id);
  g_variant_dict_insert (&dict, "name", "s", target->vm->name);
  g_variant_dict_insert (&dict, "target-name", "s", target->name);
  g_variant_dict_insert (&dict, "devices", "s", target->devices);
  g_variant_dict_insert (&dict, "capacity", "t", mtv_vm_get_capacity (target->vm));
  g_variant_dict_insert (&dict, "allocated", "t", get_allocated (target->vm));
  return g_variant_dict_end (&dict);
}

static GVariant *
describe_look (Look *look)
{
  GVariantBuilder vms = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantDict dict;
  guint64 capacity = 0, allocated = 0;

  for (guint i = 0; i < look->targets->len; i++)
    {
      MtvTarget *target = g_ptr_array_index (look->targets, i);

      capacity += mtv_vm_get_capacity (target->vm);
      allocated += get_allocated (target->vm);
      g_variant_builder_add_value (&vms, describe_target (target));
    }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "concerns", mtv_concerns_to_variant (look->concerns));
  g_variant_dict_insert (&dict, "blocked", "b",
                         mtv_concerns_has (look->concerns, MTV_CONCERN_CRITICAL));
  g_variant_dict_insert (&dict, "capacity", "t", capacity);
  g_variant_dict_insert (&dict, "allocated", "t", allocated);
  if (look->free_space != G_MAXUINT64)
    g_variant_dict_insert (&dict, "free-space", "t", look->free_space);
  g_variant_dict_insert_value (&dict, "virtual-machines", g_variant_builder_end (&vms));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
validated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Look *look = mtv_work_get_data (result);

  (void) source;
  mtv_plan_ignore_concerns (mtv_plan_entry_get_plan (look->entry), look->concerns);
  g_task_return_pointer (task, describe_look (look), (GDestroyNotify) g_variant_unref);
}

void
mtv_engine_validate_plan_async (MtvEngine *self, MtvPlanEntry *entry, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, mtv_engine_validate_plan_async);
  look_async (self, entry, G_MAXUINT32, task, validated_cb);
}

GVariant *
mtv_engine_validate_plan_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* The start. */

static MtvJobRecord *
record_for (const MtvPlan *plan, const MtvTarget *target, const char *run_id, guint number)
{
  MtvJobRecord *record = mtv_fields_new (&mtv_job_record_fields);

  record->run_id = g_strdup (run_id);
  record->number = number;
  record->vm_id = g_strdup (target->vm->id);
  record->name = g_strdup (target->vm->name);
  record->target_name = g_strdup (target->name);
  record->target_name_given = target->name_given;
  record->source = g_strdup (plan->source);
  record->destination = g_strdup (plan->destination);
  record->devices = g_strdup (target->devices);
  record->format = g_strdup (plan->format);
  record->hash = g_strdup (plan->hash);
  record->verify = g_strdup (plan->verify);
  record->target_power_state = g_strdup (plan->target_power_state);
  mtv_schedule_assign (&record->schedule, &plan->schedule);
  record->networks = plan->networks == NULL ? NULL : g_variant_ref (plan->networks);
  record->vm = g_variant_ref_sink (mtv_vm_to_variant (target->vm));
  record->state = g_strdup ("queued");
  return record;
}

static void
migration_saved (MtvEngine *self, gpointer object)
{
  GPtrArray *jobs = mtv_migration_get_jobs (object);

  mtv_engine_adopt_migration (self, g_object_ref (object));
  for (guint i = 0; i < jobs->len; i++)
    mtv_job_enter (g_ptr_array_index (jobs, i));
}

/* Create, save, export, start: in that order. */
static void
start_migration (MtvEngine *self, Look *look, GTask *task)
{
  const MtvPlan *plan = mtv_plan_entry_get_plan (look->entry);
  MtvMigrationRecord *record = mtv_fields_new (&mtv_migration_record_fields);
  MtvStoreBatch *batch = mtv_store_batch_new ();

  record->id = mtv_engine_make_id ();
  record->plan_id = g_strdup (plan->id);
  record->plan_name = g_strdup (plan->name);
  record->start_time = mtv_clock_now (self->context.clock);
  mtv_store_put_migration (batch, record);
  mtv_store_add_event (batch, record->start_time, record->id, 0, "start",
                       "the migration was started", look->uid);

  MtvMigration *migration = mtv_migration_new (&self->context, record);
  for (guint i = 0; i < look->targets->len; i++)
    {
      MtvJobRecord *job
          = record_for (plan, g_ptr_array_index (look->targets, i), record->id, i + 1);

      mtv_store_put_job (batch, job);
      mtv_migration_add_job (migration, mtv_job_new (&self->context, job, plan->name, 0));
    }
  mtv_engine_commit (self, batch, task, migration, migration_saved);
}

static void
set_blocked (GError **error, const MtvPlan *plan, GPtrArray *concerns)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < concerns->len && text->len < 2000; i++)
    {
      const MtvConcern *concern = g_ptr_array_index (concerns, i);

      if (g_str_equal (concern->category, MTV_CONCERN_CRITICAL))
        g_string_append_printf (text, "%s%s%s[%s] %s", text->len > 0 ? "; " : "",
                                concern->vm == NULL ? "" : concern->vm,
                                concern->vm == NULL ? "" : ": ", concern->id, concern->assessment);
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_CRITICAL_CONCERNS, "The plan '%s' cannot start: %s",
               plan->name, text->str);
}

static gboolean
check_rivals (MtvEngine *self, Look *look, GError **error)
{
  const MtvPlan *plan = mtv_plan_entry_get_plan (look->entry);

  for (guint i = 0; i < look->targets->len; i++)
    if (!mtv_job_check_rivals (&self->context, plan->source,
                               ((MtvTarget *) g_ptr_array_index (look->targets, i))->vm->id,
                               plan->schedule.warm, error))
      return FALSE;
  return TRUE;
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvEngine *self = MTV_ENGINE (source);
  g_autoptr (GTask) task = user_data;
  Look *look = mtv_work_get_data (result);
  const MtvPlan *plan = mtv_plan_entry_get_plan (look->entry);
  GError *error = NULL;

  mtv_plan_ignore_concerns (plan, look->concerns);
  if (look->vms->len == 0)
    g_set_error (&error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                 "Every virtual machine of plan '%s' has arrived already", plan->name);
  else if (mtv_concerns_has (look->concerns, MTV_CONCERN_CRITICAL))
    set_blocked (&error, plan, look->concerns);
  else if (!mtv_schedule_check (&plan->schedule,
                                plan->schedule.warm ? mtv_clock_now (self->context.clock) : 0,
                                &error)
           || !check_rivals (self, look, &error))
    ;
  else if (self->context.stopping)
    g_set_error_literal (&error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The daemon is stopping");

  if (error != NULL)
    g_task_return_error (task, error);
  else
    start_migration (self, look, g_steal_pointer (&task));
}

void
mtv_engine_start_plan_async (MtvEngine *self, MtvPlanEntry *entry, guint32 uid,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  const MtvPlan *plan = mtv_plan_entry_get_plan (entry);
  const char *state = mtv_plan_entry_get_state (entry);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_start_plan_async);
  if (g_str_equal (state, "executing") || g_str_equal (state, "archived"))
    g_set_error (&error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The plan '%s' is %s", plan->name,
                 state);
  if (error != NULL || !mtv_engine_reserve (self, task, "plan", plan->name, &error))
    g_task_return_error (task, error);
  else
    look_async (self, entry, uid, g_steal_pointer (&task), looked_cb);
}

MtvMigration *
mtv_engine_start_plan_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
