/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-progress.h"

#include "mtvctl-format.h"
#include "mtvctl-vm.h"
#include "mtvctl-watch.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_WIDTH 20
#define BAR_MIN_WIDTH 10
#define BAR_MAX_WIDTH 40

/* A disk's speed, which the bus tells for whole virtual machines only. */
typedef struct
{
  guint64 bytes;
  gint64 time;
  double rate;
} Speed;

typedef struct
{
  char *text; /* (owned) with styles */
  guint width;
} Line;

struct _MtvctlProgress
{
  MtvctlTerminal terminal;
  GHashTable *speeds; /* (owned): "path of the job, id of the disk" to Speed */
  GArray *drawn;      /* (owned) of guint: the widths of the lines on the screen */
  GArray *lines;      /* (owned) of Line: those to be drawn */
  gboolean hidden;    /* the cursor */
};

static void
line_clear (gpointer line)
{
  g_free (((Line *) line)->text);
}

MtvctlProgress *
mtvctl_progress_new (void)
{
  MtvctlProgress *self = g_new0 (MtvctlProgress, 1);

  self->terminal = mtvctl_terminal_for_fd (STDOUT_FILENO);
  self->speeds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->drawn = g_array_new (FALSE, FALSE, sizeof (guint));
  self->lines = g_array_new (FALSE, FALSE, sizeof (Line));
  g_array_set_clear_func (self->lines, line_clear);
  return self;
}

void
mtvctl_progress_free (MtvctlProgress *self)
{
  mtvctl_progress_clear (self);
  g_hash_table_unref (self->speeds);
  g_array_unref (self->drawn);
  g_array_unref (self->lines);
  g_free (self);
}

/* The sequence that puts the cursor where the first live line begins. A terminal that became
 * narrower has broken the longer lines in two. */
static void
append_rewind (MtvctlProgress *self, GString *out)
{
  guint rows = 0;

  for (guint i = 0; i < self->drawn->len; i++)
    rows += MAX (1, (g_array_index (self->drawn, guint, i) + self->terminal.width - 1)
                        / self->terminal.width);
  if (rows > 0)
    g_string_append_printf (out, "\r\033[%uA", rows);
  g_array_set_size (self->drawn, 0);
}

void
mtvctl_progress_clear (MtvctlProgress *self)
{
  g_autoptr (GString) out = g_string_new (NULL);

  self->terminal = mtvctl_terminal_for_fd (STDOUT_FILENO);
  append_rewind (self, out);
  if (self->hidden)
    g_string_append (out, "\033[J\033[?25h");
  self->hidden = FALSE;
  fputs (out->str, stdout);
  fflush (stdout);
}

void
mtvctl_progress_say (MtvctlProgress *self, const char *name, const char *text)
{
  g_autofree char *escaped = mtvctl_escape (name);

  mtvctl_progress_clear (self);
  printf ("%s: %s\n", escaped, text);
}

/* @plain is cut to the terminal; @bold: how many of its first bytes are. */
static void
add_line (MtvctlProgress *self, const char *plain, gsize bold)
{
  g_autofree char *cut = mtvctl_ellipsize (plain, self->terminal.width - 1, FALSE);
  Line line = { .width = mtvctl_width (cut) };

  bold = MIN (bold, strlen (cut));
  line.text = g_strdup_printf (
      "%s%.*s%s%s", bold ? mtvctl_style (&self->terminal, MTVCTL_BOLD) : "", (int) bold, cut,
      bold ? mtvctl_style (&self->terminal, MTVCTL_PLAIN) : "", cut + bold);
  g_array_append_val (self->lines, line);
}

static double
measure (MtvctlProgress *self, const char *job, const char *disk, guint64 done)
{
  g_autofree char *key = g_strconcat (job, " ", disk, NULL);
  Speed *speed = g_hash_table_lookup (self->speeds, key);
  gint64 now = g_get_monotonic_time ();

  if (speed == NULL)
    {
      speed = g_new0 (Speed, 1);
      g_hash_table_insert (self->speeds, g_steal_pointer (&key), speed);
    }
  if (speed->time == 0 || done < speed->bytes) /* the first look, or the next step */
    *speed = (Speed){ done, now, 0 };
  else if (now - speed->time > G_USEC_PER_SEC / 2)
    {
      double fresh = (done - speed->bytes) * (double) G_USEC_PER_SEC / (now - speed->time);

      speed->rate = speed->rate == 0 ? fresh : 0.7 * speed->rate + 0.3 * fresh;
      speed->bytes = done;
      speed->time = now;
    }
  return speed->rate;
}

static void
append_bar (MtvctlProgress *self, GString *out, guint width, double share)
{
  guint full = MIN (share, 1) * width;

  for (guint i = 0; i < width; i++)
    g_string_append (out, i < full ? (self->terminal.utf8 ? "█" : "#")
                                   : (self->terminal.utf8 ? "░" : "."));
}

/* "name ███░░░  58%  1.2G of 2.5G  110.3M/s  12s left": what does not fit goes, rate first. */
static char *
format_bar (MtvctlProgress *self, const char *name, guint name_width, guint64 done, guint64 total,
            double rate)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autofree char *cut = mtvctl_ellipsize (name, name_width, TRUE);
  g_autofree char *done_text = mtvctl_format_size (done);
  g_autofree char *total_text = mtvctl_format_size (total);
  g_autofree char *rate_text = mtvctl_format_rate (rate);
  g_autofree char *span
      = rate > 0 ? mtvctl_format_span ((total - MIN (done, total)) / rate * G_USEC_PER_SEC)
                 : g_strdup ("-");
  g_autofree char *bytes = g_strdup_printf ("%s/%s", done_text, total_text);
  guint rest = self->terminal.width - 1 - MIN (self->terminal.width - 1, 2 + name_width + 1 + 5);
  guint with_span = rest >= BAR_MIN_WIDTH + 10;
  guint with_bytes = rest >= BAR_MIN_WIDTH + 10 + 16;
  guint with_rate = rest >= BAR_MIN_WIDTH + 10 + 16 + 12;
  guint bar = rest - MIN (rest, 10 * with_span + 16 * with_bytes + 12 * with_rate);

  g_string_append_printf (out, "  %s%*s ", cut, (int) (name_width - mtvctl_width (cut)), "");
  append_bar (self, out, MIN (bar, BAR_MAX_WIDTH), (double) done / total);
  g_string_append_printf (out, " %3u%%", mtvctl_format_percent (done, total));
  if (with_bytes)
    g_string_append_printf (out, " %15s", bytes);
  if (with_rate)
    g_string_append_printf (out, " %11s", rate_text);
  if (with_span)
    g_string_append_printf (out, " %9s", span);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static void
add_disk (MtvctlProgress *self, MtvDBusMigrationVM *job, GVariant *disk, guint name_width,
          gboolean alone)
{
  const char *state = mtvctl_dict_string (disk, "state");
  const char *name = mtvctl_dict_string (disk, "name");
  const char *id = mtvctl_dict_string (disk, "id");
  g_autofree char *escaped = mtvctl_escape (*name ? name : id);
  guint64 done = mtvctl_dict_number (disk, "bytes-done");
  guint64 total = mtvctl_dict_number (disk, "bytes-total");
  g_autofree char *text = NULL;

  if (total > 0 && (g_str_equal (state, "copying") || g_str_equal (state, "verifying")))
    {
      double rate = measure (self, g_dbus_proxy_get_object_path (G_DBUS_PROXY (job)), id, done);
      guint64 told = mtv_dbus_migration_vm_get_rate (job);

      text = format_bar (self, escaped, name_width, done, total, alone && told > 0 ? told : rate);
    }
  else
    {
      g_autofree char *cut = mtvctl_ellipsize (escaped, name_width, TRUE);
      g_autofree char *label = mtvctl_state_label (state, NULL);
      g_autofree char *size = mtvctl_format_size (mtvctl_dict_number (disk, "capacity"));

      text = g_strdup_printf ("  %s%*s %s, %s", cut, (int) (name_width - mtvctl_width (cut)), "",
                              label, size);
    }
  add_line (self, text, 0);
}

static void
add_job (MtvctlProgress *self, MtvDBusMigrationVM *job)
{
  GVariant *disks = mtv_dbus_migration_vm_get_disks (job);
  g_autofree char *name = mtvctl_escape (mtv_dbus_migration_vm_get_name (job));
  g_autofree char *what = mtvctl_watch_describe (job, TRUE);
  guint64 since
      = *mtvctl_watch_get_waiting (job) != '\0' ? mtv_dbus_migration_vm_get_waiting_since (job) : 0;
  guint64 now = g_get_real_time ();
  gsize n = disks != NULL ? g_variant_n_children (disks) : 0;
  guint widest = 0, active = 0;

  g_autofree char *waited
      = since > 0 && now > since + G_USEC_PER_SEC
            ? mtvctl_format_span ((now - since) / G_USEC_PER_SEC * G_USEC_PER_SEC)
            : NULL;
  g_autofree char *text = g_strdup_printf ("%s: %s%s%s%s", name, what, waited ? " (" : "",
                                           waited ? waited : "", waited ? ")" : "");
  add_line (self, text, strlen (name));
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      const char *label = mtvctl_dict_string (disk, "name");
      g_autofree char *escaped = mtvctl_escape (*label ? label : mtvctl_dict_string (disk, "id"));

      widest = MAX (widest, mtvctl_width (escaped));
      active += g_str_has_suffix (mtvctl_dict_string (disk, "state"), "ing")
                && !g_str_equal (mtvctl_dict_string (disk, "state"), "pending");
    }
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);

      add_disk (self, job, disk, MIN (widest, MIN (NAME_MAX_WIDTH, self->terminal.width / 4)),
                active == 1);
    }
}

/* The last line, where there is more than one virtual machine. */
static void
add_sum (MtvctlProgress *self, MtvDBusMigration *migration, guint n, guint ended, guint hidden)
{
  guint64 done = mtv_dbus_migration_get_bytes_done (migration);
  guint64 total = mtv_dbus_migration_get_bytes_total (migration);
  guint64 end = mtv_dbus_migration_get_expected_end (migration), now = g_get_real_time ();
  g_autofree char *done_text = mtvctl_format_size (done);
  g_autofree char *total_text = mtvctl_format_size (total);
  g_autofree char *rate = mtvctl_format_rate (mtv_dbus_migration_get_rate (migration));
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (text, _ ("%u of %u ended"), ended, n);
  if (hidden > 0)
    g_string_append_printf (text, _ (", %u more under way"), hidden);
  g_string_append_printf (text, _ ("; %s of %s, %s"), done_text, total_text, rate);
  if (end > now)
    {
      g_autofree char *left = mtvctl_format_span ((end - now) / G_USEC_PER_SEC * G_USEC_PER_SEC);

      g_string_append_printf (text, _ (", %s left"), left);
    }
  add_line (self, text->str, 0);
}

static void
collect (MtvctlProgress *self, MtvDBusMigration *migration, GPtrArray *jobs)
{
  guint ended = 0, hidden = 0, room = MAX (2, self->terminal.height) - 1;
  gboolean with_sum = jobs->len > 1;

  g_array_set_size (self->lines, 0);
  for (guint i = 0; i < jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);
      const char *state = mtv_dbus_migration_vm_get_state (job);
      GVariant *disks = mtv_dbus_migration_vm_get_disks (job);
      guint need = 1 + (disks != NULL ? g_variant_n_children (disks) : 0) + with_sum;

      if (with_sum && mtvctl_watch_is_final (state))
        ended++;
      else if (with_sum && (g_strcmp0 (state, "queued") == 0 || self->lines->len + need > room))
        hidden++;
      else
        add_job (self, job);
    }
  if (self->lines->len > room) /* one virtual machine of many disks on a low terminal */
    g_array_set_size (self->lines, room);
  if (with_sum)
    add_sum (self, migration, jobs->len, ended, hidden);
}

void
mtvctl_progress_draw (MtvctlProgress *self, MtvDBusMigration *migration, GPtrArray *jobs)
{
  g_autoptr (GString) out = g_string_new (NULL);

  self->terminal = mtvctl_terminal_for_fd (STDOUT_FILENO);
  if (!self->hidden)
    g_string_append (out, "\033[?25l");
  self->hidden = TRUE;
  append_rewind (self, out);
  collect (self, migration, jobs);
  for (guint i = 0; i < self->lines->len; i++)
    {
      Line *line = &g_array_index (self->lines, Line, i);

      g_string_append_printf (out, "%s\033[K\n", line->text);
      g_array_append_val (self->drawn, line->width);
    }
  g_string_append (out, "\033[J");
  fputs (out->str, stdout);
}
