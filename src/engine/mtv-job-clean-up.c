/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-work.h"
#include "engine/mtv-job-moves.h"
#include "engine/mtv-power-off.h"
#include "store/mtv-store-ledger.h"
#include "store/mtv-store-progress.h"

/* What is in the ledger is removed where it is, and the source runs again if we shut it down. */

typedef struct
{
  MtvStore *store;       /* (owned) */
  GHashTable *providers; /* (owned) id to MtvProvider, referenced */
  char *run_id;          /* (owned) */
  guint number;
  char *vm_id;           /* (owned) */
  MtvVm *vm;             /* (owned) (nullable) at the source */
  char *destination;     /* (owned) */
  char *target_name;     /* (owned) */
  gboolean may_be_there; /* defining was begun: it may be defined */
  gboolean may_go_down;  /* the guest was asked to shut down, and still can */
  guint left;            /* entries of the ledger that are there afterwards */
} CleanUp;

static void
clean_up_free (gpointer data)
{
  CleanUp *work = data;

  g_object_unref (work->store);
  g_hash_table_unref (work->providers);
  g_clear_pointer (&work->vm, mtv_vm_unref);
  g_free (work->run_id);
  g_free (work->vm_id);
  g_free (work->destination);
  g_free (work->target_name);
  g_free (work);
}

static gboolean
is_at_source (const MtvLedgerEntry *entry)
{
  return g_str_equal (entry->kind, MTV_SOURCE_SNAPSHOT)
         || g_str_equal (entry->kind, MTV_SOURCE_MARK)
         || g_str_equal (entry->kind, MTV_SOURCE_TRACKING);
}

static gboolean
is_power (const MtvLedgerEntry *entry)
{
  return g_str_equal (entry->kind, MTV_POWER_ENTRY);
}

/* Never while it may run at the destination: the two have one identity. */
static gboolean
restore_power (CleanUp *work, MtvSource *source, GCancellable *cancellable, GError **error)
{
  MtvProvider *destination = g_hash_table_lookup (work->providers, work->destination);
  g_autoptr (GError) failed = NULL;
  MtvPower power;

  if (work->vm == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "it is not known any more how to start VM '%s'", work->vm_id);
      return FALSE;
    }
  if (work->may_be_there
      && (destination == NULL
          || mtv_destination_has_vm (MTV_DESTINATION (destination), work->target_name,
                                     cancellable)))
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      g_warning ("'%s' stays shut down at its source: there is a '%s' at the destination",
                 work->vm->name, work->target_name);
      return TRUE;
    }
  if (!mtv_source_get_power (source, work->vm, &power, cancellable, &failed)
      || (power != MTV_POWER_ON && !mtv_source_start (source, work->vm, cancellable, &failed)))
    {
      if (g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND)) /* nothing to start */
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if (power != MTV_POWER_ON || !work->may_go_down)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_IN_USE,
               "'%s' was asked to shut down and may still do so; then it is started again",
               work->vm->name);
  return FALSE;
}

static gboolean
remove_object (CleanUp *work, const MtvLedgerEntry *entry, GCancellable *cancellable,
               GError **error)
{
  MtvProvider *provider = g_hash_table_lookup (work->providers, entry->provider);
  gboolean at_source = is_at_source (entry) || is_power (entry);

  if (provider == NULL || !(at_source ? MTV_IS_SOURCE (provider) : MTV_IS_DESTINATION (provider)))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   "the provider that has our %s '%s' is not usable", entry->kind, entry->key);
      return FALSE;
    }
  if (is_power (entry))
    return restore_power (work, MTV_SOURCE (provider), cancellable, error);
  if (g_str_equal (entry->kind, MTV_SOURCE_TRACKING) && entry->remote_id == NULL)
    return TRUE; /* it was on before */
  if (at_source)
    return mtv_source_remove (MTV_SOURCE (provider), work->vm_id, entry->kind, entry->key,
                              entry->remote_id, cancellable, error);
  return mtv_destination_remove (MTV_DESTINATION (provider), entry->kind, entry->key, cancellable,
                                 error);
}

static gboolean
remove_entry (CleanUp *work, const MtvLedgerEntry *entry, GCancellable *cancellable, GError **error)
{
  MtvStoreBatch *batch;

  if (!remove_object (work, entry, cancellable, error))
    return FALSE;
  batch = mtv_store_batch_new ();
  mtv_store_ledger_strike (batch, work->run_id, work->number, entry->kind, entry->key);
  if (!mtv_store_commit (work->store, batch, error))
    return FALSE;
  work->left--;
  return TRUE;
}

/* First what costs the source, then its power, so that it does not wait for a destination that is
 * away; unless it has to know from there that nothing runs. */
static gint
get_turn (const CleanUp *work, const MtvLedgerEntry *entry)
{
  if (is_at_source (entry))
    return 0;
  if (is_power (entry))
    return work->may_be_there ? 3 : 1;
  return 2;
}

/* What one end refuses does not keep the others from being cleaned; the first failure counts. */
static gboolean
clean_up_work (gpointer data, GCancellable *cancellable, GError **error)
{
  CleanUp *work = data;
  g_autoptr (GPtrArray) entries
      = mtv_store_ledger_load (work->store, work->run_id, work->number, error);
  g_autoptr (GError) first = NULL;

  if (entries == NULL)
    return FALSE;
  work->left = entries->len;
  for (gint turn = 0; turn <= 3; turn++)
    for (guint i = 0; i < entries->len; i++)
      if (get_turn (work, g_ptr_array_index (entries, i)) == turn
          && !g_cancellable_is_cancelled (cancellable))
        remove_entry (work, g_ptr_array_index (entries, i), cancellable,
                      first == NULL ? &first : NULL);
  if (first == NULL)
    return !g_cancellable_set_error_if_cancelled (cancellable, error);
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

static void
cleaned_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  CleanUp *work = mtv_work_get_data (result);
  MtvStoreBatch *batch = NULL;
  GError *error = NULL;

  (void) user_data;
  if (mtv_work_finish (result, &error))
    {
      batch = mtv_store_batch_new ();
      mtv_store_progress_clear (batch, self->record->run_id, self->record->number);
    }
  self->leftovers = work->left;
  mtv_job_done (self, batch, error);
}

void
mtv_job_clean_up (MtvJob *self)
{
  CleanUp *work = g_new0 (CleanUp, 1);
  GHashTableIter iter;
  gpointer id, entry;

  g_clear_object (&self->disks);
  g_clear_pointer (&self->target, mtv_target_free);
  work->store = g_object_ref (self->context->store);
  work->run_id = g_strdup (self->record->run_id);
  work->number = self->record->number;
  work->vm_id = g_strdup (self->record->vm_id);
  work->vm = self->record->vm == NULL ? NULL : mtv_vm_from_variant (self->record->vm, NULL);
  work->destination = g_strdup (self->record->destination);
  work->target_name = g_strdup (self->record->target_name);
  work->may_be_there = mtv_job_get_step (self, "defining")->start_time != 0;
  work->may_go_down = mtv_power_off_get_deadline (self) > mtv_clock_now (self->context->clock);
  work->providers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  g_hash_table_iter_init (&iter, self->context->providers);
  while (g_hash_table_iter_next (&iter, &id, &entry))
    if (mtv_provider_entry_get_provider (entry) != NULL)
      g_hash_table_insert (work->providers, g_strdup (id),
                           g_object_ref (mtv_provider_entry_get_provider (entry)));
  mtv_work_async ("mtv-clean-up", clean_up_work, work, clean_up_free, self, self->cancellable,
                  cleaned_cb, NULL);
}
