/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-work.h"
#include "engine/mtv-job-private.h"
#include "engine/mtv-migration-private.h"
#include "store/mtv-store-objects.h"

/* How often the sum over the jobs is told at most. */
#define CHANGED_MSEC 500

struct _MtvMigration
{
  GObject parent;

  MtvEngineContext *context;  /* (unowned) */
  MtvMigrationRecord *record; /* (owned) */
  GPtrArray *jobs;            /* (owned) (element-type MtvJob) */
  guint pending;              /* source id: "changed" is due */
  gboolean ended;             /* as told last */
};

G_DEFINE_FINAL_TYPE (MtvMigration, mtv_migration, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  SIGNAL_COMPLETED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
mtv_migration_dispose (GObject *object)
{
  MtvMigration *self = MTV_MIGRATION (object);

  g_clear_handle_id (&self->pending, g_source_remove);
  for (guint i = 0; self->jobs != NULL && i < self->jobs->len; i++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (self->jobs, i), self);
  g_clear_pointer (&self->jobs, g_ptr_array_unref);

  G_OBJECT_CLASS (mtv_migration_parent_class)->dispose (object);
}

static void
mtv_migration_finalize (GObject *object)
{
  g_clear_pointer (&MTV_MIGRATION (object)->record, mtv_migration_record_free);

  G_OBJECT_CLASS (mtv_migration_parent_class)->finalize (object);
}

static void
mtv_migration_class_init (MtvMigrationClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_migration_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_migration_finalize;

  signals[SIGNAL_CHANGED] = g_signal_new ("changed", MTV_TYPE_MIGRATION, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_COMPLETED] = g_signal_new ("completed", MTV_TYPE_MIGRATION, G_SIGNAL_RUN_LAST, 0,
                                            NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mtv_migration_init (MtvMigration *self)
{
  self->jobs = g_ptr_array_new_with_free_func (g_object_unref);
}

static gboolean
tell_change (gpointer user_data)
{
  MtvMigration *self = user_data;

  self->pending = 0;
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
  return G_SOURCE_REMOVE;
}

static gboolean
has_ended (MtvMigration *self)
{
  for (guint i = 0; i < self->jobs->len; i++)
    if (!mtv_job_has_ended (g_ptr_array_index (self->jobs, i)))
      return FALSE;
  return TRUE;
}

static void
end_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  (void) user_data;
  if (!mtv_store_commit_finish (MTV_STORE (source), result, &error))
    g_warning ("Cannot save the end of a migration, ignoring: %s", error->message);
}

static void
save (MtvMigration *self)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_put_migration (batch, self->record);
  mtv_store_commit_async (self->context->store, batch, end_committed, NULL);
}

static void
job_completed (MtvMigration *self)
{
  if (self->ended || !has_ended (self))
    return;

  self->ended = TRUE;
  self->record->end_time = mtv_clock_now (self->context->clock);
  save (self);
  g_clear_handle_id (&self->pending, g_source_remove);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
  g_signal_emit (self, signals[SIGNAL_COMPLETED], 0);
}

static void
job_changed (MtvMigration *self)
{
  if (self->ended && !has_ended (self)) /* one is tried again */
    {
      self->ended = FALSE;
      self->record->end_time = 0;
      save (self);
      g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
    }
  else if (self->pending == 0)
    self->pending = g_timeout_add (CHANGED_MSEC, tell_change, self);
}

void
mtv_migration_settle (MtvMigration *self)
{
  if (has_ended (self) != self->ended)
    self->ended ? job_changed (self) : job_completed (self);
}

MtvMigration *
mtv_migration_new (MtvEngineContext *context, MtvMigrationRecord *record)
{
  MtvMigration *self = g_object_new (MTV_TYPE_MIGRATION, NULL);

  self->context = context;
  self->record = record;
  self->ended = record->end_time != 0;
  return self;
}

void
mtv_migration_add_job (MtvMigration *self, MtvJob *job)
{
  g_ptr_array_add (self->jobs, job);
  g_signal_connect_object (job, "changed", G_CALLBACK (job_changed), self, G_CONNECT_SWAPPED);
  /* After everybody else: the end of the last job is told before the end of the run. */
  g_signal_connect_object (job, "completed", G_CALLBACK (job_completed), self,
                           G_CONNECT_SWAPPED | G_CONNECT_AFTER);
}

const MtvMigrationRecord *
mtv_migration_get_record (MtvMigration *self)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), NULL);

  return self->record;
}

GPtrArray *
mtv_migration_get_jobs (MtvMigration *self)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), NULL);

  return self->jobs;
}

static guint
count (MtvMigration *self, const char *state)
{
  guint n = 0;

  for (guint i = 0; i < self->jobs->len; i++)
    n += g_str_equal (mtv_job_get_state (g_ptr_array_index (self->jobs, i)), state);
  return n;
}

const char *
mtv_migration_get_state (MtvMigration *self)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), NULL);

  if (!has_ended (self))
    return "running";
  if (count (self, "failed") > 0)
    return "failed";
  return count (self, "succeeded") > 0 ? "succeeded" : "cancelled";
}

GVariant *
mtv_migration_get_counts (MtvMigration *self)
{
  static const char *const states[]
      = { "queued", "running", "suspended", "cleaning-up", "succeeded", "failed", "cancelled" };

  g_return_val_if_fail (MTV_IS_MIGRATION (self), NULL);

  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{su}"));

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (count (self, states[i]) > 0)
      g_variant_builder_add (&builder, "{su}", states[i], count (self, states[i]));
  return g_variant_builder_end (&builder);
}

static guint64
sum (MtvMigration *self, guint64 (*get) (MtvJob *job))
{
  guint64 n = 0;

  for (guint i = 0; i < self->jobs->len; i++)
    n += get (g_ptr_array_index (self->jobs, i));
  return n;
}

guint64
mtv_migration_get_bytes_done (MtvMigration *self)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), 0);

  return sum (self, mtv_job_get_bytes_done);
}

guint64
mtv_migration_get_bytes_total (MtvMigration *self)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), 0);

  return sum (self, mtv_job_get_bytes_total);
}

guint64
mtv_migration_get_rate (MtvMigration *self)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), 0);

  return sum (self, mtv_job_get_rate);
}

guint64
mtv_migration_get_expected_end (MtvMigration *self)
{
  guint64 end = 0;

  g_return_val_if_fail (MTV_IS_MIGRATION (self), 0);

  for (guint i = 0; i < self->jobs->len; i++)
    {
      MtvJob *job = g_ptr_array_index (self->jobs, i);
      guint64 one = mtv_job_get_expected_end (job);

      if (one == 0 && !mtv_job_has_ended (job))
        return 0;
      end = MAX (end, one);
    }
  return end;
}

gboolean
mtv_migration_cancel (MtvMigration *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), FALSE);

  gboolean any = FALSE;

  for (guint i = 0; i < self->jobs->len; i++)
    any |= mtv_job_cancel (g_ptr_array_index (self->jobs, i), uid, NULL);
  if (!any)
    g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                 "Every virtual machine of this migration of plan '%s' has ended or is being "
                 "cancelled",
                 self->record->plan_name);
  return any;
}

gboolean
mtv_migration_retry (MtvMigration *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), FALSE);

  gboolean any = FALSE;

  if (self->jobs->len > 0 && !mtv_job_check_retry (g_ptr_array_index (self->jobs, 0), error))
    return FALSE;
  for (guint i = 0; i < self->jobs->len; i++)
    any |= mtv_job_retry (g_ptr_array_index (self->jobs, i), uid, NULL);
  if (!any)
    g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                 "No virtual machine of this migration of plan '%s' has failed or was cancelled",
                 self->record->plan_name);
  return any;
}

/* The timeline is read from the store: nobody needs it in memory. */

typedef struct
{
  MtvStore *store; /* (owned) */
  char *run_id;    /* (owned) */
  guint number, offset, limit;
  GVariant *events; /* (owned) (nullable) */
} Timeline;

static void
timeline_free (gpointer data)
{
  Timeline *timeline = data;

  g_object_unref (timeline->store);
  g_clear_pointer (&timeline->events, g_variant_unref);
  g_free (timeline->run_id);
  g_free (timeline);
}

static gboolean
load_timeline (gpointer data, GCancellable *cancellable, GError **error)
{
  Timeline *timeline = data;

  (void) cancellable;
  timeline->events = mtv_store_load_events (timeline->store, timeline->run_id, timeline->number,
                                            timeline->offset, timeline->limit, error);
  return timeline->events != NULL;
}

void
mtv_migration_load_timeline_async (MtvMigration *self, guint number, guint offset, guint limit,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_MIGRATION (self));

  Timeline *timeline = g_new0 (Timeline, 1);

  timeline->store = g_object_ref (self->context->store);
  timeline->run_id = g_strdup (self->record->id);
  timeline->number = number;
  timeline->offset = offset;
  timeline->limit = limit;
  mtv_work_async ("mtv-timeline", load_timeline, timeline, timeline_free, self, NULL, callback,
                  user_data);
}

GVariant *
mtv_migration_load_timeline_finish (MtvMigration *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), NULL);

  Timeline *timeline = mtv_work_get_data (result);

  return mtv_work_finish (result, error) ? g_steal_pointer (&timeline->events) : NULL;
}
