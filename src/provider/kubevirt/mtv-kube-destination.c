/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-destination.h"

#include "base/mtv-error.h"
#include "model/mtv-name.h"
#include "provider/kubevirt/mtv-kube-check.h"
#include "provider/kubevirt/mtv-kube-define.h"
#include "provider/kubevirt/mtv-kube-disks.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/kubevirt/mtv-kube-pod.h"
#include "provider/mtv-kube-vm.h"

struct _MtvKubeDestination
{
  GObject parent;

  MtvKubeSite *site; /* (owned) */
  gboolean insecure;
};

static void mtv_kube_destination_provider_init (MtvProviderInterface *iface);
static void mtv_kube_destination_destination_init (MtvDestinationInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvKubeDestination, mtv_kube_destination, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER,
                                                      mtv_kube_destination_provider_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_DESTINATION,
                                                          mtv_kube_destination_destination_init))

static gboolean
kube_destination_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  return mtv_kube_check_cluster (MTV_KUBE_DESTINATION (provider)->site, cancellable, error);
}

static void
kube_destination_add_concerns (MtvProvider *provider, GPtrArray *concerns)
{
  if (MTV_KUBE_DESTINATION (provider)->insecure)
    mtv_concerns_add (concerns, "connection.insecure", MTV_CONCERN_WARNING, NULL,
                      "The connection is not secure",
                      "The certificate of the cluster's API is not checked: whoever is in between "
                      "can read and change what is sent. Give its certificate authority (ca).");
}

static void
mtv_kube_destination_provider_init (MtvProviderInterface *iface)
{
  iface->test = kube_destination_test;
  iface->add_concerns = kube_destination_add_concerns;
}

static void
kube_destination_check (MtvDestination *destination, const MtvTarget *target, GPtrArray *concerns,
                        GCancellable *cancellable)
{
  mtv_kube_check (MTV_KUBE_DESTINATION (destination)->site, target, concerns, cancellable);
}

/* Is the claim @name there, and of no migration? */
static gboolean
is_claim_taken (const MtvKubeSite *site, const char *name, GCancellable *cancellable)
{
  g_autofree char *claim_path = mtv_kube_site_claims (site, name);
  g_autofree char *volume_path = mtv_kube_site_volumes (site, name);
  g_autoptr (JsonObject) claim = mtv_kube_client_get (site->client, claim_path, cancellable, NULL);
  g_autoptr (JsonObject) volume
      = claim == NULL ? NULL : mtv_kube_client_get (site->client, volume_path, cancellable, NULL);

  return claim != NULL
         && mtv_kube_json_string (volume, "metadata", "labels", MTV_KUBE_LABEL_RUN, NULL) == NULL;
}

/* A VM, or the first volume of one that no migration makes. */
static gboolean
kube_destination_has_vm (MtvDestination *destination, const char *name, GCancellable *cancellable)
{
  const MtvKubeSite *site = MTV_KUBE_DESTINATION (destination)->site;
  g_autofree char *vm_name = mtv_name_to_dns (name);
  g_autofree char *path = mtv_kube_site_vms (site, vm_name);
  g_autofree char *volume = g_strconcat (vm_name, "-disk-0", NULL);
  g_autoptr (JsonObject) vm = mtv_kube_client_get (site->client, path, cancellable, NULL);

  return vm != NULL || is_claim_taken (site, volume, cancellable);
}

/* Storage in a cluster does not say; a quota does when a volume is made. */
static guint64
kube_destination_get_free_space (MtvDestination *destination, GCancellable *cancellable)
{
  (void) destination;
  (void) cancellable;
  return G_MAXUINT64;
}

static void
add_object (GPtrArray *objects, const char *kind, char *key)
{
  MtvDestinationObject *object = g_new0 (MtvDestinationObject, 1);

  object->kind = kind;
  object->key = key;
  g_ptr_array_add (objects, object);
}

static GPtrArray *
kube_destination_list_objects (MtvDestination *destination, const MtvTarget *target)
{
  const MtvKubeSite *site = MTV_KUBE_DESTINATION (destination)->site;
  GPtrArray *objects = g_ptr_array_new_with_free_func (mtv_destination_object_free);

  /* Newest first when they are removed: a volume goes when no pod has it any more. */
  for (guint i = 0; i < target->disks->len; i++)
    {
      g_autofree char *volume = mtv_kube_vm_disk_name (target, i);

      add_object (objects, MTV_KUBE_KIND_VOLUME,
                  mtv_kube_key_new (target, site->name_space, volume));
    }
  for (guint i = 0; i < target->disks->len; i++)
    {
      g_autofree char *pod = mtv_kube_pod_name (target, i);

      add_object (objects, MTV_KUBE_KIND_POD, mtv_kube_key_new (target, site->name_space, pod));
    }
  return objects;
}

static gboolean
kube_destination_create_volumes (MtvDestination *destination, const MtvTarget *target,
                                 GCancellable *cancellable, GError **error)
{
  return mtv_kube_disks_create (MTV_KUBE_DESTINATION (destination)->site, target, cancellable,
                                error);
}

static MtvWriter *
kube_destination_open_writer (MtvDestination *destination, const MtvTarget *target, guint disk,
                              GCancellable *cancellable, GError **error)
{
  return (MtvWriter *) mtv_kube_disks_open (MTV_KUBE_DESTINATION (destination)->site, target, disk,
                                            TRUE, cancellable, error);
}

static MtvReader *
kube_destination_open_reader (MtvDestination *destination, const MtvTarget *target, guint disk,
                              GCancellable *cancellable, GError **error)
{
  return (MtvReader *) mtv_kube_disks_open (MTV_KUBE_DESTINATION (destination)->site, target, disk,
                                            FALSE, cancellable, error);
}

/* One server has the volume, and all connections to it see the same. */
static gboolean
kube_destination_can_read_back (MtvDestination *destination, const MtvTarget *target)
{
  (void) destination;
  (void) target;
  return TRUE;
}

static char *
kube_destination_define (MtvDestination *destination, const MtvTarget *target,
                         GCancellable *cancellable, GError **error)
{
  const MtvKubeSite *site = MTV_KUBE_DESTINATION (destination)->site;
  g_autofree char *name = mtv_kube_vm_name (target);

  return mtv_kube_define (site, target, cancellable, error)
             ? g_strdup_printf ("%s/%s", site->name_space, name)
             : NULL;
}

static gboolean
kube_destination_remove (MtvDestination *destination, const char *kind, const char *key,
                         GCancellable *cancellable, GError **error)
{
  return mtv_kube_disks_remove (MTV_KUBE_DESTINATION (destination)->site, kind, key, cancellable,
                                error);
}

static void
mtv_kube_destination_destination_init (MtvDestinationInterface *iface)
{
  iface->check = kube_destination_check;
  iface->has_vm = kube_destination_has_vm;
  iface->get_free_space = kube_destination_get_free_space;
  iface->list_objects = kube_destination_list_objects;
  iface->create_volumes = kube_destination_create_volumes;
  iface->open_writer = kube_destination_open_writer;
  iface->open_reader = kube_destination_open_reader;
  iface->can_read_back = kube_destination_can_read_back;
  iface->define = kube_destination_define;
  iface->remove = kube_destination_remove;
}

static void
mtv_kube_destination_finalize (GObject *object)
{
  g_clear_pointer (&MTV_KUBE_DESTINATION (object)->site, mtv_kube_site_free);

  G_OBJECT_CLASS (mtv_kube_destination_parent_class)->finalize (object);
}

static void
mtv_kube_destination_class_init (MtvKubeDestinationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_kube_destination_finalize;
}

static void
mtv_kube_destination_init (MtvKubeDestination *self)
{
  (void) self;
}

void
mtv_kube_destination_set_pace (MtvKubeDestination *self, guint msec)
{
  mtv_kube_client_set_pace (self->site->client, msec);
}

/* Making one. */

/* (transfer full) */
static char *
setting (const MtvProviderConfig *config, const char *key)
{
  char *value = NULL;

  if (config->settings != NULL)
    g_variant_lookup (config->settings, key, "s", &value);
  return value;
}

static gboolean
flag (const MtvProviderConfig *config, const char *key)
{
  gboolean value = FALSE;

  return config->settings != NULL && g_variant_lookup (config->settings, key, "b", &value) && value;
}

static MtvKubeConfig *
from_kubeconfig (const MtvProviderConfig *config, const char *text, GError **error)
{
  g_autofree char *context = setting (config, "context");
  g_autoptr (MtvKubeConfig) kube = mtv_kube_config_parse (text, context, error);

  if (kube == NULL)
    return NULL;
  /* It would run as the daemon. */
  if (kube->exec != NULL && !flag (config, "allow-exec"))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "The kubeconfig has '%s' run to log in, which needs the setting allow-exec; "
                   "better is the token of a service account",
                   kube->exec->argv[0]);
      return NULL;
    }
  return g_steal_pointer (&kube);
}

static MtvKubeConfig *
find_cluster (const MtvProviderConfig *config, GVariant *secrets, GError **error)
{
  const char *kubeconfig = NULL, *token = NULL;
  const char *url = config->url == NULL || *config->url == '\0' ? NULL : config->url;

  if (secrets != NULL)
    {
      g_variant_lookup (secrets, "kubeconfig", "&s", &kubeconfig);
      g_variant_lookup (secrets, "token", "&s", &token);
    }
  if (kubeconfig != NULL)
    return from_kubeconfig (config, kubeconfig, error);
  if (url == NULL && token == NULL)
    return mtv_kube_config_in_cluster (g_getenv ("KUBERNETES_SERVICE_HOST"),
                                       g_getenv ("KUBERNETES_SERVICE_PORT"),
                                       MTV_KUBE_ACCOUNT_DIRECTORY, error);
  if (url != NULL && token != NULL && g_uri_is_valid (url, G_URI_FLAGS_NONE, NULL))
    return mtv_kube_config_new (url, token);
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "'%s' needs a kubeconfig, or the URL of the cluster's API and a token",
               config->name);
  return NULL;
}

/* What the user says counts before what the file does. */
static gboolean
apply_settings (MtvKubeDestination *self, const MtvProviderConfig *config, MtvKubeConfig *kube,
                GError **error)
{
  MtvKubeSite *site = self->site;
  g_autofree char *ca = setting (config, "ca");

  if (ca != NULL)
    {
      g_free (kube->ca);
      g_clear_pointer (&kube->ca_file, g_free);
      kube->ca = g_steal_pointer (&ca);
    }
  kube->insecure = kube->insecure || flag (config, "insecure");
  self->insecure = kube->insecure;
  site->name_space = setting (config, "namespace");
  if (site->name_space == NULL)
    site->name_space = g_strdup (kube->name_space != NULL ? kube->name_space : "default");
  site->storage_class = setting (config, "storage-class");
  site->volume_mode = setting (config, "volume-mode");
  site->access_mode = setting (config, "access-mode");
  site->image = setting (config, "writer-image");
  if (mtv_name_is_dns (site->name_space))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' is no name of a namespace",
               site->name_space);
  return FALSE;
}

static MtvProvider *
kube_destination_create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  g_autoptr (MtvKubeDestination) self = g_object_new (MTV_TYPE_KUBE_DESTINATION, NULL);
  g_autofree char *label = g_strdup_printf ("Cluster '%s'", config->name);
  g_autoptr (MtvKubeConfig) kube = NULL;

  if (fd >= 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "A cluster is not a file; hand its kubeconfig over as a secret");
      return NULL;
    }
  kube = find_cluster (config, secrets, error);
  self->site = g_new0 (MtvKubeSite, 1);
  if (kube == NULL || !apply_settings (self, config, kube, error))
    return NULL;
  if (config->url == NULL || *config->url == '\0')
    {
      g_free (config->url);
      config->url = g_strdup (kube->server);
    }
  self->site->client = mtv_kube_client_new (g_steal_pointer (&kube), label);
  return MTV_PROVIDER (g_steal_pointer (&self));
}

static const MtvProviderSetting settings[] = {
  { "context", "s", FALSE },     { "namespace", "s", FALSE },     { "ca", "s", FALSE },
  { "insecure", "b", FALSE },    { "storage-class", "s", FALSE }, { "volume-mode", "s", FALSE },
  { "access-mode", "s", FALSE }, { "writer-image", "s", FALSE },  { "allow-exec", "b", FALSE },
  { "kubeconfig", "s", TRUE },   { "token", "s", TRUE },          { NULL, NULL, FALSE },
};

const MtvProviderType mtv_kube_destination_type = {
  .type = "kubevirt",
  .is_destination = TRUE,
  .settings = settings,
  .create = kube_destination_create,
};
