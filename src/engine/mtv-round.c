/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-round.h"

#include "base/mtv-error.h"
#include "engine/mtv-job-idle.h"
#include "store/mtv-store-ledger.h"
#include "store/mtv-store-objects.h"

/* Rounds in a row that may come to nothing. */
#define MAX_FAILURES 3

/* The round under way: the last, until its snapshot is gone. (nullable) */
static MtvRoundRecord *
get_current (MtvJob *self)
{
  GPtrArray *rounds = self->record->rounds;
  MtvRoundRecord *last = rounds->len == 0 ? NULL : g_ptr_array_index (rounds, rounds->len - 1);

  return last == NULL || last->removed_time != 0 ? NULL : last;
}

static MtvRoundRecord *
begin_round (MtvJob *self)
{
  MtvJobRecord *record = self->record;
  MtvRoundRecord *round = get_current (self);

  if (round != NULL) /* an earlier process began it */
    return round;
  round = mtv_fields_new (&mtv_round_record_fields);
  round->number = record->rounds->len + 1;
  round->key = g_strdup_printf ("mtv-%s-%u-%u", record->run_id, record->number, round->number);
  round->start_time = mtv_clock_now (self->context->clock);
  round->final = self->state == MTV_JOB_FINAL_SNAPSHOTTING;
  g_ptr_array_add (record->rounds, round);
  return round;
}

/* As the source takes it. (transfer full) */
static MtvPoint *
get_point (const MtvRoundRecord *round)
{
  MtvPoint *point = mtv_point_new (round->key);
  GVariantIter iter;
  const char *id;

  point->remote_id = g_strdup (round->remote_id);
  if (round->change_ids == NULL)
    return point;
  g_variant_iter_init (&iter, round->change_ids);
  while (g_variant_iter_next (&iter, "&s", &id))
    g_ptr_array_add (point->change_ids, *id == '\0' ? NULL : g_strdup (id));
  return point;
}

static void
note_point (MtvRoundRecord *round, const MtvPoint *point)
{
  GVariantBuilder ids = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("as"));

  for (guint i = 0; i < point->change_ids->len; i++)
    {
      const char *id = g_ptr_array_index (point->change_ids, i);

      g_variant_builder_add (&ids, "s", id == NULL ? "" : id);
    }
  g_clear_pointer (&round->change_ids, g_variant_unref);
  round->change_ids = g_variant_ref_sink (g_variant_builder_end (&ids));
  g_free (round->remote_id);
  round->remote_id = g_strdup (point->remote_id);
}

static MtvPoint *
get_since (MtvJob *self)
{
  MtvRoundRecord *base = mtv_job_get_base (self);

  return base == NULL ? NULL : get_point (base);
}

/* Snapshotting: the intent, then the point, then what it is called: each committed before what
 * comes next. */

static gboolean
create_point (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvJobWork *work = data;

  work->point = mtv_source_create_point (work->source, work->target->vm, work->key, work->since,
                                         cancellable, error);
  return work->point != NULL;
}

static void
point_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  MtvRoundRecord *round = get_current (self);
  MtvJobWork *work = mtv_work_get_data (result);
  GError *error = NULL;

  (void) user_data;
  if (!mtv_work_finish (result, &error))
    {
      mtv_job_done (self, NULL, error);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  round->snapshot_time = mtv_clock_now (self->context->clock);
  note_point (round, work->point);
  if (round->remote_id != NULL)
    {
      mtv_store_ledger_note_id (batch, self->record->run_id, self->record->number,
                                MTV_SOURCE_SNAPSHOT, round->key, round->remote_id);
      mtv_store_ledger_note_id (batch, self->record->run_id, self->record->number, MTV_SOURCE_MARK,
                                round->key, round->remote_id);
    }
  mtv_job_done (self, batch, NULL);
}

static void
intended (MtvJob *self)
{
  MtvJobWork *work = self->cancelling ? NULL : mtv_job_work_new (self);

  if (self->cancelling)
    mtv_job_done (self, NULL, NULL);
  if (work == NULL)
    return;
  work->key = g_strdup (get_current (self)->key);
  work->since = get_since (self);
  self->busy = TRUE;
  mtv_job_work_run (self, "mtv-snapshot", create_point, work, point_cb);
}

void
mtv_round_snapshot (MtvJob *self)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();
  MtvRoundRecord *round = begin_round (self);

  mtv_store_ledger_intend (batch, self->record->run_id, self->record->number, self->record->source,
                           MTV_SOURCE_MARK, round->key);
  mtv_store_ledger_intend (batch, self->record->run_id, self->record->number, self->record->source,
                           MTV_SOURCE_SNAPSHOT, round->key);
  self->leftovers += 2;
  self->busy = FALSE;
  mtv_job_commit (self, batch, intended);
}

/* Copying. */

void
mtv_round_note_progress (MtvJob *self)
{
  MtvRoundRecord *round = get_current (self);
  guint64 done, total, changed;

  if (round == NULL || self->state == MTV_JOB_VERIFYING)
    return;
  mtv_disk_set_get_progress (self->disks, -1, &done, &total);
  if (mtv_disk_set_get_changed (self->disks, &changed)) /* zeroes included */
    total = changed;
  round->compared |= mtv_disk_set_is_comparing (self->disks);
  round->bytes_changed = MAX (round->bytes_changed, total);
  round->bytes_done = MAX (round->bytes_done, MIN (done, round->bytes_changed));
}

/* All is flushed, and the store knows what of it: only now the round is one. */
static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (MtvJob) self = user_data;
  MtvRoundRecord *round = get_current (self);
  GError *error = NULL;

  (void) source;
  if (mtv_job_finish_disks (self, result, &error))
    {
      round->copied_time = mtv_clock_now (self->context->clock);
      round->bytes_done = round->bytes_changed;
    }
  mtv_job_done (self, NULL, error);
}

void
mtv_round_copy (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);
  MtvRoundRecord *round = get_current (self);

  if (work == NULL)
    return;
  mtv_job_start_disks (self, work);
  mtv_disk_set_set_round (self->disks, round->number, get_point (round), get_since (self),
                          self->read_back);
  mtv_disk_set_copy_async (self->disks, self->fresh, !g_str_equal (self->record->verify, "off"),
                           self->cancellable, copied_cb, g_object_ref (self));
  self->fresh = FALSE;
}

/* Removing: nothing stays at the source but the mark of the last round that counts; of the final
 * one nothing at all. */

typedef struct
{
  MtvSource *source; /* (owned) */
  MtvStore *store;   /* (owned) */
  char *run_id;      /* (owned) */
  guint number;
  char *vm_id; /* (owned) */
  char *keep;  /* (owned) (nullable) the mark that stays */
  gboolean all;
  guint left; /* entries of the ledger that are there afterwards */
} Removal;

static void
removal_free (gpointer data)
{
  Removal *removal = data;

  g_object_unref (removal->source);
  g_object_unref (removal->store);
  g_free (removal->run_id);
  g_free (removal->vm_id);
  g_free (removal->keep);
  g_free (removal);
}

static gboolean
is_to_go (const Removal *removal, const MtvLedgerEntry *entry, const char *kind)
{
  if (!g_str_equal (entry->kind, kind))
    return FALSE;
  return removal->all || g_str_equal (kind, MTV_SOURCE_SNAPSHOT)
         || (g_str_equal (kind, MTV_SOURCE_MARK) && g_strcmp0 (entry->key, removal->keep) != 0);
}

static gboolean
remove_kind (Removal *removal, GPtrArray *entries, const char *kind, GCancellable *cancellable,
             GError **error)
{
  for (guint i = 0; i < entries->len; i++)
    {
      const MtvLedgerEntry *entry = g_ptr_array_index (entries, i);
      gboolean nothing = g_str_equal (kind, MTV_SOURCE_TRACKING) && entry->remote_id == NULL;

      if (!is_to_go (removal, entry, kind))
        continue;
      if (!nothing
          && !mtv_source_remove (removal->source, removal->vm_id, kind, entry->key,
                                 entry->remote_id, cancellable, error))
        return FALSE;

      MtvStoreBatch *batch = mtv_store_batch_new ();
      mtv_store_ledger_strike (batch, removal->run_id, removal->number, kind, entry->key);
      if (!mtv_store_commit (removal->store, batch, error))
        return FALSE;
      removal->left--;
    }
  return TRUE;
}

/* Snapshots cost the running VM: they go first. */
static gboolean
remove_all (gpointer data, GCancellable *cancellable, GError **error)
{
  Removal *removal = data;
  g_autoptr (GPtrArray) entries
      = mtv_store_ledger_load (removal->store, removal->run_id, removal->number, error);

  if (entries == NULL)
    return FALSE;
  removal->left = entries->len;
  return remove_kind (removal, entries, MTV_SOURCE_SNAPSHOT, cancellable, error)
         && remove_kind (removal, entries, MTV_SOURCE_MARK, cancellable, error)
         && remove_kind (removal, entries, MTV_SOURCE_TRACKING, cancellable, error);
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  MtvRoundRecord *round = get_current (self);
  Removal *removal = mtv_work_get_data (result);
  GError *error = NULL;

  (void) user_data;
  if (mtv_work_finish (result, &error))
    {
      self->leftovers = removal->left;
      if (round != NULL)
        round->removed_time = mtv_clock_now (self->context->clock);
      if (self->state == MTV_JOB_REMOVING_SNAPSHOT)
        mtv_job_plan_round (self);
    }
  mtv_job_done (self, NULL, error);
}

void
mtv_round_remove (MtvJob *self)
{
  GError *error = NULL;
  MtvProvider *source = mtv_job_get_provider (self, self->record->source, &error);
  MtvRoundRecord *base = mtv_job_get_base (self);

  if (source == NULL)
    {
      mtv_job_done (self, NULL, error);
      return;
    }

  Removal *removal = g_new0 (Removal, 1);
  removal->source = g_object_ref (MTV_SOURCE (source));
  removal->store = g_object_ref (self->context->store);
  removal->run_id = g_strdup (self->record->run_id);
  removal->number = self->record->number;
  removal->vm_id = g_strdup (self->record->vm_id);
  removal->keep = base == NULL ? NULL : g_strdup (base->key);
  removal->all = self->state == MTV_JOB_FINAL_REMOVING;
  mtv_work_async ("mtv-remove", remove_all, removal, removal_free, self, self->cancellable,
                  removed_cb, NULL);
}

/* Failure. */

gboolean
mtv_round_can_give_up (MtvJob *self, const GError *error)
{
  static const int fatal[]
      = { MTV_ERROR_SOURCE_CHANGED, MTV_ERROR_CHECKSUM_MISMATCH, MTV_ERROR_UNSUPPORTED };
  GPtrArray *rounds = self->record->rounds;
  guint failures = 0;

  for (guint i = 0; i < G_N_ELEMENTS (fatal); i++)
    if (g_error_matches (error, MTV_ERROR, fatal[i]))
      return FALSE;
  while (failures < rounds->len
         && ((MtvRoundRecord *) g_ptr_array_index (rounds, rounds->len - 1 - failures))->copied_time
                == 0)
    failures++;
  /* One point is left for the cutover, and without a whole copy one more. */
  return failures < MAX_FAILURES
         && rounds->len + (mtv_job_get_base (self) == NULL) < self->context->settings.max_snapshots;
}
