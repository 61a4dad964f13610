/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-source.h"

#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-concerns.h"
#include "provider/vsphere/mtv-vsphere-point.h"
#include "provider/vsphere/mtv-vsphere-power.h"
#include "provider/vsphere/mtv-vsphere-snapshot.h"

#include <string.h>

#define TRACKING_WAS_OFF "off"

struct _MtvVsphereSource
{
  GObject parent;

  MtvVsphereSession *session; /* (owned) */
  char *name;                 /* (owned) of the provider */
  char *vddk_library;         /* (owned) (nullable) */
  char *vddk_plugin;          /* (owned) (nullable) */
  MtvVsphereReading reading;  /* (owned) its exports */
};

static void mtv_vsphere_source_provider_init (MtvProviderInterface *iface);
static void mtv_vsphere_source_source_init (MtvSourceInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvVsphereSource, mtv_vsphere_source, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER,
                                                      mtv_vsphere_source_provider_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_SOURCE,
                                                          mtv_vsphere_source_source_init))

static MtvVsphereSession *
session_of (MtvSource *source)
{
  return MTV_VSPHERE_SOURCE (source)->session;
}

static MtvSourceCaps
vsphere_get_caps (MtvSource *source)
{
  (void) source;
  return MTV_SOURCE_HAS_POWER | MTV_SOURCE_CAN_WARM;
}

static GPtrArray *
vsphere_list (MtvSource *source, GCancellable *cancellable, GError **error)
{
  return mtv_vsphere_inventory_list (session_of (source), cancellable, error);
}

/* Identity: the version of the configuration, the disks with their files and change ids, and the
 * names of the logs, since each start of a VM begins a new one. */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
add_logs (GString *identity, const xmlNode *layout)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (xmlNode *file = mtv_vsphere_xml_child (layout, "file"); file != NULL;
       file = mtv_vsphere_xml_next (file))
    if (g_strcmp0 (mtv_vsphere_xml_text (file, "type"), "log") == 0
        && mtv_vsphere_xml_text (file, "name") != NULL)
      g_ptr_array_add (names, (char *) mtv_vsphere_xml_text (file, "name"));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    g_string_append_printf (identity, "log %s\n", (const char *) g_ptr_array_index (names, i));
}

static void
add_disks (GString *identity, const xmlNode *devices)
{
  for (xmlNode *at = mtv_vsphere_xml_first (devices); at != NULL; at = mtv_vsphere_xml_after (at))
    {
      const char *file = mtv_vsphere_xml_text (at, "backing/fileName");
      const char *change_id = mtv_vsphere_xml_text (at, "backing/changeId");

      if (g_strcmp0 (mtv_vsphere_xml_type (at), "VirtualDisk") == 0)
        g_string_append_printf (identity, "disk %s %" G_GUINT64_FORMAT " %s %s\n",
                                mtv_vsphere_xml_text (at, "key"),
                                mtv_vsphere_vm_get_disk_capacity (at), file != NULL ? file : "",
                                change_id != NULL ? change_id : "");
    }
}

static char *
vsphere_get_identity (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  static const char *const paths[]
      = { "config.changeVersion", "config.hardware.device", "layoutEx", NULL };
  xmlNode *object = NULL;
  g_autoptr (GString) identity = g_string_new (NULL);
  g_autoptr (xmlDoc) document = mtv_vsphere_retrieve (session_of (source), "VirtualMachine", vm->id,
                                                      paths, &object, cancellable, error);
  if (document == NULL)
    return NULL;

  const char *version = mtv_vsphere_xml_text (mtv_vsphere_object_get (object, paths[0]), NULL);
  g_string_append_printf (identity, "%s\n", version != NULL ? version : "");
  add_disks (identity, mtv_vsphere_object_get (object, paths[1]));
  add_logs (identity, mtv_vsphere_object_get (object, paths[2]));
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, identity->str, identity->len);
}

/* Of a VM that runs the disk is a moving target, and its file is locked. */
static MtvReader *
vsphere_open_disk (MtvSource *source, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                   GError **error)
{
  MtvVsphereSource *self = MTV_VSPHERE_SOURCE (source);
  g_autoptr (MtvVspherePlaces) places = NULL;
  g_autoptr (MtvVsphereVm) now
      = mtv_vsphere_inventory_look_up (self->session, vm->id, &places, cancellable, error);

  for (guint i = 0; now != NULL && i < now->disks->len; i++)
    {
      const MtvVmDisk *at = g_ptr_array_index (now->vm->disks, i);

      if (strcmp (at->id, disk->id) == 0)
        return mtv_vsphere_open (self->session, &self->reading, now, places, i, NULL, at->backing,
                                 at->capacity, FALSE, cancellable, error);
    }
  if (now != NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED, "'%s' has no disk '%s' any more",
                 vm->name, disk->name);
  return NULL;
}

static gboolean
vsphere_get_power (MtvSource *source, MtvVm *vm, MtvPower *power, GCancellable *cancellable,
                   GError **error)
{
  return mtv_vsphere_power_get (session_of (source), vm->id, power, cancellable, error);
}

static gboolean
vsphere_shut_down (MtvSource *source, MtvVm *vm, gboolean force, GCancellable *cancellable,
                   GError **error)
{
  return mtv_vsphere_power_shut_down (session_of (source), vm->id, force, cancellable, error);
}

static gboolean
vsphere_start (MtvSource *source, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  return mtv_vsphere_power_start (session_of (source), vm->id, cancellable, error);
}

/* Warm. */

/* (transfer full) (nullable) those that are missing, "A, B" */
static char *
find_missing_privileges (MtvVsphereSession *session, const char *vm, GCancellable *cancellable)
{
  const MtvVsphereService *service = mtv_vsphere_session_connect (session, cancellable, NULL);
  g_autofree char *key = mtv_vsphere_session_get_key (session);
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();
  xmlNode *response = NULL;

  if (service == NULL || key == NULL)
    return NULL;
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new (
      "HasPrivilegeOnEntities", "AuthorizationManager", service->authorization_manager);
  mtv_soap_call_add_ref (call, "entity", "VirtualMachine", vm);
  mtv_soap_call_add (call, "sessionId", key);
  for (guint i = 0; mtv_vsphere_privileges[i] != NULL; i++)
    mtv_soap_call_add (call, "privId", mtv_vsphere_privileges[i]);
  g_autoptr (xmlDoc) document
      = mtv_vsphere_session_call (session, call, &response, NULL, cancellable, NULL);
  for (xmlNode *at
       = mtv_vsphere_xml_child (mtv_vsphere_xml_child (response, "returnval"), "privAvailability");
       document != NULL && at != NULL; at = mtv_vsphere_xml_next (at))
    if (g_strcmp0 (mtv_vsphere_xml_text (at, "isGranted"), "false") == 0
        && mtv_vsphere_xml_text (at, "privId") != NULL)
      g_ptr_array_add (missing, (char *) mtv_vsphere_xml_text (at, "privId"));
  if (missing->len == 0)
    return NULL;
  g_ptr_array_add (missing, NULL);
  return g_strjoinv (", ", (char **) missing->pdata);
}

static void
vsphere_check_warm (MtvSource *source, MtvVm *vm, GPtrArray *concerns, GCancellable *cancellable)
{
  MtvVsphereSource *self = MTV_VSPHERE_SOURCE (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVspherePlaces) places = NULL;
  g_autoptr (MtvVsphereVm) now
      = mtv_vsphere_inventory_look_up (self->session, vm->id, &places, cancellable, &error);

  if (now == NULL)
    {
      mtv_concerns_add (
          concerns, "warm.unknown", MTV_CONCERN_CRITICAL, vm->name, "The VM cannot be looked at",
          "Whether the VM can be migrated while it runs cannot be told now: %s", error->message);
      return;
    }
  mtv_vsphere_concerns_add_warm (now, places, concerns);
  mtv_vsphere_open_check (self->session, &self->reading, now, places, concerns, cancellable);
  g_autofree char *missing = find_missing_privileges (self->session, vm->id, cancellable);
  if (missing != NULL)
    mtv_vsphere_concerns_add_missing (concerns, vm->name, missing);
}

static gboolean
vsphere_enable_tracking (MtvSource *source, MtvVm *vm, char **put_back, GCancellable *cancellable,
                         GError **error)
{
  gboolean changed = FALSE;

  *put_back = NULL;
  if (!mtv_vsphere_point_set_tracking (session_of (source), vm->id, TRUE, &changed, cancellable,
                                       error))
    return FALSE;
  if (changed)
    *put_back = g_strdup (TRACKING_WAS_OFF);
  return TRUE;
}

static MtvPoint *
vsphere_create_point (MtvSource *source, MtvVm *vm, const char *key, const MtvPoint *since,
                      GCancellable *cancellable, GError **error)
{
  (void) since;
  return mtv_vsphere_point_create (session_of (source), vm, key, cancellable, error);
}

static MtvReader *
vsphere_open_point (MtvSource *source, MtvVm *vm, guint disk, const MtvPoint *point,
                    const MtvPoint *since, GArray **changes, GCancellable *cancellable,
                    GError **error)
{
  MtvVsphereSource *self = MTV_VSPHERE_SOURCE (source);

  return mtv_vsphere_point_open (self->session, &self->reading, vm, disk, point, since, changes,
                                 cancellable, error);
}

static gboolean
put_tracking_back (MtvVsphereSession *session, const char *vm_id, const char *remote_id,
                   GCancellable *cancellable, GError **error)
{
  gboolean changed = FALSE;
  g_autoptr (GError) failed = NULL;

  if (g_strcmp0 (remote_id, TRACKING_WAS_OFF) != 0
      || mtv_vsphere_point_set_tracking (session, vm_id, FALSE, &changed, cancellable, &failed)
      || g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

/* A mark is a change id: nothing of it is at the server. */
static gboolean
vsphere_remove (MtvSource *source, const char *vm_id, const char *kind, const char *key,
                const char *remote_id, GCancellable *cancellable, GError **error)
{
  MtvVsphereSession *session = session_of (source);

  if (g_str_equal (kind, MTV_SOURCE_SNAPSHOT))
    return mtv_vsphere_snapshot_remove (session, vm_id, key, cancellable, error);
  if (g_str_equal (kind, MTV_SOURCE_TRACKING))
    return put_tracking_back (session, vm_id, remote_id, cancellable, error);
  return TRUE;
}

static void
mtv_vsphere_source_source_init (MtvSourceInterface *iface)
{
  iface->get_caps = vsphere_get_caps;
  iface->list = vsphere_list;
  iface->get_identity = vsphere_get_identity;
  iface->open_disk = vsphere_open_disk;
  iface->get_power = vsphere_get_power;
  iface->shut_down = vsphere_shut_down;
  iface->start = vsphere_start;
  iface->check_warm = vsphere_check_warm;
  iface->enable_tracking = vsphere_enable_tracking;
  iface->create_point = vsphere_create_point;
  iface->open_point = vsphere_open_point;
  iface->remove = vsphere_remove;
}

/* The provider. */

/* That the user sees anything at all shows only in the inventory. */
static gboolean
vsphere_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  MtvVsphereSource *self = MTV_VSPHERE_SOURCE (provider);
  static const char *const paths[] = { "name", NULL };
  const MtvVsphereService *service
      = mtv_vsphere_session_connect (self->session, cancellable, error);
  xmlNode *object = NULL;
  g_autoptr (xmlDoc) document
      = service == NULL ? NULL
                        : mtv_vsphere_retrieve (self->session, "Folder", service->root_folder,
                                                paths, &object, cancellable, error);

  return document != NULL;
}

static void
vsphere_add_concerns (MtvProvider *provider, GPtrArray *concerns)
{
  MtvVsphereSource *self = MTV_VSPHERE_SOURCE (provider);
  const MtvVsphereAccess *access = mtv_vsphere_session_get_access (self->session);

  if (access->insecure || g_str_has_prefix (access->url, "http:"))
    mtv_concerns_add (concerns, "provider.insecure", MTV_CONCERN_WARNING, NULL,
                      "The connection is not secure",
                      "Whoever is between here and '%s' can read the password and change what is "
                      "copied: its certificate is not checked. Set 'ca' or 'thumbprint' instead.",
                      self->name);
}

static void
mtv_vsphere_source_provider_init (MtvProviderInterface *iface)
{
  iface->test = vsphere_test;
  iface->add_concerns = vsphere_add_concerns;
}

static void
mtv_vsphere_source_finalize (GObject *object)
{
  MtvVsphereSource *self = MTV_VSPHERE_SOURCE (object);

  g_clear_pointer (&self->reading.exports, mtv_vsphere_exports_unref);
  g_clear_pointer (&self->session, mtv_vsphere_session_unref);
  g_free (self->name);
  g_free (self->vddk_library);
  g_free (self->vddk_plugin);

  G_OBJECT_CLASS (mtv_vsphere_source_parent_class)->finalize (object);
}

static void
mtv_vsphere_source_class_init (MtvVsphereSourceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_vsphere_source_finalize;
}

static void
mtv_vsphere_source_init (MtvVsphereSource *self)
{
  self->reading.exports = mtv_vsphere_exports_new ();
}

static const MtvProviderSetting settings[] = {
  { "user", "s", FALSE },         { "password", "s", TRUE },     { "ca", "s", FALSE },
  { "thumbprint", "s", FALSE },   { "insecure", "b", FALSE },    { "transport", "s", FALSE },
  { "vddk-library", "s", FALSE }, { "vddk-plugin", "s", FALSE }, { NULL, NULL, FALSE },
};

static gboolean
set_reading (MtvVsphereSource *self, GVariantDict *dict, GError **error)
{
  const char *way = "auto";

  g_variant_dict_lookup (dict, "transport", "&s", &way);
  g_variant_dict_lookup (dict, "vddk-library", "s", &self->vddk_library);
  g_variant_dict_lookup (dict, "vddk-plugin", "s", &self->vddk_plugin);
  self->reading.vddk_library = self->vddk_library;
  self->reading.vddk_plugin = self->vddk_plugin;
  if (mtv_vsphere_way_from_string (way, &self->reading.way))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "The setting 'transport' is 'auto', 'https', 'export' or 'vddk', not '%s'", way);
  return FALSE;
}

static MtvProvider *
vsphere_create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  g_autoptr (MtvVsphereSource) self = g_object_new (MTV_TYPE_VSPHERE_SOURCE, NULL);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (config->settings);
  g_autofree char *label = g_strdup_printf ("provider '%s'", config->name);
  MtvVsphereAccess access = { .url = config->url, .label = label };

  (void) fd;
  self->name = g_strdup (config->name);
  g_variant_dict_lookup (&dict, "user", "&s", &access.user);
  g_variant_dict_lookup (&dict, "ca", "&s", &access.ca);
  g_variant_dict_lookup (&dict, "thumbprint", "&s", &access.thumbprint);
  g_variant_dict_lookup (&dict, "insecure", "b", &access.insecure);
  if (secrets != NULL)
    g_variant_lookup (secrets, "password", "&s", &access.password);
  if (!set_reading (self, &dict, error))
    return NULL;
  self->session = mtv_vsphere_session_new (&access, error);
  return self->session == NULL ? NULL : MTV_PROVIDER (g_steal_pointer (&self));
}

const MtvProviderType mtv_vsphere_source_type = {
  .type = "vsphere",
  .is_source = TRUE,
  .settings = settings,
  .create = vsphere_create,
};
