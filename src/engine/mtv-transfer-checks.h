/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-transfer-request.h"
#include "transfer/mtv-block-map.h"

G_BEGIN_DECLS

/* A written disk, and what it should hold. */
typedef struct
{
  char *file;        /* (owned) for texts */
  char *format;      /* (owned) */
  MtvReader *reader; /* (owned) (nullable) until it is opened */
  MtvBlockMap *map;  /* (owned) */
} MtvTransferCheck;

MtvTransferCheck *mtv_transfer_check_new (const char *file, const char *format, MtvReader *reader,
                                          MtvBlockMap *map);
void mtv_transfer_check_free (MtvTransferCheck *self);

/* Reads the manifest that @request is about, and opens its folder if need be. Blocking.
 * (element-type MtvTransferCheck) (transfer full) */
GPtrArray *mtv_transfer_checks_load (MtvVerifyRequest *request, GError **error);
/* Opens the disk of @check, unless it is open: then @request may be NULL. Blocking. */
gboolean mtv_transfer_check_open (MtvTransferCheck *check, MtvVerifyRequest *request,
                                  GCancellable *cancellable, GError **error);

G_END_DECLS
