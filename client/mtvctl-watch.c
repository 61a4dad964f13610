/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-watch.h"

#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-progress.h"
#include "mtvctl-table.h"
#include "mtvctl-vm.h"
#include "mtvctl-warm.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Five times a second. */
#define REDRAW_USEC (G_USEC_PER_SEC / 5)

typedef struct
{
  Mtvctl *ctl;
  const char *path;
  char *prefix;             /* (owned): of the paths of its jobs */
  GHashTable *seen;         /* (owned): path of a job to what was last said of it */
  GHashTable *tenths;       /* (owned): path of a job to the last tenth that was said, and one */
  GHashTable *dirty;        /* (owned): paths of jobs that have changed since the last flush */
  MtvctlProgress *progress; /* (owned) (nullable): on a terminal */
  gboolean appeared, lost, changed;
  gint64 flushed; /* when */
  guint flush_id;
} Watch;

GPtrArray *
mtvctl_watch_get_jobs (Mtvctl *ctl, MtvDBusMigration *migration)
{
  GPtrArray *jobs = g_ptr_array_new_with_free_func (g_object_unref);
  const char *const *paths = mtv_dbus_migration_get_virtual_machines (migration);

  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    {
      gpointer job
          = g_dbus_object_manager_get_interface (ctl->objects, paths[i], "org.mtv.Migration.VM");

      if (job != NULL)
        g_ptr_array_add (jobs, job);
    }
  return jobs;
}

gboolean
mtvctl_watch_is_final (const char *state)
{
  static const char *const final[] = { "succeeded", "failed", "cancelled", NULL };

  return state != NULL && g_strv_contains (final, state);
}

const char *
mtvctl_watch_get_error (MtvDBusMigrationVM *job)
{
  const char *text = "";
  GVariant *error = mtv_dbus_migration_vm_get_error (job);

  if (error != NULL)
    g_variant_get (error, "(s&s)", NULL, &text);
  return text;
}

/* The phase, and of a warm migration how far its rounds are. */
static char *
describe_phase (MtvDBusMigrationVM *job, gboolean live)
{
  const char *phase = mtv_dbus_migration_vm_get_phase (job);
  g_autofree char *label = mtvctl_state_label (phase, NULL);
  g_autofree char *warm = mtvctl_warm_describe (job, live);

  if (warm != NULL && g_str_equal (phase, "idle"))
    return g_steal_pointer (&warm);
  return g_strconcat (label, warm != NULL ? ", " : NULL, warm, NULL);
}

/* What every warm migration waits for between its rounds is told in other words. */
const char *
mtvctl_watch_get_waiting (MtvDBusMigrationVM *job)
{
  static const char *const usual[] = { "waiting for the next round", "paused", NULL };
  const char *waiting = mtv_dbus_migration_vm_get_waiting (job);
  gboolean idle = g_strcmp0 (mtv_dbus_migration_vm_get_phase (job), "idle") == 0;

  return waiting == NULL || (idle && g_strv_contains (usual, waiting)) ? "" : waiting;
}

char *
mtvctl_watch_describe (MtvDBusMigrationVM *job, gboolean live)
{
  const char *state = mtv_dbus_migration_vm_get_state (job);
  const char *waiting = mtvctl_watch_get_waiting (job);
  const char *more = mtvctl_watch_get_error (job);
  guint place = mtv_dbus_migration_vm_get_queue_place (job);
  gboolean running = g_strcmp0 (state, "running") == 0;
  g_autofree char *what = running ? describe_phase (job, live) : mtvctl_state_label (state, NULL);

  if (g_strcmp0 (state, "succeeded") == 0)
    more = mtv_dbus_migration_vm_get_location (job);
  else if (*waiting != '\0')
    more = waiting;
  g_autofree char *text = mtvctl_escape (more);
  if (place > 0)
    return g_strdup_printf (_ ("%s, place %u%s%s"), what, place, *text ? ": " : "", text);
  return g_strconcat (what, *text ? ": " : "", text, NULL);
}

void
mtvctl_watch_get_progress (MtvDBusMigrationVM *job, guint64 *done, guint64 *total)
{
  const char *phase = mtv_dbus_migration_vm_get_phase (job);
  GVariant *steps = mtv_dbus_migration_vm_get_steps (job);

  *done = *total = 0;
  for (gsize i = 0; steps != NULL && i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) step = g_variant_get_child_value (steps, i);

      if (g_strcmp0 (mtvctl_dict_string (step, "name"), phase) != 0)
        continue;
      *done = mtvctl_dict_number (step, "bytes-done");
      *total = mtvctl_dict_number (step, "bytes-total");
    }
  if (*total == 0 && g_strcmp0 (phase, "copying") == 0)
    {
      *done = mtv_dbus_migration_vm_get_bytes_done (job);
      *total = mtv_dbus_migration_vm_get_bytes_total (job);
    }
}

static void
mark (Watch *self, const char *path)
{
  if (g_str_equal (path, self->path))
    self->changed = TRUE;
  else if (g_str_has_prefix (path, self->prefix))
    {
      self->changed = TRUE;
      g_hash_table_add (self->dirty, g_strdup (path));
    }
}

static void
object_cb (GDBusObjectManager *manager, GDBusObject *object, gpointer user_data)
{
  mark (user_data, g_dbus_object_get_object_path (object));
}

static void
properties_cb (GDBusObjectManagerClient *manager, GDBusObjectProxy *object, GDBusProxy *proxy,
               GVariant *changed, const char *const *invalidated, gpointer user_data)
{
  mark (user_data, g_dbus_proxy_get_object_path (proxy));
}

static void
owner_cb (GObject *manager, GParamSpec *pspec, gpointer user_data)
{
  Watch *self = user_data;
  g_autofree char *owner
      = g_dbus_object_manager_client_get_name_owner (G_DBUS_OBJECT_MANAGER_CLIENT (manager));

  self->changed = TRUE;
  if (owner == NULL)
    {
      if (self->progress != NULL)
        mtvctl_progress_clear (self->progress);
      fprintf (stderr, "%s\n", _ ("mtvd has left the bus; waiting for it to come back."));
    }
}

static gboolean
winch_cb (gpointer user_data)
{
  ((Watch *) user_data)->changed = TRUE;
  return G_SOURCE_CONTINUE;
}

/* Says a line once only; TRUE if it was new. */
static gboolean
is_news (Watch *self, MtvDBusMigrationVM *job, const char *text)
{
  const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (job));

  if (g_strcmp0 (g_hash_table_lookup (self->seen, path), text) == 0)
    return FALSE;
  g_hash_table_insert (self->seen, g_strdup (path), g_strdup (text));
  g_hash_table_remove (self->tenths, path);
  return TRUE;
}

static gboolean
is_next_tenth (Watch *self, MtvDBusMigrationVM *job, guint64 done, guint64 total)
{
  const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (job));
  guint tenth = total > 0 ? done / (total / 10.0) : 0;
  guint last = GPOINTER_TO_UINT (g_hash_table_lookup (self->tenths, path));

  if (tenth == 0 || tenth <= last)
    return FALSE;
  g_hash_table_insert (self->tenths, g_strdup (path), GUINT_TO_POINTER (tenth));
  return TRUE;
}

static void
say_plainly (Watch *self, MtvDBusMigrationVM *job)
{
  g_autofree char *name = mtvctl_escape (mtv_dbus_migration_vm_get_name (job));
  g_autofree char *text = mtvctl_watch_describe (job, FALSE);
  guint64 done, total;

  if (is_news (self, job, text))
    printf ("%s: %s\n", name, text);
  mtvctl_watch_get_progress (job, &done, &total);
  if (!g_str_equal (mtv_dbus_migration_vm_get_state (job), "running")
      || !is_next_tenth (self, job, done, total))
    return;
  g_autofree char *done_text = mtvctl_format_size (done);
  g_autofree char *total_text = mtvctl_format_size (total);
  g_autofree char *rate = mtvctl_format_rate (mtv_dbus_migration_vm_get_rate (job));
  printf (_ ("%s: %s, %u%% (%s of %s, %s)\n"), name, text, mtvctl_format_percent (done, total),
          done_text, total_text, rate);
}

static void
print_json_line (GDBusProxy *proxy, const char *type)
{
  g_autoptr (JsonNode) node = mtvctl_json_for_proxy (proxy);

  json_object_set_string_member (json_node_get_object (node), "type", type);
  json_object_set_int_member (json_node_get_object (node), "time", g_get_real_time ());
  g_autofree char *text = mtvctl_json_to_string (node, FALSE);
  fputs (text, stdout);
}

static void
flush (Watch *self, MtvDBusMigration *migration)
{
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (self->ctl, migration);

  for (guint i = 0; i < jobs->len && !self->ctl->quiet; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);
      const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (job));

      if (!g_hash_table_remove (self->dirty, path))
        continue;
      if (self->ctl->json)
        print_json_line (G_DBUS_PROXY (job), "vm");
      else if (self->progress == NULL)
        say_plainly (self, job);
      else if (jobs->len > 1 && mtvctl_watch_is_final (mtv_dbus_migration_vm_get_state (job)))
        {
          g_autofree char *text = mtvctl_watch_describe (job, FALSE);

          if (is_news (self, job, text))
            mtvctl_progress_say (self->progress, mtv_dbus_migration_vm_get_name (job), text);
        }
    }
  if (self->progress != NULL)
    mtvctl_progress_draw (self->progress, migration, jobs);
  fflush (stdout);
  self->changed = FALSE;
  self->flushed = g_get_monotonic_time ();
}

static gboolean
flush_cb (gpointer user_data)
{
  ((Watch *) user_data)->flush_id = 0; /* waking the loop is all that is to be done */
  return G_SOURCE_REMOVE;
}

/* What waits has a clock running, so a terminal is redrawn every second as well. */
static void
flush_if_due (Watch *self, MtvDBusMigration *migration, gboolean final)
{
  gint64 since = g_get_monotonic_time () - self->flushed;

  if (!final && !self->changed && (self->progress == NULL || since < G_USEC_PER_SEC))
    return;
  if (final || since >= REDRAW_USEC)
    flush (self, migration);
  else if (self->flush_id == 0)
    self->flush_id = g_timeout_add ((REDRAW_USEC - since) / 1000 + 1, flush_cb, self);
}

/* The news of the whole and of its parts may come in any order, above all after a retry. */
static gboolean
has_ended (Mtvctl *ctl, MtvDBusMigration *migration)
{
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);

  for (guint i = 0; i < jobs->len; i++)
    if (!mtvctl_watch_is_final (mtv_dbus_migration_vm_get_state (g_ptr_array_index (jobs, i))))
      return FALSE;
  return mtvctl_watch_is_final (mtv_dbus_migration_get_state (migration));
}

static gboolean
is_over (Mtvctl *ctl, gpointer user_data)
{
  Watch *self = user_data;
  g_autoptr (MtvDBusMigration) migration = mtvctl_get_by_path (ctl, MTVCTL_MIGRATION, self->path);
  g_autofree char *owner
      = g_dbus_object_manager_client_get_name_owner (G_DBUS_OBJECT_MANAGER_CLIENT (ctl->objects));

  if (migration == NULL)
    {
      self->lost = self->appeared && owner != NULL;
      return self->lost;
    }
  if (!self->appeared)
    {
      const char *const *paths = mtv_dbus_migration_get_virtual_machines (migration);

      self->appeared = self->changed = TRUE;
      for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
        g_hash_table_add (self->dirty, g_strdup (paths[i]));
    }
  gboolean final = has_ended (ctl, migration);
  flush_if_due (self, migration, final);
  return final;
}

static void
append_arrived (Mtvctl *ctl, GPtrArray *jobs, GString *out)
{
  static const MtvctlColumn columns[] = {
    { N_ ("VIRTUAL MACHINE"), 0, 12, 0 },
    { N_ ("STATE"), 0, 0, 0 },
    { N_ ("DISKS"), MTVCTL_COLUMN_RIGHT, 0, 3 },
    { N_ ("COPIED"), MTVCTL_COLUMN_RIGHT, 0, 2 },
    { N_ ("TIME"), MTVCTL_COLUMN_RIGHT, 0, 1 },
    { N_ ("LOCATION"), 0, 0, 0 }, /* somebody will want to copy it from here */
  };
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);
      guint64 start = mtv_dbus_migration_vm_get_start_time (job);
      guint64 end = mtv_dbus_migration_vm_get_end_time (job);
      GVariant *disks = mtv_dbus_migration_vm_get_disks (job);

      mtvctl_table_add (table, mtv_dbus_migration_vm_get_name (job));
      mtvctl_table_add_state (table, mtv_dbus_migration_vm_get_state (job));
      mtvctl_table_add_number (table, disks != NULL ? g_variant_n_children (disks) : 0);
      mtvctl_table_take (table, mtvctl_format_size (mtv_dbus_migration_vm_get_bytes_done (job)));
      mtvctl_table_take (table, start > 0 && end > start ? mtvctl_format_span (end - start) : NULL);
      mtvctl_table_add (table, mtv_dbus_migration_vm_get_location (job));
    }
  mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
}

static void
print_failures (GPtrArray *jobs)
{
  for (guint i = 0; i < jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);
      const char *error_name = "", *text = "";

      if (g_strcmp0 (mtv_dbus_migration_vm_get_state (job), "failed") != 0)
        continue;
      g_variant_get (mtv_dbus_migration_vm_get_error (job), "(&s&s)", &error_name, &text);
      g_autoptr (GError) error = mtv_error_new_for_name (error_name, text);
      g_prefix_error (&error, "%s: ", mtv_dbus_migration_vm_get_name (job));
      mtvctl_print_error (error);
    }
}

/* Failed if one failed, else succeeded if one arrived, else cancelled. */
static int
exit_code (GPtrArray *jobs)
{
  int code = MTVCTL_MIGRATION_CANCELLED;

  for (guint i = 0; i < jobs->len; i++)
    {
      const char *state = mtv_dbus_migration_vm_get_state (g_ptr_array_index (jobs, i));

      if (g_str_equal (state, "failed"))
        return MTVCTL_MIGRATION_FAILED;
      if (g_str_equal (state, "succeeded"))
        code = MTVCTL_OK;
    }
  return code;
}

/* What is left to be said when it is over; the exit code. */
static int
conclude (Watch *self, GError **error)
{
  Mtvctl *ctl = self->ctl;
  g_autoptr (MtvDBusMigration) migration = mtvctl_get_by_path (ctl, MTVCTL_MIGRATION, self->path);

  if (migration == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   _ ("Migration '%s' was removed while watching."), strrchr (self->path, '/') + 1);
      return MTVCTL_ERROR;
    }
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  g_autoptr (GString) out = g_string_new (NULL);
  if (ctl->json)
    print_json_line (G_DBUS_PROXY (migration), "migration");
  else if (!ctl->quiet)
    {
      append_arrived (ctl, jobs, out);
      printf ("%s%s", self->progress == NULL ? "\n" : "", out->str);
    }
  if (!ctl->json)
    print_failures (jobs);
  return exit_code (jobs);
}

static void
watch_clear (Watch *self)
{
  g_signal_handlers_disconnect_by_data (self->ctl->objects, self);
  g_clear_handle_id (&self->flush_id, g_source_remove);
  g_clear_pointer (&self->progress, mtvctl_progress_free);
  g_hash_table_unref (self->seen);
  g_hash_table_unref (self->tenths);
  g_hash_table_unref (self->dirty);
  g_free (self->prefix);
}

static void
watch_init (Watch *self, Mtvctl *ctl, const char *path)
{
  self->ctl = ctl;
  self->path = path;
  self->prefix = g_strconcat (path, "/vm/", NULL);
  self->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->tenths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->dirty = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (ctl->out.is_terminal && !ctl->json && !ctl->quiet)
    self->progress = mtvctl_progress_new ();
  g_signal_connect (ctl->objects, "object-added", G_CALLBACK (object_cb), self);
  g_signal_connect (ctl->objects, "object-removed", G_CALLBACK (object_cb), self);
  g_signal_connect (ctl->objects, "interface-proxy-properties-changed", G_CALLBACK (properties_cb),
                    self);
  g_signal_connect (ctl->objects, "notify::name-owner", G_CALLBACK (owner_cb), self);
}

int
mtvctl_watch (Mtvctl *ctl, const char *path, GError **error)
{
  Watch self = { 0 };
  const char *id = strrchr (path, '/') + 1;
  int code = MTVCTL_ERROR;

  watch_init (&self, ctl, path);
  guint winch = g_unix_signal_add (SIGWINCH, winch_cb, &self);
  gboolean over = mtvctl_wait_until (ctl, is_over, &self, error);
  g_source_remove (winch);
  if (self.progress != NULL)
    mtvctl_progress_clear (self.progress);
  if (over)
    code = conclude (&self, error);
  else if (ctl->signal != 0)
    {
      g_clear_error (error);
      fflush (stdout);
      fprintf (stderr,
               _ ("The migration goes on. Watch it with 'mtvctl migration watch %s',\n"
                  "stop it with 'mtvctl migration cancel %s'.\n"),
               id, id);
      code = MTVCTL_SIGNALLED + ctl->signal;
    }
  watch_clear (&self);
  return code;
}
