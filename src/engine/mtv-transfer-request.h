/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-hash.h"
#include "transfer/mtv-transfer-ends.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_TRANSFER_VERIFY_WRITTEN, /* what was written is read back */
  MTV_TRANSFER_VERIFY_FULL,    /* holes as well, and what an earlier run had written */
  MTV_TRANSFER_VERIFY_OFF,
} MtvTransferVerify;

/* What shall be copied, and how. Plain data. */
typedef struct
{
  MtvTransferEnds *ends; /* (owned) */
  MtvHash hash;
  MtvTransferVerify verify;
  guint64 throttle;   /* bytes a second; 0: no limit */
  gboolean compare;   /* write only what differs from manifest_in_fd */
  gboolean force;     /* write over whatever the destination holds */
  int manifest_fd;    /* (owned) -1: none is written */
  int manifest_in_fd; /* (owned) -1: none is read */
} MtvCopyRequest;

MtvCopyRequest *mtv_copy_request_new (const char *source, const char *destination);
void mtv_copy_request_free (MtvCopyRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvCopyRequest, mtv_copy_request_free)
/* MTV_ERROR_INVALID_ARGUMENT for what cannot be meant. */
gboolean mtv_copy_request_check (const MtvCopyRequest *self, GError **error);

/* Which disks shall be compared with their manifest. Descriptors are used instead of opening what
 * lies at the path. */
typedef struct
{
  char *name;        /* (owned) for texts; of a folder or a manifest if there are no descriptors */
  int manifest_fd;   /* (owned) or -1 */
  int directory_fd;  /* (owned) or -1 */
  GHashTable *files; /* (owned) name of a file in the folder to its descriptor (owned) */
  gboolean full;     /* holes as well */
} MtvVerifyRequest;

MtvVerifyRequest *mtv_verify_request_new (const char *name);
void mtv_verify_request_free (MtvVerifyRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVerifyRequest, mtv_verify_request_free)

G_END_DECLS
