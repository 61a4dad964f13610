/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/fake-polkit.h"

static const char xml[] = "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
                          "<method name='CheckAuthorization'>"
                          "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
                          "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
                          "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
                          "</method></interface></node>";

static void
answer (FakePolkit *polkit, GDBusMethodInvocation *invocation)
{
  g_dbus_method_invocation_return_value (
      invocation, g_variant_new ("((bba{ss}))", polkit->authorized, polkit->challenge, NULL));
}

static void
method_call (GDBusConnection *connection, const char *sender, const char *path,
             const char *interface, const char *method, GVariant *parameters,
             GDBusMethodInvocation *invocation, gpointer user_data)
{
  FakePolkit *polkit = user_data;
  const char *kind;
  g_autoptr (GVariant) subject = NULL;

  (void) connection, (void) sender, (void) path, (void) interface, (void) method;
  g_clear_pointer (&polkit->last_subject, g_free);
  g_clear_pointer (&polkit->last_action, g_free);
  g_variant_get (parameters, "((&s@a{sv})sa{ss}us)", &kind, &subject, &polkit->last_action, NULL,
                 &polkit->last_flags, NULL);
  g_assert_cmpstr (kind, ==, "system-bus-name");
  g_assert_true (g_variant_lookup (subject, "name", "s", &polkit->last_subject));
  polkit->asked++;
  if (polkit->hold)
    g_ptr_array_add (polkit->held, invocation);
  else
    answer (polkit, invocation);
}

void
fake_polkit_release (FakePolkit *polkit)
{
  polkit->hold = FALSE;
  for (guint i = 0; i < polkit->held->len; i++)
    answer (polkit, g_ptr_array_index (polkit->held, i));
  g_ptr_array_set_size (polkit->held, 0);
}

void
fake_polkit_up (FakePolkit *polkit, Bus *bus)
{
  static const GDBusInterfaceVTable vtable = { .method_call = method_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);
  g_autoptr (GError) error = NULL;

  polkit->held = g_ptr_array_new ();
  polkit->connection = bus_connect (bus);
  g_dbus_connection_register_object (polkit->connection, "/org/freedesktop/PolicyKit1/Authority",
                                     node->interfaces[0], &vtable, polkit, NULL, &error);
  g_assert_no_error (error);

  g_autoptr (GVariant) reply G_GNUC_UNUSED = g_dbus_connection_call_sync (
      polkit->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
      "RequestName", g_variant_new ("(su)", "org.freedesktop.PolicyKit1", 0), NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

void
fake_polkit_down (FakePolkit *polkit)
{
  g_dbus_connection_close_sync (polkit->connection, NULL, NULL);
  g_clear_object (&polkit->connection);
  g_ptr_array_unref (polkit->held);
  g_free (polkit->last_subject);
  g_free (polkit->last_action);
}
