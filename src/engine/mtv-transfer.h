/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine-context.h"
#include "engine/mtv-transfer-request.h"

G_BEGIN_DECLS

/* A copy of one disk outside of any migration, or the comparison of disks with their manifest.
 * Main thread. Signals: "changed" (at most twice a second while it runs), "completed". */
#define MTV_TYPE_TRANSFER (mtv_transfer_get_type ())
G_DECLARE_FINAL_TYPE (MtvTransfer, mtv_transfer, MTV, TRANSFER, GObject)

/* Begins at once. @id, and what it is asked to do (transfer full). */
MtvTransfer *mtv_transfer_new_copy (MtvEngineContext *context, char *id, MtvCopyRequest *request);
MtvTransfer *mtv_transfer_new_verify (MtvEngineContext *context, char *id,
                                      MtvVerifyRequest *request);

const char *mtv_transfer_get_id (MtvTransfer *self);
const char *mtv_transfer_get_kind (MtvTransfer *self);        /* "copy", "verify" */
const char *mtv_transfer_get_source (MtvTransfer *self);      /* as it may be shown; "" for verify */
const char *mtv_transfer_get_destination (MtvTransfer *self); /* as it may be shown */
const char *mtv_transfer_get_state (MtvTransfer *self);       /* see org.mtv.Transfer */
gboolean mtv_transfer_has_ended (MtvTransfer *self);
const GError *mtv_transfer_get_error (MtvTransfer *self); /* (nullable) */
guint64 mtv_transfer_get_bytes_done (MtvTransfer *self);
guint64 mtv_transfer_get_bytes_total (MtvTransfer *self);
guint64 mtv_transfer_get_bytes_written (MtvTransfer *self);
guint64 mtv_transfer_get_bytes_verified (MtvTransfer *self);
guint64 mtv_transfer_get_rate (MtvTransfer *self);
guint64 mtv_transfer_get_expected_end (MtvTransfer *self);
guint64 mtv_transfer_get_start_time (MtvTransfer *self);
guint64 mtv_transfer_get_end_time (MtvTransfer *self);
GVariant *mtv_transfer_get_details (MtvTransfer *self); /* (transfer floating) a{sv} */

/* MTV_ERROR_WRONG_STATE when it has ended. */
gboolean mtv_transfer_cancel (MtvTransfer *self, GError **error);

G_END_DECLS
