/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/front-fixture.h"

#include "base/mtv-error.h"
#include "fakes/fake-ends.h"
#include "mtv-dbus-generated.h"

#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define INVALID_ARGUMENT "org.mtv.Error.InvalidArgument"
#define NOT_FOUND "org.mtv.Error.NotFound"

static GVariant *
get_objects (FrontFixture *f)
{
  return bus_call_ok (&f->bus, ROOT, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", NULL);
}

static GVariant *
add_args (const char *name, const char *type, const char *url, const char *options)
{
  return g_variant_new ("(sss@a{sv})", name, type, url, bus_options (options));
}

static GVariant *
path_args (const char *path)
{
  return g_variant_new ("(o@a{sv})", path, bus_options ("{}"));
}

static void
test_manager (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GVariant) all = bus_call_ok (&f->bus, ROOT, "org.freedesktop.DBus.Properties.GetAll",
                                          g_variant_new ("(s)", "org.mtv.Manager"));

  front_assert_text (all, "'Version': <'1.2.3'>");
  front_assert_text (all, "'ProviderTypes': <[('fake', true, false), ('local', false, true)]>");
  front_assert_text (all, "'max-vms-in-flight': <uint32 20>");
  front_assert_text (all, "'Running': <uint32 0>");
}

static void
test_defaults (FrontFixture *f, gconstpointer data)
{
  (void) data;
  bus_call_done (&f->bus, ROOT, "org.mtv.Manager.SetDefaults",
                 g_variant_new ("(@a{sv}@a{sv})", bus_options ("{'max-disks-per-vm': <uint32 5>}"),
                                bus_options ("{}")));
  front_wait_for_property (f, ROOT, "org.mtv.Manager", "Defaults",
                           "{'max-vms-in-flight': <uint32 20>, 'max-disks-per-vm': <uint32 5>, "
                           "'retry-interval': <uint64 30000000>, "
                           "'precopy-interval': <uint64 3600000000>, "
                           "'max-downtime': <uint64 60000000>, "
                           "'shutdown-timeout': <uint64 600000000>, "
                           "'cutover-grace': <uint64 3600000000>, "
                           "'max-snapshots': <uint32 28>}");

  guint i = front_wait_for_signal (f, ROOT, "PropertiesChanged", "'Defaults'");
  g_assert_null (strstr (g_ptr_array_index (f->signals, i), "Running")); /* did not change */

  bus_call_fails (
      &f->bus, ROOT, "org.mtv.Manager.SetDefaults",
      g_variant_new ("(@a{sv}@a{sv})", bus_options ("{'slots': <uint32 5>}"), bus_options ("{}")),
      INVALID_ARGUMENT, "'slots'");
  bus_call_fails (
      &f->bus, ROOT, "org.mtv.Manager.SetDefaults",
      g_variant_new ("(@a{sv}@a{sv})", bus_options ("{}"), bus_options ("{'forever': <true>}")),
      INVALID_ARGUMENT, "'forever'");
}

static void
test_throttles (FrontFixture *f, gconstpointer data)
{
  GVariant *args = g_variant_new ("(ss@a{sv})", "", "1.5G 22:00-06:00=off", bus_options ("{}"));

  (void) data;
  front_wait_for_property (f, ROOT, "org.mtv.Manager", "Throttles", "[]");
  bus_call_done (&f->bus, ROOT, "org.mtv.Manager.SetThrottle", args);
  front_wait_for_property (f, ROOT, "org.mtv.Manager", "Throttles",
                           "[('', '1536M 22:00-06:00=off')]");
  front_wait_for_signal (f, ROOT, "PropertiesChanged", "'Throttles'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.SetThrottle",
                  g_variant_new ("(ss@a{sv})", "", "0", bus_options ("{}")), INVALID_ARGUMENT,
                  "'0'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.SetThrottle",
                  g_variant_new ("(ss@a{sv})", "nobody", "1M", bus_options ("{}")),
                  "org.mtv.Error.NotFound", "'nobody'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.SetThrottle",
                  g_variant_new ("(ss@a{sv})", "", "1M", bus_options ("{'now': <true>}")),
                  INVALID_ARGUMENT, "'now'");
}

static void
test_add_provider (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *path = front_add_provider (f, "lab");

  g_assert_true (g_str_has_prefix (path, ROOT "/provider/"));
  front_wait_for_signal (f, ROOT, "InterfacesAdded", path);
  front_wait_for_property (f, path, "org.mtv.Provider", "State", "'ready'");
  g_autoptr (GVariant) objects = get_objects (f);
  front_assert_text (objects, path);
  front_assert_text (objects, "'Name': <'lab'>, 'Type': <'fake'>, 'Url': <'fake://somewhere'>, "
                              "'Roles': <['source']>");
  front_assert_text (objects, LOCAL);

  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.AddProvider", add_args ("lab", "fake", "x", "{}"),
                  "org.mtv.Error.Exists", "'lab'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.AddProvider",
                  add_args ("lab2", "cloud", "x", "{}"), INVALID_ARGUMENT, "'cloud'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.AddProvider", add_args ("", "fake", "x", "{}"),
                  INVALID_ARGUMENT, "name");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.AddProvider",
                  add_args ("lab2", "fake", "impossible:", "{}"), INVALID_ARGUMENT,
                  "'impossible:'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.AddProvider",
                  add_args ("lab2", "fake", "x", "{'password': <'secret'>}"), INVALID_ARGUMENT,
                  "'password'");
  g_assert_cmpuint (mtv_engine_get_providers (f->engine)->len, ==, 2);
}

static void
assert_address (const char *expected)
{
  g_autofree char *address = fake_ends_get_address ();

  g_assert_cmpstr (address, ==, expected);
}

static GVariant *
configure_args (const char *changes)
{
  return g_variant_new ("(@a{sv}@a{sv})", bus_options (changes), bus_options ("{}"));
}

static void
test_configure_provider (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GVariant) reply = bus_call_ok (
      &f->bus, ROOT, "org.mtv.Manager.AddProvider",
      add_args ("lab", "fake", "fake://here",
                "{'settings': <{'user': <'root'>}>, 'secrets': <{'password': 'a'}>}"));
  const char *path;

  g_variant_get (reply, "(&o)", &path);
  assert_address ("root:a@fake://here");
  bus_call_done (&f->bus, path, "org.mtv.Provider.Configure",
                 configure_args ("{'secrets': <{'password': 'bbb'}>}"));
  assert_address ("root:bbb@fake://here");
  bus_call_done (&f->bus, path, "org.mtv.Provider.Configure",
                 configure_args ("{'url': <'fake://there'>, 'settings': <{'user': <'me'>}>}"));
  assert_address ("me:bbb@fake://there");
  front_wait_for_property (f, path, "org.mtv.Provider", "Url", "'fake://there'");
  front_wait_for_property (f, path, "org.mtv.Provider", "Settings", "{'user': <'me'>}");
  front_wait_for_property (f, path, "org.mtv.Provider", "State", "'ready'");
  g_autoptr (GVariant) objects = get_objects (f);
  g_autofree char *text = g_variant_print (objects, FALSE);
  g_assert_null (strstr (text, "bbb"));

  bus_call_fails (&f->bus, path, "org.mtv.Provider.Configure",
                  configure_args ("{'settings': <{'colour': <'red'>}>}"), INVALID_ARGUMENT,
                  "'colour'");
  bus_call_fails (&f->bus, path, "org.mtv.Provider.Configure",
                  configure_args ("{'settings': <{'user': <true>}>}"), INVALID_ARGUMENT, "'user'");
  bus_call_fails (&f->bus, path, "org.mtv.Provider.Configure",
                  configure_args ("{'secrets': <{'token': 'x'}>}"), INVALID_ARGUMENT, "'token'");
  bus_call_fails (&f->bus, path, "org.mtv.Provider.Configure",
                  configure_args ("{'url': <'impossible:'>}"), INVALID_ARGUMENT, "'impossible:'");
  front_wait_for_property (f, path, "org.mtv.Provider", "Url", "'fake://there'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.AddProvider",
                  add_args ("lab2", "fake", "x", "{'secrets': <{'user': 'x'}>}"), INVALID_ARGUMENT,
                  "'user'");
  g_autoptr (GVariant) known = bus_get (&f->bus, ROOT, "org.mtv.Manager", "ProviderSettings");
  front_assert_text (known, "[('fake', 'user', 's', false), ('fake', 'password', 's', true)]");
}

static GVariant *
call_with_fd (FrontFixture *f, int fd, GError **error)
{
  g_autoptr (GUnixFDList) fds = fd < 0 ? NULL : g_unix_fd_list_new_from_array (&fd, 1);
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call_with_unix_fd_list (
      f->bus.client, g_dbus_connection_get_unique_name (f->bus.server), ROOT, "org.mtv.Manager",
      "AddProviderFile", g_variant_new ("(ssh@a{sv})", "file", "fake", 0, bus_options ("{}")), NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, fds, NULL, bus_keep_result, &result);
  bus_wait_for (result != NULL);
  return g_dbus_connection_call_with_unix_fd_list_finish (f->bus.client, NULL, result, error);
}

static void
test_add_provider_file (FrontFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) none = NULL;
  g_autofree char *name = NULL;
  int fd = g_file_open_tmp (NULL, &name, &error);

  (void) data;
  g_assert_no_error (error);
  g_unlink (name);
  g_assert_cmpint (write (fd, "what is in it", 13), ==, 13);

  g_autoptr (GVariant) without G_GNUC_UNUSED = call_with_fd (f, -1, &none);
  g_assert_error (none, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (none->message, "'file'"));

  g_autoptr (GVariant) reply G_GNUC_UNUSED = call_with_fd (f, fd, &error); /* takes fd */
  g_assert_no_error (error);
  g_autofree char *address = fake_ends_get_address ();
  g_assert_cmpstr (address, ==, "what is in it");
}

static void
test_remove_provider (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *path = front_add_provider (f, "lab");
  g_autofree char *plan = front_create_plan (f, "move", path, "web-3", "{}");

  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.RemoveProvider", path_args (path),
                  "org.mtv.Error.InUse", "'move'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.RemoveProvider",
                  path_args (ROOT "/provider/none"), NOT_FOUND, ROOT "/provider/none");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.RemoveProvider", path_args (plan), NOT_FOUND,
                  plan);
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.RemoveProvider", path_args ("/"), NOT_FOUND,
                  "'/'");

  bus_call_done (&f->bus, ROOT, "org.mtv.Manager.RemovePlan", path_args (plan));
  bus_call_done (&f->bus, ROOT, "org.mtv.Manager.RemoveProvider", path_args (path));
  front_wait_for_signal (f, ROOT, "InterfacesRemoved", plan);
  front_wait_for_signal (f, ROOT, "InterfacesRemoved", path);
  g_autoptr (GVariant) objects = get_objects (f);
  g_assert_cmpuint (front_count (objects), ==, 1);
}

static void
test_refresh (FrontFixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GError) error = NULL;

  (void) data;
  g_autofree char *path = front_add_provider (f, "lab");
  front_wait_for_property (f, path, "org.mtv.Provider", "VirtualMachineCount", "4");

  fake_ends_hold (FAKE_ENDS_LIST);
  bus_call_done (&f->bus, path, "org.mtv.Provider.Refresh", front_args ("{}"));
  front_wait_for_property (f, path, "org.mtv.Provider", "State", "'refreshing'");
  bus_send (&f->bus, path, "org.mtv.Provider.Refresh", front_args ("{'wait': <true>}"),
            G_DBUS_CALL_FLAGS_NONE, &waiting);
  g_autoptr (GVariant) state G_GNUC_UNUSED = bus_get (&f->bus, path, "org.mtv.Provider", "State");
  g_assert_null (waiting);
  fake_ends_let_go (FAKE_ENDS_LIST);
  bus_wait_for (waiting != NULL);
  g_autoptr (GVariant) reply G_GNUC_UNUSED
      = g_dbus_connection_call_finish (f->bus.client, waiting, &error);
  g_assert_no_error (error);

  fake_ends_fail (FAKE_ENDS_LIST, MTV_ERROR_UNREACHABLE);
  bus_call_fails (&f->bus, path, "org.mtv.Provider.Refresh", front_args ("{'wait': <true>}"),
                  "org.mtv.Error.Unreachable", "the cable is unplugged");
  bus_call_fails (&f->bus, path, "org.mtv.Provider.Test", front_args ("{}"),
                  "org.mtv.Error.Unreachable", "the cable is unplugged");
  front_wait_for_property (f, path, "org.mtv.Provider", "Error",
                           "('org.mtv.Error.Unreachable', 'the cable is unplugged')");
  front_wait_for_property (f, path, "org.mtv.Provider", "State", "'failed'");
  front_wait_for_property (f, path, "org.mtv.Provider", "VirtualMachineCount", "4");

  fake_ends_fail (FAKE_ENDS_LIST, -1);
  bus_call_done (&f->bus, path, "org.mtv.Provider.Test", front_args ("{}"));
  bus_call_fails (&f->bus, path, "org.mtv.Provider.Test", front_args ("{'wait': <true>}"),
                  INVALID_ARGUMENT, "'wait'");
  bus_call_fails (&f->bus, path, "org.mtv.Provider.Refresh", front_args ("{'wait': <'yes'>}"),
                  INVALID_ARGUMENT, "must be of type 'b', not 's'");
}

static void
test_inventory (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *path = front_add_provider (f, "lab");
  front_wait_for_property (f, path, "org.mtv.Provider", "VirtualMachineCount", "4");

  g_autoptr (GVariant) all
      = bus_call_ok (&f->bus, path, "org.mtv.Provider.ListVirtualMachines", front_args ("{}"));
  front_assert_text (all, "4)");
  g_autoptr (GVariant) some = bus_call_ok (&f->bus, path, "org.mtv.Provider.ListVirtualMachines",
                                           front_args ("{'filter': <'TWIN'>, 'offset': <uint32 1>, "
                                                       "'limit': <uint32 1>}"));
  front_assert_text (some, "'vm-4'");
  front_assert_text (some, "2)");
  g_assert_cmpuint (front_count (some), ==, 1);
  bus_call_fails (&f->bus, path, "org.mtv.Provider.ListVirtualMachines",
                  front_args ("{'offset': <-1>}"), INVALID_ARGUMENT, "'offset'");

  g_autoptr (GVariant) vm = bus_call_ok (&f->bus, path, "org.mtv.Provider.DescribeVirtualMachine",
                                         g_variant_new ("(s@a{sv})", "web-3", bus_options ("{}")));
  front_assert_text (vm, "'id': <'vm-1'>");
  front_assert_text (vm, "'path': <'/dc/vm-1/web-3'>");
  front_assert_text (vm, "'capacity': <uint64 1048576>");
  front_assert_text (vm, "'disks': <[{");
  bus_call_fails (&f->bus, path, "org.mtv.Provider.DescribeVirtualMachine",
                  g_variant_new ("(s@a{sv})", "web-4", bus_options ("{}")), NOT_FOUND, "'web-4'");
  bus_call_fails (&f->bus, path, "org.mtv.Provider.DescribeVirtualMachine",
                  g_variant_new ("(s@a{sv})", "twin", bus_options ("{}")), INVALID_ARGUMENT,
                  "'vm-4'");
}

static GVariant *
plan_args (const char *source, const char *destination, const char *vm, const char *options)
{
  const char *const vms[] = { vm, NULL };

  return g_variant_new ("(soo^as@a{sv})", "move", source, destination, vms, bus_options (options));
}

static void
test_create_plan (FrontFixture *f, gconstpointer data)
{
  const char *method = "org.mtv.Manager.CreatePlan";

  (void) data;
  g_autofree char *source = front_add_provider (f, "lab");
  bus_call_fails (&f->bus, ROOT, method, plan_args (ROOT "/provider/x", LOCAL, "web-3", "{}"),
                  NOT_FOUND, ROOT "/provider/x");
  bus_call_fails (&f->bus, ROOT, method, plan_args (source, "/x", "web-3", "{}"), NOT_FOUND, "/x");
  bus_call_fails (&f->bus, ROOT, method, plan_args (LOCAL, LOCAL, "web-3", "{}"), INVALID_ARGUMENT,
                  "cannot be a source");
  bus_call_fails (&f->bus, ROOT, method, plan_args (source, LOCAL, "web-4", "{}"), NOT_FOUND,
                  "'web-4'");
  bus_call_fails (&f->bus, ROOT, method, plan_args (source, LOCAL, "twin", "{}"), INVALID_ARGUMENT,
                  "'vm-3'");
  bus_call_fails (&f->bus, ROOT, method, plan_args (source, LOCAL, "web-3", "{'format': <'vmdk'>}"),
                  INVALID_ARGUMENT, "vmdk");
  bus_call_fails (&f->bus, ROOT, method,
                  plan_args (source, LOCAL, "web-3", "{'interval': <uint64 60000000>}"),
                  INVALID_ARGUMENT, "'interval' means nothing without 'warm'");
  g_assert_cmpuint (mtv_engine_get_plans (f->engine)->len, ==, 0);

  g_autofree char *plan = front_create_plan (
      f, "move", source, "web-3", "{'format': <'qcow2'>, 'target-names': <{'web-3': 'Web'}>}");
  g_autoptr (GVariant) objects = get_objects (f);
  g_autofree char *expected = g_strdup_printf (
      "'%s': {'org.mtv.Plan': {'Name': <'move'>, 'Description': <''>, 'Source': <objectpath '%s'>, "
      "'Destination': <objectpath '" LOCAL "'>, 'VirtualMachines': <[{'id': <'vm-1'>, 'name': "
      "<'web-3'>, 'target-name': <'Web'>}]>, 'Options': <",
      plan, source);
  front_assert_text (objects, expected);
  front_assert_text (objects, "'format': <'qcow2'>");
  front_assert_text (objects, "'warm': <false>");
  front_assert_text (objects, "'shutdown': <'guest'>");
  front_assert_text (objects, "'State': <'ready'>, 'LastMigration': <objectpath '/'>");
  bus_call_fails (&f->bus, ROOT, method, plan_args (source, LOCAL, "web-3", "{}"),
                  "org.mtv.Error.Exists", "'move'");

  g_autofree char *warm = front_create_plan (
      f, "warm", source, "web-3",
      "{'warm': <true>, 'interval': <uint64 90000000>, 'shutdown': <'force'>}");
  g_autoptr (GVariant) options = bus_get (&f->bus, warm, "org.mtv.Plan", "Options");
  front_assert_text (options, "'warm': <true>");
  front_assert_text (options, "'interval': <uint64 90000000>");
  front_assert_text (options, "'interval-auto': <false>");
  front_assert_text (options, "'shutdown': <'force'>");
}

static void
test_plan (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *source = front_add_provider (f, "lab");
  g_autofree char *plan = front_create_plan (f, "move", source, "web-3", "{}");
  g_autofree char *blocked
      = front_create_plan (f, "blocked", source, "db", "{'target-names': <{'db': 'taken'}>}");

  g_autoptr (GVariant) good
      = bus_call_ok (&f->bus, plan, "org.mtv.Plan.Validate", front_args ("{}"));
  front_assert_text (good, "'blocked': <false>");
  front_assert_text (good, "'free-space': <uint64 7340032>");
  g_autoptr (GVariant) bad
      = bus_call_ok (&f->bus, blocked, "org.mtv.Plan.Validate", front_args ("{}"));
  front_assert_text (bad, "'blocked': <true>");
  front_assert_text (bad, "'target.exists'");
  bus_call_fails (&f->bus, blocked, "org.mtv.Plan.Start", front_args ("{}"),
                  "org.mtv.Error.CriticalConcerns", "target.exists");
  bus_call_fails (&f->bus, plan, "org.mtv.Plan.Start", front_args ("{'warm': <true>}"),
                  INVALID_ARGUMENT, "'warm'");

  bus_call_done (&f->bus, plan, "org.mtv.Plan.Archive", front_args ("{}"));
  front_wait_for_property (f, plan, "org.mtv.Plan", "State", "'archived'");
  guint i = front_wait_for_signal (f, plan, "PropertiesChanged", "'archived'");
  g_assert_null (strstr (g_ptr_array_index (f->signals, i), "LastMigration"));
  bus_call_fails (&f->bus, plan, "org.mtv.Plan.Archive", front_args ("{}"),
                  "org.mtv.Error.WrongState", "'move'");
  bus_call_fails (&f->bus, plan, "org.mtv.Plan.Start", front_args ("{}"),
                  "org.mtv.Error.WrongState", "'move'");
  bus_call_fails (&f->bus, ROOT, "org.mtv.Manager.RemovePlan", path_args (ROOT "/plan/x"),
                  NOT_FOUND, ROOT "/plan/x");
}

static void
check_introspection (FrontFixture *f, const char *path, const char *file)
{
  g_autofree char *xml = NULL;
  g_autofree char *name = g_strconcat (DATA_DIR "/dbus/", file, ".xml", NULL);
  g_autoptr (GVariant) reply
      = bus_call_ok (&f->bus, path, "org.freedesktop.DBus.Introspectable.Introspect", NULL);
  const char *answer;

  g_variant_get (reply, "(&s)", &answer);
  g_assert_true (g_file_get_contents (name, &xml, NULL, NULL));
  /* Says something to gdbus-codegen alone. */
  for (char *at = xml;
       (at = strstr (at, "<annotation name=\"org.gtk.GDBus.C.UnixFD\" value=\"true\"/>")) != NULL;)
    memset (at, ' ', strchr (at, '>') + 1 - at);
  g_autoptr (GDBusNodeInfo) promised = g_dbus_node_info_new_for_xml (xml, NULL);
  g_autoptr (GDBusNodeInfo) given = g_dbus_node_info_new_for_xml (answer, NULL);
  GDBusInterfaceInfo *interface = g_dbus_node_info_lookup_interface (given, file);
  g_assert_nonnull (interface);

  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);
  g_dbus_interface_info_generate_xml (promised->interfaces[0], 0, a);
  g_dbus_interface_info_generate_xml (interface, 0, b);
  g_assert_cmpstr (b->str, ==, a->str);
}

static void
test_introspection (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *source = front_add_provider (f, "lab");
  g_autofree char *plan = front_create_plan (f, "move", source, "web-3", "{}");
  g_autofree char *migration = front_start (f, plan);
  g_autofree char *vm = g_strconcat (migration, "/vm/1", NULL);

  check_introspection (f, ROOT, "org.mtv.Manager");
  check_introspection (f, source, "org.mtv.Provider");
  check_introspection (f, plan, "org.mtv.Plan");
  check_introspection (f, migration, "org.mtv.Migration");
  check_introspection (f, vm, "org.mtv.Migration.VM");
}

/* Calls that take long, from one who does not wait for them. */
static void
test_flood (FrontFixture *f, gconstpointer data)
{
  enum
  {
    CALLS = 120 /* dbus-daemon itself does not let a client have more than 128 */
  };
  GAsyncResult *results[CALLS] = { NULL };
  guint refused = 0;

  (void) data;
  g_autofree char *path = front_add_provider (f, "lab");
  front_wait_for_property (f, path, "org.mtv.Provider", "State", "'ready'");
  fake_ends_hold (FAKE_ENDS_LIST);
  for (guint i = 0; i < CALLS; i++)
    bus_send (&f->bus, path, "org.mtv.Provider.Refresh", front_args ("{'wait': <true>}"),
              G_DBUS_CALL_FLAGS_NONE, &results[i]);
  bus_wait_for (results[CALLS - 1] != NULL);
  fake_ends_let_go (FAKE_ENDS_LIST);

  for (guint i = 0; i < CALLS; i++)
    {
      g_autoptr (GError) error = NULL;

      bus_wait_for (results[i] != NULL);
      g_autoptr (GVariant) reply G_GNUC_UNUSED
          = g_dbus_connection_call_finish (f->bus.client, results[i], &error);
      if (i < 64)
        g_assert_no_error (error);
      else
        g_assert_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED);
      refused += error != NULL;
      g_object_unref (results[i]);
    }
  g_assert_cmpuint (refused, ==, CALLS - 64);
  g_autoptr (GVariant) state G_GNUC_UNUSED = bus_get (&f->bus, path, "org.mtv.Provider", "State");
}

/* A front that is taken down and put up again shows the same. */
static void
test_export_again (FrontFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  g_autofree char *path = front_add_provider (f, "lab");
  front_wait_for_property (f, path, "org.mtv.Provider", "State", "'ready'");
  g_autoptr (GVariant) before = get_objects (f);
  mtv_front_unexport (f->front);
  mtv_front_unexport (f->front);
  bus_call_fails (&f->bus, ROOT, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", NULL,
                  "org.freedesktop.DBus.Error.UnknownMethod", "");
  mtv_front_export (f->front, f->bus.server, &error);
  g_assert_no_error (error);
  g_autoptr (GVariant) after = get_objects (f);
  g_assert_true (g_variant_equal (before, after));
}

#define ADD(name, test) \
  g_test_add ("/front/" name, FrontFixture, NULL, front_set_up, test, front_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* ends that fail are told */
  ADD ("manager", test_manager);
  ADD ("defaults", test_defaults);
  ADD ("throttles", test_throttles);
  ADD ("add-provider", test_add_provider);
  ADD ("add-provider-file", test_add_provider_file);
  ADD ("configure-provider", test_configure_provider);
  ADD ("remove-provider", test_remove_provider);
  ADD ("refresh", test_refresh);
  ADD ("inventory", test_inventory);
  ADD ("create-plan", test_create_plan);
  ADD ("plan", test_plan);
  ADD ("introspection", test_introspection);
  ADD ("flood", test_flood);
  ADD ("export-again", test_export_again);
  return g_test_run ();
}
