/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What the fake providers of this process have, and how they shall behave. Their requests have
 * names: list test identity open-disk check-disk read | check has-vm free-space create open-writer
 * write zero flush open-reader read-back define remove | with power: get-power shut-down start |
 * warm: check-warm enable-tracking create-point open-point remove-point. */
typedef struct
{
  guint n_vms;
  guint n_disks; /* of each VM */
  guint64 disk_size;
  guint generation;      /* of the source's bytes; its identity changes with it */
  gboolean checks_disks; /* the source has checksums of its own */
  gboolean corrupt;      /* the destination reads back another byte than was written */
  gboolean on_disk_full; /* check(): a critical concern */
  guint64 free_space;

  const char *live;           /* (nullable) the folder of a source with power, see fake-live.h */
  gboolean warm;              /* … that can migrate warm */
  gboolean loses_track;       /* it cannot tell what has changed */
  gboolean tracking_off;      /* it has to be switched on first */
  gboolean deaf;              /* guests that are asked to shut down do not */
  gboolean unreachable_guest; /* … cannot be asked */
  guint slow_looks;           /* get-power requests until one that was asked is down */
  gboolean vm_changed;        /* a disk was added since */
  gboolean warm_concern;      /* something is in the way of warm migration */
  gboolean reads_back;        /* the destination, while it is written to */

  const char *broken; /* (nullable) the type that no provider can be made of */
} FakeWorld;

extern FakeWorld fake_world;

void fake_reset (void);

/* The next @times requests fail with MTV_ERROR @code, "<request> of <what> failed"; G_MAXUINT: all.
 */
void fake_fail (const char *request, int code, guint times);

/* Requests stay in there until they are released or cancelled. */
void fake_block (const char *request);
void fake_release (const char *request);
gboolean fake_is_blocked (const char *request); /* is one in there? Wakes the main loop. */

guint fake_count (const char *request);

/* SIGKILL for this process in the @nth request, before or after it did what it does. */
void fake_kill_at (const char *request, guint nth, gboolean after);

/* For the fakes: the beginning and the end of a request. Any thread. */
gboolean fake_enter (const char *request, const char *what, GCancellable *cancellable,
                     GError **error);
void fake_leave (const char *request);

/* The bytes of a disk at the source. (transfer full) */
guint8 *fake_make_bytes (guint vm, guint disk);

G_END_DECLS
