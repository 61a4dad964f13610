/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-destination.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "fake-control.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* A volume: a cache that a flush writes to the file. */
#define FAKE_TYPE_VOLUME (fake_volume_get_type ())
G_DECLARE_FINAL_TYPE (FakeVolume, fake_volume, FAKE, VOLUME, GObject)

struct _FakeVolume
{
  GObject parent;

  char *path; /* (owned) */
  char *name; /* (owned) */
  GMutex mutex;
  guint8 *bytes; /* (owned) */
  gsize size;
};

static void reader_iface_init (MtvReaderInterface *iface);
static void writer_iface_init (MtvWriterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeVolume, fake_volume, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, reader_iface_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_WRITER, writer_iface_init))

static guint64
volume_get_size (MtvReader *reader)
{
  return FAKE_VOLUME (reader)->size;
}

static gboolean
volume_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
             GCancellable *cancellable, GError **error)
{
  FakeVolume *self = FAKE_VOLUME (reader);

  if (!fake_enter ("read-back", self->name, cancellable, error))
    return FALSE;
  if (fake_world.reads_back) /* what was flushed since it was opened */
    {
      int fd = g_open (self->path, O_RDONLY | O_CLOEXEC, 0);

      g_assert_cmpint (pread (fd, buffer, length, (off_t) offset), ==, (gssize) length);
      g_assert_true (close (fd) == 0);
    }
  else
    memcpy (buffer, self->bytes + offset, length);
  if (fake_world.corrupt)
    ((guint8 *) buffer)[length - 1] ^= 1;
  fake_leave ("read-back");
  return TRUE;
}

static gboolean
volume_write (MtvWriter *writer, guint64 offset, gconstpointer buffer, gsize length,
              GCancellable *cancellable, GError **error)
{
  FakeVolume *self = FAKE_VOLUME (writer);

  if (!fake_enter ("write", self->name, cancellable, error))
    return FALSE;
  g_assert_cmpuint (offset + length, <=, self->size);
  g_mutex_lock (&self->mutex);
  memcpy (self->bytes + offset, buffer, length);
  g_mutex_unlock (&self->mutex);
  fake_leave ("write");
  return TRUE;
}

static gboolean
volume_zero (MtvWriter *writer, guint64 offset, guint64 length, GCancellable *cancellable,
             GError **error)
{
  FakeVolume *self = FAKE_VOLUME (writer);

  if (!fake_enter ("zero", self->name, cancellable, error))
    return FALSE;
  g_assert_cmpuint (offset + length, <=, self->size);
  g_mutex_lock (&self->mutex);
  memset (self->bytes + offset, 0, length);
  g_mutex_unlock (&self->mutex);
  return TRUE;
}

static gboolean
volume_flush (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  FakeVolume *self = FAKE_VOLUME (writer);

  if (!fake_enter ("flush", self->name, cancellable, error))
    return FALSE;

  int fd = g_open (self->path, O_WRONLY | O_CLOEXEC, 0);
  g_mutex_lock (&self->mutex);
  gboolean ok = mtv_io_pwrite (fd, self->bytes, self->size, 0, self->path, error);
  g_mutex_unlock (&self->mutex);
  g_assert_true (close (fd) == 0);
  fake_leave ("flush");
  return ok;
}

static void
reader_iface_init (MtvReaderInterface *iface)
{
  iface->get_size = volume_get_size;
  iface->read = volume_read;
}

static void
writer_iface_init (MtvWriterInterface *iface)
{
  iface->write = volume_write;
  iface->zero = volume_zero;
  iface->flush = volume_flush;
}

static void
fake_volume_finalize (GObject *object)
{
  FakeVolume *self = FAKE_VOLUME (object);

  g_mutex_clear (&self->mutex);
  g_free (self->path);
  g_free (self->name);
  g_free (self->bytes);

  G_OBJECT_CLASS (fake_volume_parent_class)->finalize (object);
}

static void
fake_volume_class_init (FakeVolumeClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_volume_finalize;
}

static void
fake_volume_init (FakeVolume *self)
{
  g_mutex_init (&self->mutex);
}

struct _FakeDestination
{
  GObject parent;

  char *root; /* (owned) */
};

static void provider_iface_init (MtvProviderInterface *iface);
static void destination_iface_init (MtvDestinationInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeDestination, fake_destination, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER, provider_iface_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_DESTINATION,
                                                          destination_iface_init))

static gboolean
destination_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  (void) provider;
  return fake_enter ("test", "the destination", cancellable, error);
}

static char *
work_key (const MtvTarget *target)
{
  return g_strdup_printf ("%s-%u", target->run_id, target->number);
}

static char *
work_path (MtvDestination *self, const MtvTarget *target, const char *file)
{
  g_autofree char *key = work_key (target);

  return g_build_filename (FAKE_DESTINATION (self)->root, "work", key, file, NULL);
}

static void
destination_check (MtvDestination *self, const MtvTarget *target, GPtrArray *concerns,
                   GCancellable *cancellable)
{
  (void) self;
  fake_enter ("check", target->name, cancellable, NULL);
  if (fake_world.on_disk_full)
    mtv_concerns_add (concerns, "destination.full", MTV_CONCERN_CRITICAL, target->vm->name, "Full",
                      "There is no room for '%s'.", target->name);
}

static gboolean
destination_has_vm (MtvDestination *self, const char *name, GCancellable *cancellable)
{
  g_autofree char *path = g_build_filename (FAKE_DESTINATION (self)->root, "vms", name, NULL);

  fake_enter ("has-vm", name, cancellable, NULL);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static guint64
destination_get_free_space (MtvDestination *self, GCancellable *cancellable)
{
  (void) self;
  return fake_enter ("free-space", "the destination", cancellable, NULL) ? fake_world.free_space
                                                                         : 0;
}

static GPtrArray *
destination_list_objects (MtvDestination *self, const MtvTarget *target)
{
  GPtrArray *objects = g_ptr_array_new_with_free_func (mtv_destination_object_free);
  MtvDestinationObject *object = g_new0 (MtvDestinationObject, 1);

  (void) self;
  object->kind = "folder";
  object->key = work_key (target);
  g_ptr_array_add (objects, object);
  return objects;
}

static gboolean
destination_create_volumes (MtvDestination *self, const MtvTarget *target,
                            GCancellable *cancellable, GError **error)
{
  g_autofree char *folder = work_path (self, target, NULL);
  g_autofree char *mark = work_path (self, target, "run");
  g_autofree char *key = work_key (target);

  if (!fake_enter ("create", target->vm->name, cancellable, error))
    return FALSE;
  g_assert_true (g_mkdir_with_parents (folder, 0700) == 0);
  g_assert_true (g_file_set_contents (mark, key, -1, NULL));
  for (guint i = 0; i < target->disks->len; i++)
    {
      MtvTargetDisk *disk = g_ptr_array_index (target->disks, i);
      g_autofree char *file = g_strdup_printf ("disk%u", i);
      g_autofree char *path = work_path (self, target, file);
      int fd = g_open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

      g_assert_true (ftruncate (fd, (off_t) disk->size) == 0 && close (fd) == 0);
    }
  fake_leave ("create");
  return TRUE;
}

static FakeVolume *
open_volume (MtvDestination *self, const MtvTarget *target, guint disk)
{
  g_autofree char *file = g_strdup_printf ("disk%u", disk);
  FakeVolume *volume = g_object_new (FAKE_TYPE_VOLUME, NULL);

  volume->path = work_path (self, target, file);
  volume->name = g_strdup (target->vm->name);
  g_assert_true (g_file_get_contents (volume->path, (char **) &volume->bytes, &volume->size, NULL));
  return volume;
}

static MtvWriter *
destination_open_writer (MtvDestination *self, const MtvTarget *target, guint disk,
                         GCancellable *cancellable, GError **error)
{
  return fake_enter ("open-writer", target->vm->name, cancellable, error)
             ? MTV_WRITER (open_volume (self, target, disk))
             : NULL;
}

static MtvReader *
destination_open_reader (MtvDestination *self, const MtvTarget *target, guint disk,
                         GCancellable *cancellable, GError **error)
{
  return fake_enter ("open-reader", target->vm->name, cancellable, error)
             ? MTV_READER (open_volume (self, target, disk))
             : NULL;
}

static gboolean
destination_can_read_back (MtvDestination *self, const MtvTarget *target)
{
  (void) self;
  (void) target;
  return fake_world.reads_back;
}

static char *
destination_define (MtvDestination *self, const MtvTarget *target, GCancellable *cancellable,
                    GError **error)
{
  const char *root = FAKE_DESTINATION (self)->root;
  g_autofree char *from = work_path (self, target, NULL);
  g_autofree char *to = g_build_filename (root, "vms", target->name, NULL);
  g_autofree char *mark = g_build_filename (to, "run", NULL);
  g_autofree char *manifest = g_build_filename (from, "hash", NULL);
  g_autofree char *key = work_key (target);
  g_autofree char *owner = NULL;

  if (!fake_enter ("define", target->name, cancellable, error))
    return NULL;
  for (guint i = 0; i < target->disks->len; i++) /* it would go into the manifest */
    {
      MtvTargetDisk *disk = g_ptr_array_index (target->disks, i);

      g_assert_cmpint (mtv_block_map_get_hash (disk->map), ==, target->hash);
      g_assert_cmpuint (mtv_block_map_get_n_done (disk->map), ==,
                        mtv_block_map_get_n_blocks (disk->map));
    }
  if (g_file_get_contents (mark, &owner, NULL, NULL) && g_str_equal (owner, key))
    return g_steal_pointer (&to);
  g_assert_true (g_file_set_contents (manifest, mtv_hash_to_string (target->hash), -1, NULL));
  g_assert_true (g_rename (from, to) == 0);
  fake_leave ("define");
  return g_steal_pointer (&to);
}

static gboolean
destination_remove (MtvDestination *self, const char *kind, const char *key,
                    GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_build_filename (FAKE_DESTINATION (self)->root, "work", NULL);

  g_assert_cmpstr (kind, ==, "folder");
  if (!fake_enter ("remove", key, cancellable, error))
    return FALSE;
  int fd = g_open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  gboolean ok = mtv_io_remove_tree (fd, key, error);
  g_assert_true (close (fd) == 0);
  fake_leave ("remove");
  return ok;
}

static void
provider_iface_init (MtvProviderInterface *iface)
{
  iface->test = destination_test;
}

static void
destination_iface_init (MtvDestinationInterface *iface)
{
  iface->check = destination_check;
  iface->has_vm = destination_has_vm;
  iface->get_free_space = destination_get_free_space;
  iface->list_objects = destination_list_objects;
  iface->create_volumes = destination_create_volumes;
  iface->open_writer = destination_open_writer;
  iface->open_reader = destination_open_reader;
  iface->can_read_back = destination_can_read_back;
  iface->define = destination_define;
  iface->remove = destination_remove;
}

static void
fake_destination_finalize (GObject *object)
{
  g_free (FAKE_DESTINATION (object)->root);

  G_OBJECT_CLASS (fake_destination_parent_class)->finalize (object);
}

static void
fake_destination_class_init (FakeDestinationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_destination_finalize;
}

static void
fake_destination_init (FakeDestination *self)
{
  (void) self;
}

static MtvProvider *
create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  (void) secrets;
  (void) fd;
  if (g_strcmp0 (fake_world.broken, "local") == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "No destination can be made of '%s'", config->name);
      return NULL;
    }

  FakeDestination *self = g_object_new (FAKE_TYPE_DESTINATION, NULL);
  g_autofree char *work = g_build_filename (config->url, "work", NULL);
  g_autofree char *vms = g_build_filename (config->url, "vms", NULL);

  self->root = g_strdup (config->url);
  g_assert_true (g_mkdir_with_parents (work, 0700) == 0 && g_mkdir_with_parents (vms, 0700) == 0);
  return MTV_PROVIDER (self);
}

const MtvProviderType fake_destination_type
    = { .type = "local", .is_destination = TRUE, .create = create };
