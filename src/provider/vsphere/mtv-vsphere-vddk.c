/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-vddk.h"

#include "base/mtv-error.h"
#include "transfer/mtv-http-trust.h"
#include "transfer/mtv-nbd-disk.h"
#include "transfer/mtv-nbd-server.h"

#include <string.h>

#define PLUGIN "vddk"
#define HTTPS_PORT 443
#define CONNECT_TIMEOUT 30 /* seconds */
#define SHA1_DIGITS 40

/* Where VMware's archive and the packages that are made of it put it. */
static const char *const libraries[]
    = { "/opt/vmware-vix-disklib-distrib", "/usr/lib/vmware-vix-disklib-distrib",
        "/usr/lib/vmware-vix-disklib", NULL };

/* --- what is installed --- */

static gboolean
has_library (const char *folder)
{
  g_autofree char *lib = g_build_filename (folder, "lib64", NULL);

  return g_file_test (lib, G_FILE_TEST_IS_DIR);
}

static const char *
find_library (const MtvVsphereDiskRequest *request)
{
  if (request->vddk_library)
    return has_library (request->vddk_library) ? request->vddk_library : NULL;
  for (gsize i = 0; libraries[i]; i++)
    if (has_library (libraries[i]))
      return libraries[i];
  return NULL;
}

/* The folder of nbdkit's plugins, as it says itself. */
static char *
get_plugin_folder (const char *nbdkit)
{
  const char *argv[] = { nbdkit, "--dump-config", NULL };
  g_autofree char *text = NULL;

  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &text,
                     NULL, NULL, NULL))
    return NULL;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (g_str_has_prefix (lines[i], "plugindir="))
      return g_strdup (lines[i] + strlen ("plugindir="));
  return NULL;
}

/* (transfer full) (nullable) */
static char *
find_plugin (const MtvVsphereDiskRequest *request, const char *nbdkit)
{
  g_autofree char *folder = NULL;
  g_autofree char *file = NULL;

  if (request->vddk_plugin)
    return g_file_test (request->vddk_plugin, G_FILE_TEST_IS_REGULAR)
               ? g_strdup (request->vddk_plugin)
               : NULL;
  folder = get_plugin_folder (nbdkit);
  file = folder ? g_build_filename (folder, "nbdkit-" PLUGIN "-plugin.so", NULL) : NULL;
  return file && g_file_test (file, G_FILE_TEST_IS_REGULAR) ? g_strdup (PLUGIN) : NULL;
}

gboolean
mtv_vsphere_vddk_find (const MtvVsphereDiskRequest *request, char **why)
{
  g_autofree char *nbdkit = g_find_program_in_path ("nbdkit");
  g_autofree char *plugin = nbdkit ? find_plugin (request, nbdkit) : NULL;
  const char *library = find_library (request);

  if (nbdkit && plugin && library && request->user && request->password)
    {
      *why = g_strdup_printf ("nbdkit has the plugin '%s', and VMware's library is in '%s'", plugin,
                              library);
      return TRUE;
    }
  if (!nbdkit)
    *why = g_strdup ("nbdkit is not installed");
  else if (!plugin)
    *why = g_strdup_printf ("nbdkit has no plugin '%s'",
                            request->vddk_plugin ? request->vddk_plugin : PLUGIN);
  else if (!library)
    *why = g_strdup_printf ("VMware's library is not in '%s'",
                            request->vddk_library ? request->vddk_library : libraries[0]);
  else
    *why = g_strdup ("the library wants a user and a password");
  return FALSE;
}

/* --- the certificate --- */

typedef struct
{
  MtvHttpTrust *trust;
  GTlsCertificate *seen; /* (owned) (nullable) */
  GTlsCertificateFlags errors;
} Handshake;

static gboolean
accept_certificate_cb (GTlsConnection *connection, GTlsCertificate *certificate,
                       GTlsCertificateFlags errors, gpointer user_data)
{
  Handshake *handshake = user_data;

  (void) connection;
  g_set_object (&handshake->seen, certificate);
  handshake->errors = errors;
  return mtv_http_trust_accepts (handshake->trust, certificate, errors);
}

static void
event_cb (GSocketClient *client, GSocketClientEvent event, GSocketConnectable *connectable,
          GIOStream *connection, gpointer user_data)
{
  Handshake *handshake = user_data;
  GTlsDatabase *database = mtv_http_trust_get_database (handshake->trust);

  (void) client;
  (void) connectable;
  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING)
    return;
  if (database)
    g_tls_connection_set_database (G_TLS_CONNECTION (connection), database);
  g_signal_connect (connection, "accept-certificate", G_CALLBACK (accept_certificate_cb),
                    handshake);
}

static char *
hash_certificate (GTlsCertificate *certificate)
{
  g_autoptr (GByteArray) der = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  g_object_get (certificate, "certificate", &der, NULL);
  g_autofree char *digits = g_compute_checksum_for_data (G_CHECKSUM_SHA1, der->data, der->len);
  for (gsize i = 0; digits[i]; i += 2)
    g_string_append_printf (text, "%s%c%c", i > 0 ? ":" : "", g_ascii_toupper (digits[i]),
                            g_ascii_toupper (digits[i + 1]));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
shake_hands (const MtvVsphereDiskRequest *request, MtvHttpTrust *trust, GCancellable *cancellable,
             GError **error)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  Handshake handshake = { .trust = trust };
  GError *reason = NULL;
  char *thumbprint = NULL;

  g_socket_client_set_tls (client, TRUE);
  g_socket_client_set_timeout (client, CONNECT_TIMEOUT);
  g_socket_client_set_enable_proxy (client, FALSE);
  g_signal_connect (client, "event", G_CALLBACK (event_cb), &handshake);
  g_autoptr (GSocketConnection) connection
      = g_socket_client_connect_to_uri (client, request->url, HTTPS_PORT, cancellable, &reason);
  if (connection)
    {
      GIOStream *tls
          = g_tcp_wrapper_connection_get_base_io_stream (G_TCP_WRAPPER_CONNECTION (connection));
      g_autoptr (GTlsCertificate) certificate
          = g_object_ref (g_tls_connection_get_peer_certificate (G_TLS_CONNECTION (tls)));

      thumbprint = hash_certificate (certificate);
    }
  else
    mtv_http_trust_fail (request->label, reason, handshake.seen, handshake.errors, error);
  g_clear_object (&handshake.seen);
  return thumbprint;
}

/* SHA-1, which alone the library knows, of a certificate that is good by what was asked for. */
static char *
get_thumbprint (const MtvVsphereDiskRequest *request, GCancellable *cancellable, GError **error)
{
  guint digits = 0;

  for (const char *at = request->thumbprint; at && *at; at++)
    digits += g_ascii_isxdigit (*at) ? 1 : 0;
  if (digits == SHA1_DIGITS)
    return g_strdup (request->thumbprint);

  g_autoptr (MtvHttpTrust) trust
      = mtv_http_trust_new (request->ca, NULL, request->thumbprint, request->insecure, NULL, error);
  return trust ? shake_hands (request, trust, cancellable, error) : NULL;
}

/* --- the child --- */

static void
add (GStrvBuilder *argv, const char *key, const char *value)
{
  g_autofree char *argument = g_strconcat (key, "=", value, NULL);

  g_strv_builder_add (argv, argument);
}

/* With a snapshot the transports have to be named, or some versions of the library crash. */
static GStrv
build_argv (const MtvVsphereDiskRequest *request, const char *nbdkit, const char *plugin,
            const char *thumbprint)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autoptr (GUri) uri = g_uri_parse (request->url, G_URI_FLAGS_NONE, NULL);
  g_autofree char *password = g_strdup_printf ("-%d", MTV_NBD_SERVER_SECRET_FD);
  g_autofree char *vm = g_strconcat ("moref=", request->vm, NULL);

  g_strv_builder_add_many (argv, nbdkit, "--foreground", "--readonly", "--newstyle",
                           "--filter=cacheextents", plugin, NULL);
  add (argv, "libdir", find_library (request));
  add (argv, "server", uri ? g_uri_get_host (uri) : "");
  if (uri && g_uri_get_port (uri) > 0)
    {
      g_autofree char *port = g_strdup_printf ("%d", g_uri_get_port (uri));

      add (argv, "port", port);
    }
  add (argv, "user", request->user);
  add (argv, "password", password);
  add (argv, "thumbprint", thumbprint);
  add (argv, "vm", vm);
  if (request->snapshot)
    {
      add (argv, "snapshot", request->snapshot);
      add (argv, "transports", "file:nbdssl:nbd");
    }
  add (argv, "file", request->file);
  return g_strv_builder_end (argv);
}

/* What is wrong shows when the first client comes, and only on the child's stderr. */
static MtvReader *
connect_to (MtvNbdServer *server, const MtvVsphereDiskRequest *request, GError **error)
{
  g_autoptr (GError) problem = NULL;
  MtvNbdDisk *disk = mtv_nbd_disk_new (mtv_nbd_server_get_socket (server), FALSE, G_OBJECT (server),
                                       request->label, &problem);

  if (!disk)
    {
      g_autofree char *said = mtv_nbd_server_get_said (server);

      g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "Cannot open %s by vddk: %s (%s)",
                   request->label, said, problem->message);
      return NULL;
    }
  if (mtv_reader_get_size (MTV_READER (disk)) == request->capacity)
    return MTV_READER (disk);
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "%s has %" G_GUINT64_FORMAT " bytes by vddk, and not %" G_GUINT64_FORMAT,
               request->label, mtv_reader_get_size (MTV_READER (disk)), request->capacity);
  g_object_unref (disk);
  return NULL;
}

MtvReader *
mtv_vsphere_vddk_open (const MtvVsphereDiskRequest *request, GCancellable *cancellable,
                       GError **error)
{
  g_autofree char *why = NULL;

  if (!mtv_vsphere_vddk_find (request, &why))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "Cannot open %s by vddk: %s",
                   request->label, why);
      return NULL;
    }
  g_autofree char *nbdkit = g_find_program_in_path ("nbdkit");
  g_autofree char *plugin = find_plugin (request, nbdkit);
  g_autofree char *thumbprint = get_thumbprint (request, cancellable, error);
  if (!thumbprint)
    return NULL;
  g_auto (GStrv) argv = build_argv (request, nbdkit, plugin, thumbprint);
  g_autoptr (MtvNbdServer) server = mtv_nbd_server_new_for_program (
      (const char *const *) argv, request->password, request->label, cancellable, error);
  return server ? connect_to (server, request, error) : NULL;
}
