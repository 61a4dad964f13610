/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"

#include <errno.h>

static const GDBusErrorEntry entries[] = {
  { MTV_ERROR_FAILED, "org.mtv.Error.Failed" },
  { MTV_ERROR_CANCELLED, "org.mtv.Error.Cancelled" },
  { MTV_ERROR_INVALID_ARGUMENT, "org.mtv.Error.InvalidArgument" },
  { MTV_ERROR_WRONG_STATE, "org.mtv.Error.WrongState" },
  { MTV_ERROR_NOT_FOUND, "org.mtv.Error.NotFound" },
  { MTV_ERROR_EXISTS, "org.mtv.Error.Exists" },
  { MTV_ERROR_IN_USE, "org.mtv.Error.InUse" },
  { MTV_ERROR_LIMIT_EXCEEDED, "org.mtv.Error.LimitExceeded" },
  { MTV_ERROR_UNREACHABLE, "org.mtv.Error.Unreachable" },
  { MTV_ERROR_NO_SPACE, "org.mtv.Error.NoSpace" },
  { MTV_ERROR_PERMISSION_DENIED, "org.mtv.Error.PermissionDenied" },
  { MTV_ERROR_BAD_DATA, "org.mtv.Error.BadData" },
  { MTV_ERROR_CHECKSUM_MISMATCH, "org.mtv.Error.ChecksumMismatch" },
  { MTV_ERROR_SOURCE_CHANGED, "org.mtv.Error.SourceChanged" },
  { MTV_ERROR_UNSUPPORTED, "org.mtv.Error.Unsupported" },
  { MTV_ERROR_CRITICAL_CONCERNS, "org.mtv.Error.CriticalConcerns" },
  { MTV_ERROR_STORE, "org.mtv.Error.Store" },
  /* GDBusError has no code for this standard name. */
  { MTV_ERROR_AUTH_REQUIRED, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (entries) == MTV_N_ERRORS);

GQuark
mtv_error_quark (void)
{
  static gsize quark = 0;

  g_dbus_error_register_error_domain ("mtv-error-quark", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark) quark;
}

static const struct
{
  GIOErrorEnum from;
  MtvError to;
} io_map[] = {
  { G_IO_ERROR_CANCELLED, MTV_ERROR_CANCELLED },
  { G_IO_ERROR_NO_SPACE, MTV_ERROR_NO_SPACE },
  { G_IO_ERROR_NOT_FOUND, MTV_ERROR_NOT_FOUND },
  { G_IO_ERROR_EXISTS, MTV_ERROR_EXISTS },
  { G_IO_ERROR_INVALID_ARGUMENT, MTV_ERROR_INVALID_ARGUMENT },
  { G_IO_ERROR_INVALID_DATA, MTV_ERROR_BAD_DATA },
  { G_IO_ERROR_NOT_SUPPORTED, MTV_ERROR_UNSUPPORTED },
  { G_IO_ERROR_PERMISSION_DENIED, MTV_ERROR_PERMISSION_DENIED },
  { G_IO_ERROR_READ_ONLY, MTV_ERROR_PERMISSION_DENIED },
  { G_IO_ERROR_HOST_UNREACHABLE, MTV_ERROR_UNREACHABLE },
  { G_IO_ERROR_NETWORK_UNREACHABLE, MTV_ERROR_UNREACHABLE },
  { G_IO_ERROR_CONNECTION_REFUSED, MTV_ERROR_UNREACHABLE },
  { G_IO_ERROR_TIMED_OUT, MTV_ERROR_UNREACHABLE },
};

static MtvError
code_for_io_error (gint code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (io_map); i++)
    if ((gint) io_map[i].from == code)
      return io_map[i].to;
  return MTV_ERROR_FAILED;
}

static MtvError
code_for_errno (int errnum)
{
  if (errnum == EDQUOT)
    return MTV_ERROR_NO_SPACE;
  return code_for_io_error (g_io_error_from_errno (errnum));
}

GError *
mtv_error_normalize (GError *error)
{
  g_return_val_if_fail (error != NULL, NULL);

  if (error->domain == MTV_ERROR)
    return error;

  error->code = error->domain == G_IO_ERROR ? code_for_io_error (error->code) : MTV_ERROR_FAILED;
  error->domain = MTV_ERROR;
  return error;
}

void
mtv_error_set_errno (GError **error, int errnum, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MTV_ERROR, code_for_errno (errnum), "%s: %s", what, g_strerror (errnum));
}

char *
mtv_error_get_name (const GError *error)
{
  g_return_val_if_fail (error != NULL, NULL);

  g_autoptr (GError) copy = mtv_error_normalize (g_error_copy (error));
  return g_strdup (entries[copy->code].dbus_error_name);
}

GError *
mtv_error_new_for_name (const char *name, const char *message)
{
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    if (g_strcmp0 (entries[i].dbus_error_name, name) == 0)
      return g_error_new_literal (MTV_ERROR, entries[i].error_code, message);
  return g_error_new_literal (MTV_ERROR, MTV_ERROR_FAILED, message);
}
