/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-source.h"

#include "base/mtv-error.h"
#include "fake-control.h"
#include "fake-live.h"

#include <string.h>

/* A disk: its bytes, and a name for the requests. */
#define FAKE_TYPE_SOURCE_DISK (fake_source_disk_get_type ())
G_DECLARE_FINAL_TYPE (FakeSourceDisk, fake_source_disk, FAKE, SOURCE_DISK, GObject)

struct _FakeSourceDisk
{
  GObject parent;

  char *name;    /* (owned) */
  guint8 *bytes; /* (owned) */
};

static void disk_iface_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeSourceDisk, fake_source_disk, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, disk_iface_init))

static guint64
disk_get_size (MtvReader *reader)
{
  (void) reader;
  return fake_world.disk_size;
}

static gboolean
disk_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
           GCancellable *cancellable, GError **error)
{
  FakeSourceDisk *self = FAKE_SOURCE_DISK (reader);

  if (!fake_enter ("read", self->name, cancellable, error))
    return FALSE;
  memcpy (buffer, self->bytes + offset, length);
  fake_leave ("read");
  return TRUE;
}

static void
disk_iface_init (MtvReaderInterface *iface)
{
  iface->get_size = disk_get_size;
  iface->read = disk_read;
}

static void
fake_source_disk_finalize (GObject *object)
{
  g_free (FAKE_SOURCE_DISK (object)->name);
  g_free (FAKE_SOURCE_DISK (object)->bytes);

  G_OBJECT_CLASS (fake_source_disk_parent_class)->finalize (object);
}

static void
fake_source_disk_class_init (FakeSourceDiskClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_source_disk_finalize;
}

static void
fake_source_disk_init (FakeSourceDisk *self)
{
  (void) self;
}

struct _FakeSource
{
  GObject parent;
};

static void provider_iface_init (MtvProviderInterface *iface);
static void source_iface_init (MtvSourceInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeSource, fake_source, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER, provider_iface_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_SOURCE, source_iface_init))

static gboolean
source_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  (void) provider;
  return fake_enter ("test", "the source", cancellable, error);
}

static MtvSourceCaps
source_get_caps (MtvSource *source)
{
  (void) source;
  return (fake_world.checks_disks ? MTV_SOURCE_CAN_CHECK_DISKS : 0)
         | (fake_world.live != NULL ? MTV_SOURCE_HAS_POWER : 0)
         | (fake_world.warm ? MTV_SOURCE_CAN_WARM : 0);
}

static MtvVm *
make_vm (guint index)
{
  MtvVm *vm = mtv_vm_new ();
  gboolean twin = index > 2 && index + 1 == fake_world.n_vms;

  vm->id = g_strdup_printf ("vm-%u", index);
  vm->name = g_strdup_printf ("web-%u", twin ? index - 1 : index);
  vm->path = g_strdup_printf ("/dc/%s/web-%u", twin ? "b" : "a", index);
  vm->cpus = 1;
  vm->memory = 1 << 30;
  for (guint i = 0; i < fake_world.n_disks; i++)
    {
      MtvVmDisk *disk = mtv_vm_add_disk (vm);

      disk->id = g_strdup_printf ("disk-%u", i);
      disk->name = g_strdup_printf ("disk %u", i);
      disk->capacity = disk->allocated = fake_world.disk_size;
    }
  if (fake_world.live != NULL)
    {
      fake_live_set_up (vm);
      g_free (vm->power_state);
      vm->power_state = g_strdup (fake_live_get_power (vm->id) == MTV_POWER_ON ? "on" : "off");
    }
  return vm;
}

static GPtrArray *
source_list (MtvSource *source, GCancellable *cancellable, GError **error)
{
  (void) source;
  if (!fake_enter ("list", "the source", cancellable, error))
    return NULL;

  GPtrArray *vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  for (guint i = 0; i < fake_world.n_vms; i++)
    g_ptr_array_add (vms, make_vm (i));
  return vms;
}

static char *
source_get_identity (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  (void) source;
  if (!fake_enter ("identity", vm->name, cancellable, error))
    return NULL;
  fake_leave ("identity");
  return g_strdup_printf ("%s as of %u", vm->id, fake_world.generation);
}

static MtvReader *
source_open_disk (MtvSource *source, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                  GError **error)
{
  guint number = (guint) g_ascii_strtoull (vm->id + strlen ("vm-"), NULL, 10);
  guint index = (guint) g_ascii_strtoull (disk->id + strlen ("disk-"), NULL, 10);

  (void) source;
  if (!fake_enter ("open-disk", vm->name, cancellable, error))
    return NULL;
  FakeSourceDisk *self = g_object_new (FAKE_TYPE_SOURCE_DISK, NULL);
  self->name = g_strdup (vm->name);
  self->bytes
      = fake_world.live == NULL ? fake_make_bytes (number, index) : fake_live_read (vm->id, index);
  if (fake_world.live != NULL)
    g_assert_cmpint (fake_live_get_power (vm->id), ==, MTV_POWER_OFF);
  return MTV_READER (self);
}

static gboolean
source_check_disk (MtvSource *source, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                   GError **error)
{
  (void) source;
  (void) disk;
  return fake_enter ("check-disk", vm->name, cancellable, error);
}

static gboolean
source_get_power (MtvSource *source, MtvVm *vm, MtvPower *power, GCancellable *cancellable,
                  GError **error)
{
  (void) source;
  return fake_enter ("get-power", vm->name, cancellable, error) && fake_live_look (vm, power);
}

static gboolean
source_shut_down (MtvSource *source, MtvVm *vm, gboolean force, GCancellable *cancellable,
                  GError **error)
{
  (void) source;
  if (!fake_enter ("shut-down", vm->name, cancellable, error)
      || !fake_live_shut_down (vm, force, error))
    return FALSE;
  fake_leave ("shut-down");
  return TRUE;
}

static gboolean
source_start (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  (void) source;
  if (!fake_enter ("start", vm->name, cancellable, error))
    return FALSE;
  fake_live_start (vm);
  fake_leave ("start");
  return TRUE;
}

static void
source_check_warm (MtvSource *source, MtvVm *vm, GPtrArray *concerns, GCancellable *cancellable)
{
  (void) source;
  fake_enter ("check-warm", vm->name, cancellable, NULL);
  if (fake_world.warm_concern)
    mtv_concerns_add (concerns, "vm.snapshots", MTV_CONCERN_CRITICAL, vm->name, "Snapshots",
                      "The VM has snapshots.");
}

static gboolean
source_enable_tracking (MtvSource *source, MtvVm *vm, char **put_back, GCancellable *cancellable,
                        GError **error)
{
  (void) source;
  if (!fake_enter ("enable-tracking", vm->name, cancellable, error))
    return FALSE;
  *put_back = fake_live_enable_tracking (vm);
  return TRUE;
}

static MtvPoint *
source_create_point (MtvSource *source, MtvVm *vm, const char *key, const MtvPoint *since,
                     GCancellable *cancellable, GError **error)
{
  (void) source;
  if (!fake_enter ("create-point", vm->name, cancellable, error))
    return NULL;
  MtvPoint *point = fake_live_create_point (vm, key, since, error);
  fake_leave ("create-point");
  return point;
}

static MtvReader *
source_open_point (MtvSource *source, MtvVm *vm, guint disk, const MtvPoint *point,
                   const MtvPoint *since, GArray **changes, GCancellable *cancellable,
                   GError **error)
{
  guint8 *bytes;

  (void) source;
  if (!fake_enter ("open-point", vm->name, cancellable, error)
      || !fake_live_open_point (vm, disk, point, since, &bytes, changes, error))
    return NULL;
  FakeSourceDisk *self = g_object_new (FAKE_TYPE_SOURCE_DISK, NULL);
  self->name = g_strdup (vm->name);
  self->bytes = bytes;
  return MTV_READER (self);
}

static gboolean
source_remove (MtvSource *source, const char *vm_id, const char *kind, const char *key,
               const char *remote_id, GCancellable *cancellable, GError **error)
{
  (void) source;
  if (!fake_enter ("remove-point", key, cancellable, error))
    return FALSE;
  fake_live_remove_entry (vm_id, kind, key, remote_id);
  fake_leave ("remove-point");
  return TRUE;
}

static void
provider_iface_init (MtvProviderInterface *iface)
{
  iface->test = source_test;
}

static void
source_iface_init (MtvSourceInterface *iface)
{
  iface->get_caps = source_get_caps;
  iface->list = source_list;
  iface->get_identity = source_get_identity;
  iface->open_disk = source_open_disk;
  iface->check_disk = source_check_disk;
  iface->get_power = source_get_power;
  iface->shut_down = source_shut_down;
  iface->start = source_start;
  iface->check_warm = source_check_warm;
  iface->enable_tracking = source_enable_tracking;
  iface->create_point = source_create_point;
  iface->open_point = source_open_point;
  iface->remove = source_remove;
}

static void
fake_source_class_init (FakeSourceClass *klass)
{
  (void) klass;
}

static void
fake_source_init (FakeSource *self)
{
  (void) self;
}

static MtvProvider *
create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  (void) secrets;
  (void) fd;
  if (g_strcmp0 (fake_world.broken, "fake") != 0)
    return g_object_new (FAKE_TYPE_SOURCE, NULL);
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "No source can be made of '%s'",
               config->name);
  return NULL;
}

const MtvProviderType fake_source_type = { .type = "fake", .is_source = TRUE, .create = create };
