/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-open.h"

#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-task.h"

#include <string.h>

#define LEASE_PAUSE_USEC (500 * 1000)
#define LEASE_USEC (10 * 60 * G_USEC_PER_SEC) /* that an export may take to begin */

/* A request, and what of it was put together for it. */
typedef struct
{
  MtvVsphereDiskRequest request;
  char *label;      /* (owned) */
  char *datacenter; /* (owned) (nullable) */
  char *host_url;   /* (owned) (nullable) */
} Request;

static void
request_clear (Request *self)
{
  g_clear_pointer (&self->label, g_free);
  g_clear_pointer (&self->datacenter, g_free);
  g_clear_pointer (&self->host_url, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Request, request_clear)

static void
set_server (Request *self, MtvVsphereSession *session, const MtvVsphereReading *reading,
            const MtvVsphereService *service)
{
  const MtvVsphereAccess *access = mtv_vsphere_session_get_access (session);
  MtvVsphereDiskRequest *request = &self->request;

  request->way = reading->way;
  request->url = access->url;
  request->is_host = !service->is_vcenter;
  request->ca = access->ca;
  request->thumbprint = access->thumbprint;
  request->insecure = access->insecure;
  request->session = session;
  request->funcs = &mtv_vsphere_session_funcs;
  request->exports = reading->exports;
  request->user = access->user;
  request->password = access->password;
  request->vddk_library = reading->vddk_library;
  request->vddk_plugin = reading->vddk_plugin;
}

/* A vCenter tells which certificate a host of its has; without that there is no way to know it. */
static void
set_host (Request *self, const MtvVspherePlace *host)
{
  if (self->request.is_host || host == NULL || host->thumbprint == NULL)
    return;
  self->host_url = g_strconcat ("https://", host->address, NULL);
  self->request.host_url = self->host_url;
  self->request.host_thumbprint = host->thumbprint;
}

static void
set_disk (Request *self, const MtvVsphereVm *vm, MtvVspherePlaces *places, guint index)
{
  const MtvVmDisk *disk = g_ptr_array_index (vm->vm->disks, index);
  const MtvVsphereDisk *more = g_ptr_array_index (vm->disks, index);
  const MtvVspherePlace *store = mtv_vsphere_places_get (places, more->datastore);
  MtvVsphereDiskRequest *request = &self->request;

  self->label = g_strdup_printf ("disk '%s' of '%s'", disk->name, vm->vm->name);
  if (!request->is_host)
    self->datacenter = mtv_vsphere_places_get_datacenter (places, vm->vm->id);
  request->label = self->label;
  request->datacenter = self->datacenter;
  request->vm = vm->vm->id;
  request->file = disk->backing;
  request->capacity = disk->capacity;
  request->datastore_type = store != NULL ? store->storage_type : NULL;
  request->disk_index = more->index;
  request->disk_address = more->address;
  request->encrypted = vm->encrypted || more->encrypted;
  request->raw_mapping = more->backing == MTV_VSPHERE_BACKING_RDM
                         || more->backing == MTV_VSPHERE_BACKING_PHYSICAL_RDM;
}

static gboolean
set_all (Request *self, MtvVsphereSession *session, const MtvVsphereReading *reading,
         const MtvVsphereVm *vm, MtvVspherePlaces *places, guint index, GCancellable *cancellable,
         GError **error)
{
  const MtvVsphereService *service = mtv_vsphere_session_connect (session, cancellable, error);

  if (service == NULL)
    return FALSE;
  set_server (self, session, reading, service);
  set_host (self, mtv_vsphere_places_get (places, vm->host));
  set_disk (self, vm, places, index);
  return TRUE;
}

MtvReader *
mtv_vsphere_open (MtvVsphereSession *session, const MtvVsphereReading *reading,
                  const MtvVsphereVm *vm, MtvVspherePlaces *places, guint index,
                  const char *snapshot, const char *file, guint64 capacity, gboolean parts,
                  GCancellable *cancellable, GError **error)
{
  g_auto (Request) request = { .label = NULL };

  if (!set_all (&request, session, reading, vm, places, index, cancellable, error))
    return NULL;
  if (file == NULL || capacity == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s cannot be read: vSphere tells no %s of it", request.label,
                   file == NULL ? "file" : "size");
      return NULL;
    }
  request.request.snapshot = snapshot;
  request.request.file = file;
  request.request.capacity = capacity;
  request.request.parts = parts;
  return mtv_vsphere_disk_open (&request.request, cancellable, error);
}

void
mtv_vsphere_open_check (MtvVsphereSession *session, const MtvVsphereReading *reading,
                        const MtvVsphereVm *vm, MtvVspherePlaces *places, GPtrArray *concerns,
                        GCancellable *cancellable)
{
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (vm->vm->disks, i);
      g_auto (Request) request = { .label = NULL };
      g_autofree char *reason = NULL;
      MtvVsphereWay way;

      if (disk->backing == NULL
          || !set_all (&request, session, reading, vm, places, i, cancellable, NULL))
        continue;
      request.request.parts = TRUE;
      if (mtv_vsphere_disk_choose (&request.request, &way, &reason, NULL))
        mtv_concerns_add (concerns, "disk.transport", MTV_CONCERN_INFORMATION, vm->vm->name,
                          "How a disk is read", "Disk '%s' is read by %s, since: %s.", disk->name,
                          mtv_vsphere_way_to_string (way), reason);
      else
        mtv_concerns_add (concerns, "warm.transport", MTV_CONCERN_CRITICAL, vm->vm->name,
                          "A disk cannot be read in parts",
                          "What has changed in disk '%s' cannot be read: %s. Migrate the VM cold.",
                          disk->name, reason);
    }
}

/* What the readers ask for. */

static gpointer
reader_ref (gpointer session)
{
  return mtv_vsphere_session_ref (session);
}

static void
reader_unref (gpointer session)
{
  mtv_vsphere_session_unref (session);
}

static char *
reader_get_cookie (gpointer session, const char *refused, GCancellable *cancellable, GError **error)
{
  if (refused != NULL)
    mtv_vsphere_session_expire (session, refused);
  return mtv_vsphere_session_get_cookie (session, cancellable, error);
}

static char *
reader_get_ticket (gpointer session, const char *url, GCancellable *cancellable, GError **error)
{
  const MtvVsphereService *service = mtv_vsphere_session_connect (session, cancellable, error);
  xmlNode *response = NULL;

  if (service == NULL)
    return NULL;
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("AcquireGenericServiceTicket", "SessionManager",
                                                    service->session_manager);
  mtv_soap_call_begin (call, "spec", "SessionManagerHttpServiceRequestSpec");
  mtv_soap_call_add (call, "method", "httpGet");
  mtv_soap_call_add (call, "url", url);
  mtv_soap_call_end (call, "spec");
  g_autoptr (xmlDoc) document
      = mtv_vsphere_session_call (session, call, &response, NULL, cancellable, error);
  const char *id = document == NULL ? NULL : mtv_vsphere_xml_text (response, "returnval/id");

  if (document != NULL && id == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: a ticket has no id",
                 mtv_vsphere_session_get_access (session)->label);
  return id == NULL ? NULL : g_strconcat ("vmware_cgi_ticket=", id, NULL);
}

static MtvVsphereLease *
make_lease (const char *id, const xmlNode *info)
{
  MtvVsphereLease *lease
      = mtv_vsphere_lease_new (id, (guint) mtv_vsphere_xml_number (info, "leaseTimeout"));

  for (xmlNode *at = mtv_vsphere_xml_child (info, "deviceUrl"); at != NULL;
       at = mtv_vsphere_xml_next (at))
    if (mtv_vsphere_xml_boolean (at, "disk") && mtv_vsphere_xml_text (at, "key") != NULL
        && mtv_vsphere_xml_text (at, "url") != NULL)
      mtv_vsphere_lease_add (lease, mtv_vsphere_xml_text (at, "key"),
                             mtv_vsphere_xml_text (at, "url"),
                             mtv_vsphere_xml_text (at, "sslThumbprint"));
  return lease;
}

/* It is ready within seconds, and it is asked for until then: not every server tells a collector of
 * leases. */
static MtvVsphereLease *
await_lease (MtvVsphereSession *session, const char *id, GCancellable *cancellable, GError **error)
{
  static const char *const paths[] = { "state", "info", "error", NULL };
  gint64 deadline = g_get_monotonic_time () + LEASE_USEC;

  while (g_get_monotonic_time () < deadline)
    {
      xmlNode *object = NULL;
      g_autoptr (xmlDoc) document
          = mtv_vsphere_retrieve (session, "HttpNfcLease", id, paths, &object, cancellable, error);
      const char *state = mtv_vsphere_xml_text (mtv_vsphere_object_get (object, paths[0]), NULL);
      xmlNode *info = mtv_vsphere_object_get (object, paths[1]);

      if (document == NULL)
        return NULL;
      if (g_strcmp0 (state, "ready") == 0 && info != NULL)
        return make_lease (id, info);
      if (g_strcmp0 (state, "initializing") != 0)
        {
          mtv_soap_set_fault (error, mtv_vsphere_object_get (object, paths[2]), NULL,
                              "%s: the export did not begin",
                              mtv_vsphere_session_get_access (session)->label);
          return NULL;
        }
      mtv_vsphere_pause (LEASE_PAUSE_USEC, cancellable);
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "%s: the export does not begin",
               mtv_vsphere_session_get_access (session)->label);
  return NULL;
}

static void
reader_end_export (gpointer session, const char *id, gboolean aborted)
{
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new (
      aborted ? "HttpNfcLeaseAbort" : "HttpNfcLeaseComplete", "HttpNfcLease", id);

  xmlFreeDoc (mtv_vsphere_session_call (session, call, NULL, NULL, NULL, NULL));
}

static MtvVsphereLease *
reader_start_export (gpointer session, const char *vm, const char *snapshot,
                     GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = snapshot != NULL ? mtv_soap_call_new ("ExportSnapshot", "VirtualMachineSnapshot", snapshot)
                         : mtv_soap_call_new ("ExportVm", "VirtualMachine", vm);
  xmlNode *response = NULL;
  g_autoptr (xmlDoc) document
      = mtv_vsphere_session_call (session, call, &response, NULL, cancellable, error);
  const char *id = document == NULL ? NULL : mtv_vsphere_xml_text (response, "returnval");

  if (document != NULL && id == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: %s was answered without a lease",
                 mtv_vsphere_session_get_access (session)->label, call->method);
  if (id == NULL)
    return NULL;
  MtvVsphereLease *lease = await_lease (session, id, cancellable, error);
  if (lease == NULL)
    reader_end_export (session, id, TRUE);
  return lease;
}

static gboolean
reader_keep_export (gpointer session, const char *id, guint percent, GCancellable *cancellable,
                    GError **error)
{
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("HttpNfcLeaseProgress", "HttpNfcLease", id);

  mtv_soap_call_add_number (call, "percent", MIN (percent, 100));
  g_autoptr (xmlDoc) document
      = mtv_vsphere_session_call (session, call, NULL, NULL, cancellable, error);
  return document != NULL;
}

const MtvVsphereSessionFuncs mtv_vsphere_session_funcs = {
  .ref = reader_ref,
  .unref = reader_unref,
  .get_cookie = reader_get_cookie,
  .get_ticket = reader_get_ticket,
  .start_export = reader_start_export,
  .keep_export = reader_keep_export,
  .end_export = reader_end_export,
};
