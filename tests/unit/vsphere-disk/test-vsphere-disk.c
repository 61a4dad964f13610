/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-disk.h"

#include "base/mtv-error.h"
#include "disk-fixture.h"
#include "provider/vsphere/mtv-vsphere-https.h"

#include <string.h>

#define MIB (1024 * 1024)
#define SIZE (3 * MIB)
#define QUERY "?dcPath=Folder%2FDC0&dsName=ds"

static GBytes *
make_disk (void)
{
  guint8 *bytes = g_malloc0 (SIZE);

  for (guint i = 0; i < SIZE / 2; i++)
    bytes[i] = (guint8) (i * 7 + i / 4096);
  bytes[SIZE - 1] = 1;
  return g_bytes_new_take (bytes, SIZE);
}

/* @disk: (transfer full) */
static void
add_flat (Host *host, const char *folder, const char *query, GBytes *disk)
{
  g_autofree char *text
      = g_strdup_printf ("# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\n"
                         "RW %u VMFS \"vm-flat.vmdk\"\n",
                         SIZE / 512);
  g_autofree char *descriptor = g_strdup_printf ("/folder/%s/vm.vmdk%s", folder, query);
  g_autofree char *flat = g_strdup_printf ("/folder/%s/vm-flat.vmdk%s", folder, query);

  host_add_file (host, descriptor, g_bytes_new (text, strlen (text)));
  host_add_file (host, flat, disk);
}

static MtvReader *
open_disk (const MtvVsphereDiskRequest *request)
{
  g_autoptr (GError) error = NULL;
  MtvReader *reader = mtv_vsphere_disk_open (request, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (mtv_reader_get_size (reader), ==, request->capacity);
  return reader;
}

static void
assert_reads (MtvReader *reader, GBytes *wanted, gsize step)
{
  const guint8 *bytes = g_bytes_get_data (wanted, NULL);
  g_autofree guint8 *buffer = g_malloc (step);

  for (gsize at = 0; at < SIZE; at += step)
    {
      gsize length = MIN (step, SIZE - at);
      g_autoptr (GError) error = NULL;

      mtv_reader_read (reader, at, buffer, length, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpmem (buffer, length, bytes + at, length);
    }
}

static void
assert_fails (const MtvVsphereDiskRequest *request, MtvError code, const char *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvReader) reader = mtv_vsphere_disk_open (request, NULL, &error);

  g_assert_null (reader);
  g_assert_error (error, MTV_ERROR, (int) code);
  if (!strstr (error->message, message) || !strstr (error->message, "disk 'd' of 'web'"))
    g_error ("'%s' does not say '%s'", error->message, message);
  g_assert_null (strstr (error->message, "vmware_"));
}

/* --- https --- */

static void
test_flat (void)
{
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  add_flat (host, "vm", QUERY, g_bytes_ref (disk));
  g_autoptr (MtvReader) reader = open_disk (&request);
  g_assert_cmpuint (mtv_reader_get_hints (reader).max_channels, ==, 6);
  assert_reads (reader, disk, 700 * 1000);
  g_assert_cmpuint (host_count (host, "vmware_soap_session=0"), >=, 2);
}

/* Another login is asked for with the cookie that was refused, once a request. */
static void
test_forgotten_session (void)
{
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  add_flat (host, "vm", QUERY, g_bytes_ref (disk));
  host->login = 7;
  g_autoptr (MtvReader) reader = open_disk (&request);
  assert_reads (reader, disk, MIB);
  g_assert_cmpuint (host_count (host, "vmware_soap_session=7"), >=, 2);

  host->status = 403;
  host->n_statuses = 2;
  assert_fails (&request, MTV_ERROR_PERMISSION_DENIED, "'[ds] vm/vm.vmdk' at vCenter 127.0.0.1");
}

static void
test_statuses (void)
{
  static const struct
  {
    guint status;
    MtvError code;
    const char *message;
  } all[] = {
    { 404, MTV_ERROR_NOT_FOUND, "404 Not Found" },
    { 400, MTV_ERROR_FAILED, "400 Bad Request" },
    { 500, MTV_ERROR_UNREACHABLE, "may be in use by a running VM" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autoptr (Host) host = host_new ();
      MtvVsphereDiskRequest request = host_request (host, SIZE);

      add_flat (host, "vm", QUERY, make_disk ());
      host->status = all[i].status;
      host->n_statuses = 1000;
      assert_fails (&request, all[i].code, all[i].message);
    }
}

/* A server that is away for a moment is asked again. */
static void
test_away (void)
{
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  add_flat (host, "vm", QUERY, g_bytes_ref (disk));
  g_autoptr (MtvReader) reader = open_disk (&request);
  guint8 last[4096];
  g_autoptr (GError) error = NULL;
  g_mutex_lock (&host->lock);
  host->n_statuses = 1;
  host->status = 503;
  g_mutex_unlock (&host->lock);
  mtv_reader_read (reader, SIZE - sizeof last, last, sizeof last, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (last[sizeof last - 1], ==, 1);
  assert_reads (reader, disk, MIB);
}

static void
test_other_size (void)
{
  g_autoptr (Host) host = host_new ();
  MtvVsphereDiskRequest request = host_request (host, SIZE + 512);

  add_flat (host, "vm", QUERY, make_disk ());
  assert_fails (&request, MTV_ERROR_SOURCE_CHANGED, "bytes, and not 3146240 any more");
}

static void
test_escapes (void)
{
  static const struct
  {
    const char *datacenter, *store, *path;
    gboolean twice;
    const char *url;
  } all[] = {
    { "DC0", "ds1", "a/a.vmdk", TRUE, "h/folder/a/a.vmdk?dcPath=DC0&dsName=ds1" },
    { NULL, "ds1", "a/a.vmdk", FALSE, "h/folder/a/a.vmdk?dsName=ds1" },
    { "/F/DC 1", "my ds", "a b/x [1].vmdk", TRUE,
      "h/folder/a%20b/x%20%5B1%5D.vmdk?dcPath=F%2FDC%201&dsName=my%20ds" },
    { "DC0", "50%", "50%.vmdk", TRUE, "h/folder/50%25.vmdk?dcPath=DC0&dsName=50%2525" },
    { "DC0", "50%", "50%.vmdk", FALSE, "h/folder/50%25.vmdk?dcPath=DC0&dsName=50%25" },
    { "D%2fC", "a+b", "a&b?c#d.vmdk", TRUE,
      "h/folder/a%26b%3Fc%23d.vmdk?dcPath=D%25252fC&dsName=a%252Bb" },
    { "DC0", "\xc3\xa4", "\xc3\xb6.vmdk", TRUE, "h/folder/%C3%B6.vmdk?dcPath=DC0&dsName=%C3%A4" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autofree char *url = mtv_vsphere_folder_url ("h", all[i].datacenter, all[i].store,
                                                     all[i].path, all[i].twice);

      g_assert_cmpstr (url, ==, all[i].url);
    }
}

static void
test_odd_names (void)
{
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  add_flat (host, "v%20m%25", "?dcPath=Folder%2FDC0&dsName=a%252525%20%C3%A4", g_bytes_ref (disk));
  add_flat (host, "v%20m%25", "?dcPath=Folder%2FDC0&dsName=a%2525%2520%25C3%25A4",
            g_bytes_ref (disk));
  request.file = "[a% \xc3\xa4] v m%/vm.vmdk";
  g_autoptr (MtvReader) reader = open_disk (&request);
  assert_reads (reader, disk, MIB);
}

/* Each request of a host has a ticket of its own; the vCenter's datacenter means nothing there. */
static void
test_host (void)
{
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  add_flat (host, "vm", "?dsName=ds", g_bytes_ref (disk));
  request.host_url = host->url;
  g_autoptr (MtvReader) reader = open_disk (&request);
  assert_reads (reader, disk, MIB);
  g_assert_cmpuint (host->n_tickets, ==, host->requests->len);
  for (guint i = 0; i < host->n_tickets; i++)
    {
      g_autofree char *ticket = g_strdup_printf ("vmware_cgi_ticket=t%u ", i + 1);

      g_assert_cmpuint (host_count (host, ticket), ==, 1);
    }
}

/* --- export --- */

static void
add_stream (Host *host, const char *name, GBytes *disk, const char *fault)
{
  g_autofree char *folder = g_dir_make_tmp ("mtv-stream-XXXXXX", NULL);
  g_autofree char *raw = g_build_filename (folder, "raw", NULL);
  g_autofree char *vmdk = g_build_filename (folder, "vmdk", NULL);
  g_autofree char *command
      = g_strdup_printf ("python3 " TOOLS "/mkvmdk.py %s%s %s %s", fault ? "--fault " : "",
                         fault ? fault : "", raw, vmdk);
  g_autofree char *remove = g_strdup_printf ("rm -r %s", folder);
  g_autoptr (GError) error = NULL;
  char *contents = NULL;
  gsize length;
  int status;

  g_file_set_contents (raw, g_bytes_get_data (disk, NULL), SIZE, &error);
  g_assert_no_error (error);
  g_spawn_command_line_sync (command, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_file_get_contents (vmdk, &contents, &length, &error);
  g_assert_no_error (error);
  host_add_file (host, name, g_bytes_new_take (contents, length));
  g_spawn_command_line_sync (remove, NULL, NULL, NULL, NULL);
}

static void
test_export (void)
{
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  request.way = MTV_VSPHERE_WAY_EXPORT;
  add_stream (host, "/nfc/1/disk-0.vmdk", disk, NULL);
  g_autoptr (MtvReader) reader = open_disk (&request);
  g_assert_true (mtv_reader_get_hints (reader).in_order);
  assert_reads (reader, disk, 1000 * 1000);
  g_assert_cmpuint (host_count (host, "/nfc/1/disk-0.vmdk"), ==, 1);
  assert_reads (reader, disk, 4096); /* to go back is to begin again */
  g_assert_cmpuint (host_count (host, "/nfc/1/disk-0.vmdk"), ==, 2);
  g_clear_object (&reader);
  g_assert_cmpuint (host->n_exports, ==, 1);
  g_assert_cmpuint (host->n_completed, ==, 1);
}

/* One lease for both disks; it ends with the second one, and not well: that was not read. */
static void
test_export_of_two (void)
{
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  g_autoptr (MtvVsphereExports) exports = mtv_vsphere_exports_new ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  request.way = MTV_VSPHERE_WAY_EXPORT;
  request.exports = exports;
  host->export_disks = 2;
  host->export_elsewhere = TRUE;
  add_stream (host, "/nfc/1/disk-0.vmdk", disk, NULL);
  add_stream (host, "/nfc/1/disk-1.vmdk", disk, "no-footer");
  g_autoptr (MtvReader) first = open_disk (&request);
  request.disk_address = "ParaVirtualSCSIController0:1";
  g_autoptr (MtvReader) second = open_disk (&request);
  assert_reads (first, disk, MIB);
  g_clear_object (&first);
  g_assert_cmpuint (host->n_completed + host->n_aborted, ==, 0);
  while (TRUE)
    {
      g_mutex_lock (&host->lock);
      guint kept = host->n_kept;
      g_mutex_unlock (&host->lock);
      if (kept > 0)
        break;
      g_usleep (1000);
    }
  g_clear_object (&second);
  g_assert_cmpuint (host->n_exports, ==, 1);
  g_assert_cmpuint (host->n_aborted, ==, 1);
}

static void
test_bad_stream (gconstpointer data)
{
  const char *fault = data;
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);
  g_autofree guint8 *buffer = g_malloc (SIZE);
  g_autoptr (GError) error = NULL;

  request.way = MTV_VSPHERE_WAY_EXPORT;
  add_stream (host, "/nfc/1/disk-0.vmdk", disk, fault);
  g_autoptr (MtvReader) reader = mtv_vsphere_disk_open (&request, NULL, &error);
  if (reader)
    g_assert_false (mtv_reader_read (reader, 0, buffer, SIZE, NULL, &error));
  g_assert_nonnull (error);
  g_assert_true (error->domain == MTV_ERROR);
  g_assert_nonnull (strstr (error->message, "disk 'd' of 'web'"));
  g_clear_object (&reader);
  g_assert_cmpuint (host->n_aborted, ==, 1);
}

static void
test_export_gone (void)
{
  g_autoptr (Host) host = host_new ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  request.way = MTV_VSPHERE_WAY_EXPORT;
  assert_fails (&request, MTV_ERROR_NOT_FOUND, "404");
  request.disk_index = 5;
  assert_fails (&request, MTV_ERROR_SOURCE_CHANGED, "is not among the 1 disks");
  g_assert_cmpuint (host->n_aborted, ==, 2);
}

/* --- which --- */

static void
test_choose (void)
{
  g_autoptr (Host) host = host_new ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);
  MtvVsphereWay way;

  request.way = MTV_VSPHERE_WAY_AUTO;
  request.vddk_library = "/nonexistent";
  request.vddk_plugin = "/nonexistent";
  g_autofree char *plain = NULL;
  g_assert_true (mtv_vsphere_disk_choose (&request, &way, &plain, NULL));
  g_assert_cmpstr (mtv_vsphere_way_to_string (way), ==, "https");
  g_assert_nonnull (
      strstr (plain, "https: the files of '[ds] vm/vm.vmdk' can be read from vCenter"));

  request.datastore_type = "vsan";
  g_autofree char *objects = NULL;
  g_assert_true (mtv_vsphere_disk_choose (&request, &way, &objects, NULL));
  g_assert_cmpint (way, ==, MTV_VSPHERE_WAY_EXPORT);
  g_assert_nonnull (strstr (objects, "https: a datastore of type vsan has no files"));

  request.parts = TRUE;
  g_autofree char *none = NULL;
  g_autoptr (GError) error = NULL;
  g_assert_false (mtv_vsphere_disk_choose (&request, &way, &none, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "There is no way to read disk 'd' of 'web': vddk: "));
  g_assert_nonnull (strstr (error->message, "export: an export is of whole disks"));
}

/* What the descriptor says counts more than what the API did. */
static void
test_falls_back (void)
{
  static const char text[] = "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\n"
                             "createType=\"vmfs\"\nRW 6144 VMFS \"vsan://5f0c\"\n";
  g_autoptr (Host) host = host_new ();
  g_autoptr (GBytes) disk = make_disk ();
  MtvVsphereDiskRequest request = host_request (host, SIZE);

  request.way = MTV_VSPHERE_WAY_AUTO;
  request.vddk_plugin = "/nonexistent";
  host_add_file (host, "/folder/vm/vm.vmdk" QUERY, g_bytes_new_static (text, strlen (text)));
  add_stream (host, "/nfc/1/disk-0.vmdk", disk, NULL);
  g_autoptr (MtvReader) reader = open_disk (&request);
  g_assert_true (mtv_reader_get_hints (reader).in_order);
  assert_reads (reader, disk, MIB);
}

int
main (int argc, char **argv)
{
  static const char *const faults[]
      = { "no-eos",      "truncated",  "duplicate-record", "bad-deflate", "bad-size",
          "short-grain", "bad-marker", "long-marker",      "huge-grain",  "text-mode" };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vsphere-disk/https/flat", test_flat);
  g_test_add_func ("/vsphere-disk/https/forgotten-session", test_forgotten_session);
  g_test_add_func ("/vsphere-disk/https/statuses", test_statuses);
  g_test_add_func ("/vsphere-disk/https/away", test_away);
  g_test_add_func ("/vsphere-disk/https/other-size", test_other_size);
  g_test_add_func ("/vsphere-disk/https/escapes", test_escapes);
  g_test_add_func ("/vsphere-disk/https/odd-names", test_odd_names);
  g_test_add_func ("/vsphere-disk/https/host", test_host);
  g_test_add_func ("/vsphere-disk/export/one", test_export);
  g_test_add_func ("/vsphere-disk/export/two", test_export_of_two);
  g_test_add_func ("/vsphere-disk/export/gone", test_export_gone);
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autofree char *name = g_strdup_printf ("/vsphere-disk/export/bad/%s", faults[i]);

      g_test_add_data_func (name, faults[i], test_bad_stream);
    }
  g_test_add_func ("/vsphere-disk/choose", test_choose);
  g_test_add_func ("/vsphere-disk/falls-back", test_falls_back);
  return g_test_run ();
}
