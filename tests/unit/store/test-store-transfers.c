/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store-transfers.h"

#include "base/mtv-io.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

typedef struct
{
  char *directory;
  MtvStore *store;
} Fixture;

static void
open_store (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->store = mtv_store_open (f->directory, &error);
  g_assert_no_error (error);
}

static void
close_store (Fixture *f)
{
  mtv_store_close (f->store);
  g_clear_object (&f->store);
}

static void
setup (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->directory = g_dir_make_tmp ("mtv-store-XXXXXX", NULL);
  open_store (f);
}

static void
teardown (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  close_store (f);
  mtv_io_remove_tree (AT_FDCWD, f->directory, NULL);
  g_free (f->directory);
}

static void
commit (Fixture *f, MtvStoreBatch *batch)
{
  g_autoptr (GError) error = NULL;

  mtv_store_commit (f->store, batch, &error);
  g_assert_no_error (error);
}

static void
begin (Fixture *f, const char *key, const char *destination, guint64 time, gboolean keep)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_transfer_begin (batch, key, destination, time, keep);
  commit (f, batch);
}

static void
add (Fixture *f, const char *key, const char *piece)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();
  g_autoptr (GBytes) bytes = g_bytes_new_static (piece, strlen (piece));

  mtv_store_transfer_add (batch, key, bytes);
  commit (f, batch);
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
  close_store (f);
  open_store (f);
  assert_loads (f, "k", "d", "one two ");
  assert_loads (f, "k", "other", "-");

  begin (f, "k", "d", 2, TRUE);
  add (f, "k", "three");
  assert_loads (f, "k", "d", "one two three ");
  begin (f, "k", "d", 3, FALSE);
  assert_loads (f, "k", "d", "");

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_transfer_remove (batch, "k");
  commit (f, batch);
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
  commit (f, batch);
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

  close_store (f);
  g_assert_cmpint (sqlite3_open (path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle,
                                 "DROP TABLE transfer_progress; DROP TABLE transfer;"
                                 "PRAGMA user_version = 1",
                                 NULL, NULL, NULL),
                   ==, SQLITE_OK);
  sqlite3_close (handle);
  open_store (f);
  begin (f, "k", "d", 1, FALSE);
  assert_loads (f, "k", "d", "");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/store-transfers/resume", Fixture, NULL, setup, test_resume, teardown);
  g_test_add ("/store-transfers/same-destination", Fixture, NULL, setup, test_same_destination,
              teardown);
  g_test_add ("/store-transfers/limit", Fixture, NULL, setup, test_limit, teardown);
  g_test_add ("/store-transfers/upgrade", Fixture, NULL, setup, test_upgrade, teardown);
  return g_test_run ();
}
