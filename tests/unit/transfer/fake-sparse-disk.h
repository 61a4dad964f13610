/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

#define FAKE_WINDOW_SIZE (64 * 1024)

/* A disk of any size that has data in a few windows only, both ends of a copy. */
#define FAKE_TYPE_SPARSE_DISK (fake_sparse_disk_get_type ())
G_DECLARE_FINAL_TYPE (FakeSparseDisk, fake_sparse_disk, FAKE, SPARSE_DISK, GObject)

/* @windows: where they begin, in order, multiples of their size. */
FakeSparseDisk *fake_sparse_disk_new (guint64 size, const guint64 *windows, guint n_windows);
guint8 *fake_sparse_disk_get_window (FakeSparseDisk *self, guint index);

/* Requests so far. */
guint fake_sparse_disk_get_n_reads (FakeSparseDisk *self);
guint fake_sparse_disk_get_n_extents (FakeSparseDisk *self);
guint fake_sparse_disk_get_n_writes (FakeSparseDisk *self);
guint fake_sparse_disk_get_n_zeroes (FakeSparseDisk *self);

G_END_DECLS
