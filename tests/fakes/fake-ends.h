/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-provider.h"

G_BEGIN_DECLS

/* Both ends of a migration, in memory: a source "fake" with the VMs web-3 (id vm-1), db (vm-2) and
 * two called twin (vm-3, vm-4), a disk of 1 MiB each, and a destination "local" that forgets. */
extern const MtvProviderType *const fake_ends_types[];

/* What they do; all set from the main thread. */

/* From now on this waits until it is let go, or cancelled. */
typedef enum
{
  FAKE_ENDS_LIST,
  FAKE_ENDS_OPEN_DISK,
  FAKE_ENDS_N_GATES
} FakeEndsGate;

void fake_ends_hold (FakeEndsGate gate);
void fake_ends_let_go (FakeEndsGate gate);

/* From now on this fails with @code and "the cable is unplugged"; -1: not any more. */
void fake_ends_fail (FakeEndsGate gate, int code);

/* How the source was addressed the last time that one was made: its url, or the content of its
 * descriptor; with "USER:PASSWORD@" before it if it was told a user. (transfer full) */
char *fake_ends_get_address (void);

G_END_DECLS
