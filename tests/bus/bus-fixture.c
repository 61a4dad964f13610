/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus-fixture.h"

#include "base/mtv-error.h"

#include <string.h>

GDBusConnection *
bus_connect (Bus *bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus->bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
          | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, NULL, &error);

  g_assert_no_error (error);
  return connection;
}

void
bus_up (Bus *bus)
{
  g_assert_cmpuint (MTV_ERROR, !=, 0); /* registers the names of errors */
  bus->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus->bus);
  bus->server = bus_connect (bus);
  bus->client = bus_connect (bus);
}

void
bus_down (Bus *bus)
{
  g_dbus_connection_close_sync (bus->client, NULL, NULL);
  g_dbus_connection_close_sync (bus->server, NULL, NULL);
  g_clear_object (&bus->client);
  g_clear_object (&bus->server);
  g_test_dbus_down (bus->bus);
  g_clear_object (&bus->bus);
}

void
bus_keep_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  (void) source;
  *(GAsyncResult **) user_data = g_object_ref (result);
}

void
bus_send (Bus *bus, const char *path, const char *method, GVariant *args, GDBusCallFlags flags,
          GAsyncResult **result)
{
  const char *dot = strrchr (method, '.');
  g_autofree char *interface = g_strndup (method, dot - method);

  g_dbus_connection_call (bus->client, g_dbus_connection_get_unique_name (bus->server), path,
                          interface, dot + 1, args, NULL, flags, 60 * 1000, NULL, bus_keep_result,
                          result);
}

GVariant *
bus_call (Bus *bus, const char *path, const char *method, GVariant *args, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bus_send (bus, path, method, args, G_DBUS_CALL_FLAGS_NONE, &result);
  bus_wait_for (result != NULL);
  return g_dbus_connection_call_finish (bus->client, result, error);
}

GVariant *
bus_call_ok (Bus *bus, const char *path, const char *method, GVariant *args)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = bus_call (bus, path, method, args, &error);

  g_assert_no_error (error);
  return reply;
}

void
bus_call_done (Bus *bus, const char *path, const char *method, GVariant *args)
{
  g_variant_unref (bus_call_ok (bus, path, method, args));
}

void
bus_call_fails (Bus *bus, const char *path, const char *method, GVariant *args, const char *name,
                const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = bus_call (bus, path, method, args, &error);

  g_assert_null (reply);
  g_autofree char *remote = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (remote, ==, name);
  if (strstr (error->message, text) == NULL)
    g_error ("'%s' does not hold '%s'", error->message, text);
}

GVariant *
bus_options (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *options = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return options;
}

GVariant *
bus_get (Bus *bus, const char *path, const char *interface, const char *property)
{
  g_autoptr (GVariant) reply = bus_call_ok (bus, path, "org.freedesktop.DBus.Properties.Get",
                                            g_variant_new ("(ss)", interface, property));
  GVariant *value;

  g_variant_get (reply, "(v)", &value);
  return value;
}
