/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine/mtv-engine-private.h"

GPtrArray *
mtv_engine_get_transfers (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  return self->transfers;
}

guint
mtv_engine_count_transfers (MtvEngine *self)
{
  guint count = 0;

  g_return_val_if_fail (MTV_IS_ENGINE (self), 0);

  for (guint i = 0; i < self->transfers->len; i++)
    count += !mtv_transfer_has_ended (g_ptr_array_index (self->transfers, i));
  return count;
}

static void
remove_transfer (MtvEngine *self, MtvTransfer *transfer)
{
  g_autoptr (MtvTransfer) keep = g_object_ref (transfer);

  g_signal_handlers_disconnect_by_data (transfer, self);
  g_ptr_array_remove (self->transfers, transfer);
  mtv_engine_emit_removed (self, keep);
}

/* One more has ended: the oldest of them may be one too many. */
static void
transfer_completed (MtvEngine *self)
{
  guint ended = self->transfers->len - mtv_engine_count_transfers (self);

  for (guint i = 0; ended > MTV_ENGINE_MAX_TRANSFERS; i++)
    if (mtv_transfer_has_ended (g_ptr_array_index (self->transfers, i)))
      {
        remove_transfer (self, g_ptr_array_index (self->transfers, i));
        return;
      }
}

static gboolean
check_more (MtvEngine *self, GError **error)
{
  if (self->context.stopping)
    g_set_error_literal (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The daemon is stopping");
  else if (mtv_engine_count_transfers (self) >= MTV_ENGINE_MAX_TRANSFERS)
    g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED, "%d copies are under way already",
                 MTV_ENGINE_MAX_TRANSFERS);
  else
    return TRUE;
  return FALSE;
}

/* @transfer: (transfer full) */
static MtvTransfer *
adopt (MtvEngine *self, MtvTransfer *transfer)
{
  g_ptr_array_add (self->transfers, transfer);
  g_signal_connect_object (transfer, "changed", G_CALLBACK (mtv_engine_queue_changed), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (transfer, "completed", G_CALLBACK (transfer_completed), self,
                           G_CONNECT_SWAPPED | G_CONNECT_AFTER);
  mtv_engine_emit_added (self, transfer);
  mtv_engine_queue_changed (self);
  return transfer;
}

MtvTransfer *
mtv_engine_copy (MtvEngine *self, MtvCopyRequest *request, GError **error)
{
  g_autoptr (MtvCopyRequest) owned = request;

  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  if (!mtv_copy_request_check (request, error) || !check_more (self, error))
    return NULL;
  return adopt (self, mtv_transfer_new_copy (&self->context, mtv_engine_make_id (),
                                             g_steal_pointer (&owned)));
}

static gboolean
is_called (const MtvJobRecord *record, const char *name)
{
  return g_strcmp0 (record->state, "succeeded") == 0 && record->location != NULL
         && (g_strcmp0 (record->target_name, name) == 0 || g_strcmp0 (record->name, name) == 0);
}

/* Where the virtual machine @name went to, the last time that it did; NULL: nowhere. */
static const char *
find_location (MtvEngine *self, const char *name)
{
  const MtvJobRecord *last = NULL;

  for (guint i = 0; i < self->context.migrations->len; i++)
    {
      GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (self->context.migrations, i));

      for (guint j = 0; j < jobs->len; j++)
        {
          const MtvJobRecord *record = mtv_job_get_record (g_ptr_array_index (jobs, j));

          if (is_called (record, name) && (last == NULL || record->end_time > last->end_time))
            last = record;
        }
    }
  return last != NULL ? last->location : NULL;
}

static gboolean
find_folder (MtvEngine *self, MtvVerifyRequest *request, GError **error)
{
  const char *location;

  if (request->manifest_fd >= 0 || request->directory_fd >= 0
      || g_hash_table_size (request->files) > 0 || *request->name == '/')
    return TRUE;
  location = find_location (self, request->name);
  if (location == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                 "No migration brought a virtual machine '%s' anywhere", request->name);
  else if (*location != '/')
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                 "'%s' is at %s, which is no folder here: only those can be compared",
                 request->name, location);
  else
    {
      g_free (request->name);
      request->name = g_strdup (location);
      return TRUE;
    }
  return FALSE;
}

MtvTransfer *
mtv_engine_verify (MtvEngine *self, MtvVerifyRequest *request, GError **error)
{
  g_autoptr (MtvVerifyRequest) owned = request;

  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  if (!find_folder (self, request, error) || !check_more (self, error))
    return NULL;
  return adopt (self, mtv_transfer_new_verify (&self->context, mtv_engine_make_id (),
                                               g_steal_pointer (&owned)));
}

gboolean
mtv_engine_forget_transfer (MtvEngine *self, MtvTransfer *transfer, GError **error)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), FALSE);

  if (mtv_transfer_has_ended (transfer))
    {
      remove_transfer (self, transfer);
      return TRUE;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "It is under way (%s): cancel it first",
               mtv_transfer_get_state (transfer));
  return FALSE;
}
