/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-call-limit.h"

#include "bus/bus-fixture.h"

#include <string.h>

#define PATH "/slow"
#define LIMIT_EXCEEDED "org.mtv.Error.LimitExceeded"

typedef struct
{
  Bus bus;
  guint limit;
  GPtrArray *held; /* (owned) (element-type GDBusMethodInvocation) calls that wait */
  guint dropped;   /* answers to calls that wanted none */
} Fixture;

static const char xml[] = "<node><interface name='test.Slow'><method name='Hold'/>"
                          "<method name='Take'><arg type='s' direction='in'/></method>"
                          "</interface></node>";

static void
method_call (GDBusConnection *connection, const char *sender, const char *path,
             const char *interface, const char *method, GVariant *parameters,
             GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;

  (void) connection, (void) sender, (void) path, (void) interface, (void) parameters;
  if (g_str_equal (method, "Hold"))
    g_ptr_array_add (f->held, invocation);
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  static const GDBusInterfaceVTable vtable = { .method_call = method_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);

  (void) data;
  bus_up (&f->bus);
  f->held = g_ptr_array_new ();
  f->limit = mtv_call_limit_add (f->bus.server);
  g_dbus_connection_register_object (f->bus.server, PATH, node->interfaces[0], &vtable, f, NULL,
                                     NULL);
}

static void
release (Fixture *f)
{
  for (guint i = 0; i < f->held->len; i++)
    g_dbus_method_invocation_return_value (g_ptr_array_index (f->held, i), NULL);
  g_ptr_array_set_size (f->held, 0);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  release (f);
  g_ptr_array_unref (f->held);
  mtv_call_limit_remove (f->bus.server, f->limit);
  bus_down (&f->bus);
}

static gboolean
was_refused (Fixture *f, GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply G_GNUC_UNUSED
      = g_dbus_connection_call_finish (f->bus.client, result, &error);

  if (error == NULL)
    return FALSE;
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  if (g_str_equal (name, LIMIT_EXCEEDED))
    g_assert_nonnull (strstr (error->message, "64 calls"));
  else /* dbus-daemon itself does not let a client have more than 128 */
    g_assert_cmpstr (name, ==, "org.freedesktop.DBus.Error.LimitsExceeded");
  return g_str_equal (name, LIMIT_EXCEEDED);
}

/* Calls that nobody answers: 64 are taken, the others get their answer at once. */
static void
test_many (Fixture *f, gconstpointer data)
{
  g_autofree GAsyncResult **results = g_new0 (GAsyncResult *, 1000);
  guint answered = 0;

  (void) data;
  for (guint i = 0; i < 1000; i++)
    bus_send (&f->bus, PATH, "test.Slow.Hold", NULL, G_DBUS_CALL_FLAGS_NONE, &results[i]);
  while (answered < 1000 - 64)
    {
      g_main_context_iteration (NULL, TRUE);
      answered = 0;
      for (guint i = 0; i < 1000; i++)
        answered += results[i] != NULL;
    }
  g_assert_cmpuint (f->held->len, ==, 64);

  /* Another client is served; this one is not, whatever it calls. */
  GDBusConnection *flooder = f->bus.client;
  bus_call_fails (&f->bus, PATH, "org.freedesktop.DBus.Peer.Ping", NULL, LIMIT_EXCEEDED,
                  "64 calls");
  f->bus.client = bus_connect (&f->bus);
  bus_call_done (&f->bus, PATH, "org.freedesktop.DBus.Peer.Ping", NULL);
  g_dbus_connection_close_sync (f->bus.client, NULL, NULL);
  g_object_unref (f->bus.client);
  f->bus.client = flooder;

  release (f);
  for (guint i = 0, refused = 0; i < 1000; i++)
    {
      bus_wait_for (results[i] != NULL);
      refused += was_refused (f, results[i]);
      g_object_unref (results[i]);
      if (i == 999)
        g_assert_cmpuint (refused, >=, 64);
    }

  /* All answered: there is room again. */
  bus_call_done (&f->bus, PATH, "org.freedesktop.DBus.Peer.Ping", NULL);
}

static GDBusMessage *
count_answers (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
               gpointer user_data)
{
  (void) connection;
  if (incoming && g_dbus_message_get_reply_serial (message) == 0xbeef)
    g_atomic_int_inc ((guint *) user_data);
  return message;
}

static void
send_unanswered (Fixture *f, guint serial)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (
      g_dbus_connection_get_unique_name (f->bus.server), PATH, "test.Slow", "Hold");
  guint32 own;

  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  if (serial != 0)
    g_dbus_message_set_serial (message, serial);
  g_dbus_connection_send_message (f->bus.client, message,
                                  serial != 0 ? G_DBUS_SEND_MESSAGE_FLAGS_PRESERVE_SERIAL
                                              : G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                  &own, NULL);
}

/* Who wants no answer can keep us as busy; it still gets none. */
static void
test_unanswered (Fixture *f, gconstpointer data)
{
  guint filter = g_dbus_connection_add_filter (f->bus.client, count_answers, &f->dropped, NULL);

  (void) data;
  send_unanswered (f, 0xbeef);
  send_unanswered (f, 0xbeef); /* the same serial a second time: not let in */
  for (guint i = 0; i < 62; i++)
    send_unanswered (f, 0);
  bus_call_done (&f->bus, PATH, "org.freedesktop.DBus.Peer.Ping", NULL);
  g_assert_cmpuint (f->held->len, ==, 63);

  send_unanswered (f, 0);
  bus_call_fails (&f->bus, PATH, "org.freedesktop.DBus.Peer.Ping", NULL, LIMIT_EXCEEDED,
                  "64 calls");
  g_assert_cmpuint (f->held->len, ==, 64);

  release (f);
  g_dbus_connection_flush_sync (f->bus.server, NULL, NULL);
  bus_call_done (&f->bus, PATH, "org.freedesktop.DBus.Peer.Ping", NULL);
  g_assert_cmpuint (g_atomic_int_get (&f->dropped), ==, 0);
  g_dbus_connection_remove_filter (f->bus.client, filter);
}

static void
test_long (Fixture *f, gconstpointer data)
{
  g_autofree char *fits = g_strnfill (MTV_CALL_LIMIT_BYTES - 100, 'x');
  g_autofree char *too_long = g_strnfill (MTV_CALL_LIMIT_BYTES, 'x');

  (void) data;
  bus_call_done (&f->bus, PATH, "test.Slow.Take", g_variant_new ("(s)", fits));
  bus_call_fails (&f->bus, PATH, "test.Slow.Take", g_variant_new ("(s)", too_long), LIMIT_EXCEEDED,
                  "The arguments of Take are longer than 1048576 bytes");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/call-limit/many", Fixture, NULL, set_up, test_many, tear_down);
  g_test_add ("/call-limit/unanswered", Fixture, NULL, set_up, test_unanswered, tear_down);
  g_test_add ("/call-limit/long", Fixture, NULL, set_up, test_long, tear_down);
  return g_test_run ();
}
