/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakes/fake-ends.h"

#include "base/mtv-error.h"
#include "fakes/fake-memory-disk.h"
#include "provider/mtv-destination.h"
#include "provider/mtv-source.h"

#include <string.h>
#include <unistd.h>

#define DISK_SIZE (1024 * 1024)

static GMutex lock;
static GCond changed;
static gboolean held[FAKE_ENDS_N_GATES];
static int failing[FAKE_ENDS_N_GATES] = { -1, -1 };
static char *address;
static GHashTable *disks; /* "run number disk" to FakeMemoryDisk */

#define FAKE_TYPE_END (fake_end_get_type ())
G_DECLARE_FINAL_TYPE (FakeEnd, fake_end, FAKE, END, GObject)

struct _FakeEnd
{
  GObject parent;
};

static void provider_init (MtvProviderInterface *iface);
static void source_init (MtvSourceInterface *iface);
static void destination_init (MtvDestinationInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeEnd, fake_end, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER, provider_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_SOURCE, source_init)
                                       G_IMPLEMENT_INTERFACE (MTV_TYPE_DESTINATION,
                                                              destination_init))

static void
fake_end_class_init (FakeEndClass *klass)
{
  (void) klass;
}

static void
fake_end_init (FakeEnd *self)
{
  (void) self;
}

static void
wake (GCancellable *cancellable, gpointer data)
{
  (void) cancellable, (void) data;
  g_mutex_lock (&lock);
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

static gboolean
pass (FakeEndsGate gate, GCancellable *cancellable, GError **error)
{
  gulong id = cancellable == NULL
                  ? 0
                  : g_cancellable_connect (cancellable, G_CALLBACK (wake), NULL, NULL);
  int code;

  g_mutex_lock (&lock);
  while (held[gate] && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&changed, &lock);
  code = failing[gate];
  g_mutex_unlock (&lock);
  g_cancellable_disconnect (cancellable, id);

  if (g_cancellable_is_cancelled (cancellable))
    g_set_error_literal (error, MTV_ERROR, MTV_ERROR_CANCELLED, "cancelled");
  else if (code >= 0)
    g_set_error_literal (error, MTV_ERROR, code, "the cable is unplugged");
  else
    return TRUE;
  return FALSE;
}

void
fake_ends_hold (FakeEndsGate gate)
{
  g_mutex_lock (&lock);
  held[gate] = TRUE;
  g_mutex_unlock (&lock);
}

void
fake_ends_let_go (FakeEndsGate gate)
{
  g_mutex_lock (&lock);
  held[gate] = FALSE;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

void
fake_ends_fail (FakeEndsGate gate, int code)
{
  g_mutex_lock (&lock);
  failing[gate] = code;
  g_mutex_unlock (&lock);
}

char *
fake_ends_get_address (void)
{
  return g_strdup (address);
}

static gboolean
end_test (MtvProvider *self, GCancellable *cancellable, GError **error)
{
  (void) self;
  return pass (FAKE_ENDS_LIST, cancellable, error);
}

static void
provider_init (MtvProviderInterface *iface)
{
  iface->test = end_test;
}

static void
add_vm (GPtrArray *vms, const char *id, const char *name)
{
  MtvVm *vm = mtv_vm_new ();
  MtvVmDisk *disk = mtv_vm_add_disk (vm);

  vm->id = g_strdup (id);
  vm->name = g_strdup (name);
  vm->path = g_strdup_printf ("/dc/%s/%s", id, name);
  vm->cpus = 2;
  vm->memory = 1024 * 1024 * 1024;
  disk->id = g_strdup ("d1");
  disk->name = g_strdup ("disk 1");
  disk->capacity = disk->allocated = DISK_SIZE;
  g_ptr_array_add (vms, vm);
}

static GPtrArray *
end_list (MtvSource *self, GCancellable *cancellable, GError **error)
{
  (void) self;
  if (!pass (FAKE_ENDS_LIST, cancellable, error))
    return NULL;

  GPtrArray *vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  add_vm (vms, "vm-1", "web-3");
  add_vm (vms, "vm-2", "db");
  add_vm (vms, "vm-3", "twin");
  add_vm (vms, "vm-4", "twin");
  return vms;
}

static MtvSourceCaps
end_get_caps (MtvSource *self)
{
  (void) self;
  return 0;
}

static char *
end_get_identity (MtvSource *self, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  (void) self, (void) cancellable, (void) error;
  return g_strdup (vm->id);
}

static MtvReader *
end_open_disk (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
               GError **error)
{
  (void) self, (void) vm, (void) disk;
  if (!pass (FAKE_ENDS_OPEN_DISK, cancellable, error))
    return NULL;

  FakeMemoryDisk *memory = fake_memory_disk_new (DISK_SIZE);
  memset (fake_memory_disk_get_data (memory), 0x5a, DISK_SIZE);
  return MTV_READER (memory);
}

static void
source_init (MtvSourceInterface *iface)
{
  iface->get_caps = end_get_caps;
  iface->list = end_list;
  iface->get_identity = end_get_identity;
  iface->open_disk = end_open_disk;
}

static void
end_check (MtvDestination *self, const MtvTarget *target, GPtrArray *concerns,
           GCancellable *cancellable)
{
  (void) self, (void) cancellable;
  if (g_str_equal (target->name, "taken"))
    mtv_concerns_add (concerns, "target.exists", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The name is taken", "There is a VM '%s' already.", target->name);
}

static gboolean
end_has_vm (MtvDestination *self, const char *name, GCancellable *cancellable)
{
  (void) self, (void) name, (void) cancellable;
  return FALSE;
}

static guint64
end_get_free_space (MtvDestination *self, GCancellable *cancellable)
{
  (void) self, (void) cancellable;
  return 7 * (guint64) DISK_SIZE;
}

static GPtrArray *
end_list_objects (MtvDestination *self, const MtvTarget *target)
{
  (void) self, (void) target;
  return g_ptr_array_new_with_free_func (mtv_destination_object_free);
}

static gboolean
end_create_volumes (MtvDestination *self, const MtvTarget *target, GCancellable *cancellable,
                    GError **error)
{
  (void) self, (void) target, (void) cancellable, (void) error;
  return TRUE;
}

static FakeMemoryDisk *
find_disk (const MtvTarget *target, guint number)
{
  char *key = g_strdup_printf ("%s %u %u", target->run_id, target->number, number);
  FakeMemoryDisk *disk;

  g_mutex_lock (&lock);
  if (disks == NULL)
    disks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  disk = g_hash_table_lookup (disks, key);
  if (disk == NULL)
    {
      disk = fake_memory_disk_new (DISK_SIZE);
      g_hash_table_insert (disks, g_steal_pointer (&key), disk);
    }
  g_object_ref (disk);
  g_mutex_unlock (&lock);
  g_free (key);
  return disk;
}

static MtvWriter *
end_open_writer (MtvDestination *self, const MtvTarget *target, guint disk,
                 GCancellable *cancellable, GError **error)
{
  (void) self, (void) cancellable, (void) error;
  return MTV_WRITER (find_disk (target, disk));
}

static MtvReader *
end_open_reader (MtvDestination *self, const MtvTarget *target, guint disk,
                 GCancellable *cancellable, GError **error)
{
  (void) self, (void) cancellable, (void) error;
  return MTV_READER (find_disk (target, disk));
}

static char *
end_define (MtvDestination *self, const MtvTarget *target, GCancellable *cancellable,
            GError **error)
{
  (void) self, (void) cancellable, (void) error;
  return g_strdup_printf ("memory:%s", target->name);
}

static gboolean
end_remove (MtvDestination *self, const char *kind, const char *key, GCancellable *cancellable,
            GError **error)
{
  (void) self, (void) kind, (void) key, (void) cancellable, (void) error;
  return TRUE;
}

static void
destination_init (MtvDestinationInterface *iface)
{
  iface->check = end_check;
  iface->has_vm = end_has_vm;
  iface->get_free_space = end_get_free_space;
  iface->list_objects = end_list_objects;
  iface->create_volumes = end_create_volumes;
  iface->open_writer = end_open_writer;
  iface->open_reader = end_open_reader;
  iface->define = end_define;
  iface->remove = end_remove;
}

static MtvProvider *
create_source (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  char content[100] = { 0 };
  const char *user = "", *password = "";

  if (config->url != NULL && g_str_equal (config->url, "impossible:"))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' leads nowhere", config->url);
      return NULL;
    }
  if (fd >= 0)
    g_assert_cmpint (pread (fd, content, sizeof content - 1, 0), >=, 0);
  g_free (address);
  if (config->settings != NULL)
    g_variant_lookup (config->settings, "user", "&s", &user);
  if (secrets != NULL)
    g_variant_lookup (secrets, "password", "&s", &password);
  address = *user == '\0' ? g_strdup (fd >= 0 ? content : config->url)
                          : g_strdup_printf ("%s:%s@%s", user, password, config->url);
  return g_object_new (FAKE_TYPE_END, NULL);
}

static MtvProvider *
create_destination (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  (void) config, (void) secrets, (void) fd, (void) error;
  return g_object_new (FAKE_TYPE_END, NULL);
}

static const MtvProviderSetting settings[]
    = { { "user", "s", FALSE }, { "password", "s", TRUE }, { NULL, NULL, FALSE } };
static const MtvProviderType source_type
    = { .type = "fake", .is_source = TRUE, .settings = settings, .create = create_source };
static const MtvProviderType destination_type
    = { .type = "local", .is_destination = TRUE, .create = create_destination };
const MtvProviderType *const fake_ends_types[] = { &source_type, &destination_type, NULL };
