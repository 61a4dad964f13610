/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-disk-set.h"

#include "base/mtv-error.h"
#include "base/mtv-work.h"
#include "engine/mtv-disk-map.h"
#include "store/mtv-store-progress.h"
#include "transfer/mtv-copier.h"
#include "transfer/mtv-verifier.h"

typedef struct
{
  MtvDiskSet *set; /* (unowned) */
  guint index;
  MtvDiskState state;
  guint pending;      /* threads that have not come back */
  MtvReader *reader;  /* (owned) (nullable) */
  MtvWriter *writer;  /* (owned) (nullable) */
  MtvReader *written; /* (owned) (nullable) the same, to be read back */
  GArray *changes;    /* (owned) (nullable) (element-type MtvExtent) of a round */
  gboolean compares;  /* … which nobody could tell */
  gboolean opened;
  MtvCopier *copier;     /* (owned) (nullable) */
  MtvVerifier *verifier; /* (owned) (nullable) */
} Disk;

struct _MtvDiskSet
{
  GObject parent;

  MtvTarget *target;           /* (unowned) */
  MtvSource *source;           /* (owned) (nullable) */
  MtvDestination *destination; /* (owned) */
  MtvStore *store;             /* (owned) */
  MtvBudget *budget;           /* (owned) (nullable) */
  guint round;                 /* 0: all of a cold VM */
  MtvPoint *point;             /* (owned) (nullable) of the round */
  MtvPoint *since;             /* (owned) (nullable) */
  GPtrArray *read_marks;       /* (owned) (nullable) (element-type GBytes) */
  MtvThrottle *throttle;       /* (owned) (nullable) */
  guint parallel;
  Disk *disks; /* (owned) as many as the target has */
  guint n_disks;

  GTask *task;               /* (owned) (nullable) the call under way */
  GCancellable *cancellable; /* (owned) (nullable) stops all threads of it */
  gulong cancelled_id;
  GError *error; /* (owned) (nullable) the first */
  gboolean fresh;
  gboolean read_back;
  gboolean verifying;
  gboolean full;
};

G_DEFINE_FINAL_TYPE (MtvDiskSet, mtv_disk_set, G_TYPE_OBJECT)

static void start_more (MtvDiskSet *self);

static void
disk_clear (Disk *disk)
{
  g_clear_object (&disk->copier);
  g_clear_object (&disk->verifier);
  g_clear_object (&disk->reader);
  g_clear_object (&disk->writer);
  g_clear_object (&disk->written);
  g_clear_pointer (&disk->changes, g_array_unref);
}

static void
mtv_disk_set_finalize (GObject *object)
{
  MtvDiskSet *self = MTV_DISK_SET (object);

  g_assert (self->task == NULL);
  for (guint i = 0; i < self->n_disks; i++)
    disk_clear (&self->disks[i]);
  g_free (self->disks);
  g_clear_error (&self->error);
  g_clear_object (&self->source);
  g_clear_object (&self->destination);
  g_clear_object (&self->store);
  g_clear_pointer (&self->budget, mtv_budget_unref);
  g_clear_pointer (&self->point, mtv_point_free);
  g_clear_pointer (&self->since, mtv_point_free);
  g_clear_pointer (&self->read_marks, g_ptr_array_unref);
  g_clear_pointer (&self->throttle, mtv_throttle_unref);

  G_OBJECT_CLASS (mtv_disk_set_parent_class)->finalize (object);
}

static void
mtv_disk_set_class_init (MtvDiskSetClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_disk_set_finalize;
}

static void
mtv_disk_set_init (MtvDiskSet *self)
{
  (void) self;
}

MtvDiskSet *
mtv_disk_set_new (MtvTarget *target, MtvSource *source, MtvDestination *destination,
                  MtvStore *store, guint parallel)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (destination), NULL);

  MtvDiskSet *self = g_object_new (MTV_TYPE_DISK_SET, NULL);

  self->target = target;
  g_set_object (&self->source, source);
  self->destination = g_object_ref (destination);
  self->store = g_object_ref (store);
  self->parallel = parallel;
  self->n_disks = target->disks->len;
  self->disks = g_new0 (Disk, self->n_disks);
  for (guint i = 0; i < self->n_disks; i++)
    self->disks[i] = (Disk){ .set = self, .index = i };
  return self;
}

void
mtv_disk_set_set_budget (MtvDiskSet *self, MtvBudget *budget)
{
  g_return_if_fail (MTV_IS_DISK_SET (self) && self->budget == NULL);

  self->budget = mtv_budget_ref (budget);
}

void
mtv_disk_set_set_round (MtvDiskSet *self, guint number, MtvPoint *point, MtvPoint *since,
                        GPtrArray *read_back)
{
  g_return_if_fail (MTV_IS_DISK_SET (self) && self->round == 0 && number > 0);

  self->round = number;
  self->point = point;
  self->since = since;
  self->read_marks = read_back == NULL ? NULL : g_ptr_array_ref (read_back);
}

void
mtv_disk_set_set_throttle (MtvDiskSet *self, MtvThrottle *throttle)
{
  g_return_if_fail (MTV_IS_DISK_SET (self));

  g_clear_pointer (&self->throttle, mtv_throttle_unref);
  self->throttle = throttle != NULL ? mtv_throttle_ref (throttle) : NULL;
}

static MtvTargetDisk *
target_disk (Disk *disk)
{
  return g_ptr_array_index (disk->set->target->disks, disk->index);
}

static void
finish_if_idle (MtvDiskSet *self)
{
  for (guint i = 0; i < self->n_disks; i++)
    if (self->disks[i].state != MTV_DISK_DONE
        && (self->error == NULL || self->disks[i].pending > 0))
      return;

  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  g_cancellable_disconnect (g_task_get_cancellable (task), self->cancelled_id);
  g_clear_object (&self->cancellable);
  for (guint i = 0; i < self->n_disks; i++)
    {
      g_clear_object (&self->disks[i].reader);
      g_clear_object (&self->disks[i].writer);
      g_clear_object (&self->disks[i].written);
    }
  if (self->error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->error));
  else
    g_task_return_boolean (task, TRUE);
}

/* One of @disk's threads came back, with @error or (transfer full) without. */
static void
thread_ended (Disk *disk, GError *error)
{
  MtvDiskSet *self = disk->set;

  disk->pending--;
  if (error != NULL && self->error == NULL)
    {
      self->error = error;
      g_cancellable_cancel (self->cancellable);
    }
  else
    g_clear_error (&error);

  if (disk->pending == 0 && self->error == NULL)
    {
      disk->state = MTV_DISK_DONE;
      g_clear_object (&disk->reader);
      g_clear_object (&disk->writer);
      g_clear_object (&disk->written);
    }
  if (self->error == NULL)
    start_more (self);
  finish_if_idle (self);
}

gboolean
mtv_disk_set_load_map (MtvStore *store, MtvTarget *target, guint index, GError **error)
{
  MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);

  guint round;
  gboolean compares;

  if (disk->map == NULL || mtv_block_map_get_n_done (disk->map) > 0)
    return TRUE; /* this process has it */
  return mtv_disk_map_load (store, target, index, &round, &compares, error);
}

static gboolean
save_checkpoint (GBytes *blocks, gpointer user_data, GError **error)
{
  Disk *disk = user_data;
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_progress_add (batch, disk->set->target->run_id, disk->set->target->number, disk->index,
                          blocks);
  return mtv_store_commit (disk->set->store, batch, error);
}

/* Blocks that are pending from before the round are among its changes, or all is compared: what
 * remains pending once it has begun is what is left to be copied of it. */
static gboolean
begin_round (Disk *disk, guint begun, gboolean compared, GError **error)
{
  MtvDiskSet *self = disk->set;
  MtvBlockMap *map = target_disk (disk)->map;

  if (begun == self->round)
    {
      disk->compares = compared || (self->since != NULL && disk->changes == NULL);
      return TRUE;
    }
  /* What an earlier try has copied of another instant is worth a comparison. */
  disk->compares = disk->changes == NULL && mtv_block_map_get_n_done (map) > 0;
  if (disk->changes != NULL && disk->changes->len == 0)
    return TRUE;
  return mtv_disk_map_begin_round (self->store, self->target, disk->index, self->round,
                                   disk->compares, disk->changes, error);
}

static gboolean
open_point (Disk *disk, GCancellable *cancellable, GError **error)
{
  MtvDiskSet *self = disk->set;
  GBytes *marks = NULL;
  guint begun;
  gboolean compared;

  if (!mtv_disk_map_load (self->store, self->target, disk->index, &begun, &compared, error))
    return FALSE;
  if (self->read_marks != NULL && disk->index < self->read_marks->len)
    marks = g_steal_pointer (&g_ptr_array_index (self->read_marks, disk->index));
  if (marks != NULL)
    {
      mtv_disk_map_take_read_back (target_disk (disk)->map, marks);
      g_bytes_unref (marks);
    }
  disk->reader = mtv_source_open_point (self->source, self->target->vm, disk->index, self->point,
                                        self->since, &disk->changes, cancellable, error);
  return disk->reader != NULL && begin_round (disk, begun, compared, error);
}

static gboolean
open_source (Disk *disk, GCancellable *cancellable, GError **error)
{
  MtvDiskSet *self = disk->set;

  if (self->round > 0)
    return open_point (disk, cancellable, error);
  if (!mtv_disk_set_load_map (self->store, self->target, disk->index, error))
    return FALSE;
  disk->reader = mtv_source_open_disk (self->source, self->target->vm, target_disk (disk)->source,
                                       cancellable, error);
  return disk->reader != NULL;
}

static gboolean
check_size (Disk *disk, GError **error)
{
  MtvTargetDisk *target = target_disk (disk);

  if (mtv_reader_get_size (disk->reader) == target->size)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "Disk '%s' of '%s' has another size than when the migration began",
               target->source->name, disk->set->target->vm->name);
  return FALSE;
}

/* A round in which nothing has changed costs the destination nothing. */
static gboolean
has_nothing (Disk *disk)
{
  MtvBlockMap *map = target_disk (disk)->map;

  return disk->set->round > 0 && !disk->compares && disk->changes != NULL && disk->changes->len == 0
         && mtv_block_map_get_n_done (map) == mtv_block_map_get_n_blocks (map);
}

static gboolean
open_ends (gpointer data, GCancellable *cancellable, GError **error)
{
  Disk *disk = data;
  MtvDiskSet *self = disk->set;

  if (self->verifying)
    {
      if (!mtv_disk_set_load_map (self->store, self->target, disk->index, error))
        return FALSE;
      disk->reader = mtv_destination_open_reader (self->destination, self->target, disk->index,
                                                  cancellable, error);
      return disk->reader != NULL;
    }

  if (!open_source (disk, cancellable, error) || !check_size (disk, error))
    return FALSE;
  if (has_nothing (disk))
    return TRUE;
  disk->writer = mtv_destination_open_writer (self->destination, self->target, disk->index,
                                              cancellable, error);
  if (disk->writer == NULL)
    return FALSE;
  if (!self->read_back || !mtv_destination_can_read_back (self->destination, self->target))
    return TRUE;
  disk->written = mtv_destination_open_reader (self->destination, self->target, disk->index,
                                               cancellable, error);
  return disk->written != NULL;
}

static gboolean
check_source (gpointer data, GCancellable *cancellable, GError **error)
{
  Disk *disk = data;

  return mtv_source_check_disk (disk->set->source, disk->set->target->vm,
                                target_disk (disk)->source, cancellable, error);
}

static void
checked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  (void) source;
  mtv_work_finish (result, &error);
  thread_ended (user_data, g_steal_pointer (&error));
}

/* What was to be copied of a round, and is not among what the source told of it the next time. */
static gboolean
check_complete (Disk *disk, GError **error)
{
  MtvBlockMap *map = target_disk (disk)->map;

  if (mtv_block_map_get_n_done (map) == mtv_block_map_get_n_blocks (map))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "The source did not tell of all that has changed in disk '%s' of '%s'",
               target_disk (disk)->source->name, disk->set->target->vm->name);
  return FALSE;
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (mtv_copier_copy_finish (MTV_COPIER (source), result, &error))
    check_complete (user_data, &error);
  thread_ended (user_data, g_steal_pointer (&error));
}

static void
verified_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  mtv_verifier_verify_finish (MTV_VERIFIER (source), result, &error);
  thread_ended (user_data, g_steal_pointer (&error));
}

static void
start_verifying (Disk *disk)
{
  disk->verifier = mtv_verifier_new (disk->reader, target_disk (disk)->map, disk->set->full);
  if (disk->set->budget != NULL)
    mtv_verifier_set_budget (disk->verifier, disk->set->budget);
  disk->pending++;
  mtv_verifier_verify_async (disk->verifier, disk->set->cancellable, verified_cb, disk);
}

/* Where a block cannot be read back, its hash comes from the source: then it is copied whole. */
static void
set_changes (Disk *disk)
{
  if (disk->compares)
    mtv_copier_set_compare (disk->copier);
  else if (disk->changes != NULL)
    {
      g_autoptr (GArray) changes
          = disk->written != NULL ? g_array_ref (disk->changes)
                                  : mtv_disk_map_widen (target_disk (disk)->map, disk->changes);

      mtv_copier_set_changes (disk->copier, changes);
    }
}

static void
start_copying (Disk *disk)
{
  MtvDiskSet *self = disk->set;

  if (has_nothing (disk))
    return;
  disk->copier = mtv_copier_new (disk->reader, disk->writer, target_disk (disk)->map, self->fresh);
  if (self->budget != NULL)
    mtv_copier_set_budget (disk->copier, self->budget);
  if (self->throttle != NULL)
    mtv_copier_set_throttle (disk->copier, self->throttle);
  if (disk->written != NULL)
    mtv_copier_set_read_back (disk->copier, disk->written);
  set_changes (disk);
  mtv_copier_set_checkpoint (disk->copier, MTV_COPIER_CHECKPOINT_BYTES, save_checkpoint, disk,
                             NULL);
  disk->pending++;
  mtv_copier_copy_async (disk->copier, self->cancellable, copied_cb, disk);
  if (self->round == 0 && (mtv_source_get_caps (self->source) & MTV_SOURCE_CAN_CHECK_DISKS))
    {
      disk->pending++;
      mtv_work_async ("mtv-check", check_source, disk, NULL, self, self->cancellable, checked_cb,
                      disk);
    }
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Disk *disk = user_data;
  g_autoptr (GError) error = NULL;

  (void) source;
  disk->opened = mtv_work_finish (result, &error);
  if (disk->opened && disk->set->error == NULL)
    {
      if (disk->set->verifying)
        start_verifying (disk);
      else
        start_copying (disk);
    }
  thread_ended (disk, g_steal_pointer (&error));
}

static void
start_more (MtvDiskSet *self)
{
  guint active = 0;

  for (guint i = 0; i < self->n_disks; i++)
    active += self->disks[i].state == MTV_DISK_ACTIVE;
  for (guint i = 0; i < self->n_disks && active < self->parallel; i++)
    {
      Disk *disk = &self->disks[i];

      if (disk->state != MTV_DISK_PENDING)
        continue;
      disk->state = MTV_DISK_ACTIVE;
      disk->pending++;
      active++;
      mtv_work_async ("mtv-open", open_ends, disk, NULL, self, self->cancellable, opened_cb, disk);
    }
}

static void
forward_cancel (GCancellable *outer, gpointer user_data)
{
  (void) outer;
  g_cancellable_cancel (user_data);
}

static void
start (MtvDiskSet *self, GCancellable *cancellable, GAsyncReadyCallback callback,
       gpointer user_data)
{
  g_return_if_fail (self->task == NULL);

  self->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, start);
  g_task_set_check_cancellable (self->task, FALSE);
  self->cancellable = g_cancellable_new ();
  self->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (forward_cancel),
                                              g_object_ref (self->cancellable), g_object_unref);
  for (guint i = 0; i < self->n_disks; i++)
    {
      disk_clear (&self->disks[i]);
      self->disks[i].state = MTV_DISK_PENDING;
      self->disks[i].opened = FALSE;
    }
  start_more (self);
  if (self->n_disks == 0)
    finish_if_idle (self);
}

void
mtv_disk_set_copy_async (MtvDiskSet *self, gboolean fresh, gboolean read_back,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_return_if_fail (MTV_IS_DISK_SET (self));
  g_return_if_fail (MTV_IS_SOURCE (self->source));

  self->fresh = fresh;
  self->read_back = read_back;
  self->verifying = FALSE;
  start (self, cancellable, callback, user_data);
}

void
mtv_disk_set_verify_async (MtvDiskSet *self, gboolean full, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_DISK_SET (self));

  self->full = full;
  self->verifying = TRUE;
  start (self, cancellable, callback, user_data);
}

gboolean
mtv_disk_set_finish (MtvDiskSet *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
add_progress (Disk *disk, guint64 *done, guint64 *total)
{
  MtvTargetDisk *target = target_disk (disk);

  if (disk->copier != NULL)
    {
      *done += mtv_copier_get_bytes_done (disk->copier);
      *total += mtv_copier_get_bytes_total (disk->copier);
    }
  else if (disk->verifier != NULL)
    {
      *done += mtv_verifier_get_bytes_done (disk->verifier);
      *total += mtv_verifier_get_bytes_total (disk->verifier);
    }
  else if (!disk->set->verifying
           && disk->set->since == NULL) /* its turn has not come: what the inventory tells */
    *total += target->source->allocated;
  else if (disk->set->verifying && target->map != NULL)
    *total += mtv_block_map_get_data_bytes (target->map);
}

void
mtv_disk_set_get_progress (MtvDiskSet *self, gint index, guint64 *done, guint64 *total)
{
  g_return_if_fail (MTV_IS_DISK_SET (self));

  *done = *total = 0;
  for (guint i = 0; i < self->n_disks; i++)
    if (index < 0 || (guint) index == i)
      add_progress (&self->disks[i], done, total);
}

gboolean
mtv_disk_set_get_changed (MtvDiskSet *self, guint64 *bytes)
{
  g_return_val_if_fail (MTV_IS_DISK_SET (self), FALSE);

  *bytes = 0;
  if (self->since == NULL || mtv_disk_set_is_comparing (self))
    return FALSE;
  for (guint i = 0; i < self->n_disks; i++)
    for (guint j = 0; self->disks[i].opened && j < self->disks[i].changes->len; j++)
      *bytes += g_array_index (self->disks[i].changes, MtvExtent, j).length;
  return TRUE;
}

gboolean
mtv_disk_set_is_comparing (MtvDiskSet *self)
{
  gboolean compares = FALSE;

  g_return_val_if_fail (MTV_IS_DISK_SET (self), FALSE);

  for (guint i = 0; i < self->n_disks; i++)
    compares |= self->disks[i].opened && self->disks[i].compares;
  return compares;
}

MtvDiskState
mtv_disk_set_get_state (MtvDiskSet *self, guint index)
{
  g_return_val_if_fail (MTV_IS_DISK_SET (self) && index < self->n_disks, MTV_DISK_PENDING);

  return self->disks[index].state;
}
