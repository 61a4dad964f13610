/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-migration-warm.h"

#include "base/mtv-error.h"
#include "engine/mtv-job-warm.h"

/* One request of one job. */
typedef gboolean (*Ask) (MtvJob *job, gconstpointer data, guint32 uid, GError **error);

/* All jobs of a run are of one plan, so whether an argument is good is the same for all that are
 * still going: the first of them refuses it before anything has changed. */
static gboolean
ask_all (MtvMigration *self, Ask ask, gconstpointer data, guint32 uid, GError **error)
{
  GPtrArray *jobs = mtv_migration_get_jobs (self);
  g_autoptr (GError) first = NULL;
  gboolean any = FALSE;

  for (guint i = 0; i < jobs->len; i++)
    {
      g_autoptr (GError) why = NULL;

      if (ask (g_ptr_array_index (jobs, i), data, uid, &why))
        any = TRUE;
      else if (!g_error_matches (why, MTV_ERROR, MTV_ERROR_WRONG_STATE))
        {
          g_propagate_error (error, g_steal_pointer (&why));
          return FALSE;
        }
      else if (first == NULL)
        first = g_steal_pointer (&why);
    }
  if (!any)
    g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                 "This means nothing for any virtual machine of this migration of plan '%s': %s",
                 mtv_migration_get_record (self)->plan_name,
                 first != NULL ? first->message : "there is none");
  return any;
}

static gboolean
ask_cutover (MtvJob *job, gconstpointer data, guint32 uid, GError **error)
{
  return mtv_job_cutover (job, *(const guint64 *) data, uid, error);
}

static gboolean
ask_withdraw (MtvJob *job, gconstpointer data, guint32 uid, GError **error)
{
  (void) data;
  return mtv_job_withdraw_cutover (job, uid, error);
}

static gboolean
ask_pause (MtvJob *job, gconstpointer data, guint32 uid, GError **error)
{
  (void) data;
  return mtv_job_pause (job, uid, error);
}

static gboolean
ask_resume (MtvJob *job, gconstpointer data, guint32 uid, GError **error)
{
  (void) data;
  return mtv_job_resume (job, uid, error);
}

static gboolean
ask_configure (MtvJob *job, gconstpointer data, guint32 uid, GError **error)
{
  return mtv_job_configure (job, (GVariant *) data, uid, error);
}

gboolean
mtv_migration_cutover (MtvMigration *self, guint64 at, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), FALSE);

  return ask_all (self, ask_cutover, &at, uid, error);
}

gboolean
mtv_migration_withdraw_cutover (MtvMigration *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), FALSE);

  return ask_all (self, ask_withdraw, NULL, uid, error);
}

gboolean
mtv_migration_pause (MtvMigration *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), FALSE);

  return ask_all (self, ask_pause, NULL, uid, error);
}

gboolean
mtv_migration_resume (MtvMigration *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), FALSE);

  return ask_all (self, ask_resume, NULL, uid, error);
}

gboolean
mtv_migration_configure (MtvMigration *self, GVariant *changes, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_MIGRATION (self), FALSE);

  return ask_all (self, ask_configure, changes, uid, error);
}
