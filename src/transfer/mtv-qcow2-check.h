/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Whether a qcow2 image has all the bytes that its tables point at: QEMU reads zeroes where a file
 * that was cut short has none. MTV_ERROR_BAD_DATA says what is missing. A file that is short for
 * holding little is whole. Blocking; reads the tables, not the data. */
gboolean mtv_qcow2_check (MtvReader *file, const char *label, GCancellable *cancellable,
                          GError **error);

G_END_DECLS
