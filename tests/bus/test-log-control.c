/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-log-control.h"

#include "base/mtv-log.h"
#include "bus/bus-fixture.h"
#include "bus/fake-polkit.h"

#define PATH "/org/freedesktop/LogControl1"
#define INTERFACE "org.freedesktop.LogControl1"

typedef struct
{
  Bus bus;
  FakePolkit polkit;
  MtvAuthority *authority; /* (owned) */
  guint id;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bus_up (&f->bus);
  fake_polkit_up (&f->polkit, &f->bus);
  f->polkit.authorized = TRUE; /* it is not to be asked */
  f->authority = mtv_authority_new (f->bus.server, GPOINTER_TO_INT (data));
  f->id = mtv_log_control_export (f->bus.server, f->authority, &error);
  g_assert_no_error (error);
  g_assert_true (mtv_log_set_level ("info"));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_dbus_connection_unregister_object (f->bus.server, f->id);
  g_clear_object (&f->authority);
  fake_polkit_down (&f->polkit);
  bus_down (&f->bus);
}

static GVariant *
set_args (const char *property, const char *value)
{
  return g_variant_new ("(ssv)", INTERFACE, property, g_variant_new_string (value));
}

static void
test_level (Fixture *f, gconstpointer data)
{
  (void) data;
  bus_call_done (&f->bus, PATH, "org.freedesktop.DBus.Properties.Set",
                 set_args ("LogLevel", "debug"));
  g_autoptr (GVariant) level = bus_get (&f->bus, PATH, INTERFACE, "LogLevel");

  g_assert_cmpstr (g_variant_get_string (level, NULL), ==, "debug");
  g_assert_cmpstr (mtv_log_get_level (), ==, "debug");
  bus_call_fails (&f->bus, PATH, "org.freedesktop.DBus.Properties.Set",
                  set_args ("LogLevel", "loud"), "org.freedesktop.DBus.Error.InvalidArgs",
                  "'loud'");
  bus_call_fails (&f->bus, PATH, "org.freedesktop.DBus.Properties.Set",
                  set_args ("LogTarget", "console"), "org.freedesktop.DBus.Error.InvalidArgs",
                  "not writable");
  g_assert_cmpstr (mtv_log_get_level (), ==, "debug");
  g_assert_cmpuint (f->polkit.asked, ==, 0);
}

static void
test_level_of_others (Fixture *f, gconstpointer data)
{
  (void) data;
  bus_call_fails (&f->bus, PATH, "org.freedesktop.DBus.Properties.Set",
                  set_args ("LogLevel", "debug"), "org.freedesktop.DBus.Error.AccessDenied",
                  "only root may");
  g_assert_cmpstr (mtv_log_get_level (), ==, "info");
}

static void
test_all (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GVariant) reply = bus_call_ok (&f->bus, PATH, "org.freedesktop.DBus.Properties.GetAll",
                                            g_variant_new ("(s)", INTERFACE));
  g_autofree char *text = g_variant_print (reply, FALSE);
  g_autofree char *expected = g_strdup_printf (
      "({'LogLevel': <'info'>, 'LogTarget': <'%s'>, 'SyslogIdentifier': <'mtvd'>},)",
      mtv_log_get_target ());

  g_assert_cmpstr (text, ==, expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/log-control/level", Fixture, GINT_TO_POINTER (MTV_AUTHORITY_SYSTEM), set_up,
              test_level, tear_down);
  g_test_add ("/log-control/level-of-others", Fixture, GINT_TO_POINTER (MTV_AUTHORITY_STRICT),
              set_up, test_level_of_others, tear_down);
  g_test_add ("/log-control/all", Fixture, GINT_TO_POINTER (MTV_AUTHORITY_SESSION), set_up,
              test_all, tear_down);
  return g_test_run ();
}
