/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-source.h"

#include "base/mtv-error.h"
#include "provider/ovirt/mtv-ovirt-backup.h"
#include "provider/ovirt/mtv-ovirt-inventory.h"
#include "provider/ovirt/mtv-ovirt-transfer.h"

struct _MtvOvirtSource
{
  GObject parent;

  MtvOvirtClient *client; /* (owned) */
  char *name;             /* (owned) of the provider */
  char *ca;               /* (owned) (nullable) what the user gave */
  gboolean insecure;

  GMutex lock;
  char *host_ca; /* (owned) (nullable) with the engine's own authority */
};

static void mtv_ovirt_source_provider_init (MtvProviderInterface *iface);
static void mtv_ovirt_source_source_init (MtvSourceInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvOvirtSource, mtv_ovirt_source, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER,
                                                      mtv_ovirt_source_provider_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_SOURCE,
                                                          mtv_ovirt_source_source_init))

static void
mtv_ovirt_source_finalize (GObject *object)
{
  MtvOvirtSource *self = MTV_OVIRT_SOURCE (object);

  g_clear_pointer (&self->client, mtv_ovirt_client_unref);
  g_free (self->name);
  g_free (self->ca);
  g_free (self->host_ca);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (mtv_ovirt_source_parent_class)->finalize (object);
}

static void
mtv_ovirt_source_class_init (MtvOvirtSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_ovirt_source_finalize;
}

static void
mtv_ovirt_source_init (MtvOvirtSource *self)
{
  g_mutex_init (&self->lock);
}

static MtvOvirtClient *
client_of (MtvSource *source)
{
  return MTV_OVIRT_SOURCE (source)->client;
}

/* The provider. */

static gboolean
ovirt_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  MtvOvirtSource *self = MTV_OVIRT_SOURCE (provider);
  g_autoptr (JsonNode) node = mtv_ovirt_client_get (self->client, "", cancellable, error);

  if (node == NULL)
    return FALSE;
  if (mtv_ovirt_object (json_node_get_object (node), "product_info") != NULL)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "%s: What answers there is not an oVirt engine",
               mtv_ovirt_client_get_label (self->client));
  return FALSE;
}

static void
ovirt_add_concerns (MtvProvider *provider, GPtrArray *concerns)
{
  if (MTV_OVIRT_SOURCE (provider)->insecure)
    mtv_concerns_add (
        concerns, "provider.insecure", MTV_CONCERN_WARNING, NULL, "Certificates are not checked",
        "Whoever is on the way to the engine can read its password and change what is "
        "copied; give the certificate of its authority instead.");
}

static void
mtv_ovirt_source_provider_init (MtvProviderInterface *iface)
{
  iface->test = ovirt_test;
  iface->add_concerns = ovirt_add_concerns;
}

/* The source. */

static MtvSourceCaps
ovirt_get_caps (MtvSource *source)
{
  (void) source;
  return MTV_SOURCE_HAS_POWER | MTV_SOURCE_CAN_WARM;
}

static GPtrArray *
ovirt_list (MtvSource *source, GCancellable *cancellable, GError **error)
{
  return mtv_ovirt_inventory_list (client_of (source), cancellable, error);
}

static JsonNode *
get_vm (MtvSource *source, const char *id, const char *query, GCancellable *cancellable,
        GError **error)
{
  g_autofree char *path = g_strdup_printf ("/vms/%s%s", id, query);

  return mtv_ovirt_client_get (client_of (source), path, cancellable, error);
}

/* When it was stopped last, and the volumes that its disks are in: a start, a snapshot and a move
 * change one of them. */
static char *
ovirt_get_identity (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonNode) node
      = get_vm (source, vm->id, "?follow=disk_attachments.disk", cancellable, error);
  g_autoptr (GString) identity = g_string_new (NULL);

  if (node == NULL)
    return NULL;
  JsonObject *object = json_node_get_object (node);
  g_string_append_printf (identity, "%" G_GUINT64_FORMAT "\n",
                          mtv_ovirt_number (object, "stop_time"));
  for (guint i = 0; i < mtv_ovirt_count (object, "disk_attachments.disk_attachment"); i++)
    {
      JsonObject *disk = mtv_ovirt_object (
          mtv_ovirt_item (object, "disk_attachments.disk_attachment", i), "disk");
      const char *id = mtv_ovirt_text (disk, "id"), *image = mtv_ovirt_text (disk, "image_id");

      g_string_append_printf (identity, "%s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
                              id != NULL ? id : "", image != NULL ? image : "",
                              mtv_ovirt_number (disk, "provisioned_size"),
                              mtv_ovirt_number (disk, "actual_size"));
    }
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, identity->str, -1);
}

/* The hosts' certificates are of the engine's own authority, even where the engine shows another
 * one. (transfer none) (nullable) */
static const char *
get_host_ca (MtvOvirtSource *self, GCancellable *cancellable, GError **error)
{
  g_mutex_lock (&self->lock);
  if (self->host_ca == NULL)
    {
      g_autofree char *own = mtv_ovirt_client_get_authority (self->client, cancellable, error);

      if (own != NULL)
        self->host_ca = g_strconcat (self->ca != NULL ? self->ca : "", "\n", own, NULL);
    }
  const char *ca = self->host_ca;
  g_mutex_unlock (&self->lock);
  return ca;
}

static MtvReader *
open_disk (MtvOvirtSource *self, MtvVm *vm, const MtvVmDisk *disk, const char *backup,
           GArray **changes, GCancellable *cancellable, GError **error)
{
  g_autofree char *label = g_strdup_printf ("disk '%s' of '%s'", disk->name, vm->name);
  MtvOvirtDoor door = { .client = self->client, .insecure = self->insecure };

  if (!self->insecure)
    {
      door.ca = get_host_ca (self, cancellable, error);
      if (door.ca == NULL)
        return NULL;
    }
  return mtv_ovirt_transfer_open (&door, disk->id, backup, disk->capacity, label, changes,
                                  cancellable, error);
}

static MtvReader *
ovirt_open_disk (MtvSource *source, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                 GError **error)
{
  return open_disk (MTV_OVIRT_SOURCE (source), vm, disk, NULL, NULL, cancellable, error);
}

/* (transfer full) */
static char *
get_status (MtvSource *source, const char *vm_id, GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonNode) node = get_vm (source, vm_id, "", cancellable, error);
  const char *status = node == NULL ? NULL : mtv_ovirt_text (json_node_get_object (node), "status");

  return node == NULL ? NULL : g_strdup (status != NULL ? status : "unknown");
}

static gboolean
ovirt_get_power (MtvSource *source, MtvVm *vm, MtvPower *power, GCancellable *cancellable,
                 GError **error)
{
  g_autofree char *status = get_status (source, vm->id, cancellable, error);

  if (status == NULL)
    return FALSE;
  if (g_str_equal (status, "down") || g_str_equal (status, "image_locked"))
    *power = MTV_POWER_OFF;
  else if (g_str_equal (status, "suspended") || g_str_equal (status, "paused"))
    *power = MTV_POWER_SUSPENDED;
  else
    *power = MTV_POWER_ON;
  return TRUE;
}

static gboolean
act (MtvSource *source, const char *vm_id, const char *action, GCancellable *cancellable,
     GError **error)
{
  g_autofree char *path = g_strdup_printf ("/vms/%s/%s", vm_id, action);
  g_autoptr (JsonNode) node
      = mtv_ovirt_client_send (client_of (source), "POST", path, "{}", cancellable, error);

  return node != NULL;
}

static gboolean
ovirt_shut_down (MtvSource *source, MtvVm *vm, gboolean force, GCancellable *cancellable,
                 GError **error)
{
  g_autofree char *status = get_status (source, vm->id, cancellable, error);

  if (status == NULL)
    return FALSE;
  return g_str_equal (status, "down") || g_str_equal (status, "image_locked")
         || (g_str_equal (status, "powering_down") && !force) /* it was asked before */
         || act (source, vm->id, force ? "stop" : "shutdown", cancellable, error);
}

static gboolean
ovirt_start (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  MtvPower power;

  if (!ovirt_get_power (source, vm, &power, cancellable, error))
    return FALSE;
  return power == MTV_POWER_ON || act (source, vm->id, "start", cancellable, error);
}

static void
ovirt_check_warm (MtvSource *source, MtvVm *vm, GPtrArray *concerns, GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvOvirtWorld) world = mtv_ovirt_world_load (client_of (source), cancellable, &error);
  g_autoptr (JsonNode) node
      = world == NULL
            ? NULL
            : get_vm (source, vm->id, "?follow=disk_attachments.disk", cancellable, &error);

  if (node != NULL)
    mtv_ovirt_check_warm (json_node_get_object (node), world, concerns);
  else
    mtv_concerns_add (
        concerns, "warm.unknown", MTV_CONCERN_CRITICAL, vm->name, "The VM cannot be looked at",
        "Whether the VM can be migrated while it runs cannot be told now: %s", error->message);
}

static gboolean
ovirt_enable_tracking (MtvSource *source, MtvVm *vm, char **put_back, GCancellable *cancellable,
                       GError **error)
{
  *put_back = NULL;
  return mtv_ovirt_tracking_enable (client_of (source), vm, put_back, cancellable, error);
}

static MtvPoint *
ovirt_create_point (MtvSource *source, MtvVm *vm, const char *key, const MtvPoint *since,
                    GCancellable *cancellable, GError **error)
{
  return mtv_ovirt_backup_create (client_of (source), vm, key, since, cancellable, error);
}

static MtvReader *
ovirt_open_point (MtvSource *source, MtvVm *vm, guint disk, const MtvPoint *point,
                  const MtvPoint *since, GArray **changes, GCancellable *cancellable,
                  GError **error)
{
  g_autofree char *backup = mtv_ovirt_backup_get_id (point);
  gboolean tracked = since != NULL && disk < since->change_ids->len
                     && g_ptr_array_index (since->change_ids, disk) != NULL;

  return open_disk (MTV_OVIRT_SOURCE (source), vm, g_ptr_array_index (vm->disks, disk), backup,
                    tracked ? changes : NULL, cancellable, error);
}

static gboolean
ovirt_remove (MtvSource *source, const char *vm_id, const char *kind, const char *key,
              const char *remote_id, GCancellable *cancellable, GError **error)
{
  MtvOvirtClient *client = client_of (source);

  if (g_str_equal (kind, MTV_SOURCE_SNAPSHOT))
    return mtv_ovirt_backup_finish (client, vm_id, key, cancellable, error);
  if (g_str_equal (kind, MTV_SOURCE_MARK))
    return mtv_ovirt_backup_forget (client, vm_id, key, remote_id, cancellable, error);
  return remote_id == NULL || mtv_ovirt_tracking_put_back (client, remote_id, cancellable, error);
}

static void
mtv_ovirt_source_source_init (MtvSourceInterface *iface)
{
  iface->get_caps = ovirt_get_caps;
  iface->list = ovirt_list;
  iface->get_identity = ovirt_get_identity;
  iface->open_disk = ovirt_open_disk;
  iface->get_power = ovirt_get_power;
  iface->shut_down = ovirt_shut_down;
  iface->start = ovirt_start;
  iface->check_warm = ovirt_check_warm;
  iface->enable_tracking = ovirt_enable_tracking;
  iface->create_point = ovirt_create_point;
  iface->open_point = ovirt_open_point;
  iface->remove = ovirt_remove;
}

/* The type. */

static MtvProvider *
ovirt_create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  g_autoptr (MtvOvirtSource) self = g_object_new (MTV_TYPE_OVIRT_SOURCE, NULL);
  g_autofree char *label = g_strdup_printf ("provider '%s'", config->name);
  const char *user = NULL, *password = NULL, *thumbprint = NULL;
  g_auto (GVariantDict) settings = G_VARIANT_DICT_INIT (config->settings);

  g_variant_dict_lookup (&settings, "user", "&s", &user);
  g_variant_dict_lookup (&settings, "ca", "s", &self->ca);
  g_variant_dict_lookup (&settings, "thumbprint", "&s", &thumbprint);
  g_variant_dict_lookup (&settings, "insecure", "b", &self->insecure);
  if (secrets != NULL)
    g_variant_lookup (secrets, "password", "&s", &password);
  if (fd >= 0 || config->url == NULL || user == NULL || password == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "An oVirt provider needs the URL of its engine, a user (NAME@PROFILE) and a "
                   "password");
      return NULL;
    }
  MtvRestOptions options = { .url = config->url,
                             .label = label,
                             .ca = self->ca,
                             .thumbprint = thumbprint,
                             .insecure = self->insecure };
  self->client = mtv_ovirt_client_new (&options, user, password, error);
  self->name = g_strdup (config->name);
  return self->client == NULL ? NULL : MTV_PROVIDER (g_steal_pointer (&self));
}

static const MtvProviderSetting ovirt_settings[] = {
  { "user", "s", FALSE },     { "ca", "s", FALSE },      { "thumbprint", "s", FALSE },
  { "insecure", "b", FALSE }, { "password", "s", TRUE }, { NULL, NULL, FALSE },
};

const MtvProviderType mtv_ovirt_source_type = {
  .type = "ovirt",
  .is_source = TRUE,
  .settings = ovirt_settings,
  .create = ovirt_create,
};
