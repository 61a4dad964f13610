/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-transfer-request.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/* What org.mtv.Manager.Copy() and Verify() ask for. @fds: (nullable). MTV_ERROR_INVALID_ARGUMENT
 * names the option that is wrong. (transfer full) */
MtvCopyRequest *mtv_transfer_options_parse_copy (const char *source, const char *destination,
                                                 GVariant *options, GUnixFDList *fds,
                                                 GError **error);
MtvVerifyRequest *mtv_transfer_options_parse_verify (const char *name, GVariant *options,
                                                     GUnixFDList *fds, GError **error);

G_END_DECLS
