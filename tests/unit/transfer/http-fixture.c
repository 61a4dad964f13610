/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-fixture.h"

#include "base/mtv-io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 10 /* of the listening sockets, in nginx */

char *
web_path (Web *web, const char *name)
{
  return g_build_filename (web->folder, name, NULL);
}

char *
web_url (Web *web, guint port, const char *path)
{
  return g_strdup_printf ("%s://127.0.0.1:%d%s", port == WEB_HTTP ? "http" : "https",
                          web->ports[port], path);
}

char *
web_bad_url (Web *web, const char *path)
{
  return g_strdup_printf ("http://127.0.0.1:%u%s", web->bad_port, path);
}

static void
write_file (Web *web, const char *name, gconstpointer data, gsize length)
{
  g_autofree char *path = web_path (web, name);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, data, length, &error);
  g_assert_no_error (error);
}

static void
listen_at (Web *web, guint i)
{
  struct sockaddr_in address
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof address;

  web->sockets[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_assert_cmpint (web->sockets[i], >=, 0);
  g_assert_no_errno (bind (web->sockets[i], (struct sockaddr *) &address, length));
  g_assert_no_errno (listen (web->sockets[i], 16));
  g_assert_no_errno (getsockname (web->sockets[i], (struct sockaddr *) &address, &length));
  web->ports[i] = ntohs (address.sin_port);
}

Web *
web_new (gsize size)
{
  Web *web = g_new0 (Web, 1);
  g_autoptr (GRand) rand = g_rand_new_with_seed (size);
  guint32 *contents = g_malloc (size + sizeof *contents);

  for (gsize i = 0; i <= size / sizeof *contents; i++)
    contents[i] = g_rand_int (rand);
  web->contents = g_bytes_new_take (contents, size);
  web->folder = g_dir_make_tmp ("mtv-http-XXXXXX", NULL);
  g_assert_nonnull (web->folder);
  write_file (web, "disk", contents, size);
  write_file (web, "empty", "", 0);
  for (guint i = 0; i < WEB_N_PORTS; i++)
    listen_at (web, i);
  return web;
}

void
web_free (Web *web)
{
  if (web->nginx)
    web_stop_nginx (web);
  if (web->bad)
    {
      g_subprocess_force_exit (web->bad);
      g_subprocess_wait (web->bad, NULL, NULL);
      g_clear_object (&web->bad);
    }
  for (guint i = 0; i < WEB_N_PORTS; i++)
    close (web->sockets[i]);
  mtv_io_remove_tree (AT_FDCWD, web->folder, NULL);
  g_bytes_unref (web->contents);
  g_free (web->folder);
  g_free (web);
}

/* --- nginx --- */

static void
append_server (Web *web, GString *config, guint i, const char *certificate)
{
  g_string_append_printf (config, "  server {\n    listen 127.0.0.1:%d%s;\n", web->ports[i],
                          certificate ? " ssl http2" : "");
  if (certificate)
    g_string_append_printf (config,
                            "    ssl_certificate %s.pem;\n    ssl_certificate_key %s.key;\n",
                            certificate, certificate);
  g_string_append_printf (config,
                          "    location /moved { return 302 /disk; }\n"
                          "    location /unsafe { return 302 http://127.0.0.1:%d/disk; }\n"
                          "    location /forbidden { return 403; }\n  }\n",
                          web->ports[WEB_HTTP]);
}

static void
write_config (Web *web, gboolean tls)
{
  static const char *const certificates[WEB_N_PORTS] = { NULL, "good", "elsewhere", "expired" };
  g_autoptr (GString) config = g_string_new (NULL);

  g_string_append_printf (
      config,
      "%sdaemon off;\nworker_processes 1;\npid pid;\nerror_log error.log;\n"
      "events { }\nhttp {\n"
      "  log_format asked '$server_protocol $request_method $status $http_range';\n"
      "  access_log access.log asked;\n  root %s;\n"
      "  client_body_temp_path t1;\n  proxy_temp_path t2;\n"
      "  fastcgi_temp_path t3;\n  uwsgi_temp_path t4;\n  scgi_temp_path t5;\n",
      geteuid () == 0 ? "user root;\n" : "", web->folder);
  for (guint i = 0; i < (tls ? WEB_N_PORTS : 1); i++)
    append_server (web, config, i, certificates[i]);
  g_string_append (config, "}\n");
  write_file (web, "nginx.conf", config->str, config->len);
}

static void
make_certificates (Web *web)
{
  g_autofree char *done = web_path (web, "good.pem");
  g_autoptr (GError) error = NULL;

  if (g_file_test (done, G_FILE_TEST_EXISTS))
    return;
  g_autoptr (GSubprocess) process
      = g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE,
                          &error, MKCERT, web->folder, NULL);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}

/* SIGTERM: its worker is to go as well. */
static void
die_with_parent (gpointer data)
{
  (void) data;
  prctl (PR_SET_PDEATHSIG, SIGTERM);
}

void
web_start_nginx (Web *web, gboolean tls)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autofree char *config = web_path (web, "nginx.conf");
  g_autofree char *prefix = g_strconcat (web->folder, "/", NULL);
  g_autoptr (GString) inherited = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  if (tls)
    make_certificates (web);
  write_config (web, tls);
  for (int i = 0; i < (tls ? WEB_N_PORTS : 1); i++)
    {
      g_subprocess_launcher_take_fd (launcher, dup (web->sockets[i]), FIRST_FD + i);
      g_string_append_printf (inherited, "%d;", FIRST_FD + i);
    }
  g_subprocess_launcher_setenv (launcher, "NGINX", inherited->str, TRUE);
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  web->nginx
      = g_subprocess_launcher_spawn (launcher, &error, NGINX, "-p", prefix, "-c", config, NULL);
  g_assert_no_error (error);
}

void
web_stop_nginx (Web *web)
{
  g_subprocess_send_signal (web->nginx, SIGTERM);
  g_subprocess_wait (web->nginx, NULL, NULL);
  g_clear_object (&web->nginx);
}

char *
web_read_log (Web *web)
{
  g_autofree char *path = web_path (web, "access.log");
  char *log = NULL;

  g_assert_null (web->nginx);
  g_assert_true (g_file_get_contents (path, &log, NULL, NULL));
  return log;
}

/* --- the one with faults --- */

void
web_start_bad (Web *web)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autofree char *disk = web_path (web, "disk");
  g_autofree char *log = web_path (web, "bad.log");
  g_autoptr (GError) error = NULL;

  web->bad = g_subprocess_launcher_spawn (launcher, &error, BAD_HTTP, disk, log, NULL);
  g_assert_no_error (error);

  g_autoptr (GDataInputStream) output
      = g_data_input_stream_new (g_subprocess_get_stdout_pipe (web->bad));
  g_autofree char *line = g_data_input_stream_read_line (output, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
  web->bad_port = atoi (line);
}

GStrv
web_read_bad_log (Web *web, const char *path)
{
  g_autofree char *name = web_path (web, "bad.log");
  g_autofree char *log = NULL;
  g_autofree char *prefix = g_strconcat (path, "|", NULL);
  g_autoptr (GStrvBuilder) found = g_strv_builder_new ();

  g_file_get_contents (name, &log, NULL, NULL);
  g_auto (GStrv) lines = g_strsplit (log ? log : "", "\n", -1);
  for (gsize i = 0; lines[i]; i++)
    if (g_str_has_prefix (lines[i], prefix))
      g_strv_builder_add (found, lines[i]);
  return g_strv_builder_end (found);
}
