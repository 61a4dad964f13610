/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-authority.h"

#include "bus/bus-fixture.h"
#include "bus/fake-polkit.h"
#include "mtv-dbus-generated.h"

#include <string.h>

#define PATH "/org/mtv/Manager/plan/p1"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"

typedef struct
{
  Bus bus;
  FakePolkit polkit;
  MtvAuthority *authority; /* (owned) */
  MtvDBusPlan *plan;       /* (owned) */
  guint archived;          /* how often a call got through */
  guint32 uid;             /* of the last */
  GThread *handled_on;
} Fixture;

static gboolean
handle_archive (MtvDBusPlan *plan, GDBusMethodInvocation *invocation, GVariant *options,
                gpointer user_data)
{
  Fixture *f = user_data;

  (void) options;
  f->archived++;
  f->uid = mtv_authority_get_uid (invocation);
  f->handled_on = g_thread_self ();
  mtv_dbus_plan_complete_archive (plan, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bus_up (&f->bus);
  fake_polkit_up (&f->polkit, &f->bus);
  f->authority = mtv_authority_new (f->bus.server, GPOINTER_TO_INT (data));
  f->plan = mtv_dbus_plan_skeleton_new ();
  g_signal_connect (f->plan, "handle-archive", G_CALLBACK (handle_archive), f);
  mtv_authority_guard (f->authority, G_DBUS_INTERFACE_SKELETON (f->plan));
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (f->plan), f->bus.server, PATH,
                                    &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_clear_object (&f->plan);
  g_clear_object (&f->authority);
  fake_polkit_down (&f->polkit);
  bus_down (&f->bus);
}

static GVariant *
no_options (void)
{
  return g_variant_new ("(@a{sv})", bus_options ("{}"));
}

static void
archive (Fixture *f, GDBusCallFlags flags, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bus_send (&f->bus, PATH, "org.mtv.Plan.Archive", no_options (), flags, &result);
  bus_wait_for (result != NULL);
  g_autoptr (GVariant) reply G_GNUC_UNUSED
      = g_dbus_connection_call_finish (f->bus.client, result, error);
}

static void
test_allowed (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  f->polkit.authorized = TRUE;
  archive (f, G_DBUS_CALL_FLAGS_NONE, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (f->archived, ==, 1);
  g_assert_cmpuint (f->uid, ==, getuid ());
  g_assert_true (f->handled_on == g_thread_self ());
  g_assert_cmpuint (f->polkit.asked, ==, 1);
  g_assert_cmpstr (f->polkit.last_action, ==, "org.mtv.plan");
  g_assert_cmpstr (f->polkit.last_subject, ==, g_dbus_connection_get_unique_name (f->bus.client));
  g_assert_cmpuint (f->polkit.last_flags, ==, 0);
}

static void
test_denied (Fixture *f, gconstpointer data)
{
  (void) data;
  bus_call_fails (&f->bus, PATH, "org.mtv.Plan.Archive", no_options (), ACCESS_DENIED,
                  "org.mtv.plan");
  g_assert_cmpuint (f->archived, ==, 0);
  g_assert_cmpuint (f->polkit.asked, ==, 1);
}

static void
test_challenge (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) dismissed = NULL;

  (void) data;
  f->polkit.challenge = TRUE;
  bus_call_fails (&f->bus, PATH, "org.mtv.Plan.Archive", no_options (),
                  "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "org.mtv.plan");

  /* With a dialog allowed polkit may open one; what is still a challenge then was closed. */
  archive (f, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, &dismissed);
  g_assert_cmpuint (f->polkit.last_flags, ==, 1);
  g_assert_error (dismissed, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
  g_assert_cmpuint (f->archived, ==, 0);
}

static void
test_no_polkit (Fixture *f, gconstpointer data)
{
  (void) data;
  g_dbus_connection_close_sync (f->polkit.connection, NULL, NULL);
  bus_call_fails (&f->bus, PATH, "org.mtv.Plan.Archive", no_options (), ACCESS_DENIED,
                  "polkit cannot be asked, so only root may");
  g_assert_cmpuint (f->archived, ==, 0);
}

/* Root and our own user (the test is one of them) need no polkit, neither here nor there. */
static void
test_trusted (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  archive (f, G_DBUS_CALL_FLAGS_NONE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (f->archived, ==, 1);
  g_assert_cmpuint (f->polkit.asked, ==, 0);
}

/* More dialogs than GTask has threads, and none of them is answered. */
static void
test_dialogs (Fixture *f, gconstpointer data)
{
  GAsyncResult *results[20] = { NULL };
  guint refused = 0;

  (void) data;
  f->polkit.hold = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    bus_send (&f->bus, PATH, "org.mtv.Plan.Archive", no_options (),
              G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, &results[i]);
  bus_wait_for (f->polkit.held->len == 8);
  for (guint i = 0; i < 12;)
    {
      i = 0;
      for (guint j = 0; j < G_N_ELEMENTS (results); j++)
        i += results[j] != NULL;
      if (i < 12)
        g_main_context_iteration (NULL, TRUE);
    }

  /* Meanwhile others are served. */
  g_autoptr (GVariant) state G_GNUC_UNUSED = bus_get (&f->bus, PATH, "org.mtv.Plan", "State");
  g_assert_cmpuint (f->archived, ==, 0);

  f->polkit.authorized = TRUE;
  fake_polkit_release (&f->polkit);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;

      bus_wait_for (results[i] != NULL);
      g_autoptr (GVariant) reply G_GNUC_UNUSED
          = g_dbus_connection_call_finish (f->bus.client, results[i], &error);
      if (error != NULL)
        {
          g_autofree char *name = g_dbus_error_get_remote_error (error);
          g_assert_cmpstr (name, ==, "org.mtv.Error.LimitExceeded");
          refused++;
        }
      g_object_unref (results[i]);
    }
  g_assert_cmpuint (refused, ==, 12);
  g_assert_cmpuint (f->archived, ==, 8);

  /* The dialogs are closed: there is room again. */
  g_autoptr (GError) error = NULL;
  archive (f, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, &error);
  g_assert_no_error (error);
}

/* More calls at once than the bus lets us ask questions at once. */
static void
test_crowd (Fixture *f, gconstpointer data)
{
  enum
  {
    CLIENTS = 4,
    CALLS = 60
  };
  GDBusConnection *first = f->bus.client;
  GDBusConnection *clients[CLIENTS];
  GAsyncResult *results[CLIENTS * CALLS] = { NULL };

  (void) data;
  f->polkit.authorized = TRUE;
  for (guint i = 0; i < CLIENTS; i++)
    {
      f->bus.client = clients[i] = bus_connect (&f->bus);
      for (guint j = 0; j < CALLS; j++)
        bus_send (&f->bus, PATH, "org.mtv.Plan.Archive", no_options (), G_DBUS_CALL_FLAGS_NONE,
                  &results[i * CALLS + j]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;

      bus_wait_for (results[i] != NULL);
      g_autoptr (GVariant) reply G_GNUC_UNUSED
          = g_dbus_connection_call_finish (clients[i / CALLS], results[i], &error);
      g_assert_no_error (error);
      g_object_unref (results[i]);
    }
  g_assert_cmpuint (f->archived, ==, CLIENTS * CALLS);

  f->bus.client = first;
  for (guint i = 0; i < CLIENTS; i++)
    {
      g_dbus_connection_close_sync (clients[i], NULL, NULL);
      g_object_unref (clients[i]);
    }
}

static void
test_removed_meanwhile (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  (void) data;
  f->polkit.hold = f->polkit.authorized = TRUE;
  bus_send (&f->bus, PATH, "org.mtv.Plan.Archive", no_options (), G_DBUS_CALL_FLAGS_NONE, &result);
  bus_wait_for (f->polkit.held->len == 1);
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (f->plan));
  g_clear_object (&f->plan);
  fake_polkit_release (&f->polkit);
  bus_wait_for (result != NULL);

  g_autoptr (GVariant) reply G_GNUC_UNUSED
      = g_dbus_connection_call_finish (f->bus.client, result, &error);
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT);
  g_assert_nonnull (strstr (error->message, PATH));
  g_assert_cmpuint (f->archived, ==, 0);
}

static GDBusInterfaceInfo *
find_interface (const char *name)
{
  GDBusInterfaceInfo *all[]
      = { mtv_dbus_manager_interface_info (),      mtv_dbus_provider_interface_info (),
          mtv_dbus_plan_interface_info (),         mtv_dbus_migration_interface_info (),
          mtv_dbus_migration_vm_interface_info (), mtv_dbus_transfer_interface_info () };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (g_str_equal (all[i]->name, name))
      return all[i];
  return NULL;
}

static void
check_interface (const char *path, const char *policy)
{
  g_autofree char *xml = NULL;
  g_assert_true (g_file_get_contents (path, &xml, NULL, NULL));
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);
  g_assert_nonnull (node);

  for (GDBusMethodInfo **method = node->interfaces[0]->methods; *method != NULL; method++)
    {
      const char *action = mtv_authority_get_action (node->interfaces[0]->name, (*method)->name);
      g_autofree char *id = g_strdup_printf ("<action id=\"%s\">", action);

      g_test_message ("%s.%s: %s", node->interfaces[0]->name, (*method)->name, action);
      g_assert_nonnull (action);
      g_assert_true (*action == '\0' || strstr (policy, id) != NULL);
    }

  /* There is no way around the table: nothing can be written but by a method. */
  for (GDBusPropertyInfo **property = node->interfaces[0]->properties; *property != NULL;
       property++)
    g_assert_cmpint ((*property)->flags, ==, G_DBUS_PROPERTY_INFO_FLAGS_READABLE);
}

static const struct
{
  const char *method, *action;
} warm[] = {
  { "Cutover", "org.mtv.cutover" }, { "WithdrawCutover", "org.mtv.cutover" },
  { "Pause", "org.mtv.run" },       { "Resume", "org.mtv.run" },
  { "Configure", "org.mtv.run" },
};

static void
test_table (void)
{
  g_autoptr (GDir) dir = g_dir_open (DATA_DIR "/dbus", 0, NULL);
  g_autofree char *policy = NULL;
  const char *name, *interface, *method;
  guint interfaces = 0;

  g_assert_true (g_file_get_contents (DATA_DIR "/polkit/org.mtv.policy", &policy, NULL, NULL));
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".xml"))
      {
        g_autofree char *path = g_build_filename (DATA_DIR "/dbus", name, NULL);
        check_interface (path, policy);
        interfaces++;
      }
  g_assert_cmpuint (interfaces, ==, 6);

  mtv_authority_get_rule (0, &interface, &method);
  for (guint row = 0; method != NULL; mtv_authority_get_rule (++row, &interface, &method))
    {
      GDBusInterfaceInfo *info = find_interface (interface);
      g_assert_nonnull (info);
      g_assert_nonnull (g_dbus_interface_info_lookup_method (info, method));
    }
  for (gsize i = 0; i < G_N_ELEMENTS (warm); i++)
    {
      g_assert_cmpstr (mtv_authority_get_action ("org.mtv.Migration", warm[i].method), ==,
                       warm[i].action);
      g_assert_cmpstr (mtv_authority_get_action ("org.mtv.Migration.VM", warm[i].method), ==,
                       warm[i].action);
    }
  g_assert_null (mtv_authority_get_action ("org.mtv.Plan", "NoSuchMethod"));
  g_assert_null (mtv_authority_get_action ("org.mtv.Manager", "Archive"));
}

#define ADD(name, mode, test) \
  g_test_add ("/authority/" name, Fixture, GINT_TO_POINTER (mode), set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/authority/table", test_table);
  ADD ("allowed", MTV_AUTHORITY_STRICT, test_allowed);
  ADD ("denied", MTV_AUTHORITY_STRICT, test_denied);
  ADD ("challenge", MTV_AUTHORITY_STRICT, test_challenge);
  ADD ("no-polkit", MTV_AUTHORITY_STRICT, test_no_polkit);
  ADD ("trusted/system", MTV_AUTHORITY_SYSTEM, test_trusted);
  ADD ("trusted/session", MTV_AUTHORITY_SESSION, test_trusted);
  ADD ("dialogs", MTV_AUTHORITY_STRICT, test_dialogs);
  ADD ("crowd", MTV_AUTHORITY_STRICT, test_crowd);
  ADD ("removed-meanwhile", MTV_AUTHORITY_STRICT, test_removed_meanwhile);
  return g_test_run ();
}
