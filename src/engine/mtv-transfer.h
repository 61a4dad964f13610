/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine-context.h"
#include "engine/mtv-transfer-request.h"

G_BEGIN_DECLS

/* A copy of one disk outside of any migration, or the comparison of disks with their manifest.
 * Main thread. Signals: "changed" (at most twice a second while it runs), "completed". */
#define MTV_TYPE_TRANSFER (mtv_transfer_get_type ())
G_DECLARE_FINAL_TYPE (MtvTransfer, mtv_transfer, MTV, TRANSFER, GObject)

/* Bytes and times. Done and total: of data at the source; verified: read back and found right. */
typedef struct
{
  guint64 done, total, written, verified;
  guint64 rate;
  guint64 start_time, expected_end, end_time;
} MtvTransferProgress;

/* Begins at once. @id, and what it is asked to do (transfer full). */
MtvTransfer *mtv_transfer_new_copy (MtvEngineContext *context, char *id, MtvCopyRequest *request);
MtvTransfer *mtv_transfer_new_verify (MtvEngineContext *context, char *id,
                                      MtvVerifyRequest *request);

const char *mtv_transfer_get_id (MtvTransfer *self);
const char *mtv_transfer_get_kind (MtvTransfer *self);   /* "copy", "verify" */
const char *mtv_transfer_get_source (MtvTransfer *self); /* as it may be shown; "" for verify */
const char *mtv_transfer_get_destination (MtvTransfer *self); /* as it may be shown */
const char *mtv_transfer_get_state (MtvTransfer *self);       /* see org.mtv.Transfer */
gboolean mtv_transfer_has_ended (MtvTransfer *self);
const GError *mtv_transfer_get_error (MtvTransfer *self); /* (nullable) */
MtvTransferProgress mtv_transfer_get_progress (MtvTransfer *self);
GVariant *mtv_transfer_get_details (MtvTransfer *self); /* (transfer floating) a{sv} */

/* MTV_ERROR_WRONG_STATE when it has ended. */
gboolean mtv_transfer_cancel (MtvTransfer *self, GError **error);

G_END_DECLS
