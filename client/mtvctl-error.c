/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-format.h"

#include <glib/gi18n.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

gboolean
mtvctl_explain (GError **error, const char *format, ...)
{
  va_list args;

  if (error == NULL || *error == NULL)
    return FALSE;
  va_start (args, format);
  g_autofree char *what = g_strdup_vprintf (format, args);
  va_end (args);
  g_dbus_error_strip_remote_error (*error);
  g_prefix_error (error, "%s: ", what);
  return FALSE;
}

static gboolean
is_unreachable (const GError *error)
{
  static const int codes[] = {
    G_DBUS_ERROR_SERVICE_UNKNOWN,    G_DBUS_ERROR_NAME_HAS_NO_OWNER,
    G_DBUS_ERROR_NO_REPLY,           G_DBUS_ERROR_NO_SERVER,
    G_DBUS_ERROR_DISCONNECTED,       G_DBUS_ERROR_TIMEOUT,
    G_DBUS_ERROR_TIMED_OUT,          G_DBUS_ERROR_SPAWN_EXEC_FAILED,
    G_DBUS_ERROR_SPAWN_FORK_FAILED,  G_DBUS_ERROR_SPAWN_FAILED,
    G_DBUS_ERROR_SPAWN_CHILD_EXITED, G_DBUS_ERROR_SPAWN_CHILD_SIGNALED,
  };

  if (error->domain != G_DBUS_ERROR)
    return g_error_matches (error, MTV_ERROR, MTV_ERROR_UNREACHABLE)
           || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED)
           || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    if (error->code == codes[i])
      return TRUE;
  return FALSE;
}

static gboolean
is_denied (const GError *error)
{
  return g_error_matches (error, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED)
         || g_error_matches (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED);
}

int
mtvctl_exit_code (Mtvctl *ctl, const GError *error)
{
  if (ctl->signal != 0)
    return MTVCTL_SIGNALLED + ctl->signal;
  if (error->domain == G_OPTION_ERROR)
    return MTVCTL_USAGE;
  if (is_denied (error))
    return MTVCTL_DENIED;
  /* Out of the daemon's mouth it is a provider that cannot be reached. */
  if (is_unreachable (error) && (ctl->objects == NULL || error->domain != MTV_ERROR))
    return MTVCTL_UNREACHABLE;
  return MTVCTL_FAILURE;
}

static const struct
{
  MtvError code;
  const char *hint;
} hints[] = {
  { MTV_ERROR_AUTH_REQUIRED,
    N_ ("Authorization is needed. Try it as root, or without --no-ask-password.") },
  { MTV_ERROR_PERMISSION_DENIED,
    N_ ("A file must be open to the daemon's own user; 'mtvctl import' and 'mtvctl provider add' "
        "open a single file with your rights.") },
  { MTV_ERROR_EXISTS, N_ ("Names are unique: take another one, or remove the older one first.") },
  { MTV_ERROR_IN_USE,
    N_ ("'mtvctl plan list' shows the plans, 'mtvctl plan remove' removes one.") },
  { MTV_ERROR_LIMIT_EXCEEDED, N_ ("Wait until some of it is done, then try again.") },
  { MTV_ERROR_NO_SPACE, N_ ("Make room at the destination, then try again.") },
  { MTV_ERROR_BAD_DATA, N_ ("The file is damaged or cut short: fetch or export it again.") },
  { MTV_ERROR_CHECKSUM_MISMATCH,
    N_ ("The data is not what it was when it was exported: fetch or export it again.") },
  { MTV_ERROR_SOURCE_CHANGED,
    N_ ("The source is not what it was when this began: refresh the provider, then retry.") },
  { MTV_ERROR_CRITICAL_CONCERNS,
    N_ ("'mtvctl plan validate PLAN' shows the concerns; a plan created with --ignore=ID passes "
        "over one.") },
  { MTV_ERROR_STORE, N_ ("See the daemon's log: journalctl -u mtvd") },
};

const char *
mtvctl_hint (const GError *error)
{
  if (error->domain == G_OPTION_ERROR)
    return _ ("See 'mtvctl --help'.");
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
    return _ ("You are not allowed to do this. Try it as root.");
  if (error->domain == G_DBUS_ERROR && is_unreachable (error))
    return _ ("Is mtvd installed and running? See 'systemctl status mtvd'.");
  if (error->domain != MTV_ERROR)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (hints); i++)
    if ((int) hints[i].code == error->code)
      return _ (hints[i].hint);
  return NULL;
}

void
mtvctl_print_error_with_hint (const GError *error, const char *hint)
{
  MtvctlTerminal terminal = mtvctl_terminal_for_fd (STDERR_FILENO);
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", -1);

  fflush (stdout);
  /* Our own texts may have lines; what they quote may not steer the terminal. */
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *text = mtvctl_escape (lines[i]);

      fprintf (stderr, "%s%s%s\n", i == 0 ? mtvctl_style (&terminal, MTVCTL_RED) : "", text,
               i == 0 ? mtvctl_style (&terminal, MTVCTL_PLAIN) : "");
    }
  if (hint != NULL)
    fprintf (stderr, "%s%s%s\n", mtvctl_style (&terminal, MTVCTL_GREY), hint,
             mtvctl_style (&terminal, MTVCTL_PLAIN));
}

void
mtvctl_print_error (const GError *error)
{
  mtvctl_print_error_with_hint (error, mtvctl_hint (error));
}
