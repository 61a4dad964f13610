/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-changes.h"

#include "base/mtv-error.h"
#include "transfer/mtv-disk-io.h"

#include <string.h>

#define MAX_AREAS (4 * 1024 * 1024) /* of a disk; with more, comparing is as good */

gboolean
mtv_vsphere_changes_is_same_epoch (const char *change_id, const char *other)
{
  gsize length = strcspn (change_id, "/");

  return length > 0 && strcspn (other, "/") == length && strncmp (change_id, other, length) == 0;
}

static int
compare_extents (gconstpointer a, gconstpointer b)
{
  const MtvExtent *x = a;
  const MtvExtent *y = b;

  return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* In order, and what overlaps or touches is one. */
static void
put_in_order (GArray *areas)
{
  guint n = 0;

  g_array_sort (areas, compare_extents);
  for (guint i = 0; i < areas->len; i++)
    {
      MtvExtent *last = n == 0 ? NULL : &g_array_index (areas, MtvExtent, n - 1);
      const MtvExtent *next = &g_array_index (areas, MtvExtent, i);

      if (last != NULL && next->offset <= last->offset + last->length)
        last->length
            = MAX (last->offset + last->length, next->offset + next->length) - last->offset;
      else
        g_array_index (areas, MtvExtent, n++) = *next;
    }
  g_array_set_size (areas, n);
}

/* Areas may reach past the end of the disk. */
static gboolean
add_areas (GArray *areas, const xmlNode *info, guint64 capacity)
{
  for (xmlNode *area = mtv_vsphere_xml_child (info, "changedArea"); area != NULL;
       area = mtv_vsphere_xml_next (area))
    {
      guint64 start = mtv_vsphere_xml_number (area, "start");
      guint64 length = mtv_vsphere_xml_number (area, "length");

      if (start >= capacity || length == 0)
        continue;
      const MtvExtent extent = { start, MIN (length, capacity - start), FALSE };
      g_array_append_val (areas, extent);
    }
  return areas->len <= MAX_AREAS;
}

static MtvSoapCall *
query (const char *vm, const char *snapshot, const char *device, guint64 offset, const char *since)
{
  MtvSoapCall *call = mtv_soap_call_new ("QueryChangedDiskAreas", "VirtualMachine", vm);

  mtv_soap_call_add_ref (call, "snapshot", "VirtualMachineSnapshot", snapshot);
  mtv_soap_call_add (call, "deviceKey", device);
  mtv_soap_call_add_number (call, "startOffset", offset);
  mtv_soap_call_add (call, "changeId", since);
  return call;
}

/* The change id is of no use to the server: it was never good, its tracking file was reset, or
 * cannot be read. */
static gboolean
cannot_tell (const char *fault)
{
  static const char *const faults[] = { "FileFault", "FileNotFound",   "InvalidArgument",
                                        "NotFound",  "MethodNotFound", "NotSupported",
                                        NULL };

  return fault != NULL && g_strv_contains (faults, fault);
}

/* How far the answer reaches. 0 with an error: it makes no sense. */
static guint64
end_of_page (const xmlNode *info, guint64 offset, const char *device, GError **error)
{
  guint64 start = mtv_vsphere_xml_number (info, "startOffset");
  guint64 length = mtv_vsphere_xml_number (info, "length");

  if (length > 0 && start <= offset && length <= G_MAXUINT64 - start && start + length > offset)
    return start + length;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "The changed areas of disk '%s' from %" G_GUINT64_FORMAT
               " on were told for %" G_GUINT64_FORMAT " bytes from %" G_GUINT64_FORMAT,
               device, offset, length, start);
  return 0;
}

/* A page may be empty, and the next one not; and to ask for one that begins at the end is an error
 * (InvalidArgument). */
gboolean
mtv_vsphere_changes_query (MtvVsphereSession *session, const char *vm, const char *snapshot,
                           const char *device, guint64 capacity, const char *since,
                           GArray **changes, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) areas = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  *changes = NULL;
  for (guint64 offset = 0; offset < capacity;)
    {
      g_autoptr (MtvSoapCall) call = query (vm, snapshot, device, offset, since);
      g_autofree char *fault = NULL;
      g_autoptr (GError) failed = NULL;
      xmlNode *response = NULL;
      g_autoptr (xmlDoc) document
          = mtv_vsphere_session_call (session, call, &response, &fault, cancellable, &failed);

      if (document == NULL && cannot_tell (fault))
        {
          g_debug ("Disk '%s' of '%s' has to be compared: %s", device, vm, failed->message);
          return TRUE;
        }
      if (document == NULL)
        {
          g_propagate_error (error, g_steal_pointer (&failed));
          return FALSE;
        }
      xmlNode *info = mtv_vsphere_xml_child (response, "returnval");
      offset = end_of_page (info, offset, device, error);
      if (offset == 0)
        return FALSE;
      if (!add_areas (areas, info, capacity))
        return TRUE;
    }
  put_in_order (areas);
  *changes = g_steal_pointer (&areas);
  return TRUE;
}
