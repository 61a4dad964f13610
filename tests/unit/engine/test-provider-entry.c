/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine-fixture.h"

#include <string.h>

static MtvProviderEntry *
add_source (EngineFixture *f)
{
  g_autoptr (GError) error = NULL;
  MtvProviderEntry *entry = engine_add_source (f, &error);

  g_assert_no_error (error);
  return entry;
}

static void
test_find (EngineFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *reference;
    const char *id;    /* NULL: not found … */
    const char *error; /* … and why */
    int code;
  } cases[] = {
    { "vm-3", "vm-3", NULL, 0 },
    { "web-1", "vm-1", NULL, 0 },
    { "/dc/b/web-4", "vm-4", NULL, 0 },
    { "/dc/a/web-3", "vm-3", NULL, 0 },
    { "web-3", NULL,
      "There are 2 virtual machines named 'web-3'; say which by its id: 'vm-3', 'vm-4'",
      MTV_ERROR_INVALID_ARGUMENT },
    { "web-9", NULL, "The provider 'vsphere' has no virtual machine 'web-9'", MTV_ERROR_NOT_FOUND },
    { "", NULL, "The provider 'vsphere' has no virtual machine ''", MTV_ERROR_NOT_FOUND },
  };

  (void) data;
  fake_world.n_vms = 5; /* the last is called like the one before it */
  MtvProviderEntry *entry = add_source (f);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      MtvVm *vm = mtv_provider_entry_find_vm (entry, cases[i].reference, &error);

      g_assert_cmpstr (vm == NULL ? NULL : vm->id, ==, cases[i].id);
      if (vm != NULL)
        continue;
      g_assert_error (error, MTV_ERROR, cases[i].code);
      g_assert_cmpstr (error->message, ==, cases[i].error);
    }
}

static void
test_list (EngineFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *filter;
    guint offset, limit;
    const char *ids;
    guint total;
  } cases[] = {
    { NULL, 0, 100, "vm-0 vm-1 vm-2 vm-3 vm-4 ", 5 },
    { NULL, 1, 2, "vm-1 vm-2 ", 5 },
    { NULL, 4, 2, "vm-4 ", 5 },
    { NULL, 5, 2, "", 5 },
    { NULL, G_MAXUINT, G_MAXUINT, "", 5 },
    { NULL, 0, 0, "", 5 },
    { "WEB-3", 0, 9, "vm-3 vm-4 ", 2 },
    { "web-3", 1, 9, "vm-4 ", 2 },
    { "*-1", 0, 9, "vm-1 ", 1 },
    { "/dc/b/*", 0, 9, "vm-4 ", 1 },
    { "vm-?", 0, 9, "vm-0 vm-1 vm-2 vm-3 vm-4 ", 5 },
    { "nothing", 0, 9, "", 0 },
  };

  (void) data;
  fake_world.n_vms = 5;
  MtvProviderEntry *entry = add_source (f);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) answer = g_variant_ref_sink (
          mtv_provider_entry_list_vms (entry, cases[i].filter, cases[i].offset, cases[i].limit));
      g_autoptr (GVariant) page = g_variant_get_child_value (answer, 0);
      g_autoptr (GString) ids = g_string_new (NULL);
      guint total;

      g_variant_get_child (answer, 1, "u", &total);
      for (gsize j = 0; j < g_variant_n_children (page); j++)
        {
          g_autoptr (GVariant) vm = g_variant_get_child_value (page, j);
          const char *id;

          g_assert_true (g_variant_lookup (vm, "id", "&s", &id));
          g_string_append_printf (ids, "%s ", id);
        }
      g_assert_cmpstr (ids->str, ==, cases[i].ids);
      g_assert_cmpuint (total, ==, cases[i].total);
    }
}

static void
test_shared_refresh (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;

  (void) data;
  MtvProviderEntry *entry = add_source (f);
  g_assert_cmpuint (fake_count ("list"), ==, 1);
  fake_block ("list");
  fake_world.n_vms = 2;
  mtv_provider_entry_refresh_async (entry, engine_take_result, &first);
  mtv_provider_entry_refresh_async (entry, engine_take_result, &second);
  g_assert_cmpuint (mtv_provider_entry_get_state (entry), ==, MTV_PROVIDER_REFRESHING);
  engine_wait_for (fake_is_blocked ("list"));
  g_assert_cmpuint (mtv_provider_entry_get_inventory (entry)->len, ==, 3);
  fake_release ("list");
  engine_wait_for (first != NULL && second != NULL);
  g_assert_true (mtv_provider_entry_refresh_finish (entry, first, NULL));
  g_assert_true (mtv_provider_entry_refresh_finish (entry, second, NULL));
  g_assert_cmpuint (fake_count ("list"), ==, 2);
  g_assert_cmpuint (mtv_provider_entry_get_inventory (entry)->len, ==, 2);
  g_assert_cmpuint (mtv_provider_entry_get_state (entry), ==, MTV_PROVIDER_READY);
  engine_settle (f);
}

static void
test_failed_refresh (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  (void) data;
  MtvProviderEntry *entry = add_source (f);
  guint64 time = mtv_provider_entry_get_refresh_time (entry);
  fake_fail ("list", MTV_ERROR_UNREACHABLE, G_MAXUINT);
  mtv_provider_entry_refresh_async (entry, engine_take_result, &result);
  g_assert_false (engine_finish (mtv_provider_entry_refresh_finish, entry, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_cmpstr (error->message, ==, "list of the source failed");
  g_assert_cmpuint (mtv_provider_entry_get_state (entry), ==, MTV_PROVIDER_FAILED);
  g_assert_cmpstr (mtv_provider_entry_get_error (entry)->message, ==, error->message);
  g_assert_cmpuint (mtv_provider_entry_get_refresh_time (entry), ==, time);
  g_assert_nonnull (mtv_provider_entry_find_vm (entry, "vm-2", NULL));

  /* The store has it, too, for the next process. */
  engine_restart (f);
  entry = engine_find_source (f);
  g_assert_nonnull (mtv_provider_entry_find_vm (entry, "vm-2", NULL));
  g_assert_cmpuint (mtv_provider_entry_get_refresh_time (entry), ==, time);
}

static void
test_test (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  (void) data;
  MtvProviderEntry *entry = add_source (f);
  mtv_provider_entry_test_async (entry, engine_take_result, &result);
  g_assert_true (engine_finish (mtv_provider_entry_test_finish, entry, &error));
  fake_fail ("test", MTV_ERROR_PERMISSION_DENIED, 1);
  mtv_provider_entry_test_async (entry, engine_take_result, &result);
  g_assert_false (engine_finish (mtv_provider_entry_test_finish, entry, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED);
}

static void
test_not_made (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  (void) data;
  add_source (f);
  engine_stop (f);
  fake_world.broken = "fake";
  engine_load (f);
  mtv_engine_run (f->engine);
  MtvProviderEntry *entry = engine_find_source (f);
  g_assert_cmpuint (mtv_provider_entry_get_state (entry), ==, MTV_PROVIDER_FAILED);
  mtv_provider_entry_test_async (entry, engine_take_result, &result);
  g_assert_false (engine_finish (mtv_provider_entry_test_finish, entry, &error));
  g_assert_cmpstr (error->message, ==, "No source can be made of 'vsphere'");
  g_clear_error (&error);
  mtv_provider_entry_refresh_async (entry, engine_take_result, &result);
  g_assert_false (engine_finish (mtv_provider_entry_refresh_finish, entry, &error));
  g_assert_cmpstr (error->message, ==, "No source can be made of 'vsphere'");
  g_assert_nonnull (mtv_provider_entry_find_vm (entry, "web-1", NULL));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) \
  g_test_add ("/provider-entry/" name, EngineFixture, NULL, engine_set_up, func, engine_tear_down)
  ADD ("find", test_find);
  ADD ("list", test_list);
  ADD ("shared-refresh", test_shared_refresh);
  ADD ("failed-refresh", test_failed_refresh);
  ADD ("test", test_test);
  ADD ("not-made", test_not_made);
  return g_test_run ();
}
