/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/libvirt/mtv-libvirt-provider.h"

G_BEGIN_DECLS

/* A real libvirtd (tests/peers/libvirt) with the VM "writer", and its provider. */
typedef struct
{
  char *folder;  /* of the libvirtd and all that it has */
  char *sockets; /* the provider's folder */
  char *uri;
  MtvSource *source;
} World;

/* NULL when there is none, and then the test has been told to be skipped. One for all tests. */
World *world_get (void);
void world_drop (void); /* at the end */

/* Another provider, as after a restart. @scratch_folder: (nullable) */
MtvSource *world_connect (World *self, const char *folder, const char *scratch_folder);

/* What virsh says; it has to succeed. (transfer full) */
char *world_virsh (World *self, const char *command, ...) G_GNUC_PRINTF (2, 3);
/* The same, whatever it says. */
gboolean world_try_virsh (World *self, const char *command, ...) G_GNUC_PRINTF (2, 3);

/* The VM of that name, freshly listed. */
MtvVm *world_vm (World *self, const char *name);
char *world_image (World *self, const char *name);

void world_start (World *self, const char *name);
void world_wait_for_power (World *self, MtvVm *vm, MtvPower power);
/* Until the guest "writer" has written @more records, as its QEMU process sees them. */
void world_wait_for_writes (World *self, MtvVm *vm, guint more);

/* No job, no checkpoint, no bitmap, no scratch file and no socket. */
void world_assert_clean (World *self, const char *name);

/* A copy of a disk at the destination. */
typedef struct
{
  guint8 *bytes;
  guint64 size;
  guint64 copied; /* bytes, in the last round */
} Copy;

void copy_clear (Copy *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Copy, copy_clear)
/* One round of one disk; @expect_changes: whether the source must know what changed. */
void copy_round (Copy *self, World *world, MtvVm *vm, guint disk, const MtvPoint *point,
                 const MtvPoint *since, gboolean expect_changes);
void copy_assert_same (Copy *self, const char *image);
/* That the records of the writer are all there, up to where it says it came; how far that is. */
guint copy_assert_log (Copy *self, gboolean stopped);

G_END_DECLS
