/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-log-control.h"

#include "base/mtv-log.h"

#define LOG_CONTROL_PATH "/org/freedesktop/LogControl1"

static const char xml[]
    = "<node><interface name='org.freedesktop.LogControl1'>"
      "<property name='LogLevel' type='s' access='readwrite'>"
      "<annotation name='org.freedesktop.DBus.Property.EmitsChangedSignal' value='false'/>"
      "</property>"
      "<property name='LogTarget' type='s' access='read'>"
      "<annotation name='org.freedesktop.DBus.Property.EmitsChangedSignal' value='false'/>"
      "</property>"
      "<property name='SyslogIdentifier' type='s' access='read'>"
      "<annotation name='org.freedesktop.DBus.Property.EmitsChangedSignal' value='const'/>"
      "</property>"
      "</interface></node>";

static GVariant *
get_property (const char *name)
{
  if (g_strcmp0 (name, "LogLevel") == 0)
    return g_variant_new_string (mtv_log_get_level ());
  if (g_strcmp0 (name, "LogTarget") == 0)
    return g_variant_new_string (mtv_log_get_target ());
  return g_variant_new_string ("mtvd");
}

static GVariant *
get_all (void)
{
  static const char *const names[] = { "LogLevel", "LogTarget", "SyslogIdentifier" };
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_variant_builder_add (&builder, "{sv}", names[i], get_property (names[i]));
  return g_variant_builder_end (&builder);
}

static void
set_level_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) value = NULL;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s&sv)", NULL, NULL,
                 &value);
  if (!mtv_authority_check_finish (MTV_AUTHORITY (source), result, &error))
    g_dbus_method_invocation_take_error (invocation, error);
  else if (!mtv_log_set_level (g_variant_get_string (value, NULL)))
    g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                                           "There is no log level '%s'",
                                           g_variant_get_string (value, NULL));
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

/* The interface has no methods: without property functions in the vtable, GDBus hands us the calls
 * to org.freedesktop.DBus.Properties, checked, and lets us take our time. */
static void
method_call_cb (GDBusConnection *connection, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer user_data)
{
  const char *name;

  (void) connection, (void) sender, (void) path, (void) interface;
  if (g_strcmp0 (method, "Get") == 0)
    {
      g_variant_get (parameters, "(&s&s)", NULL, &name);
      g_dbus_method_invocation_return_value (invocation,
                                             g_variant_new ("(v)", get_property (name)));
    }
  else if (g_strcmp0 (method, "GetAll") == 0)
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", get_all ()));
  else
    mtv_authority_check_async (user_data, invocation, NULL, set_level_cb, invocation);
}

guint
mtv_log_control_export (GDBusConnection *connection, MtvAuthority *authority, GError **error)
{
  static const GDBusInterfaceVTable vtable = { .method_call = method_call_cb };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);

  return g_dbus_connection_register_object (connection, LOG_CONTROL_PATH, node->interfaces[0],
                                            &vtable, g_object_ref (authority), g_object_unref,
                                            error);
}
