/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ova-provider.h"

#include "base/mtv-error.h"
#include "provider/ova/mtv-ova-disk.h"
#include "provider/ova/mtv-ova-package.h"
#include "provider/ova/mtv-ova-scan.h"
#include "provider/ova/mtv-tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct _MtvOvaProvider
{
  GObject parent;

  char *path;     /* (owned): of the file or folder; for @fd what it was when it was handed over */
  int fd;         /* (owned): -1, or what was handed over */
  char *identity; /* (owned) (nullable): what the file at @path must still be */
};

static void mtv_ova_provider_provider_init (MtvProviderInterface *iface);
static void mtv_ova_provider_source_init (MtvSourceInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvOvaProvider, mtv_ova_provider, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER,
                                                      mtv_ova_provider_provider_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_SOURCE,
                                                          mtv_ova_provider_source_init))

/* One operation's view of the file or folder. */
typedef struct
{
  int fd;
  gboolean is_folder;
} Root;

static void
root_clear (Root *root)
{
  if (root->fd >= 0)
    close (root->fd);
  root->fd = -1;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Root, root_clear)

static gboolean
is_cancelled (const GError *error)
{
  return g_error_matches (error, MTV_ERROR, MTV_ERROR_CANCELLED)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static gboolean
check_identity (MtvOvaProvider *self, int fd, GError **error)
{
  g_autofree char *identity = mtv_ova_package_identify (fd, self->path, error);

  if (identity == NULL)
    return FALSE;
  if (self->identity == NULL || self->fd >= 0 || strcmp (identity, self->identity) == 0)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "'%s' is not the file any more that was handed over: add it again", self->path);
  return FALSE;
}

static gboolean
open_root (MtvOvaProvider *self, Root *root, GError **error)
{
  struct stat status;

  root->fd = self->fd >= 0 ? fcntl (self->fd, F_DUPFD_CLOEXEC, 3)
                           : open (self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (root->fd < 0 || fstat (root->fd, &status) != 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open '%s'", self->path);
      return FALSE;
    }
  root->is_folder = S_ISDIR (status.st_mode);
  if (!root->is_folder && !S_ISREG (status.st_mode))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "'%s' is neither a file nor a folder", self->path);
      return FALSE;
    }
  return check_identity (self, root->fd, error);
}

/* The one file of a provider for a file. An OVF's disks lie beside it. */
static MtvOvaPackage *
open_single (MtvOvaProvider *self, const Root *root, GCancellable *cancellable, GError **error)
{
  g_autofree char *name = g_path_get_basename (self->path);
  g_autofree char *folder = g_path_get_dirname (self->path);

  if (!mtv_ova_package_is_ovf_name (name))
    return mtv_ova_package_new_archive (root->fd, name, cancellable, error);

  int dirfd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dirfd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open folder '%s', where the disks of '%s' are",
                           folder, name);
      return NULL;
    }
  MtvOvaPackage *package = mtv_ova_package_new_folder (dirfd, name, cancellable, error);
  close (dirfd);
  return package;
}

static MtvOvaPackage *
open_in_folder (const Root *root, const char *path, GCancellable *cancellable, GError **error)
{
  g_autofree char *normal = mtv_tar_normalize_name (path);

  if (normal == NULL || strcmp (normal, path) != 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' is no path below a folder",
                   path);
      return NULL;
    }
  if (mtv_ova_package_is_ovf_name (path))
    return mtv_ova_package_new_folder (root->fd, path, cancellable, error);

  int fd = mtv_ova_package_open_below (root->fd, path, FALSE, error);
  if (fd < 0)
    return NULL;
  MtvOvaPackage *package = mtv_ova_package_new_archive (fd, path, cancellable, error);
  close (fd);
  return package;
}

static MtvOvaPackage *
open_package (MtvOvaProvider *self, const char *path, GCancellable *cancellable, GError **error)
{
  g_auto (Root) root = { -1, FALSE };

  if (!open_root (self, &root, error))
    return NULL;
  return root.is_folder ? open_in_folder (&root, path, cancellable, error)
                        : open_single (self, &root, cancellable, error);
}

static char *
unique_id (GHashTable *ids, const char *wanted)
{
  char *id = g_strdup (wanted);

  for (guint n = 2; !g_hash_table_add (ids, g_strdup (id)); n++)
    {
      g_free (id);
      id = g_strdup_printf ("%s~%u", wanted, n);
    }
  return id;
}

/* Two machines in one file, or one in each of two files, may have the same ovf:id. */
static void
set_place (MtvVm *vm, const char *path, gboolean in_folder, GHashTable *ids)
{
  g_autofree char *wanted = in_folder ? g_strconcat (path, "/", vm->id, NULL) : g_strdup (vm->id);

  g_free (vm->id);
  vm->id = unique_id (ids, wanted);
  g_free (vm->path);
  vm->path = g_strdup (path);
}

static gboolean
probe_disks (MtvOvaPackage *package, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  for (guint i = 0; i < vm->disks->len; i++)
    {
      MtvVmDisk *disk = g_ptr_array_index (vm->disks, i);
      const MtvOvfDisk *source = mtv_ovf_find_disk (mtv_ova_package_get_ovf (package), disk->id);

      if (source != NULL && !mtv_ova_disk_probe (package, source, disk, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

/* Appends the machines of one package. */
static gboolean
add_machines (MtvOvaPackage *package, GPtrArray *vms, GCancellable *cancellable, GError **error)
{
  MtvOvf *ovf = mtv_ova_package_get_ovf (package);
  g_autoptr (GError) mismatch = NULL;

  if (!mtv_ova_package_check_file (package, mtv_ova_package_get_ovf_name (package), cancellable,
                                   &mismatch)
      && !g_error_matches (mismatch, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH))
    {
      g_propagate_error (error, g_steal_pointer (&mismatch));
      return FALSE;
    }
  for (guint i = 0; i < ovf->vms->len; i++)
    {
      MtvVm *vm = g_ptr_array_index (ovf->vms, i);

      if (!probe_disks (package, vm, cancellable, error))
        return FALSE;
      if (mismatch != NULL && vm->problem == NULL)
        vm->problem = g_strdup (mismatch->message);
      g_ptr_array_add (vms, mtv_vm_ref (vm));
    }
  return TRUE;
}

static GPtrArray *
list_single (MtvOvaProvider *self, const Root *root, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *name = g_path_get_basename (self->path);
  g_autoptr (MtvOvaPackage) package = open_single (self, root, cancellable, error);

  if (package == NULL || !add_machines (package, vms, cancellable, error))
    return NULL;
  for (guint i = 0; i < vms->len; i++)
    set_place (g_ptr_array_index (vms, i), name, FALSE, ids);
  return g_steal_pointer (&vms);
}

/* What is broken is listed as such: it must be seen, and not hide the others. */
static MtvVm *
broken_machine (const char *path, const char *problem)
{
  MtvVm *vm = mtv_vm_new ();

  vm->name = g_path_get_basename (path);
  vm->id = g_strdup (vm->name);
  vm->problem = g_strdup (problem);
  return vm;
}

static gboolean
list_entry (const Root *root, const MtvOvaEntry *entry, GPtrArray *vms, GCancellable *cancellable,
            GError **error)
{
  g_autoptr (MtvOvaPackage) package = NULL;
  g_autoptr (GError) local_error = NULL;
  guint before = vms->len;

  if (entry->problem == NULL)
    package = open_in_folder (root, entry->path, cancellable, &local_error);
  if (package != NULL && add_machines (package, vms, cancellable, &local_error))
    return TRUE;
  if (is_cancelled (local_error))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  g_ptr_array_set_size (vms, before);
  g_ptr_array_add (
      vms,
      broken_machine (entry->path, entry->problem != NULL ? entry->problem : local_error->message));
  return TRUE;
}

static GPtrArray *
list_folder (MtvOvaProvider *self, const Root *root, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) entries = mtv_ova_scan (root->fd, self->path, cancellable, error);

  for (guint i = 0; entries != NULL && i < entries->len; i++)
    {
      const MtvOvaEntry *entry = g_ptr_array_index (entries, i);
      guint first = vms->len;

      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !list_entry (root, entry, vms, cancellable, error))
        return NULL;
      for (guint n = first; n < vms->len; n++)
        set_place (g_ptr_array_index (vms, n), entry->path, TRUE, ids);
    }
  return entries != NULL ? g_steal_pointer (&vms) : NULL;
}

/* GLib's own cancellation is not of our domain. */
static void
normalize (GError **error)
{
  if (error != NULL && *error != NULL)
    *error = mtv_error_normalize (*error);
}

static MtvSourceCaps
ova_get_caps (MtvSource *source)
{
  (void) source;
  return MTV_SOURCE_CAN_CHECK_DISKS;
}

static GPtrArray *
ova_list (MtvSource *source, GCancellable *cancellable, GError **error)
{
  MtvOvaProvider *self = MTV_OVA_PROVIDER (source);
  g_auto (Root) root = { -1, FALSE };
  GPtrArray *vms = NULL;

  if (open_root (self, &root, error))
    vms = root.is_folder ? list_folder (self, &root, cancellable, error)
                         : list_single (self, &root, cancellable, error);
  normalize (error);
  return vms;
}

static const MtvOvfDisk *
find_source (MtvOvaPackage *package, MtvVm *vm, const MtvVmDisk *disk, GError **error)
{
  const MtvOvfDisk *source = mtv_ovf_find_disk (mtv_ova_package_get_ovf (package), disk->id);

  if (source == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "Disk '%s' of '%s' is not in '%s'",
                 disk->id, vm->name, mtv_ova_package_get_ovf_name (package));
  return source;
}

static gboolean
identify_disk (MtvOvaPackage *package, const MtvOvfDisk *source, GString *identity,
               GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) names = mtv_ova_disk_list_files (package, source, cancellable, error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *one = mtv_ova_package_identify_file (package, names->pdata[i], error);
      if (one == NULL)
        return FALSE;
      g_string_append_printf (identity, "%s\n", one);
    }
  return names != NULL;
}

/* Of an archive it is the archive's own; of a folder a checksum over all files that are used. */
static char *
identify (MtvOvaPackage *package, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  const char *ovf = mtv_ova_package_get_ovf_name (package);
  g_autofree char *first = mtv_ova_package_identify_file (package, ovf, error);
  g_autoptr (GString) identity = g_string_new (first);

  if (first == NULL || mtv_ova_package_is_archive (package))
    return g_steal_pointer (&first);
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvOvfDisk *source = find_source (package, vm, vm->disks->pdata[i], error);

      if (source == NULL || !identify_disk (package, source, identity, cancellable, error))
        return NULL;
    }
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, identity->str, identity->len);
}

static char *
ova_get_identity (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvOvaPackage) package
      = open_package (MTV_OVA_PROVIDER (source), vm->path, cancellable, error);
  char *identity = package != NULL ? identify (package, vm, cancellable, error) : NULL;

  normalize (error);
  return identity;
}

static MtvReader *
ova_open_disk (MtvSource *source, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
               GError **error)
{
  g_autoptr (MtvOvaPackage) package
      = open_package (MTV_OVA_PROVIDER (source), vm->path, cancellable, error);
  const MtvOvfDisk *stored = package != NULL ? find_source (package, vm, disk, error) : NULL;
  MtvReader *reader
      = stored != NULL ? mtv_ova_disk_open (package, stored, cancellable, error) : NULL;

  normalize (error);
  return reader;
}

static gboolean
check_files (MtvOvaPackage *package, GPtrArray *names, guint first, GCancellable *cancellable,
             GError **error)
{
  for (guint i = first; i < names->len; i++)
    if (!mtv_ova_package_check_file (package, names->pdata[i], cancellable, error))
      return FALSE;
  return TRUE;
}

/* First what is stored, whatever it holds: damaged headers must show as a wrong checksum. */
static gboolean
check_stored (MtvOvaPackage *package, const MtvOvfDisk *stored, GCancellable *cancellable,
              GError **error)
{
  g_autoptr (GPtrArray) names = mtv_ova_package_list_files (package, stored, error);
  g_autoptr (GPtrArray) all = NULL;

  if (names == NULL || !check_files (package, names, 0, cancellable, error))
    return FALSE;
  all = mtv_ova_disk_list_files (package, stored, cancellable, error);
  return all != NULL && check_files (package, all, names->len, cancellable, error);
}

static gboolean
ova_check_disk (MtvSource *source, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                GError **error)
{
  g_autoptr (MtvOvaPackage) package
      = open_package (MTV_OVA_PROVIDER (source), vm->path, cancellable, error);
  const MtvOvfDisk *stored = package != NULL ? find_source (package, vm, disk, error) : NULL;
  gboolean ok = stored != NULL && check_stored (package, stored, cancellable, error);

  normalize (error);
  return ok;
}

static void
mtv_ova_provider_source_init (MtvSourceInterface *iface)
{
  iface->get_caps = ova_get_caps;
  iface->list = ova_list;
  iface->get_identity = ova_get_identity;
  iface->open_disk = ova_open_disk;
  iface->check_disk = ova_check_disk;
}

static gboolean
ova_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  MtvOvaProvider *self = MTV_OVA_PROVIDER (provider);
  g_auto (Root) root = { -1, FALSE };
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (MtvOvaPackage) package = NULL;

  if (!open_root (self, &root, error))
    return FALSE;
  if (root.is_folder)
    entries = mtv_ova_scan (root.fd, self->path, cancellable, error);
  else
    package = open_single (self, &root, cancellable, error);
  normalize (error);
  return entries != NULL || package != NULL;
}

static int
ova_get_fd (MtvProvider *provider)
{
  return MTV_OVA_PROVIDER (provider)->fd;
}

static void
mtv_ova_provider_provider_init (MtvProviderInterface *iface)
{
  iface->test = ova_test;
  iface->get_fd = ova_get_fd;
}

static void
mtv_ova_provider_finalize (GObject *object)
{
  MtvOvaProvider *self = MTV_OVA_PROVIDER (object);

  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_free (self->identity);

  G_OBJECT_CLASS (mtv_ova_provider_parent_class)->finalize (object);
}

static void
mtv_ova_provider_class_init (MtvOvaProviderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_ova_provider_finalize;
}

static void
mtv_ova_provider_init (MtvOvaProvider *self)
{
  self->fd = -1;
}

/* A descriptor's path is for people, and for finding the file again after a restart. */
static gboolean
adopt_fd (MtvOvaProvider *self, MtvProviderConfig *config, int fd, GError **error)
{
  struct stat status;
  int flags = fcntl (fd, F_GETFL);

  if (flags < 0 || fstat (fd, &status) != 0
      || (!S_ISREG (status.st_mode) && !S_ISDIR (status.st_mode)) || (flags & O_PATH) != 0
      || (flags & O_ACCMODE) == O_WRONLY)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           "What was handed over is no file or folder that is open for reading");
      return FALSE;
    }
  self->fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (self->fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot keep what was handed over");
      return FALSE;
    }

  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", self->fd);
  g_autofree char *path = g_file_read_link (link, NULL);
  g_free (config->url);
  config->url = g_utf8_make_valid (path != NULL ? path : "handed-over.ova", -1);
  if (S_ISREG (status.st_mode) && config->identity == NULL)
    config->identity = mtv_ova_package_identify (self->fd, config->url, error);
  return TRUE;
}

static MtvProvider *
ova_create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  g_autoptr (MtvOvaProvider) self = g_object_new (MTV_TYPE_OVA_PROVIDER, NULL);

  (void) secrets;
  if (fd >= 0 && !adopt_fd (self, config, fd, error))
    return NULL;
  if (config->url == NULL || !g_path_is_absolute (config->url))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "An OVA provider needs the absolute path of an .ova or .ovf file or of a folder "
                   "with such files, not '%s'",
                   config->url != NULL ? config->url : "");
      return NULL;
    }
  self->path = g_strdup (config->url);
  self->identity = g_strdup (config->identity);
  return MTV_PROVIDER (g_steal_pointer (&self));
}

const MtvProviderType mtv_ova_provider_type = {
  .type = "ova",
  .is_source = TRUE,
  .create = ova_create,
};
