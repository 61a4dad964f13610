/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-vm.h"
#include "mtvctl-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often the daemon may vanish before we give up. */
#define MAX_CALLS 5

/* As many as org.mtv.Manager.Verify() takes. */
#define MAX_FILES 64

/* What is asked for, kept for the case that it must be asked again. */
typedef struct
{
  Mtvctl *ctl;
  char *source;      /* (owned) (nullable): NULL to verify */
  char *destination; /* (owned): or what is verified */
  char *created;     /* (owned) (nullable): a destination that was not there */
  GVariant *options; /* (owned) */
  GUnixFDList *fds;  /* (owned) */

  MtvDBusTransfer *transfer; /* (owned) (nullable) */
  gboolean vanished;
  gboolean drawn;
  char *state; /* (owned) (nullable): the last that was said */
  guint tenth;
} Job;

static void
job_clear (Job *self)
{
  g_free (self->source);
  g_free (self->destination);
  g_free (self->created);
  g_free (self->state);
  g_clear_pointer (&self->options, g_variant_unref);
  g_clear_object (&self->fds);
  g_clear_object (&self->transfer);
}

static gboolean
is_uri (const char *end)
{
  static const char *const schemes[]
      = { "nbd://", "nbds://", "nbd+unix://", "nbds+unix://", "http://", "https://" };

  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_ascii_strncasecmp (end, schemes[i], strlen (schemes[i])) == 0)
      return TRUE;
  return FALSE;
}

static char *
whole_name (const char *end)
{
  return is_uri (end) ? g_strdup (end) : g_canonicalize_filename (end, NULL);
}

/* Takes @fd; the index of it among the descriptors, or -1. */
static int
add_fd (Job *self, int fd, GError **error)
{
  int index = g_unix_fd_list_append (self->fds, fd, error);

  g_close (fd, NULL);
  return index;
}

static gboolean
add_file (Job *self, GVariantDict *options, const char *key, const char *file, int flags,
          GError **error)
{
  int fd = open (file, flags | O_CLOEXEC | O_NONBLOCK, 0666);

  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, _ ("Cannot open '%s'"), file);
      return FALSE;
    }
  int index = add_fd (self, fd, error);
  if (index >= 0)
    g_variant_dict_insert (options, key, "h", index);
  return index >= 0;
}

static gboolean
add_destination (Job *self, GVariantDict *options, GError **error)
{
  const char *file = self->destination;
  gboolean is_new = g_access (file, F_OK) != 0 && errno == ENOENT;

  if (!add_file (self, options, "destination-file", file, O_RDWR | O_CREAT, error))
    return FALSE;
  if (is_new)
    self->created = g_strdup (file);
  int direct = open (file, O_RDWR | O_DIRECT | O_CLOEXEC);
  int index = direct >= 0 ? add_fd (self, direct, error) : 0;
  if (direct >= 0 && index >= 0)
    g_variant_dict_insert (options, "destination-direct", "h", index);
  return index >= 0;
}

static gboolean
add_texts (Mtvctl *ctl, GVariantDict *options, GError **error)
{
  const struct
  {
    const char *key, *value;
  } texts[] = { { "verify", ctl->verify },
                { "hash", ctl->hash },
                { "bitmap", ctl->bitmap },
                { "source-format", ctl->source_format } };
  const struct
  {
    const char *key;
    gboolean value;
  } flags[] = { { "compare", ctl->compare },
                { "preallocate", ctl->preallocate },
                { "insecure", ctl->insecure },
                { "force", ctl->force } };
  guint64 rate;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i].value != NULL)
      g_variant_dict_insert (options, texts[i].key, "s", texts[i].value);
  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    if (flags[i].value)
      g_variant_dict_insert (options, flags[i].key, "b", TRUE);
  if (ctl->throttle != NULL && !mtvctl_parse_rate (ctl->throttle, &rate, error))
    return FALSE;
  if (ctl->throttle != NULL)
    g_variant_dict_insert (options, "throttle", "t", rate);
  return TRUE;
}

static gboolean
add_certificates (Mtvctl *ctl, GVariantDict *options, GError **error)
{
  g_autofree char *pem = NULL;

  if (ctl->ca_file == NULL)
    return TRUE;
  if (!g_file_get_contents (ctl->ca_file, &pem, NULL, error))
    return FALSE;
  if (g_utf8_validate (pem, -1, NULL))
    g_variant_dict_insert (options, "ca", "s", pem);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, _ ("'%s' is not a file in PEM."),
                 ctl->ca_file);
  return g_variant_dict_contains (options, "ca");
}

static gboolean
prepare_copy (Job *self, GError **error)
{
  Mtvctl *ctl = self->ctl;
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  gboolean reads_manifest = ctl->compare || (ctl->bitmap != NULL && ctl->manifest != NULL);

  if (ctl->compare && ctl->manifest == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _ ("--compare needs --manifest=FILE, which tells what the destination holds."));
      return FALSE;
    }
  /* The destination last: it is made if it is not there. */
  if (!add_texts (ctl, &options, error) || !add_certificates (ctl, &options, error)
      || (!is_uri (self->source)
          && !add_file (self, &options, "source-file", self->source, O_RDONLY, error))
      || (reads_manifest
          && !add_file (self, &options, "manifest-in", ctl->manifest, O_RDONLY, error))
      || (ctl->manifest != NULL
          && !add_file (self, &options, "manifest", ctl->manifest, O_RDWR | O_CREAT, error))
      || (!is_uri (self->destination) && !add_destination (self, &options, error)))
    return FALSE;
  self->options = g_variant_ref_sink (g_variant_dict_end (&options));
  return TRUE;
}

/* The names of the files in a manifest; a damaged one is for the daemon to complain about. */
static GPtrArray *
list_files (const char *manifest)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root
      = json_parser_load_from_file (parser, manifest, NULL) ? json_parser_get_root (parser) : NULL;
  JsonNode *disks = root != NULL && JSON_NODE_HOLDS_OBJECT (root)
                        ? json_object_get_member (json_node_get_object (root), "disks")
                        : NULL;
  JsonArray *array
      = disks != NULL && JSON_NODE_HOLDS_ARRAY (disks) ? json_node_get_array (disks) : NULL;

  for (guint i = 0; array != NULL && i < json_array_get_length (array) && i < MAX_FILES; i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      JsonObject *disk = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      const char *name
          = disk ? json_object_get_string_member_with_default (disk, "file", NULL) : NULL;

      if (name != NULL && strchr (name, '/') == NULL)
        g_ptr_array_add (names, g_strdup (name));
    }
  return names;
}

static gboolean
add_disks (Job *self, GVariantDict *options, const char *folder, const char *manifest,
           GError **error)
{
  g_autoptr (GPtrArray) names = list_files (manifest);
  g_auto (GVariantBuilder) files = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sh}"));

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autofree char *path = g_build_filename (folder, name, NULL);
      int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

      if (fd < 0)
        {
          mtv_error_set_errno (error, errno, _ ("Cannot open '%s'"), path);
          return FALSE;
        }
      int index = add_fd (self, fd, error);
      if (index < 0)
        return FALSE;
      g_variant_builder_add (&files, "{sh}", name, index);
    }
  g_variant_dict_insert_value (options, "files", g_variant_builder_end (&files));
  return TRUE;
}

static gboolean
prepare_verify (Job *self, const char *what, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  if (self->ctl->full)
    g_variant_dict_insert (&options, "full", "b", TRUE);
  if (strchr (what, '/') == NULL && g_access (what, F_OK) != 0)
    self->destination = g_strdup (what);
  else
    {
      g_autofree char *path = g_canonicalize_filename (what, NULL);
      gboolean is_folder = g_file_test (path, G_FILE_TEST_IS_DIR);
      g_autofree char *folder = is_folder ? g_strdup (path) : g_path_get_dirname (path);
      g_autofree char *manifest
          = is_folder ? g_build_filename (path, "manifest.json", NULL) : g_strdup (path);

      if (!add_file (self, &options, "directory", folder, O_RDONLY | O_DIRECTORY, error)
          || !add_file (self, &options, "manifest", manifest, O_RDONLY, error)
          || !add_disks (self, &options, folder, manifest, error))
        return FALSE;
      self->destination = g_steal_pointer (&path);
    }
  self->options = g_variant_ref_sink (g_variant_dict_end (&options));
  return TRUE;
}

static gboolean
call (Job *self, GError **error)
{
  Mtvctl *ctl = self->ctl;
  g_autofree char *path = NULL;
  GDBusCallFlags flags = mtvctl_call_flags (ctl);
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);

  g_clear_object (&self->transfer);
  if (manager == NULL)
    return FALSE;
  gboolean ok = self->source != NULL
                    ? mtv_dbus_manager_call_copy_sync (manager, self->source, self->destination,
                                                       self->options, flags, MTVCTL_TIMEOUT_MSEC,
                                                       self->fds, &path, NULL, NULL, error)
                    : mtv_dbus_manager_call_verify_sync (manager, self->destination, self->options,
                                                         flags, MTVCTL_TIMEOUT_MSEC, self->fds,
                                                         &path, NULL, NULL, error);
  if (ok)
    self->transfer = mtv_dbus_transfer_proxy_new_sync (ctl->bus, G_DBUS_PROXY_FLAGS_NONE,
                                                       MTVCTL_BUS_NAME, path, NULL, error);
  if (self->transfer == NULL)
    return mtvctl_explain (error, self->source ? _ ("Cannot copy") : _ ("Cannot verify"));
  return TRUE;
}

static void
erase (Job *self)
{
  if (self->drawn)
    fputs ("\r\033[K", stdout);
  self->drawn = FALSE;
  fflush (stdout);
}

static void
show (Job *self, const char *state)
{
  Mtvctl *ctl = self->ctl;
  guint64 done = mtv_dbus_transfer_get_bytes_done (self->transfer);
  guint64 total = mtv_dbus_transfer_get_bytes_total (self->transfer);
  guint tenth = total > 0 ? done / (total / 10.0) : 0;
  gboolean is_new = g_strcmp0 (state, self->state) != 0;

  if (ctl->quiet || ctl->json || (!ctl->out.is_terminal && !is_new && tenth <= self->tenth))
    return;
  g_autofree char *label = mtvctl_state_label (state, NULL);
  g_autofree char *done_text = mtvctl_format_size (done);
  g_autofree char *total_text = mtvctl_format_size (total);
  g_autofree char *rate = mtvctl_format_rate (mtv_dbus_transfer_get_rate (self->transfer));
  g_autofree char *text = total == 0 ? g_strdup (label)
                                     : g_strdup_printf (_ ("%s, %u%% (%s of %s, %s)"), label,
                                                        mtvctl_format_percent (done, total),
                                                        done_text, total_text, rate);
  g_autofree char *cut = mtvctl_ellipsize (text, ctl->out.width - 1, FALSE);
  if (ctl->out.is_terminal)
    printf ("\r%s\033[K", cut);
  else
    printf ("%s\n", text);
  fflush (stdout);
  self->drawn = ctl->out.is_terminal;
  self->tenth = tenth;
  g_free (self->state);
  self->state = g_strdup (state);
}

static gboolean
is_over (Mtvctl *ctl, gpointer user_data)
{
  Job *self = user_data;
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (self->transfer));
  const char *state = mtv_dbus_transfer_get_state (self->transfer);

  if (mtvctl_watch_is_final (state))
    return TRUE;
  /* A new daemon does not know the transfer, and a proxy then has no properties. */
  self->vanished = owner == NULL || state == NULL;
  if (!self->vanished)
    show (self, state);
  return self->vanished;
}

/* Ends it for a signal, and waits until it has ended; a second signal ends the wait. */
static int
stop (Job *self, GError **error)
{
  int number = self->ctl->signal;
  const char *hint = NULL;

  g_clear_error (error);
  self->ctl->signal = 0;
  if (mtv_dbus_transfer_call_cancel_sync (self->transfer, mtvctl_no_options (),
                                          mtvctl_call_flags (self->ctl), MTVCTL_TIMEOUT_MSEC, NULL,
                                          error))
    mtvctl_wait_until (self->ctl, is_over, self, error);
  erase (self);
  g_clear_error (error);
  if (self->source != NULL && self->ctl->bitmap == NULL && !self->ctl->compare)
    hint = _ ("Cancelled. The same command goes on from here.");
  fprintf (stderr, "%s\n", hint != NULL ? hint : _ ("Cancelled."));
  self->ctl->signal = number;
  return MTVCTL_SIGNALLED + number;
}

static const char *
hint_for (Job *self, const GError *error)
{
  if (self->source != NULL && g_error_matches (error, MTV_ERROR, MTV_ERROR_EXISTS))
    return _ ("--force writes over what the destination holds.");
  if (g_error_matches (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH))
    return _ ("The disk does not hold what was written to it: copy it again.");
  return mtvctl_hint (error);
}

static void
say_summary (Job *self)
{
  guint64 start = mtv_dbus_transfer_get_start_time (self->transfer);
  guint64 end = mtv_dbus_transfer_get_end_time (self->transfer);
  guint64 done = mtv_dbus_transfer_get_bytes_done (self->transfer);
  guint64 span = MAX (end, start + 1) - start;
  g_autofree char *bytes = mtvctl_format_size (done);
  g_autofree char *rate = mtvctl_format_rate (done * (double) G_USEC_PER_SEC / span);
  g_autofree char *back
      = mtvctl_format_size (mtv_dbus_transfer_get_bytes_verified (self->transfer));

  if (self->source != NULL)
    mtvctl_say (self->ctl, _ ("Copied %s in %.1f s (%s); %s were read back and compared."), bytes,
                span / (double) G_USEC_PER_SEC, rate, back);
  else
    mtvctl_say (self->ctl, _ ("Compared %s in %.1f s (%s): all as the manifest has it."), back,
                span / (double) G_USEC_PER_SEC, rate);
}

static int
conclude (Job *self)
{
  const char *state = mtv_dbus_transfer_get_state (self->transfer);
  const char *name = "", *text = "";
  GVariant *told = mtv_dbus_transfer_get_error (self->transfer);

  erase (self);
  if (self->ctl->json)
    mtvctl_print_json (self->ctl, mtvctl_json_for_proxy (G_DBUS_PROXY (self->transfer)));
  if (g_str_equal (state, "succeeded"))
    {
      say_summary (self);
      return MTVCTL_OK;
    }
  if (g_str_equal (state, "cancelled"))
    {
      fprintf (stderr, "%s\n", _ ("Cancelled."));
      return MTVCTL_MIGRATION_CANCELLED;
    }
  if (told != NULL)
    g_variant_get (told, "(&s&s)", &name, &text);
  g_autoptr (GError) error = mtv_error_new_for_name (name, text);
  if (!self->ctl->json)
    mtvctl_print_error_with_hint (error, hint_for (self, error));
  return MTVCTL_MIGRATION_FAILED;
}

static int
run (Job *self, GError **error)
{
  for (guint calls = 1; call (self, error); calls++)
    {
      if (self->ctl->no_wait)
        {
          if (self->ctl->json)
            mtvctl_print_json (self->ctl, mtvctl_json_for_proxy (G_DBUS_PROXY (self->transfer)));
          else
            puts (g_dbus_proxy_get_object_path (G_DBUS_PROXY (self->transfer)));
          return MTVCTL_OK;
        }
      self->vanished = FALSE;
      if (!mtvctl_wait_until (self->ctl, is_over, self, error))
        return self->ctl->signal != 0 ? stop (self, error) : MTVCTL_ERROR;
      if (!self->vanished)
        return conclude (self);
      erase (self);
      if (calls == MAX_CALLS)
        {
          g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED,
                       _ ("Lost mtvd while waiting"));
          return MTVCTL_ERROR;
        }
      fprintf (stderr, "%s\n", _ ("mtvd has left the bus; asking it again."));
      g_usleep (G_USEC_PER_SEC); /* for a restart; a call then starts it if the bus can */
    }
  if (self->created != NULL && self->transfer == NULL)
    {
      GStatBuf st;

      if (g_stat (self->created, &st) == 0 && st.st_size == 0)
        g_unlink (self->created);
    }
  return MTVCTL_ERROR;
}

int
mtvctl_copy (Mtvctl *ctl, char **args, GError **error)
{
  Job self = { .ctl = ctl, .fds = g_unix_fd_list_new () };

  self.source = whole_name (args[0]);
  self.destination = whole_name (args[1]);
  int code = prepare_copy (&self, error) ? run (&self, error) : MTVCTL_ERROR;
  job_clear (&self);
  return code;
}

int
mtvctl_verify (Mtvctl *ctl, char **args, GError **error)
{
  Job self = { .ctl = ctl, .fds = g_unix_fd_list_new () };
  int code = prepare_verify (&self, args[0], error) ? run (&self, error) : MTVCTL_ERROR;

  job_clear (&self);
  return code;
}
