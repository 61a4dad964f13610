/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-verifier.h"

#include "base/mtv-error.h"
#include "transfer/mtv-block-crew.h"

#include <string.h>

#define MAX_ZERO_RUN (G_GUINT64_CONSTANT (1) << 30)

struct _MtvVerifier
{
  GObject parent;

  MtvReader *written; /* (owned) */
  MtvBlockMap *map;   /* (owned) */
  gboolean full;
  gboolean started;

  guint64 bytes_total; /* (atomic) */
  guint64 bytes_done;  /* (atomic) */
};

G_DEFINE_FINAL_TYPE (MtvVerifier, mtv_verifier, G_TYPE_OBJECT)

static void
mtv_verifier_finalize (GObject *object)
{
  MtvVerifier *self = MTV_VERIFIER (object);

  g_clear_object (&self->written);
  g_clear_pointer (&self->map, mtv_block_map_unref);

  G_OBJECT_CLASS (mtv_verifier_parent_class)->finalize (object);
}

static void
mtv_verifier_class_init (MtvVerifierClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_verifier_finalize;
}

static void
mtv_verifier_init (MtvVerifier *self)
{
  (void) self;
}

MtvVerifier *
mtv_verifier_new (MtvReader *written, MtvBlockMap *map, gboolean full)
{
  g_return_val_if_fail (MTV_IS_READER (written), NULL);
  g_return_val_if_fail (map != NULL, NULL);

  MtvVerifier *self = g_object_new (MTV_TYPE_VERIFIER, NULL);
  self->written = g_object_ref (written);
  self->map = mtv_block_map_ref (map);
  self->full = full;
  return self;
}

static guint64
block_start (MtvVerifier *self, guint index)
{
  return MIN (index * mtv_block_map_get_block_size (self->map),
              mtv_block_map_get_disk_size (self->map));
}

static gboolean
mismatch (guint64 offset, const char *what, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH,
               "The written disk is not what was copied: the block at byte %" G_GUINT64_FORMAT
               " %s",
               offset, what);
  return FALSE;
}

static gboolean
verify_data (MtvVerifier *self, MtvCrewHand *hand, guint index, const guint8 *expected,
             GError **error)
{
  guint64 start = block_start (self, index);
  guint64 end = block_start (self, index + 1);
  guint8 hash[MTV_HASH_MAX_SIZE];

  mtv_block_hash_reset (hand->hash);
  for (guint64 at = start; at < end;)
    {
      gsize step = MIN (MTV_CREW_PIECE, end - at);

      if (g_cancellable_set_error_if_cancelled (hand->cancellable, error)
          || !mtv_reader_read (self->written, at, hand->buffer, step, hand->cancellable, error))
        return FALSE;
      mtv_block_hash_add_data (hand->hash, hand->buffer, step);
      at += step;
    }
  mtv_block_hash_end (hand->hash, hash);
  return memcmp (hash, expected, mtv_hash_get_size (mtv_block_map_get_hash (self->map))) == 0
         || mismatch (start, "has another hash", error);
}

static gboolean
verify_extent_is_zero (MtvVerifier *self, MtvCrewHand *hand, const MtvExtent *extent,
                       GError **error)
{
  guint64 block_size = mtv_block_map_get_block_size (self->map);

  for (guint64 done = 0; done < extent->length;)
    {
      guint64 at = extent->offset + done;
      gsize step = MIN (MTV_CREW_PIECE - at % MTV_CREW_PIECE, extent->length - done);

      if (g_cancellable_set_error_if_cancelled (hand->cancellable, error)
          || !mtv_reader_read (self->written, at, hand->buffer, step, hand->cancellable, error))
        return FALSE;
      if (!mtv_is_zero (hand->buffer, step))
        return mismatch (at / block_size * block_size, "should be all zeroes", error);
      done += step;
    }
  return TRUE;
}

static gboolean
verify_zeroes (MtvVerifier *self, MtvCrewHand *hand, guint64 start, guint64 end, GError **error)
{
  MtvExtent whole = { start, end - start, FALSE };
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  if (self->full)
    g_array_append_val (extents, whole);
  else if (!mtv_reader_extents (self->written, start, end - start, extents, hand->cancellable,
                                error))
    return FALSE;
  for (guint i = 0; i < extents->len; i++)
    {
      MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      if (!extent->zero && !verify_extent_is_zero (self, hand, extent, error))
        return FALSE;
    }
  return TRUE;
}

static MtvCrewKind
verifier_kind (gpointer data, guint index)
{
  MtvVerifier *self = data;

  return mtv_block_map_get (self->map, index, NULL) == MTV_BLOCK_ZERO && !self->full
             ? MTV_CREW_TOGETHER
             : MTV_CREW_ALONE;
}

/* The bytes of block @index that are certainly read. */
static guint64
bytes_to_read (MtvVerifier *self, guint index)
{
  return verifier_kind (self, index) == MTV_CREW_ALONE
             ? block_start (self, index + 1) - block_start (self, index)
             : 0;
}

static gboolean
verifier_work (gpointer data, MtvCrewHand *hand, guint first, guint n, GError **error)
{
  MtvVerifier *self = data;
  guint8 hash[MTV_HASH_MAX_SIZE];
  gboolean ok = mtv_block_map_get (self->map, first, hash) == MTV_BLOCK_DATA
                    ? verify_data (self, hand, first, hash, error)
                    : verify_zeroes (self, hand, block_start (self, first),
                                     block_start (self, first + n), error);

  if (ok)
    __atomic_add_fetch (&self->bytes_done, bytes_to_read (self, first), __ATOMIC_RELAXED);
  return ok;
}

/* What needs no reading: the size, and that every block is known. */
static gboolean
start (MtvVerifier *self, GError **error)
{
  guint n_blocks = mtv_block_map_get_n_blocks (self->map);
  guint64 promised = mtv_block_map_get_disk_size (self->map);
  guint64 size = mtv_reader_get_size (self->written);
  guint64 total = 0;

  if (size < promised)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH,
                   "The written disk ends at byte %" G_GUINT64_FORMAT
                   ", but should have %" G_GUINT64_FORMAT,
                   size, promised);
      return FALSE;
    }
  for (guint i = 0; i < n_blocks; i++)
    {
      if (mtv_block_map_get (self->map, i, NULL) == MTV_BLOCK_PENDING)
        return mismatch (block_start (self, i), "was never copied", error);
      total += bytes_to_read (self, i);
    }
  __atomic_store_n (&self->bytes_total, total, __ATOMIC_RELAXED);
  return TRUE;
}

static gpointer
verify_thread (gpointer data)
{
  static const MtvCrewFuncs funcs = { verifier_kind, verifier_work, NULL };
  g_autoptr (GTask) task = data;
  MtvVerifier *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (start (self, &error)
      && mtv_block_crew_run (mtv_block_map_get_n_blocks (self->map),
                             mtv_block_crew_default_threads (),
                             MAX (1, MAX_ZERO_RUN / mtv_block_map_get_block_size (self->map)),
                             &funcs, self, g_task_get_cancellable (task), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, mtv_error_normalize (error));
  return NULL;
}

void
mtv_verifier_verify_async (MtvVerifier *self, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_VERIFIER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (!self->started);

  self->started = TRUE;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, mtv_verifier_verify_async);
  g_task_set_check_cancellable (task, FALSE); /* the thread's own answer stands */
  g_thread_unref (g_thread_new ("mtv-verify", verify_thread, g_steal_pointer (&task)));
}

gboolean
mtv_verifier_verify_finish (MtvVerifier *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

guint64
mtv_verifier_get_bytes_total (MtvVerifier *self)
{
  g_return_val_if_fail (MTV_IS_VERIFIER (self), 0);

  return __atomic_load_n (&self->bytes_total, __ATOMIC_RELAXED);
}

guint64
mtv_verifier_get_bytes_done (MtvVerifier *self)
{
  g_return_val_if_fail (MTV_IS_VERIFIER (self), 0);

  return __atomic_load_n (&self->bytes_done, __ATOMIC_RELAXED);
}
