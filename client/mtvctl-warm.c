/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-warm.h"

#include "base/mtv-time.h"
#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-target.h"
#include "mtvctl-watch.h"

#include <glib/gi18n.h>

static gboolean
bad_value (GError **error, const char *option, const char *text, GError *why)
{
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s=%s: %s", option, text,
               why->message);
  g_error_free (why);
  return FALSE;
}

gboolean
mtvctl_warm_parse_time (const char *option, const char *text, guint64 *time, GError **error)
{
  GError *why = NULL;

  return mtv_time_parse (text, g_get_real_time (), NULL, time, &why)
         || bad_value (error, option, text, why);
}

static gboolean
add_span (GVariantBuilder *options, const char *key, const char *text, GError **error)
{
  GError *why = NULL;
  guint64 span;

  if (text == NULL)
    return TRUE;
  if (!mtv_time_parse_span (text, &span, &why))
    return bad_value (error, key, text, why);
  g_variant_builder_add (options, "{sv}", key, g_variant_new_uint64 (span));
  return TRUE;
}

gboolean
mtvctl_warm_add_options (Mtvctl *ctl, GVariantBuilder *options, GError **error)
{
  gboolean automatic = g_strcmp0 (ctl->interval, "auto") == 0;
  guint64 number;

  if (automatic)
    g_variant_builder_add (options, "{sv}", "interval-auto", g_variant_new_boolean (TRUE));
  if (!add_span (options, "interval", automatic ? NULL : ctl->interval, error)
      || !add_span (options, "max-downtime", ctl->max_downtime, error)
      || !add_span (options, "shutdown-timeout", ctl->shutdown_timeout, error))
    return FALSE;
  if (ctl->shutdown != NULL)
    g_variant_builder_add (options, "{sv}", "shutdown", g_variant_new_string (ctl->shutdown));
  if (ctl->throttle != NULL)
    {
      number = 0; /* "off" */
      if (!g_str_equal (ctl->throttle, "off") && !mtvctl_parse_rate (ctl->throttle, &number, error))
        return FALSE;
      g_variant_builder_add (options, "{sv}", "throttle", g_variant_new_uint64 (number));
    }
  if (ctl->cutover_at != NULL)
    {
      if (!mtvctl_warm_parse_time ("cutover-at", ctl->cutover_at, &number, error))
        return FALSE;
      g_variant_builder_add (options, "{sv}", "cutover-time", g_variant_new_uint64 (number));
    }
  return TRUE;
}

/* What is to be seen. */

/* Nobody wants the seconds of half an hour. */
static char *
format_left (guint64 time)
{
  guint64 now = g_get_real_time (), left = time > now ? time - now : 0;
  guint64 minute = 60 * (guint64) G_USEC_PER_SEC;

  return mtvctl_format_span (left - left % (left > 10 * minute ? minute : G_USEC_PER_SEC));
}

static void
append_round (GString *out, MtvDBusMigrationVM *job, gboolean idle, gboolean live)
{
  guint round = mtv_dbus_migration_vm_get_round (job);
  guint64 next = mtv_dbus_migration_vm_get_next_round (job);

  g_string_append_printf (out, idle ? _ ("round %u done") : _ ("round %u"), round);
  if (mtv_dbus_migration_vm_get_paused (job))
    g_string_append (out, _ (", paused"));
  else if (idle && next > 0)
    {
      g_autofree char *when = live ? format_left (next) : mtvctl_format_time (next);

      g_string_append_printf (out, live ? _ (", next in %s") : _ (", next at %s"), when);
    }
}

static void
append_cutover (GString *out, MtvDBusMigrationVM *job, gboolean live)
{
  guint64 at = mtv_dbus_migration_vm_get_cutover_time (job), likely = 0;
  gboolean ready = mtv_dbus_migration_vm_get_cutover_ready (job);
  GVariant *prediction = mtv_dbus_migration_vm_get_prediction (job);
  g_autofree char *when = mtvctl_format_time (at);

  if (at > (guint64) g_get_real_time ())
    g_string_append_printf (out, _ (", cutover %s"), when);
  else if (at > 0)
    g_string_append (out, _ (", cutover as soon as can be"));
  if (prediction != NULL)
    g_variant_get (prediction, "(tttt)", NULL, NULL, &likely, NULL);
  g_autofree char *span = mtvctl_format_span (likely);
  if (ready && live && likely > 0)
    g_string_append_printf (out, _ ("; ready: %s expected"), span);
  else if (ready)
    g_string_append (out, _ ("; ready"));
  else if (live && likely > 0)
    g_string_append_printf (out, _ ("; not ready: %s expected"), span);
}

char *
mtvctl_warm_describe (MtvDBusMigrationVM *job, gboolean live)
{
  static const char *const rounds[]
      = { "snapshotting", "precopying", "removing-snapshot", "idle", NULL };
  const char *phase = mtv_dbus_migration_vm_get_phase (job);
  g_autoptr (GString) out = g_string_new (NULL);

  if (g_strcmp0 (mtv_dbus_migration_vm_get_type_ (job), "warm") != 0
      || mtvctl_watch_is_final (mtv_dbus_migration_vm_get_state (job)) || phase == NULL
      || !g_strv_contains (rounds, phase))
    return NULL;
  append_round (out, job, g_str_equal (phase, "idle"), live);
  append_cutover (out, job, live);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

gboolean
mtvctl_warm_summarize (GPtrArray *jobs, char **round, char **next, char **ready)
{
  guint highest = 0, n_ready = 0, n = 0;
  guint64 first = 0;

  for (guint i = 0; i < jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);
      guint64 cutover = mtv_dbus_migration_vm_get_cutover_time (job);
      guint64 due = mtv_dbus_migration_vm_get_next_round (job);

      if (g_strcmp0 (mtv_dbus_migration_vm_get_type_ (job), "warm") != 0)
        continue;
      n++;
      highest = MAX (highest, mtv_dbus_migration_vm_get_round (job));
      n_ready += mtv_dbus_migration_vm_get_cutover_ready (job);
      if (cutover > 0 && (due == 0 || cutover < due))
        due = cutover;
      if (due > 0 && (first == 0 || due < first))
        first = due;
    }
  *round = highest > 0 ? g_strdup_printf ("%u", highest) : NULL;
  *next = first > 0 ? format_left (first) : NULL;
  *ready = n > 0 ? g_strdup_printf ("%u/%u", n_ready, n) : NULL;
  return n > 0;
}

/* Requests. */

/* Asks the run as a whole or each of those that were named; @args: (transfer floating) */
static gboolean
ask (Mtvctl *ctl, const MtvctlTarget *target, const char *method, GVariant *args, GError **error)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (args);
  guint n = target->whole ? 1 : target->jobs->len;

  for (guint i = 0; i < n; i++)
    {
      GDBusProxy *proxy
          = target->whole ? G_DBUS_PROXY (target->migration) : g_ptr_array_index (target->jobs, i);
      g_autoptr (GVariant) reply = g_dbus_proxy_call_sync (
          proxy, method, owned, mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC, NULL, error);

      if (reply == NULL)
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_cutover (Mtvctl *ctl, GVariantDict *options, guint64 *at, GError **error)
{
  if (ctl->at != NULL && ctl->cancel)
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           _ ("--at and --cancel exclude each other."));
      return FALSE;
    }
  if (ctl->at != NULL && !mtvctl_warm_parse_time ("at", ctl->at, at, error))
    return FALSE;
  if (ctl->at != NULL)
    g_variant_dict_insert (options, "time", "t", *at);
  return TRUE;
}

int
mtvctl_cutover (Mtvctl *ctl, char **args, GError **error)
{
  g_auto (MtvctlTarget) target = { 0 };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  guint64 at = 0;

  if (!check_cutover (ctl, &options, &at, error) || !mtvctl_target_find (ctl, args, &target, error))
    return MTVCTL_ERROR;
  g_autofree char *name = mtvctl_target_describe (&target);
  if (!ask (ctl, &target, ctl->cancel ? "WithdrawCutover" : "Cutover",
            g_variant_new ("(@a{sv})", g_variant_dict_end (&options)), error))
    {
      mtvctl_explain (error,
                      ctl->cancel ? _ ("Cannot withdraw the cutover of '%s'")
                                  : _ ("Cannot cut over '%s'"),
                      name);
      return MTVCTL_ERROR;
    }
  g_autofree char *when = mtvctl_format_time (at);
  if (ctl->cancel)
    mtvctl_say (ctl, _ ("Withdrew the cutover of '%s'."), name);
  else if (at > 0)
    mtvctl_say (ctl, _ ("'%s' will be cut over at %s."), name, when);
  else
    {
      mtvctl_say (ctl, _ ("'%s' is cut over as soon as a round under way has ended."), name);
      mtvctl_say (ctl, _ ("Follow it with 'mtvctl migration watch %s'."),
                  mtvctl_get_id (target.migration));
    }
  return MTVCTL_OK;
}

static int
pause_or_resume (Mtvctl *ctl, char **args, gboolean resume, GError **error)
{
  g_auto (MtvctlTarget) target = { 0 };

  if (!mtvctl_target_find (ctl, args, &target, error))
    return MTVCTL_ERROR;
  g_autofree char *name = mtvctl_target_describe (&target);
  if (!ask (ctl, &target, resume ? "Resume" : "Pause",
            g_variant_new ("(@a{sv})", mtvctl_no_options ()), error))
    {
      mtvctl_explain (error, resume ? _ ("Cannot resume '%s'") : _ ("Cannot pause '%s'"), name);
      return MTVCTL_ERROR;
    }
  mtvctl_say (ctl, resume ? _ ("Resumed '%s'.") : _ ("Paused '%s'."), name);
  return MTVCTL_OK;
}

int
mtvctl_pause (Mtvctl *ctl, char **args, GError **error)
{
  return pause_or_resume (ctl, args, FALSE, error);
}

int
mtvctl_resume (Mtvctl *ctl, char **args, GError **error)
{
  return pause_or_resume (ctl, args, TRUE, error);
}

int
mtvctl_configure (Mtvctl *ctl, char **args, GError **error)
{
  g_auto (MtvctlTarget) target = { 0 };
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  gboolean good = mtvctl_warm_add_options (ctl, &builder, error);
  g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_builder_end (&builder));

  if (!good)
    return MTVCTL_ERROR;
  if (g_variant_n_children (changes) == 0)
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                           _ ("Say what to change, such as --interval=30min."));
      return MTVCTL_ERROR;
    }
  if (!mtvctl_target_find (ctl, args, &target, error))
    return MTVCTL_ERROR;
  g_autofree char *name = mtvctl_target_describe (&target);
  if (!ask (ctl, &target, "Configure",
            g_variant_new ("(@a{sv}@a{sv})", changes, mtvctl_no_options ()), error))
    {
      mtvctl_explain (error, _ ("Cannot configure '%s'"), name);
      return MTVCTL_ERROR;
    }
  mtvctl_say (ctl, _ ("Configured '%s'."), name);
  return MTVCTL_OK;
}
