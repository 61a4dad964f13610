/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-fixture.h"
#include "store/mtv-store-transfers.h"

#include <sqlite3.h>
#include <string.h>

static void
begin (Fixture *f, const char *key, const char *destination, guint64 time, gboolean keep)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_transfer_begin (batch, key, destination, time, keep);
  store_fixture_commit (f, batch);
}

static void
add (Fixture *f, const char *key, const char *piece)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();
  g_autoptr (GBytes) bytes = g_bytes_new_static (piece, strlen (piece));

  mtv_store_transfer_add (batch, key, bytes);
  store_fixture_commit (f, batch);
}

/* The pieces one after the other, "-" for a copy that is not known. */
static char *
load (Fixture *f, const char *key, const char *destination)
{
  g_autoptr (GError) error = NULL;
  gboolean known = FALSE;
  g_autoptr (GPtrArray) pieces
      = mtv_store_transfer_load (f->store, key, destination, &known, &error);
  GString *all = g_string_new (known ? NULL : "-");

  g_assert_no_error (error);
  for (guint i = 0; i < pieces->len; i++)
    {
      gsize size;
      const char *data = g_bytes_get_data (pieces->pdata[i], &size);
      g_string_append_printf (all, "%.*s ", (int) size, data);
    }
  return g_string_free (all, FALSE);
}

static void
assert_loads (Fixture *f, const char *key, const char *destination, const char *expected)
{
  g_autofree char *found = load (f, key, destination);

  g_assert_cmpstr (found, ==, expected);
}

static void
test_resume (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  assert_loads (f, "k", "d", "-");
  begin (f, "k", "d", 1, FALSE);
  assert_loads (f, "k", "d", "");
  add (f, "k", "one");
  add (f, "k", "two");
  store_fixture_close (f);
  store_fixture_open (f);
  assert_loads (f, "k", "d", "one two ");
  assert_loads (f, "k", "other", "-");

  begin (f, "k", "d", 2, TRUE);
  add (f, "k", "three");
  assert_loads (f, "k", "d", "one two three ");
  begin (f, "k", "d", 3, FALSE);
  assert_loads (f, "k", "d", "");

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_transfer_remove (batch, "k");
  store_fixture_commit (f, batch);
  assert_loads (f, "k", "d", "-");
}

/* What another copy has written over is no longer there. */
static void
test_same_destination (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  begin (f, "a", "d", 1, FALSE);
  add (f, "a", "one");
  begin (f, "b", "d", 2, FALSE);
  add (f, "a", "late");
  assert_loads (f, "a", "d", "-");
  assert_loads (f, "b", "d", "");

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_transfer_void (batch, "d");
  store_fixture_commit (f, batch);
  assert_loads (f, "b", "d", "-");
}

static void
test_limit (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  begin (f, "first", "d-first", 1, FALSE);
  begin (f, "second", "d-second", 2, FALSE);
  add (f, "second", "kept");
  for (guint i = 0; i < MTV_STORE_MAX_TRANSFERS - 1; i++)
    {
      g_autofree char *key = g_strdup_printf ("k%u", i);
      begin (f, key, key, 3 + i, FALSE);
    }
  assert_loads (f, "first", "d-first", "-");
  assert_loads (f, "second", "d-second", "kept ");
}

/* A database of the first version has no such tables. */
static void
test_upgrade (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (f->directory, "mtv.db", NULL);
  sqlite3 *handle;

  store_fixture_close (f);
  g_assert_cmpint (sqlite3_open (path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle,
                                 "DROP TABLE transfer_progress; DROP TABLE transfer;"
                                 "DROP TABLE secret;"
                                 "PRAGMA user_version = 1",
                                 NULL, NULL, NULL),
                   ==, SQLITE_OK);
  sqlite3_close (handle);
  store_fixture_open (f);
  begin (f, "k", "d", 1, FALSE);
  assert_loads (f, "k", "d", "");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/store-transfers/resume", Fixture, NULL, store_fixture_set_up, test_resume,
              store_fixture_tear_down);
  g_test_add ("/store-transfers/same-destination", Fixture, NULL, store_fixture_set_up,
              test_same_destination, store_fixture_tear_down);
  g_test_add ("/store-transfers/limit", Fixture, NULL, store_fixture_set_up, test_limit,
              store_fixture_tear_down);
  g_test_add ("/store-transfers/upgrade", Fixture, NULL, store_fixture_set_up, test_upgrade,
              store_fixture_tear_down);
  return g_test_run ();
}
