/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* read-disk OPTION…: reads a disk of a vSphere in one of the ways, as the daemon would, into a
 * file. For the tests; the password is what $MTV_PASSWORD says. */
#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-disk.h"
#include "provider/vsphere/mtv-vsphere-open.h"

#include <locale.h>
#include <stdio.h>

#define STEP (1024 * 1024)

static char *way_name = NULL, *reading_to = NULL;
static char *url, *thumbprint, *host_url, *vm, *snapshot, *datacenter, *file, *address, *library,
    *plugin;
static gint64 capacity;
static gint disk_index;
static gboolean choose_only, parts, backwards;

static const GOptionEntry options[] = {
  { "way", 0, 0, G_OPTION_ARG_STRING, &way_name, NULL, NULL },
  { "to", 0, 0, G_OPTION_ARG_FILENAME, &reading_to, NULL, NULL },
  { "url", 0, 0, G_OPTION_ARG_STRING, &url, NULL, NULL },
  { "thumbprint", 0, 0, G_OPTION_ARG_STRING, &thumbprint, NULL, NULL },
  { "host-url", 0, 0, G_OPTION_ARG_STRING, &host_url, NULL, NULL },
  { "vm", 0, 0, G_OPTION_ARG_STRING, &vm, NULL, NULL },
  { "snapshot", 0, 0, G_OPTION_ARG_STRING, &snapshot, NULL, NULL },
  { "datacenter", 0, 0, G_OPTION_ARG_STRING, &datacenter, NULL, NULL },
  { "file", 0, 0, G_OPTION_ARG_STRING, &file, NULL, NULL },
  { "address", 0, 0, G_OPTION_ARG_STRING, &address, NULL, NULL },
  { "library", 0, 0, G_OPTION_ARG_STRING, &library, NULL, NULL },
  { "plugin", 0, 0, G_OPTION_ARG_STRING, &plugin, NULL, NULL },
  { "capacity", 0, 0, G_OPTION_ARG_INT64, &capacity, NULL, NULL },
  { "index", 0, 0, G_OPTION_ARG_INT, &disk_index, NULL, NULL },
  { "choose", 0, 0, G_OPTION_ARG_NONE, &choose_only, NULL, NULL },
  { "parts", 0, 0, G_OPTION_ARG_NONE, &parts, NULL, NULL },
  { "backwards", 0, 0, G_OPTION_ARG_NONE, &backwards, NULL, NULL },
  G_OPTION_ENTRY_NULL,
};

/* One piece after the other, or from the end, which in-order readers do not like but must do. */
static gboolean
read_all (MtvReader *reader, FILE *out, GError **error)
{
  guint64 size = mtv_reader_get_size (reader);
  guint64 n = (size + STEP - 1) / STEP;
  g_autofree guint8 *buffer = g_malloc (STEP);

  for (guint64 i = 0; i < n; i++)
    {
      guint64 at = (backwards ? n - 1 - i : i) * STEP;
      gsize length = MIN (STEP, size - at);

      if (!mtv_reader_read (reader, at, buffer, length, NULL, error))
        return FALSE;
      if (fseeko (out, (off_t) at, SEEK_SET) < 0 || fwrite (buffer, 1, length, out) != length)
        g_error ("Cannot write");
    }
  return TRUE;
}

static gboolean
run (const MtvVsphereDiskRequest *request, GError **error)
{
  MtvVsphereWay way;
  g_autofree char *reason = NULL;

  if (!mtv_vsphere_disk_choose (request, &way, &reason, error))
    return FALSE;
  printf ("%s\n%s\n", mtv_vsphere_way_to_string (way), reason);
  if (choose_only)
    return TRUE;

  g_autoptr (MtvReader) reader = mtv_vsphere_disk_open (request, NULL, error);
  FILE *out = reader ? fopen (reading_to, "we") : NULL;
  gboolean good = out && read_all (reader, out, error);
  if (out)
    fclose (out);
  return good;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (MtvVsphereExports) exports = mtv_vsphere_exports_new ();
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  const MtvVsphereAccess access = { .url = url,
                                    .label = "the simulator",
                                    .user = "user",
                                    .password = g_getenv ("MTV_PASSWORD"),
                                    .thumbprint = thumbprint };
  g_autoptr (MtvVsphereSession) session = mtv_vsphere_session_new (&access, &error);
  MtvVsphereDiskRequest request = { .label = "disk 'd'",
                                    .url = url,
                                    .thumbprint = thumbprint,
                                    .session = session,
                                    .funcs = &mtv_vsphere_session_funcs,
                                    .exports = exports,
                                    .user = access.user,
                                    .password = access.password,
                                    .host_url = host_url,
                                    .host_thumbprint = thumbprint,
                                    .vm = vm,
                                    .snapshot = snapshot,
                                    .datacenter = datacenter,
                                    .file = file,
                                    .capacity = (guint64) capacity,
                                    .disk_index = (guint) disk_index,
                                    .disk_address = address,
                                    .parts = parts,
                                    .vddk_library = library,
                                    .vddk_plugin = plugin };
  gboolean good
      = session && mtv_vsphere_way_from_string (way_name, &request.way) && run (&request, &error);

  if (error)
    {
      g_autofree char *name = mtv_error_get_name (error);

      fprintf (stderr, "%s: %s\n", name, error->message);
    }
  return good ? 0 : 1;
}
