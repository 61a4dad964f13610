/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-moves.h"
#include "store/mtv-store-objects.h"

typedef struct
{
  MtvJob *job;          /* (owned) */
  MtvStoreBatch *batch; /* (owned) to be tried again */
  guint asked;          /* what the record says of requests in it */
  MtvJobFunc then;
} Commit;

static void start_commit (MtvJob *self, MtvStoreBatch *batch, MtvJobFunc then);

static void
commit_again (gpointer user_data)
{
  Commit *commit = user_data;

  commit->job->alarm = 0;
  if (commit->asked != commit->job->asked) /* asked for meanwhile */
    mtv_store_put_job (commit->batch, commit->job->record);
  start_commit (commit->job, mtv_store_batch_ref (commit->batch), commit->then);
}

static void
commit_free (gpointer user_data)
{
  Commit *commit = user_data;

  mtv_store_batch_free (commit->batch);
  g_object_unref (commit->job);
  g_free (commit);
}

static void
commit_later (Commit *commit, const GError *error)
{
  MtvJob *self = commit->job;
  g_autofree char *text = g_strdup_printf ("waiting for the daemon's database: %s", error->message);

  mtv_job_set_waiting (self, text);
  self->suspended = TRUE;
  self->alarm = mtv_clock_add_alarm (self->context->clock,
                                     mtv_clock_now (self->context->clock)
                                         + self->context->settings.retry_interval_usec,
                                     commit_again, commit, commit_free);
  mtv_job_changed (self);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Commit *commit = user_data;
  g_autoptr (MtvJob) self = g_object_ref (commit->job);
  g_autoptr (GError) error = NULL;

  gboolean committed = mtv_store_commit_finish (MTV_STORE (source), result, &error);
  if (!committed && !self->context->stopping)
    {
      commit_later (commit, error);
      return;
    }

  MtvJobFunc then = commit->then;
  gboolean tell = self->context->stopping || self->suspended;

  commit_free (commit);
  self->busy = FALSE;
  if (self->suspended)
    mtv_job_set_waiting (self, NULL);
  self->suspended = FALSE;
  if (!self->context->stopping)
    then (self);
  if (tell) /* who stops waits for this */
    mtv_job_changed (self);
}

static void
start_commit (MtvJob *self, MtvStoreBatch *batch, MtvJobFunc then)
{
  Commit *commit = g_new0 (Commit, 1);

  commit->job = g_object_ref (self);
  commit->batch = mtv_store_batch_ref (batch);
  commit->asked = self->asked;
  commit->then = then;
  mtv_store_commit_async (self->context->store, batch, committed_cb, commit);
}

void
mtv_job_commit (MtvJob *self, MtvStoreBatch *batch, MtvJobFunc then)
{
  g_return_if_fail (!self->busy);

  self->busy = TRUE;
  mtv_store_put_job (batch, self->record);
  start_commit (self, batch, then);
}

/* Requests do not wait for what else is being committed. */
typedef struct
{
  MtvJob *job; /* (owned) */
  MtvJobFunc then;
} Request;

static void
request_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Request *request = user_data;
  g_autoptr (MtvJob) self = request->job;
  g_autoptr (GError) error = NULL;

  if (!mtv_store_commit_finish (MTV_STORE (source), result, &error))
    g_warning ("Cannot save what was asked of '%s', ignoring: %s", self->record->name,
               error->message);
  self->requests--;
  if (self->context->stopping)
    mtv_job_changed (self);
  else
    request->then (self);
}

void
mtv_job_request (MtvJob *self, MtvJobFunc then, const char *event, guint32 uid, const char *format,
                 ...)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();
  Request *request = g_new0 (Request, 1);
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  request->job = g_object_ref (self);
  request->then = then;
  self->requests++;
  self->asked++;
  mtv_job_add_event (self, batch, event, uid, "%s", text);
  mtv_store_put_job (batch, self->record);
  mtv_store_commit_async (self->context->store, batch, request_committed, request);
  mtv_job_changed (self);
}
