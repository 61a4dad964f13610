/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-disk.h"

#include "base/mtv-enum.h"
#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-chain.h"
#include "provider/vsphere/mtv-vsphere-export.h"
#include "provider/vsphere/mtv-vsphere-https.h"
#include "provider/vsphere/mtv-vsphere-vddk.h"

static const char *const way_names[] = { "auto", "https", "export", "vddk" };

/* What "auto" tries, in this order. */
static const MtvVsphereWay order[]
    = { MTV_VSPHERE_WAY_VDDK, MTV_VSPHERE_WAY_HTTPS, MTV_VSPHERE_WAY_EXPORT };

const char *
mtv_vsphere_way_to_string (MtvVsphereWay way)
{
  g_return_val_if_fail (way < G_N_ELEMENTS (way_names), NULL);

  return way_names[way];
}

gboolean
mtv_vsphere_way_from_string (const char *name, MtvVsphereWay *way)
{
  guint value;

  if (!mtv_enum_from_string (way_names, G_N_ELEMENTS (way_names), name, &value))
    return FALSE;
  *way = (MtvVsphereWay) value;
  return TRUE;
}

/* --- which --- */

static gboolean
stores_objects (const char *datastore_type)
{
  return datastore_type
         && (g_ascii_strcasecmp (datastore_type, "vsan") == 0
             || g_ascii_strcasecmp (datastore_type, "vsanD") == 0
             || g_ascii_strcasecmp (datastore_type, "VVOL") == 0);
}

static gboolean
https_is_open (const MtvVsphereDiskRequest *request, char **why)
{
  if (stores_objects (request->datastore_type))
    *why = g_strdup_printf ("a datastore of type %s has no files that can be read",
                            request->datastore_type);
  else if (request->raw_mapping)
    *why = g_strdup ("a raw device mapping has its data in no file");
  else if (request->encrypted)
    *why = g_strdup ("the files of an encrypted disk are of no use without its key");
  else
    {
      g_autoptr (MtvVsphereFiles) files = mtv_vsphere_files_new (request);

      *why = g_strdup_printf ("the files of '%s' can be read from %s", request->file,
                              mtv_vsphere_files_get_place (files));
      return TRUE;
    }
  return FALSE;
}

static gboolean
export_is_open (const MtvVsphereDiskRequest *request, char **why)
{
  if (!request->funcs->start_export)
    *why = g_strdup ("the server exports nothing");
  else if (request->parts)
    *why = g_strdup ("an export is of whole disks, not of what has changed");
  else
    {
      *why = g_strdup ("the server can export the disk");
      return TRUE;
    }
  return FALSE;
}

static gboolean
is_open (const MtvVsphereDiskRequest *request, MtvVsphereWay way, char **why)
{
  switch (way)
    {
    case MTV_VSPHERE_WAY_VDDK:
      return mtv_vsphere_vddk_find (request, why);
    case MTV_VSPHERE_WAY_EXPORT:
      return export_is_open (request, why);
    case MTV_VSPHERE_WAY_HTTPS:
    case MTV_VSPHERE_WAY_AUTO:
    default:
      return https_is_open (request, why);
    }
}

static void
add_reason (GString *reasons, MtvVsphereWay way, const char *why)
{
  g_string_append_printf (reasons, "%s%s: %s", reasons->len > 0 ? "; " : "", way_names[way], why);
}

/* From the @first of the order on; what was said about those before stays in @reasons. */
static gboolean
choose (const MtvVsphereDiskRequest *request, gsize first, gsize *chosen, GString *reasons)
{
  for (gsize i = first; i < G_N_ELEMENTS (order); i++)
    {
      g_autofree char *why = NULL;

      if (request->way != MTV_VSPHERE_WAY_AUTO && request->way != order[i])
        continue;
      gboolean open = is_open (request, order[i], &why);
      add_reason (reasons, order[i], why);
      if (open)
        {
          *chosen = i;
          return TRUE;
        }
    }
  return FALSE;
}

static void
set_closed (const MtvVsphereDiskRequest *request, const GString *reasons, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "There is no way to read %s: %s",
               request->label, reasons->str);
}

gboolean
mtv_vsphere_disk_choose (const MtvVsphereDiskRequest *request, MtvVsphereWay *way, char **reason,
                         GError **error)
{
  g_autoptr (GString) reasons = g_string_new (NULL);
  gsize chosen;

  g_return_val_if_fail (request != NULL && way != NULL && reason != NULL, FALSE);

  gboolean open = choose (request, 0, &chosen, reasons);
  if (open)
    *way = order[chosen];
  else
    set_closed (request, reasons, error);
  *reason = g_strdup (reasons->str);
  return open;
}

/* --- opening --- */

static MtvReader *
open_file_cb (gpointer data, const char *file, GCancellable *cancellable, GError **error)
{
  return mtv_vsphere_files_open (data, file, cancellable, error);
}

static MtvReader *
open_chain (const MtvVsphereDiskRequest *request, GCancellable *cancellable, GError **error)
{
  MtvVsphereChain *chain = mtv_vsphere_chain_open (
      request->file, request->capacity, open_file_cb, mtv_vsphere_files_new (request),
      (GDestroyNotify) mtv_vsphere_files_unref, request->label, cancellable, error);

  return chain ? MTV_READER (chain) : NULL;
}

/* The host may be in a network that only the vCenter is in, too. */
static MtvReader *
open_https (const MtvVsphereDiskRequest *request, GCancellable *cancellable, GError **error)
{
  MtvVsphereDiskRequest by_vcenter = *request;
  g_autoptr (GError) problem = NULL;
  MtvReader *reader = open_chain (request, cancellable, &problem);

  if (reader || !request->host_url
      || (!g_error_matches (problem, MTV_ERROR, MTV_ERROR_UNREACHABLE)
          && !g_error_matches (problem, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED)))
    {
      if (problem)
        g_propagate_error (error, g_steal_pointer (&problem));
      return reader;
    }
  g_debug ("%s, going through the vCenter", problem->message);
  by_vcenter.host_url = NULL;
  return open_chain (&by_vcenter, cancellable, error);
}

static MtvReader *
open_export (const MtvVsphereDiskRequest *request, GCancellable *cancellable, GError **error)
{
  MtvVsphereExport *export = mtv_vsphere_export_open (request, cancellable, error);

  return export ? MTV_READER (export) : NULL;
}

static MtvReader *
open_by (const MtvVsphereDiskRequest *request, MtvVsphereWay way, GCancellable *cancellable,
         GError **error)
{
  switch (way)
    {
    case MTV_VSPHERE_WAY_VDDK:
      return mtv_vsphere_vddk_open (request, cancellable, error);
    case MTV_VSPHERE_WAY_EXPORT:
      return open_export (request, cancellable, error);
    case MTV_VSPHERE_WAY_HTTPS:
    case MTV_VSPHERE_WAY_AUTO:
    default:
      return open_https (request, cancellable, error);
    }
}

MtvReader *
mtv_vsphere_disk_open (const MtvVsphereDiskRequest *request, GCancellable *cancellable,
                       GError **error)
{
  g_autoptr (GString) reasons = g_string_new (NULL);
  gsize at = 0;

  g_return_val_if_fail (request != NULL && request->label != NULL, NULL);
  g_return_val_if_fail (request->url != NULL && request->funcs != NULL, NULL);
  g_return_val_if_fail (request->vm != NULL && request->file != NULL, NULL);
  g_return_val_if_fail (request->capacity > 0, NULL);

  while (choose (request, at, &at, reasons))
    {
      g_autoptr (GError) problem = NULL;
      MtvReader *reader = open_by (request, order[at], cancellable, &problem);

      if (reader)
        {
          g_debug ("%s is read by %s", request->label, reasons->str);
          return reader;
        }
      if (!g_error_matches (problem, MTV_ERROR, MTV_ERROR_UNSUPPORTED))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return NULL;
        }
      add_reason (reasons, order[at], problem != NULL ? problem->message : "");
      at++;
    }
  set_closed (request, reasons, error);
  return NULL;
}
