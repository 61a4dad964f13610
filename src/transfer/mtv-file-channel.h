/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-channel.h"

#include <errno.h>

G_BEGIN_DECLS

typedef struct
{
  int fd;            /* a regular file or a block device, by its page cache */
  int direct_fd;     /* the same with O_DIRECT, or -1 */
  guint64 base;      /* where in the file offset 0 of the requests lies */
  int zero_mode;     /* fallocate(2)'s for MTV_IO_ZERO */
  gboolean uncached; /* reads are to give what the disk has, not what the page cache has */
  const char *label; /* (unowned) what errors call it */
} MtvFileEnd;

/* A channel over a file by io_uring, for all kinds of requests that its descriptors allow. What is
 * aligned goes past the page cache if there is a @direct_fd; what is not, or is refused there, goes
 * through it, and a write is then done only when it has left the cache again.
 * NULL where the kernel has no io_uring for us: that is what the blocking channel is for. Keeps a
 * copy of @end; the descriptors and the label stay the caller's and must outlive the channel.
 * Private to transfer/. */
MtvChannel *mtv_file_channel_new (const MtvFileEnd *end);

/* For tests: as on a kernel without io_uring. For the whole process. */
void mtv_file_channel_set_refused (gboolean refused);

/* TRUE when @errnum says that the file or the device cannot make a hole there, so that zeroes have
 * to be written. EINVAL: less than a sector of a block device. */
static inline gboolean
mtv_file_hole_is_refused (int errnum)
{
  return errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == EINVAL;
}

/* TRUE when @errnum, from sync_file_range(2), is about the data. The call takes a write-back error
 * off the descriptor, so that the next fdatasync() does not tell it: it must not be overlooked.
 * That the call is not there at all is no error. */
static inline gboolean
mtv_file_sync_is_error (int errnum)
{
  return errnum == EIO || errnum == ENOSPC || errnum == EDQUOT;
}

G_END_DECLS
