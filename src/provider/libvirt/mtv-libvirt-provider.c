/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-provider.h"

#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-guest.h"
#include "provider/libvirt/mtv-libvirt-image.h"
#include "provider/libvirt/mtv-libvirt-warm.h"

#include <stdlib.h>
#include <string.h>

#define SYSTEM_FOLDER "/run/mtv-libvirt"

struct _MtvLibvirtProvider
{
  GObject parent;

  MtvLibvirtLink *link; /* (owned) */
  char *folder;         /* (owned) */
  char *scratch_folder; /* (owned) (nullable) */
  gboolean insecure;
};

static void mtv_libvirt_provider_provider_init (MtvProviderInterface *iface);
static void mtv_libvirt_provider_source_init (MtvSourceInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvLibvirtProvider, mtv_libvirt_provider, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER,
                                                      mtv_libvirt_provider_provider_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_SOURCE,
                                                          mtv_libvirt_provider_source_init))

/* GLib's own cancellation is not of our domain. */
static void
normalize (GError **error)
{
  if (error != NULL && *error != NULL)
    *error = mtv_error_normalize (*error);
}

static MtvLibvirtWarm
get_warm (MtvLibvirtProvider *self)
{
  return (MtvLibvirtWarm){ self->link, self->folder, self->scratch_folder };
}

static virDomain *
find (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  return mtv_libvirt_link_find (MTV_LIBVIRT_PROVIDER (source)->link, vm->id, vm->name, cancellable,
                                error);
}

static MtvSourceCaps
libvirt_get_caps (MtvSource *source)
{
  (void) source;
  return MTV_SOURCE_HAS_POWER | MTV_SOURCE_CAN_WARM;
}

/* A domain that went away while they were listed is not missed; one that is strange is seen. */
static MtvVm *
describe (virDomain *domain)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = { 0 };
  g_autoptr (GError) error = NULL;
  MtvVm *vm = mtv_libvirt_guest_describe (domain, &error);

  if (vm != NULL || g_error_matches (error, MTV_ERROR, MTV_ERROR_NOT_FOUND)
      || virDomainGetUUIDString (domain, uuid) != 0)
    return vm;
  vm = mtv_vm_new ();
  vm->id = g_strdup (uuid);
  vm->name = g_strdup (virDomainGetName (domain));
  vm->problem = g_strdup (error->message);
  return vm;
}

static GPtrArray *
list_domains (virConnect *connection, const char *label, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  virDomain **domains = NULL;
  int n = virConnectListAllDomains (connection, &domains, 0);

  if (n < 0)
    {
      mtv_libvirt_set_error (error, "Cannot list the VMs of '%s'", label);
      return NULL;
    }
  char *host = virConnectGetHostname (connection);
  for (int i = 0; i < n; i++)
    {
      MtvVm *vm = g_cancellable_is_cancelled (cancellable) ? NULL : describe (domains[i]);

      if (vm != NULL)
        {
          vm->host = g_strdup (host);
          g_ptr_array_add (vms, vm);
        }
      virDomainFree (domains[i]);
    }
  free (host);
  free (domains);
  /* A daemon that went away would leave us with a list of problems. */
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (virConnectIsAlive (connection) == 1)
    return g_steal_pointer (&vms);
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
               "The connection to '%s' broke while its VMs were listed", label);
  return NULL;
}

static GPtrArray *
libvirt_list (MtvSource *source, GCancellable *cancellable, GError **error)
{
  MtvLibvirtProvider *self = MTV_LIBVIRT_PROVIDER (source);
  g_autoptr (virConnect) connection = mtv_libvirt_link_get (self->link, cancellable, error);
  GPtrArray *vms = connection == NULL
                       ? NULL
                       : list_domains (connection, mtv_libvirt_link_get_label (self->link),
                                       cancellable, error);

  normalize (error);
  return vms;
}

static gboolean
check_local (MtvLibvirtProvider *self, MtvVm *vm, GError **error)
{
  if (mtv_libvirt_link_is_local (self->link))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "The images of '%s' cannot be read: they are on the host of '%s', and only those of "
               "the host that mtvd runs on can be",
               vm->name, mtv_libvirt_link_get_label (self->link));
  return FALSE;
}

static char *
identify (MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_autoptr (GString) identity = g_string_new (NULL);

  for (guint i = 0; i < vm->disks->len; i++)
    if (!mtv_libvirt_image_identify (vm, vm->disks->pdata[i], identity, cancellable, error))
      return NULL;
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, identity->str, identity->len);
}

static char *
libvirt_get_identity (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  char *identity = check_local (MTV_LIBVIRT_PROVIDER (source), vm, error)
                       ? identify (vm, cancellable, error)
                       : NULL;

  normalize (error);
  return identity;
}

static MtvReader *
libvirt_open_disk (MtvSource *source, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                   GError **error)
{
  g_autoptr (GArray) changes = NULL;
  MtvReader *reader = check_local (MTV_LIBVIRT_PROVIDER (source), vm, error)
                          ? mtv_libvirt_image_open (vm, disk, NULL, &changes, cancellable, error)
                          : NULL;

  normalize (error);
  return reader;
}

static gboolean
libvirt_get_power (MtvSource *source, MtvVm *vm, MtvPower *power, GCancellable *cancellable,
                   GError **error)
{
  g_autoptr (virDomain) domain = find (source, vm, cancellable, error);
  gboolean ok = domain != NULL && mtv_libvirt_guest_get_power (domain, power, error);

  normalize (error);
  return ok;
}

static gboolean
libvirt_shut_down (MtvSource *source, MtvVm *vm, gboolean force, GCancellable *cancellable,
                   GError **error)
{
  g_autoptr (virDomain) domain = find (source, vm, cancellable, error);
  gboolean ok = domain != NULL && mtv_libvirt_guest_shut_down (domain, force, error);

  normalize (error);
  return ok;
}

static gboolean
libvirt_start (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_autoptr (virDomain) domain = find (source, vm, cancellable, error);
  gboolean ok = domain != NULL && mtv_libvirt_guest_start (domain, error);

  normalize (error);
  return ok;
}

static void
libvirt_check_warm (MtvSource *source, MtvVm *vm, GPtrArray *concerns, GCancellable *cancellable)
{
  const MtvLibvirtWarm warm = get_warm (MTV_LIBVIRT_PROVIDER (source));

  mtv_libvirt_warm_check (&warm, vm, concerns, cancellable);
}

static MtvPoint *
libvirt_create_point (MtvSource *source, MtvVm *vm, const char *key, const MtvPoint *since,
                      GCancellable *cancellable, GError **error)
{
  const MtvLibvirtWarm warm = get_warm (MTV_LIBVIRT_PROVIDER (source));
  MtvPoint *point = mtv_libvirt_warm_create_point (&warm, vm, key, since, cancellable, error);

  normalize (error);
  return point;
}

static MtvReader *
libvirt_open_point (MtvSource *source, MtvVm *vm, guint disk, const MtvPoint *point,
                    const MtvPoint *since, GArray **changes, GCancellable *cancellable,
                    GError **error)
{
  const MtvLibvirtWarm warm = get_warm (MTV_LIBVIRT_PROVIDER (source));
  MtvReader *reader = mtv_libvirt_warm_open_point (&warm, vm, vm->disks->pdata[disk], point, since,
                                                   changes, cancellable, error);

  normalize (error);
  return reader;
}

static gboolean
libvirt_remove (MtvSource *source, const char *vm_id, const char *kind, const char *key,
                const char *remote_id, GCancellable *cancellable, GError **error)
{
  const MtvLibvirtWarm warm = get_warm (MTV_LIBVIRT_PROVIDER (source));
  gboolean ok = TRUE; /* of what else there is, nothing is ever made here */

  (void) remote_id;
  if (strcmp (kind, MTV_SOURCE_SNAPSHOT) == 0)
    ok = mtv_libvirt_warm_remove_snapshot (&warm, vm_id, key, cancellable, error);
  else if (strcmp (kind, MTV_SOURCE_MARK) == 0)
    ok = mtv_libvirt_warm_remove_mark (&warm, vm_id, key, cancellable, error);
  normalize (error);
  return ok;
}

static void
mtv_libvirt_provider_source_init (MtvSourceInterface *iface)
{
  iface->get_caps = libvirt_get_caps;
  iface->list = libvirt_list;
  iface->get_identity = libvirt_get_identity;
  iface->open_disk = libvirt_open_disk;
  iface->get_power = libvirt_get_power;
  iface->shut_down = libvirt_shut_down;
  iface->start = libvirt_start;
  iface->check_warm = libvirt_check_warm;
  iface->create_point = libvirt_create_point;
  iface->open_point = libvirt_open_point;
  iface->remove = libvirt_remove;
}

static gboolean
libvirt_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  MtvLibvirtProvider *self = MTV_LIBVIRT_PROVIDER (provider);
  g_autoptr (virConnect) connection = mtv_libvirt_link_get (self->link, cancellable, error);
  gboolean ok = connection != NULL && virConnectNumOfDomains (connection) >= 0;

  if (connection != NULL && !ok)
    mtv_libvirt_set_error (error, "Cannot use '%s'", mtv_libvirt_link_get_label (self->link));
  normalize (error);
  return ok;
}

static void
libvirt_add_concerns (MtvProvider *provider, GPtrArray *concerns)
{
  MtvLibvirtProvider *self = MTV_LIBVIRT_PROVIDER (provider);

  if (self->insecure)
    mtv_concerns_add (concerns, "provider.insecure", MTV_CONCERN_WARNING, NULL,
                      "The connection is not secure",
                      "'%s' may be reached without encryption, or without proof that it is the "
                      "right one.",
                      mtv_libvirt_link_get_label (self->link));
}

static void
mtv_libvirt_provider_provider_init (MtvProviderInterface *iface)
{
  iface->test = libvirt_test;
  iface->add_concerns = libvirt_add_concerns;
}

static void
mtv_libvirt_provider_finalize (GObject *object)
{
  MtvLibvirtProvider *self = MTV_LIBVIRT_PROVIDER (object);

  g_clear_pointer (&self->link, mtv_libvirt_link_free);
  g_free (self->folder);
  g_free (self->scratch_folder);

  G_OBJECT_CLASS (mtv_libvirt_provider_parent_class)->finalize (object);
}

static void
mtv_libvirt_provider_class_init (MtvLibvirtProviderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_libvirt_provider_finalize;
}

static void
mtv_libvirt_provider_init (MtvLibvirtProvider *self)
{
  (void) self;
}

/* (nullable) (transfer full) */
static char *
lookup (GVariant *dictionary, const char *key)
{
  char *value = NULL;

  if (dictionary != NULL)
    g_variant_lookup (dictionary, key, "s", &value);
  return value;
}

static gboolean
take_folder (GVariant *settings, const char *key, char **folder, GError **error)
{
  *folder = lookup (settings, key);
  if (*folder == NULL || g_path_is_absolute (*folder))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "%s '%s' is no absolute path", key,
               *folder);
  return FALSE;
}

static MtvProvider *
libvirt_create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  g_autoptr (MtvLibvirtProvider) self = g_object_new (MTV_TYPE_LIBVIRT_PROVIDER, NULL);
  g_autofree char *user = lookup (config->settings, "user");
  g_autofree char *password = lookup (secrets, "password");

  if (fd >= 0)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           "A libvirt provider is an address, not a file");
      return NULL;
    }
  if (config->settings != NULL)
    g_variant_lookup (config->settings, "insecure", "b", &self->insecure);
  if (!take_folder (config->settings, "folder", &self->folder, error)
      || !take_folder (config->settings, "scratch-folder", &self->scratch_folder, error))
    return NULL;
  self->link = mtv_libvirt_link_new (config->url, user, password, self->insecure, error);
  if (self->link == NULL)
    return NULL;
  if (self->folder == NULL)
    self->folder = mtv_libvirt_link_is_session (self->link)
                       ? g_build_filename (g_get_user_runtime_dir (), "mtv-libvirt", NULL)
                       : g_strdup (SYSTEM_FOLDER);
  return MTV_PROVIDER (g_steal_pointer (&self));
}

static const MtvProviderSetting libvirt_settings[] = {
  { "user", "s", FALSE },     { "password", "s", TRUE },        { "folder", "s", FALSE },
  { "insecure", "b", FALSE }, { "scratch-folder", "s", FALSE }, { 0 },
};

const MtvProviderType mtv_libvirt_source_type = {
  .type = "libvirt",
  .is_source = TRUE,
  .settings = libvirt_settings,
  .create = libvirt_create,
};
