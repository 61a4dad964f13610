/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/front-fixture.h"

#include "base/mtv-clock-system.h"
#include "fakes/fake-ends.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void
keep_signal (GDBusConnection *connection, const char *sender, const char *path,
             const char *interface, const char *member, GVariant *parameters, gpointer user_data)
{
  FrontFixture *f = user_data;
  g_autofree char *text = g_variant_print (parameters, FALSE);

  (void) connection, (void) sender, (void) interface;
  g_ptr_array_add (f->signals, g_strdup_printf ("%s %s %s", path, member, text));
}

void
front_set_up (FrontFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvClock) clock = mtv_clock_system_new ();
  const FrontStart *start = data;

  bus_up (&f->bus);
  f->signals = g_ptr_array_new_with_free_func (g_free);
  f->subscription = g_dbus_connection_signal_subscribe (
      f->bus.client, g_dbus_connection_get_unique_name (f->bus.server), NULL, NULL, NULL, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, keep_signal, f, NULL);

  /* Every answer waits for a commit; where the disk is slow, memory is not. */
  f->directory = g_build_filename (g_access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir (),
                                   "mtv-front-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (f->directory));
  f->store = mtv_store_open (f->directory, &error);
  g_assert_no_error (error);
  if (start != NULL)
    {
      MtvStoreBatch *batch = mtv_store_batch_new ();

      start->fill (batch);
      g_assert_true (mtv_store_commit (f->store, batch, NULL));
    }
  f->engine = mtv_engine_new (f->store, clock, fake_ends_types, f->directory);
  mtv_engine_load (f->engine, NULL, NULL, &error);
  g_assert_no_error (error);
  f->front = mtv_front_new (f->engine, "1.2.3", MTV_AUTHORITY_SESSION);
  mtv_front_export (f->front, f->bus.server, &error);
  g_assert_no_error (error);
  mtv_engine_run (f->engine);
}

static void
stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  mtv_engine_stop_finish (MTV_ENGINE (source), result);
  *(gboolean *) user_data = TRUE;
}

static void
remove_directory (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      g_unlink (file);
    }
  g_rmdir (path);
}

static gboolean
is_refreshing (FrontFixture *f)
{
  GPtrArray *providers = mtv_engine_get_providers (f->engine);
  gboolean refreshing = FALSE;

  for (guint i = 0; i < providers->len; i++)
    refreshing |= mtv_provider_entry_get_state (g_ptr_array_index (providers, i))
                  == MTV_PROVIDER_REFRESHING;
  return refreshing;
}

void
front_tear_down (FrontFixture *f, gconstpointer data)
{
  gboolean done = FALSE;

  (void) data;
  for (guint gate = 0; gate < FAKE_ENDS_N_GATES; gate++)
    {
      fake_ends_let_go (gate);
      fake_ends_fail (gate, -1);
    }
  bus_wait_for (!is_refreshing (f));
  mtv_engine_stop_async (f->engine, stopped, &done);
  bus_wait_for (done);

  mtv_front_unexport (f->front);
  g_assert_finalize_object (f->front);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (f->engine);
  mtv_store_close (f->store);
  g_object_unref (f->store);
  g_dbus_connection_signal_unsubscribe (f->bus.client, f->subscription);
  bus_down (&f->bus);
  remove_directory (f->directory);
  g_free (f->directory);
  g_ptr_array_unref (f->signals);
}

GVariant *
front_args (const char *options)
{
  return g_variant_new ("(@a{sv})", bus_options (options));
}

static char *
take_path (GVariant *reply)
{
  char *path;

  g_variant_get (reply, "(o)", &path);
  g_variant_unref (reply);
  return path;
}

char *
front_add_provider (FrontFixture *f, const char *name)
{
  return take_path (bus_call_ok (
      &f->bus, ROOT, "org.mtv.Manager.AddProvider",
      g_variant_new ("(sss@a{sv})", name, "fake", "fake://somewhere", bus_options ("{}"))));
}

char *
front_create_plan (FrontFixture *f, const char *name, const char *source, const char *vm,
                   const char *options)
{
  const char *const vms[] = { vm, NULL };

  return take_path (bus_call_ok (
      &f->bus, ROOT, "org.mtv.Manager.CreatePlan",
      g_variant_new ("(soo^as@a{sv})", name, source, LOCAL, vms, bus_options (options))));
}

char *
front_start (FrontFixture *f, const char *plan)
{
  return take_path (bus_call_ok (&f->bus, plan, "org.mtv.Plan.Start", front_args ("{}")));
}

void
front_wait_for_property (FrontFixture *f, const char *path, const char *interface,
                         const char *property, const char *value)
{
  for (;;)
    {
      guint seen = f->signals->len; /* a change may be told while we ask */
      g_autoptr (GVariant) now = bus_get (&f->bus, path, interface, property);
      g_autofree char *text = g_variant_print (now, FALSE);

      if (g_str_equal (text, value))
        return;
      bus_wait_for (f->signals->len != seen);
    }
}

guint
front_wait_for_signal (FrontFixture *f, const char *path, const char *member, const char *text)
{
  g_autofree char *prefix = g_strdup_printf ("%s %s ", path, member);

  for (guint i = 0;; i++)
    {
      bus_wait_for (i < f->signals->len);
      const char *signal = g_ptr_array_index (f->signals, i);
      if (g_str_has_prefix (signal, prefix) && strstr (signal, text) != NULL)
        return i;
    }
}

gsize
front_count (GVariant *reply)
{
  g_autoptr (GVariant) first = g_variant_get_child_value (reply, 0);

  return g_variant_n_children (first);
}

void
front_assert_text (GVariant *value, const char *text)
{
  g_autofree char *printed = g_variant_print (value, FALSE);

  if (strstr (printed, text) == NULL)
    g_error ("'%s' does not hold '%s'", printed, text);
}
