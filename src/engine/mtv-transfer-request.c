/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-transfer-request.h"

#include "base/mtv-error.h"

#include <unistd.h>

MtvCopyRequest *
mtv_copy_request_new (const char *source, const char *destination)
{
  MtvCopyRequest *self = g_new0 (MtvCopyRequest, 1);

  self->ends = mtv_transfer_ends_new (source, destination);
  self->manifest_fd = self->manifest_in_fd = -1;
  return self;
}

void
mtv_copy_request_free (MtvCopyRequest *self)
{
  mtv_transfer_ends_free (self->ends);
  if (self->manifest_fd >= 0)
    close (self->manifest_fd);
  if (self->manifest_in_fd >= 0)
    close (self->manifest_in_fd);
  g_free (self);
}

gboolean
mtv_copy_request_check (const MtvCopyRequest *self, GError **error)
{
  const char *wrong = NULL;

  if (!mtv_transfer_ends_check (self->ends, error))
    return FALSE;
  if (self->compare && self->manifest_in_fd < 0)
    wrong = "'compare' needs 'manifest-in', which tells what the destination holds";
  else if (self->compare && self->ends->bitmap != NULL)
    wrong = "'compare' and 'bitmap' exclude each other";
  else if (self->ends->bitmap != NULL && self->manifest_fd >= 0 && self->manifest_in_fd < 0)
    wrong = "A 'manifest' of a copy with 'bitmap' needs 'manifest-in', for all that is not copied";
  else if (self->manifest_in_fd >= 0 && !self->compare && self->ends->bitmap == NULL)
    wrong = "'manifest-in' is for 'compare' and 'bitmap'";
  if (wrong == NULL)
    return TRUE;
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, wrong);
  return FALSE;
}

static void
close_fd (gpointer fd)
{
  close (GPOINTER_TO_INT (fd));
}

MtvVerifyRequest *
mtv_verify_request_new (const char *name)
{
  MtvVerifyRequest *self = g_new0 (MtvVerifyRequest, 1);

  self->name = g_strdup (name);
  self->manifest_fd = self->directory_fd = -1;
  self->files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, close_fd);
  return self;
}

void
mtv_verify_request_free (MtvVerifyRequest *self)
{
  if (self->manifest_fd >= 0)
    close (self->manifest_fd);
  if (self->directory_fd >= 0)
    close (self->directory_fd);
  g_hash_table_unref (self->files);
  g_free (self->name);
  g_free (self);
}
