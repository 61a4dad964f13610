/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-transfer.h"

#include "base/mtv-error.h"
#include "base/mtv-log.h"
#include "base/mtv-rate.h"
#include "base/mtv-work.h"
#include "engine/mtv-copy-run.h"
#include "engine/mtv-transfer-checks.h"
#include "transfer/mtv-copier.h"
#include "transfer/mtv-verifier.h"

#define TICK_MSEC 500

typedef enum
{
  STATE_OPENING,
  STATE_COPYING,
  STATE_VERIFYING,
  STATE_SUCCEEDED, /* this and those after it are final */
  STATE_FAILED,
  STATE_CANCELLED,
} State;

static const char *const state_names[]
    = { "opening", "copying", "verifying", "succeeded", "failed", "cancelled" };

struct _MtvTransfer
{
  GObject parent;

  MtvEngineContext *context; /* (unowned) */
  char *id;                  /* (owned) */
  char *source;              /* (owned) as it may be shown */
  char *destination;         /* (owned) as it may be shown */
  State state;
  GError *error; /* (owned) (nullable) */
  guint64 start_time, end_time;
  gboolean busy; /* threads work for it */

  MtvCopyRun *run;           /* (owned) (nullable) of a copy, until it has ended */
  MtvVerifyRequest *request; /* (owned) (nullable) of a comparison, until it has ended */
  GCancellable *cancellable; /* (owned) */
  char *claim;               /* (owned) (nullable) what nobody else may write to meanwhile */
  MtvCopier *copier;         /* (owned) (nullable) */
  GPtrArray *checks;         /* (owned) (nullable) (element-type MtvTransferCheck) */
  guint check;               /* the one under way */
  MtvVerifier *verifier;     /* (owned) (nullable) its */
  guint64 checked;           /* bytes of those before it */

  guint ticker;
  MtvRate rate;
  guint64 done, total, written, verified;
  guint64 read_back, to_read_back; /* by the checks alone */

  /* For people. */
  const char *format; /* static (nullable) */
  guint64 size, resumed;
  MtvHash hash;
};

G_DEFINE_FINAL_TYPE (MtvTransfer, mtv_transfer, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  SIGNAL_COMPLETED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void check_next (MtvTransfer *self);

static void
close_ends (MtvTransfer *self)
{
  g_clear_object (&self->copier);
  g_clear_object (&self->verifier);
  g_clear_pointer (&self->checks, g_ptr_array_unref);
  g_clear_pointer (&self->run, mtv_copy_run_free);
  g_clear_pointer (&self->request, mtv_verify_request_free);
  if (self->claim != NULL)
    g_hash_table_remove (self->context->reserved, self->claim);
  g_clear_pointer (&self->claim, g_free);
}

static void
mtv_transfer_finalize (GObject *object)
{
  MtvTransfer *self = MTV_TRANSFER (object);

  g_assert (!self->busy);
  close_ends (self);
  g_clear_handle_id (&self->ticker, g_source_remove);
  g_clear_object (&self->cancellable);
  g_clear_error (&self->error);
  g_free (self->id);
  g_free (self->source);
  g_free (self->destination);

  G_OBJECT_CLASS (mtv_transfer_parent_class)->finalize (object);
}

static void
mtv_transfer_class_init (MtvTransferClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_transfer_finalize;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", MTV_TYPE_TRANSFER, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_COMPLETED] = g_signal_new ("completed", MTV_TYPE_TRANSFER, G_SIGNAL_RUN_LAST, 0,
                                            NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mtv_transfer_init (MtvTransfer *self)
{
  self->cancellable = g_cancellable_new ();
}

static void
tell (MtvTransfer *self)
{
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

/* ---- Progress ---- */

static void
measure (MtvTransfer *self)
{
  guint64 verified = 0;

  if (self->copier != NULL)
    {
      self->total = MAX (self->total, mtv_copier_get_bytes_total (self->copier));
      self->done = MAX (self->done, mtv_copier_get_bytes_done (self->copier));
      self->written = mtv_copier_get_bytes_written (self->copier);
      verified = mtv_copier_get_bytes_verified (self->copier);
    }
  self->read_back = self->checked;
  if (self->verifier != NULL)
    self->read_back += mtv_verifier_get_bytes_done (self->verifier);
  self->verified = MAX (self->verified, verified + self->read_back);
  if (self->request != NULL)
    {
      self->done = self->verified;
      self->total = MAX (self->to_read_back, self->done);
    }
  mtv_rate_add (&self->rate, mtv_clock_now (self->context->clock),
                self->state == STATE_COPYING ? self->done : self->read_back);
}

static gboolean
tick (gpointer user_data)
{
  measure (user_data);
  tell (user_data);
  return G_SOURCE_CONTINUE;
}

static void
enter (MtvTransfer *self, State state)
{
  self->state = state;
  mtv_rate_reset (&self->rate);
  if (self->ticker == 0)
    self->ticker = g_timeout_add (TICK_MSEC, tick, self);
  tell (self);
}

/* ---- The end ---- */

static void
log_end (MtvTransfer *self)
{
  if (self->error != NULL)
    mtv_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "%s of '%s' %s: %s",
             *self->source ? "The copy" : "The comparison", self->destination,
             state_names[self->state], self->error->message);
  else
    mtv_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "%s of '%s' succeeded",
             *self->source ? "The copy" : "The comparison", self->destination);
}

/* While the daemon stops, the copy only pauses: whoever asked for it asks the next process. */
static void
end (MtvTransfer *self, GError *error)
{
  g_autoptr (MtvTransfer) keep G_GNUC_UNUSED = g_object_ref (self);

  measure (self);
  g_clear_handle_id (&self->ticker, g_source_remove);
  self->busy = FALSE;
  close_ends (self);
  if (!self->context->stopping)
    {
      self->error = error;
      self->end_time = mtv_clock_now (self->context->clock);
      if (error == NULL)
        self->state = STATE_SUCCEEDED;
      else
        self->state = g_error_matches (error, MTV_ERROR, MTV_ERROR_CANCELLED) ? STATE_CANCELLED
                                                                              : STATE_FAILED;
      log_end (self);
    }
  else
    g_clear_error (&error);
  tell (self);
  if (!self->context->stopping)
    g_signal_emit (self, signals[SIGNAL_COMPLETED], 0);
}

static gboolean
conclude (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvTransfer *self = data;

  (void) cancellable;
  return mtv_copy_run_conclude (self->run, mtv_clock_now (self->context->clock), error);
}

static void
concluded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  (void) source;
  mtv_work_finish (result, &error);
  end (user_data, error);
}

/* What was kept of the copy led to this: the next one shall not. */
static gboolean
forget (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvTransfer *self = data;

  (void) cancellable;
  return mtv_copy_run_forget (self->run, mtv_clock_now (self->context->clock), error);
}

static void
forgotten_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvTransfer *self = MTV_TRANSFER (source);
  g_autoptr (GError) failed = NULL;

  if (!mtv_work_finish (result, &failed))
    g_warning ("What is known of '%s' cannot be forgotten, ignoring: %s", self->destination,
               failed->message);
  end (self, user_data);
}

/* @error: (transfer full) */
static void
fail (MtvTransfer *self, GError *error)
{
  mtv_error_normalize (error);
  if (g_error_matches (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH) && self->run != NULL
      && self->run->key != NULL)
    mtv_work_async ("mtv-forget", forget, self, NULL, self, NULL, forgotten_cb, error);
  else
    end (self, error);
}

static void
succeed (MtvTransfer *self)
{
  if (self->run != NULL)
    mtv_work_async ("mtv-conclude", conclude, self, NULL, self, NULL, concluded_cb, self);
  else
    end (self, NULL);
}

/* ---- Reading back ---- */

static void
verified_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvTransfer *self = user_data;
  MtvTransferCheck *check = g_ptr_array_index (self->checks, self->check);
  GError *error = NULL;

  if (!mtv_verifier_verify_finish (MTV_VERIFIER (source), result, &error))
    {
      g_prefix_error (&error, "'%s': ", check->file);
      fail (self, error);
      return;
    }
  self->checked += mtv_verifier_get_bytes_done (self->verifier);
  g_clear_object (&self->verifier);
  g_clear_object (&check->reader);
  self->check++;
  check_next (self);
}

static gboolean
open_check (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvTransfer *self = data;

  return mtv_transfer_check_open (g_ptr_array_index (self->checks, self->check), self->request,
                                  cancellable, error);
}

static gboolean
is_full (MtvTransfer *self)
{
  return self->request != NULL ? self->request->full
                               : self->run->request->verify == MTV_TRANSFER_VERIFY_FULL;
}

static void
check_opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvTransfer *self = user_data;
  MtvTransferCheck *check = g_ptr_array_index (self->checks, self->check);
  GError *error = NULL;

  (void) source;
  if (!mtv_work_finish (result, &error))
    {
      fail (self, error);
      return;
    }
  self->verifier = mtv_verifier_new (check->reader, check->map, is_full (self));
  mtv_verifier_set_budget (self->verifier, self->context->budget);
  mtv_verifier_verify_async (self->verifier, self->cancellable, verified_cb, self);
}

/* One disk after the other, opened when its turn comes. */
static void
check_next (MtvTransfer *self)
{
  if (self->check == self->checks->len)
    succeed (self);
  else
    mtv_work_async ("mtv-open", open_check, self, NULL, self, self->cancellable, check_opened_cb,
                    self);
}

static void
start_checks (MtvTransfer *self)
{
  for (guint i = 0; i < self->checks->len; i++)
    {
      MtvTransferCheck *check = g_ptr_array_index (self->checks, i);

      self->to_read_back += is_full (self) ? mtv_block_map_get_disk_size (check->map)
                                           : mtv_block_map_get_data_bytes (check->map);
    }
  enter (self, STATE_VERIFYING);
  check_next (self);
}

/* ---- Copying ---- */

/* A comparison reads all of the source, whatever an earlier one had done. */
static gboolean
can_resume (MtvTransfer *self)
{
  return self->run->key != NULL && !self->run->request->compare;
}

/* Is there anything left that the copy did not read back itself? */
static gboolean
needs_check (MtvTransfer *self)
{
  MtvBlockMap *map = self->run->map;
  guint n = mtv_block_map_get_n_blocks (map);

  if (self->run->request->verify == MTV_TRANSFER_VERIFY_OFF || mtv_block_map_get_n_done (map) < n)
    return FALSE; /* of blocks outside of a bitmap nothing is known */
  if (self->run->request->verify == MTV_TRANSFER_VERIFY_FULL)
    return TRUE;
  /* What an earlier run had written. */
  for (guint i = 0; can_resume (self) && i < n; i++)
    if (!mtv_block_map_is_read_back (map, i)
        && (!self->run->is_zero || mtv_block_map_get (map, i, NULL) == MTV_BLOCK_DATA))
      return TRUE;
  return FALSE;
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvTransfer *self = user_data;
  MtvTransferEnds *ends = self->run->request->ends;
  GError *error = NULL;

  if (!mtv_copier_copy_finish (MTV_COPIER (source), result, &error))
    {
      fail (self, error);
      return;
    }
  measure (self);
  if (!needs_check (self))
    {
      succeed (self);
      return;
    }
  self->checks = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_transfer_check_free);
  g_ptr_array_add (self->checks, mtv_transfer_check_new (self->destination, "raw", ends->written,
                                                         self->run->map));
  start_checks (self);
}

static void
start_copying (MtvTransfer *self)
{
  const MtvCopyRequest *request = self->run->request;
  const MtvTransferEnds *ends = request->ends;

  self->size = mtv_reader_get_size (ends->reader);
  self->format = ends->format;
  self->hash = mtv_block_map_get_hash (self->run->map);
  self->resumed = self->run->resumed;
  self->copier = mtv_copier_new (ends->reader, ends->writer, self->run->map, self->run->is_zero);
  g_autoptr (MtvThrottle) throttle
      = mtv_throttles_make (self->context->throttles, request->throttle, NULL, NULL, NULL);
  mtv_copier_set_throttle (self->copier, throttle);
  mtv_copier_set_budget (self->copier, self->context->budget);
  /* A full check reads all of it afterwards, unless it is not all known. */
  if (request->verify == MTV_TRANSFER_VERIFY_WRITTEN
      || (request->verify == MTV_TRANSFER_VERIFY_FULL && ends->bitmap != NULL))
    mtv_copier_set_read_back (self->copier, ends->written);
  if (request->compare)
    mtv_copier_set_compare (self->copier);
  if (ends->changes != NULL)
    mtv_copier_set_changes (self->copier, ends->changes);
  if (can_resume (self))
    mtv_copier_set_checkpoint (self->copier, MTV_COPIER_CHECKPOINT_BYTES, mtv_copy_run_save,
                               self->run, NULL);
  enter (self, STATE_COPYING);
  mtv_copier_copy_async (self->copier, self->cancellable, copied_cb, self);
}

/* ---- Opening ---- */

static gboolean
prepare (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvTransfer *self = data;

  return mtv_copy_run_prepare (self->run, self->start_time, cancellable, error);
}

static void
prepared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  (void) source;
  if (mtv_work_finish (result, &error))
    start_copying (user_data);
  else
    fail (user_data, error);
}

static gboolean
find (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvTransfer *self = data;

  return mtv_copy_run_find (self->run, cancellable, error);
}

static void
found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvTransfer *self = user_data;
  GError *error = NULL;

  (void) source;
  if (mtv_work_finish (result, &error))
    {
      g_autofree char *claim
          = g_strconcat ("copy to ", self->run->request->ends->destination_key, NULL);

      if (g_hash_table_add (self->context->reserved, g_strdup (claim)))
        self->claim = g_steal_pointer (&claim);
      else
        g_set_error (&error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "Another copy to '%s' is under way",
                     self->destination);
    }
  if (error != NULL)
    fail (self, error);
  else
    mtv_work_async ("mtv-prepare", prepare, self, NULL, self, self->cancellable, prepared_cb, self);
}

static gboolean
load_checks (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvTransfer *self = data;

  (void) cancellable;
  self->checks = mtv_transfer_checks_load (self->request, error);
  return self->checks != NULL;
}

static void
checks_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvTransfer *self = user_data;
  GError *error = NULL;

  (void) source;
  if (!mtv_work_finish (result, &error))
    {
      fail (self, error);
      return;
    }
  for (guint i = 0; i < self->checks->len; i++)
    {
      MtvTransferCheck *check = g_ptr_array_index (self->checks, i);

      self->size += mtv_block_map_get_disk_size (check->map);
      self->hash = mtv_block_map_get_hash (check->map);
    }
  start_checks (self);
}

static MtvTransfer *
transfer_new (MtvEngineContext *context, char *id)
{
  MtvTransfer *self = g_object_new (MTV_TYPE_TRANSFER, NULL);

  self->context = context;
  self->id = id;
  self->start_time = mtv_clock_now (context->clock);
  self->busy = TRUE;
  return self;
}

MtvTransfer *
mtv_transfer_new_copy (MtvEngineContext *context, char *id, MtvCopyRequest *request)
{
  MtvTransfer *self = transfer_new (context, id);

  self->source = mtv_transfer_ends_describe (request->ends->source);
  self->destination = mtv_transfer_ends_describe (request->ends->destination);
  self->hash = request->hash;
  self->run = mtv_copy_run_new (request, context->store);
  mtv_work_async ("mtv-find", find, self, NULL, self, self->cancellable, found_cb, self);
  return self;
}

MtvTransfer *
mtv_transfer_new_verify (MtvEngineContext *context, char *id, MtvVerifyRequest *request)
{
  MtvTransfer *self = transfer_new (context, id);

  self->source = g_strdup ("");
  self->destination = g_strdup (request->name);
  self->request = request;
  mtv_work_async ("mtv-manifest", load_checks, self, NULL, self, self->cancellable,
                  checks_loaded_cb, self);
  return self;
}

gboolean
mtv_transfer_cancel (MtvTransfer *self, GError **error)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), FALSE);

  if (self->busy)
    {
      g_cancellable_cancel (self->cancellable);
      return TRUE;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "It has ended already: %s",
               state_names[self->state]);
  return FALSE;
}

/* ---- Looking ---- */

const char *
mtv_transfer_get_id (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), NULL);

  return self->id;
}

const char *
mtv_transfer_get_kind (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), NULL);

  return *self->source ? "copy" : "verify";
}

const char *
mtv_transfer_get_source (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), NULL);

  return self->source;
}

const char *
mtv_transfer_get_destination (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), NULL);

  return self->destination;
}

const char *
mtv_transfer_get_state (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), NULL);

  return state_names[self->state];
}

gboolean
mtv_transfer_has_ended (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), TRUE);

  return !self->busy;
}

const GError *
mtv_transfer_get_error (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), NULL);

  return self->error;
}

MtvTransferProgress
mtv_transfer_get_progress (MtvTransfer *self)
{
  MtvTransferProgress progress = { 0 };

  g_return_val_if_fail (MTV_IS_TRANSFER (self), progress);

  guint64 now = mtv_clock_now (self->context->clock);
  guint64 left = self->state == STATE_COPYING
                     ? self->total - MIN (self->done, self->total)
                     : self->to_read_back - MIN (self->read_back, self->to_read_back);

  progress.done = self->done;
  progress.total = self->total;
  progress.written = self->written;
  progress.verified = self->verified;
  progress.start_time = self->start_time;
  progress.end_time = self->end_time;
  if (self->state == STATE_COPYING || self->state == STATE_VERIFYING)
    {
      progress.rate = mtv_rate_get (&self->rate, now);
      progress.expected_end = mtv_rate_get_eta (&self->rate, now, left);
    }
  return progress;
}

GVariant *
mtv_transfer_get_details (MtvTransfer *self)
{
  g_return_val_if_fail (MTV_IS_TRANSFER (self), NULL);

  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (self->size > 0)
    {
      g_variant_dict_insert (&dict, "size", "t", self->size);
      g_variant_dict_insert (&dict, "hash", "s", mtv_hash_to_string (self->hash));
    }
  if (self->format != NULL)
    {
      g_variant_dict_insert (&dict, "source-format", "s", self->format);
      g_variant_dict_insert (&dict, "resumed", "t", self->resumed);
    }
  return g_variant_dict_end (&dict);
}
