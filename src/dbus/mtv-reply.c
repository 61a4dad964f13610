/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-reply.h"

#include "base/mtv-error.h"
#include "dbus/mtv-path.h"

char *
mtv_utf8 (const char *string)
{
  return string == NULL ? g_strdup ("") : g_utf8_make_valid (string, -1);
}

GVariant *
mtv_reply_describe_error (const GError *error)
{
  if (error == NULL)
    return g_variant_new ("(ss)", "", "");

  g_autofree char *name = mtv_error_get_name (error);
  g_autofree char *text = mtv_utf8 (error->message);
  return g_variant_new ("(ss)", name, text);
}

void
mtv_reply (GDBusMethodInvocation *invocation, GError *error)
{
  if (error == NULL)
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    mtv_reply_error (invocation, error);
}

void
mtv_reply_error (GDBusMethodInvocation *invocation, GError *error)
{
  g_autofree char *name = mtv_error_get_name (error);
  g_autofree char *text = mtv_utf8 (error->message);

  g_dbus_method_invocation_return_dbus_error (invocation, name, text);
  g_error_free (error);
}

void
mtv_reply_path (GDBusMethodInvocation *invocation, const char *kind, const char *id)
{
  g_autofree char *path = mtv_path_new (kind, id);

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", path));
}
