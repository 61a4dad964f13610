/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-clock-system.h"
#include "base/mtv-error.h"
#include "base/mtv-log.h"
#include "config.h"
#include "dbus/mtv-front.h"
#include "dbus/mtv-inhibitor.h"
#include "engine/mtv-engine.h"
#include "engine/mtv-settings.h"
#include "provider/kubevirt/mtv-kube-destination.h"
#include "provider/libvirt/mtv-libvirt-provider.h"
#include "provider/local/mtv-local-destination.h"
#include "provider/ova/mtv-ova-provider.h"
#include "provider/ovirt/mtv-ovirt-source.h"
#include "provider/vsphere/mtv-vsphere-source.h"
#include "store/mtv-store.h"

#include <errno.h>
#include <glib-unix.h>
#include <malloc.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BUS_NAME "org.mtv.Manager"

/* All providers there are; nothing else in the daemon names one. */
static const MtvProviderType *const provider_types[] = {
  &mtv_ova_provider_type,
  &mtv_libvirt_source_type,
  &mtv_vsphere_source_type,
  &mtv_ovirt_source_type,
  &mtv_local_destination_type,
  &mtv_kube_destination_type,
  NULL,
};

typedef struct
{
  gboolean session;
  GMainLoop *loop;         /* (owned) */
  MtvStore *store;         /* (owned) (nullable) */
  MtvEngine *engine;       /* (owned) (nullable) */
  MtvFront *front;         /* (owned) (nullable) */
  MtvInhibitor *inhibitor; /* (owned) (nullable) */
  GDBusConnection *bus;    /* (owned) (nullable) */
  guint name_id;
  gboolean stopping;
  int exit_status;
} Daemon;

/* Where things are. */

static char *
state_directory (const Daemon *daemon)
{
  const char *given = g_getenv ("STATE_DIRECTORY"); /* systemd.exec(5) */

  if (daemon->session)
    return g_build_filename (g_get_user_state_dir (), "mtv", NULL);
  return g_strdup (given != NULL ? given : "/var/lib/mtv");
}

static char *
image_directory (const Daemon *daemon, GKeyFile *config, const char *state)
{
  char *given = g_key_file_get_string (config, "Manager", "ImageDirectory", NULL);

  if (given != NULL)
    return given;
  return daemon->session ? g_build_filename (g_get_user_data_dir (), "mtv", "images", NULL)
                         : g_build_filename (state, "images", NULL);
}

static gboolean
make_directory (const char *path, GError **error)
{
  if (g_mkdir_with_parents (path, 0750) == 0)
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot make the folder '%s'", path);
  return FALSE;
}

static gboolean
merge_config (GKeyFile *config, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) failed = NULL;
  g_auto (GStrv) keys = NULL;

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &failed))
    {
      if (g_error_matches (failed, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
      g_propagate_prefixed_error (error, g_steal_pointer (&failed), "%s: ", path);
      return FALSE;
    }
  keys = g_key_file_get_keys (file, "Manager", NULL, NULL);
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    {
      g_autofree char *value = g_key_file_get_value (file, "Manager", keys[i], NULL);
      g_key_file_set_value (config, "Manager", keys[i], value);
    }
  return TRUE;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

/* mtvd.conf, then what lies in mtvd.conf.d, in the order of the names. */
static GKeyFile *
read_config (const Daemon *daemon, GError **error)
{
  g_autoptr (GKeyFile) config = g_key_file_new ();
  g_autofree char *directory = daemon->session
                                   ? g_build_filename (g_get_user_config_dir (), "mtv", NULL)
                                   : g_strdup (SYSCONFDIR "/mtv");
  g_autofree char *main_file = g_build_filename (directory, "mtvd.conf", NULL);
  g_autofree char *drop_ins = g_build_filename (directory, "mtvd.conf.d", NULL);
  g_autoptr (GDir) dir = g_dir_open (drop_ins, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  if (!merge_config (config, main_file, error))
    return NULL;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".conf"))
      g_ptr_array_add (names, g_build_filename (drop_ins, name, NULL));
  g_ptr_array_sort (names, compare_strings);
  for (guint i = 0; i < names->len; i++)
    if (!merge_config (config, g_ptr_array_index (names, i), error))
      return NULL;
  return g_steal_pointer (&config);
}

/* Files that were handed to us and that systemd keeps open over a restart;
 * sd_pid_notify_with_fds(3). */

static GHashTable *
take_kept_fds (void)
{
  GHashTable *fds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  char **names = NULL;
  int n = sd_listen_fds_with_names (TRUE, &names);

  for (int i = 0; i < n; i++)
    {
      g_hash_table_insert (fds, g_strdup (names[i]), GINT_TO_POINTER (SD_LISTEN_FDS_START + i));
      free (names[i]);
    }
  free (names);
  return fds;
}

static void
keep_fd (MtvEngine *engine, const char *name, int fd, gpointer user_data)
{
  g_autofree char *message = g_strdup_printf ("FDSTORE=1\nFDNAME=%s", name);

  (void) engine;
  (void) user_data;
  sd_pid_notify_with_fds (0, FALSE, message, &fd, 1);
}

static void
drop_fd (MtvEngine *engine, const char *name, gpointer user_data)
{
  (void) engine;
  (void) user_data;
  sd_notifyf (FALSE, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* What systemd shows of us. */

/* What the copy threads had is of no use to an idle daemon. */
static void
give_back_memory (gpointer user_data)
{
  (void) user_data;
  malloc_trim (0);
}

static void
tell_status (Daemon *daemon)
{
  guint running, queued, suspended;

  if (daemon->stopping)
    return;
  mtv_engine_get_counts (daemon->engine, &running, &queued, &suspended);
  guint transfers = mtv_engine_count_transfers (daemon->engine);
  if (running + queued + suspended + transfers == 0)
    {
      sd_notify (FALSE, "STATUS=Idle.");
      g_idle_add_once (give_back_memory, NULL);
    }
  else
    sd_notifyf (FALSE,
                "STATUS=%u virtual machines are being migrated, %u queued, %u suspended; %u disks "
                "are being copied or compared.",
                running, queued, suspended, transfers);
}

static gboolean
feed_watchdog (gpointer user_data)
{
  (void) user_data;
  sd_notify (FALSE, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static void
start_watchdog (void)
{
  guint64 usec = 0;

  if (sd_watchdog_enabled (FALSE, &usec) > 0)
    g_timeout_add_seconds (MAX (1, usec / G_USEC_PER_SEC / 2), feed_watchdog, NULL);
}

/* The end. */

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Daemon *daemon = user_data;

  mtv_engine_stop_finish (MTV_ENGINE (source), result);
  g_main_loop_quit (daemon->loop);
}

static void
stop (Daemon *daemon, int exit_status)
{
  if (daemon->stopping)
    return;
  daemon->stopping = TRUE;
  daemon->exit_status = exit_status;
  sd_notify (FALSE, "STOPPING=1\nSTATUS=Stopping: copies end at their next safe point.");
  mtv_engine_stop_async (daemon->engine, stopped_cb, daemon);
}

static gboolean
signal_cb (gpointer user_data)
{
  stop (user_data, EXIT_SUCCESS);
  return G_SOURCE_CONTINUE;
}

static void
bus_closed (GDBusConnection *bus, gboolean remote, GError *error, gpointer user_data)
{
  (void) bus;
  (void) remote;
  g_warning ("The connection to the bus is lost, stopping: %s",
             error != NULL ? error->message : "it was closed");
  stop (user_data, EXIT_FAILURE);
}

static void
name_acquired (GDBusConnection *bus, const char *name, gpointer user_data)
{
  MtvLogFields none = { 0 };

  (void) bus;
  (void) name;
  tell_status (user_data);
  sd_notify (FALSE, "READY=1");
  mtv_log (G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_STARTED, &none, "mtvd %s is ready", VERSION);
}

static void
name_lost (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Daemon *daemon = user_data;

  if (bus == NULL || daemon->stopping || g_dbus_connection_is_closed (bus))
    return; /* bus_closed() tells */
  g_warning ("The name %s belongs to another process on this bus, stopping", name);
  stop (daemon, EXIT_FAILURE);
}

/* The beginning. */

static gboolean
start_engine (Daemon *daemon, GError **error)
{
  g_autoptr (GKeyFile) config = read_config (daemon, error);
  g_autoptr (GVariant) settings
      = config == NULL ? NULL : mtv_settings_from_key_file (config, error);
  if (settings == NULL)
    return FALSE;

  g_autofree char *state = state_directory (daemon);
  g_autofree char *images = image_directory (daemon, config, state);
  if (!make_directory (state, error) || !make_directory (images, error))
    return FALSE;
  daemon->store = mtv_store_open (state, error);
  if (daemon->store == NULL)
    return FALSE;

  g_autoptr (MtvClock) clock = mtv_clock_system_new ();
  g_autoptr (GHashTable) fds = take_kept_fds ();
  daemon->engine = mtv_engine_new (daemon->store, clock, provider_types, images);
  g_signal_connect (daemon->engine, "keep-fd", G_CALLBACK (keep_fd), NULL);
  g_signal_connect (daemon->engine, "drop-fd", G_CALLBACK (drop_fd), NULL);
  g_signal_connect_swapped (daemon->engine, "changed", G_CALLBACK (tell_status), daemon);
  return mtv_engine_load (daemon->engine, settings, fds, error);
}

static gboolean
start_bus (Daemon *daemon, GError **error)
{
  daemon->bus
      = g_bus_get_sync (daemon->session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM, NULL, error);
  if (daemon->bus == NULL)
    return FALSE;
  g_dbus_connection_set_exit_on_close (daemon->bus, FALSE);
  g_signal_connect (daemon->bus, "closed", G_CALLBACK (bus_closed), daemon);

  daemon->front = mtv_front_new (daemon->engine, VERSION,
                                 daemon->session ? MTV_AUTHORITY_SESSION : MTV_AUTHORITY_SYSTEM);
  if (!mtv_front_export (daemon->front, daemon->bus, error))
    return FALSE;
  if (!daemon->session)
    daemon->inhibitor = mtv_inhibitor_new (daemon->engine, daemon->bus);
  mtv_engine_run (daemon->engine);
  daemon->name_id
      = g_bus_own_name_on_connection (daemon->bus, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                      name_acquired, name_lost, daemon, NULL);
  return TRUE;
}

static void
daemon_clear (Daemon *daemon)
{
  g_clear_handle_id (&daemon->name_id, g_bus_unown_name);
  g_clear_object (&daemon->inhibitor);
  if (daemon->front != NULL)
    mtv_front_unexport (daemon->front);
  g_clear_object (&daemon->front);
  g_clear_object (&daemon->engine);
  if (daemon->store != NULL)
    mtv_store_close (daemon->store);
  g_clear_object (&daemon->store);
  if (daemon->bus != NULL)
    {
      g_signal_handlers_disconnect_by_data (daemon->bus, daemon);
      g_dbus_connection_flush_sync (daemon->bus, NULL, NULL);
    }
  g_clear_object (&daemon->bus);
  g_clear_pointer (&daemon->loop, g_main_loop_unref);
}

static gboolean
parse_options (Daemon *daemon, int *argc, char ***argv, gboolean *version, GError **error)
{
  const GOptionEntry entries[] = {
    { "session", 0, 0, G_OPTION_ARG_NONE, &daemon->session,
      "Serve the session bus, for this user alone", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, version, "Print the version", NULL },
    { 0 },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, "Migrates virtual machines. See mtvd(8).");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc == 1)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "Unexpected argument '%s'",
               (*argv)[1]);
  return FALSE;
}

int
main (int argc, char **argv)
{
  Daemon daemon = { .exit_status = EXIT_SUCCESS };
  g_autoptr (GError) error = NULL;
  gboolean version = FALSE;

  mallopt (M_ARENA_MAX, 2); /* our threads live on buffers of their own, not on small change */
  mtv_log_init ();
  mtv_error_quark (); /* registers the names on the bus */
  if (!parse_options (&daemon, &argc, &argv, &version, &error))
    {
      g_printerr ("%s\n", error->message);
      return 2;
    }
  if (version)
    {
      g_print ("mtvd %s\n", VERSION);
      return EXIT_SUCCESS;
    }

  daemon.loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, signal_cb, &daemon);
  g_unix_signal_add (SIGINT, signal_cb, &daemon);
  if (start_engine (&daemon, &error) && start_bus (&daemon, &error))
    {
      start_watchdog ();
      g_main_loop_run (daemon.loop);
    }
  else
    {
      g_warning ("mtvd cannot start: %s", error->message);
      sd_notifyf (FALSE, "STATUS=Cannot start: %s", error->message);
      daemon.exit_status = EXIT_FAILURE;
    }
  daemon_clear (&daemon);
  return daemon.exit_status;
}
