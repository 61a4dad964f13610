/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-memory-disk.h"
#include "transfer/mtv-copier.h"
#include "transfer/mtv-verifier.h"

#define KIB G_GUINT64_CONSTANT (1024)
#define MIB (1024 * KIB)

/* Run to the end in a main loop of their own. */
gboolean copy_to_end (MtvCopier *copier, GCancellable *cancellable, GError **error);
gboolean verify (MtvReader *written, MtvBlockMap *map, gboolean full, GError **error);

/* Fills about half of the granules of @data, some of them with little. */
void fill_sparse (guint8 *data, gsize size, GRand *rand);

/* What a map knows of a disk that holds @data: takes it over, or asserts that it is exactly that.
 */
void set_map_of (MtvBlockMap *map, const guint8 *data);
void assert_map_is_of (MtvBlockMap *map, const guint8 *data);

/* Runs a tool to its end, which must be a good one. (NULL-terminated) */
void run_tool (const char *program, ...) G_GNUC_NULL_TERMINATED;

/* Skips the test when one of QEMU's tools is not installed. */
gboolean has_qemu (void);
