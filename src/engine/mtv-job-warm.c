/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-warm.h"

#include "base/mtv-error.h"
#include "engine/mtv-job-idle.h"
#include "engine/mtv-job-moves.h"

/* What can be known and asked of a warm job beyond a cold one. */

MtvPrediction
mtv_job_get_prediction (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), (MtvPrediction){ 0 });

  return self->prediction;
}

gboolean
mtv_job_is_cutover_ready (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  return self->cutover_ready;
}

const MtvSchedule *
mtv_job_get_schedule (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  return &self->record->schedule;
}

guint64
mtv_job_get_interval (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  const MtvSchedule *schedule = &self->record->schedule;

  if (!schedule->warm)
    return 0;
  return schedule->interval > 0 ? schedule->interval
                                : self->context->settings.precopy_interval_usec;
}

guint64
mtv_job_get_max_downtime (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  const MtvSchedule *schedule = &self->record->schedule;

  if (!schedule->warm)
    return 0;
  return schedule->max_downtime > 0 ? schedule->max_downtime
                                    : self->context->settings.max_downtime_usec;
}

MtvRoundRecord *
mtv_job_get_base (MtvJob *self)
{
  for (guint i = self->record->rounds->len; i > 0; i--)
    {
      MtvRoundRecord *round = g_ptr_array_index (self->record->rounds, i - 1);

      if (round->copied_time != 0)
        return round;
    }
  return NULL;
}

/* Bytes a second of the whole round; of the one under way, as it goes now. */
static guint64
get_rate (MtvJob *self, const MtvRoundRecord *round)
{
  if (round->copied_time == 0)
    return round->number == self->record->rounds->len ? mtv_job_get_rate (self) : 0;
  if (round->copied_time <= round->snapshot_time)
    return 0;
  return (guint64) ((double) round->bytes_done * G_USEC_PER_SEC
                    / (double) (round->copied_time - round->snapshot_time));
}

GVariant *
mtv_job_get_rounds (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < self->record->rounds->len; i++)
    {
      const MtvRoundRecord *round = g_ptr_array_index (self->record->rounds, i);
      g_autoptr (GVariant) fields
          = g_variant_ref_sink (mtv_fields_to_variant (&mtv_round_record_fields, round));
      GVariantDict dict;

      g_variant_dict_init (&dict, fields);
      g_variant_dict_remove (&dict, "change-ids");
      g_variant_dict_remove (&dict, "remote-id");
      g_variant_dict_insert (&dict, "rate", "t", get_rate (self, round));
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}

/* Requests. */

static gboolean
refuse (MtvJob *self, const char *why, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The migration of '%s' %s",
               self->record->name, why);
  return FALSE;
}

static gboolean
check_going (MtvJob *self, GError **error)
{
  if (mtv_job_state_is_final (self->state))
    return refuse (self, "has ended", error);
  if (self->cancelling || self->record->outcome != NULL)
    return refuse (self, "is being given up", error);
  return TRUE;
}

static gboolean
check_before_cutover (MtvJob *self, GError **error)
{
  if (!self->record->schedule.warm)
    return refuse (self, "is not a warm one", error);
  if (!check_going (self, error))
    return FALSE;

  MtvJobState state = self->state;
  mtv_job_state_from_string (self->record->state, &state); /* about to be committed */
  if (state >= MTV_JOB_POWERING_OFF)
    return refuse (self, "is at its cutover already", error);
  return TRUE;
}

/* As it stands in the timeline. (transfer full) */
static char *
describe_time (guint64 time)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc ((gint64) (time / G_USEC_PER_SEC));

  return g_date_time_format (utc, "%Y-%m-%d %H:%M:%S UTC");
}

gboolean
mtv_job_cutover (MtvJob *self, guint64 at, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  guint64 now = mtv_clock_now (self->context->clock);
  MtvSchedule wanted = self->record->schedule;

  wanted.cutover_time = at;
  if (!check_before_cutover (self, error) || !mtv_schedule_check (&wanted, now, error))
    return FALSE;

  self->record->schedule.cutover_time = at == 0 ? now : at;
  self->cutover_missed = FALSE;
  if (at == 0)
    {
      self->record->paused = FALSE; /* who wants it now wants it */
      mtv_job_replan (self);
      mtv_job_request (self, mtv_job_reconsider, "cutover", uid, "the cutover was asked for");
      return TRUE;
    }

  g_autofree char *text = describe_time (at);
  mtv_job_replan (self);
  mtv_job_request (self, mtv_job_reconsider, "cutover", uid, "the cutover was asked for at %s",
                   text);
  return TRUE;
}

gboolean
mtv_job_withdraw_cutover (MtvJob *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  if (!check_before_cutover (self, error))
    return FALSE;
  if (self->record->schedule.cutover_time == 0)
    return refuse (self, "has no cutover that could be withdrawn", error);

  self->record->schedule.cutover_time = 0;
  self->cutover_missed = FALSE;
  mtv_job_replan (self);
  mtv_job_request (self, mtv_job_reconsider, "withdraw-cutover", uid, "the cutover was withdrawn");
  return TRUE;
}

gboolean
mtv_job_pause (MtvJob *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  if (!check_before_cutover (self, error))
    return FALSE;
  if (self->record->paused)
    return refuse (self, "is paused already", error);

  self->record->paused = TRUE;
  mtv_job_replan (self);
  mtv_job_request (self, mtv_job_reconsider, "pause", uid, "it was paused");
  return TRUE;
}

gboolean
mtv_job_resume (MtvJob *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  if (!check_before_cutover (self, error))
    return FALSE;
  if (!self->record->paused)
    return refuse (self, "is not paused", error);

  self->record->paused = FALSE;
  mtv_job_replan (self);
  mtv_job_request (self, mtv_job_reconsider, "resume", uid, "it was resumed");
  return TRUE;
}

static const struct
{
  const char *key;
  const char *type;
  gsize offset;
  gboolean only_warm;
  gboolean not_zero; /* 0 would be the default of the daemon, which the plan may have left */
} options_known[] = {
  { "interval", "t", G_STRUCT_OFFSET (MtvSchedule, interval), TRUE, TRUE },
  { "interval-auto", "b", G_STRUCT_OFFSET (MtvSchedule, interval_auto), TRUE, FALSE },
  { "max-downtime", "t", G_STRUCT_OFFSET (MtvSchedule, max_downtime), TRUE, TRUE },
  { "shutdown", "s", G_STRUCT_OFFSET (MtvSchedule, shutdown), FALSE, FALSE },
  { "shutdown-timeout", "t", G_STRUCT_OFFSET (MtvSchedule, shutdown_timeout), FALSE, TRUE },
  { "throttle", "t", G_STRUCT_OFFSET (MtvSchedule, throttle), FALSE, FALSE },
};

static gboolean
set_option (MtvSchedule *schedule, guint i, GVariant *value, GError **error)
{
  gpointer member = (char *) schedule + options_known[i].offset;
  const char *key = options_known[i].key;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (options_known[i].type)))
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "'%s' must be of type '%s', not '%s'", key, options_known[i].type,
                 g_variant_get_type_string (value));
  else if (options_known[i].only_warm && !schedule->warm)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "'%s' means nothing for a cold migration", key);
  else if (options_known[i].not_zero && g_variant_get_uint64 (value) == 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' cannot be 0", key);
  else
    {
      switch (*options_known[i].type)
        {
        case 'b':
          *(gboolean *) member = g_variant_get_boolean (value);
          break;
        case 't':
          *(guint64 *) member = g_variant_get_uint64 (value);
          break;
        default:
          g_free (*(char **) member);
          *(char **) member = g_variant_dup_string (value, NULL);
        }
      return TRUE;
    }
  return FALSE;
}

static gboolean
apply_options (MtvSchedule *schedule, GVariant *options, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  gboolean interval = FALSE, automatic = FALSE;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned G_GNUC_UNUSED = value;
      guint i = 0;

      while (i < G_N_ELEMENTS (options_known) && !g_str_equal (options_known[i].key, key))
        i++;
      if (i == G_N_ELEMENTS (options_known))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "There is no option '%s'",
                       key);
          return FALSE;
        }
      if (!set_option (schedule, i, value, error))
        return FALSE;
      interval |= g_str_equal (key, "interval");
      automatic |= g_str_equal (key, "interval-auto");
    }
  if (interval && !automatic)
    schedule->interval_auto = FALSE;
  return mtv_schedule_check (schedule, 0, error);
}

gboolean
mtv_job_configure (MtvJob *self, GVariant *options, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  g_autoptr (GVariant) owned = g_variant_ref_sink (options);
  MtvSchedule changed = { 0 };

  if (!check_going (self, error))
    return FALSE;
  mtv_schedule_assign (&changed, &self->record->schedule);
  gboolean good = apply_options (&changed, owned, error);
  if (good)
    mtv_schedule_assign (&self->record->schedule, &changed);
  g_free (changed.shutdown);
  if (!good)
    return FALSE;

  if (self->throttle != NULL) /* of copies under way */
    mtv_throttle_set_rate (self->throttle, self->record->schedule.throttle);

  g_autofree char *text = g_variant_print (owned, FALSE);
  mtv_job_replan (self);
  mtv_job_request (self, mtv_job_reconsider, "configure", uid, "set: %s", text);
  return TRUE;
}
