/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* An NBD server in this process, for one client: it gives a child that speaks NBD the bytes of a
 * reader, whatever they come from. Read-only; its one thread answers in the order it was asked,
 * and ends when the client hangs up or breaks the protocol, or with this object. */
#define MTV_TYPE_NBD_EXPORT (mtv_nbd_export_get_type ())
G_DECLARE_FINAL_TYPE (MtvNbdExport, mtv_nbd_export, MTV, NBD_EXPORT, GObject)

/* What may be asked for at once. */
#define MTV_NBD_EXPORT_MAX_REQUEST (32 * 1024 * 1024)

/* @client_fd: (out) (transfer full) the client's end of the connection, close-on-exec. The export's
 * name is empty. Its size is rounded up to whole sectors of 512 bytes, with zeroes. @file is let go
 * of when the thread ends. */
MtvNbdExport *mtv_nbd_export_new (MtvReader *file, const char *label, int *client_fd,
                                  GError **error);

/* Why reading @file failed for the first time: NBD has but a number for it. (transfer full)
 * (nullable) */
GError *mtv_nbd_export_get_error (MtvNbdExport *self);

/* Hangs up, cancels what is being read and waits for the thread. For the second time, nothing. */
void mtv_nbd_export_stop (MtvNbdExport *self);

G_END_DECLS
