/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Every failure a client can act on. The order is private; the D-Bus names in
 * mtv-error.c are the stable contract. */
typedef enum
{
  MTV_ERROR_FAILED,
  MTV_ERROR_CANCELLED,
  MTV_ERROR_INVALID_ARGUMENT,
  MTV_ERROR_WRONG_STATE,
  MTV_ERROR_NOT_FOUND,
  MTV_ERROR_EXISTS,
  MTV_ERROR_IN_USE,
  MTV_ERROR_LIMIT_EXCEEDED,
  MTV_ERROR_UNREACHABLE,
  MTV_ERROR_NO_SPACE,
  MTV_ERROR_PERMISSION_DENIED,
  MTV_ERROR_BAD_DATA,          /* foreign bytes that are not what they claim to be */
  MTV_ERROR_CHECKSUM_MISMATCH, /* well-formed, but not the bytes that were promised */
  MTV_ERROR_SOURCE_CHANGED,    /* not the same source any more as when the job began */
  MTV_ERROR_UNSUPPORTED,
  MTV_ERROR_CRITICAL_CONCERNS, /* the plan may not run as it stands */
  MTV_ERROR_STORE,
  MTV_ERROR_AUTH_REQUIRED,
  MTV_N_ERRORS
} MtvError;

#define MTV_ERROR (mtv_error_quark ())
GQuark mtv_error_quark (void);

/* Maps G_IO_ERROR_CANCELLED, ENOSPC and friends onto MTV_ERROR; consumes @error. */
GError *mtv_error_normalize (GError *error);

/* Sets @error from @errnum: "<message>: <what errno means>", with the MTV_ERROR code that fits. */
void mtv_error_set_errno (GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* The bus name of @error, e.g. "org.mtv.Error.NoSpace"; for any error, never NULL. (transfer full)
 */
char *mtv_error_get_name (const GError *error);

/* The reverse, for an error that was kept in the store. (transfer full) */
GError *mtv_error_new_for_name (const char *name, const char *message);

G_END_DECLS
