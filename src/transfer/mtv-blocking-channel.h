/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A channel over the blocking calls of @reader or @writer (one of them; the caller keeps it): a
 * request is done while it is submitted and reported by the next dispatch. Private to transfer/. */
MtvChannel *mtv_blocking_channel_new (MtvReader *reader, MtvWriter *writer,
                                      GCancellable *cancellable);

G_END_DECLS
