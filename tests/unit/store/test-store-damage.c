/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "store/mtv-store.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *directory;
  char *path;
} Fixture;

static void
fill (const char *directory)
{
  MtvStore *store = mtv_store_open (directory, NULL);
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_batch_add (batch, "CREATE TABLE t (key TEXT, value BLOB)", NULL);
  mtv_store_batch_add (batch,
                       "INSERT INTO t WITH RECURSIVE c (n) AS"
                       " (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200)"
                       " SELECT 'key ' || n, zeroblob (1000) FROM c",
                       NULL);
  mtv_store_batch_add (batch, "CREATE INDEX i ON t (key)", NULL);
  g_assert_true (mtv_store_commit (store, batch, NULL));
  mtv_store_close (store);
  g_object_unref (store);
}

static void
setup (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->directory = g_dir_make_tmp ("mtv-store-XXXXXX", NULL);
  f->path = g_build_filename (f->directory, "mtv.db", NULL);
  fill (f->directory);
}

static void
teardown (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  mtv_io_remove_tree (AT_FDCWD, f->directory, NULL);
  g_free (f->path);
  g_free (f->directory);
}

/* Refused with the file's name and with @text, and not one byte is changed. */
static void
assert_refused (Fixture *f, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL, *after = NULL;
  gsize before_size, after_size;

  g_assert_true (g_file_get_contents (f->path, &before, &before_size, NULL));
  g_assert_null (mtv_store_open (f->directory, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, f->path));
  g_assert_nonnull (strstr (error->message, "move it away"));
  if (strstr (error->message, text) == NULL)
    g_error ("No '%s' in: %s", text, error->message);
  g_assert_true (g_file_get_contents (f->path, &after, &after_size, NULL));
  g_assert_cmpmem (before, before_size, after, after_size);
}

static void
run_sql (Fixture *f, const char *sql)
{
  sqlite3 *handle;

  g_assert_cmpint (sqlite3_open (f->path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (handle);
}

static void
test_newer (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  run_sql (f, "PRAGMA user_version = 99");
  assert_refused (f, "has schema version 99, this mtvd knows up to 3");
}

static void
test_foreign (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  run_sql (f, "PRAGMA application_id = 7");
  assert_refused (f, "belongs to another program");
}

static void
test_garbage (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *garbage = g_strnfill (20000, 'x');

  g_assert_true (g_file_set_contents (f->path, garbage, -1, NULL));
  assert_refused (f, "not a database");
  g_assert_true (g_file_set_contents (f->path, "x", -1, NULL));
  assert_refused (f, "not a database");
}

static void
test_truncated (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_cmpint (truncate (f->path, 100000), ==, 0);
  assert_refused (f, "malformed");
}

/* A file of no bytes is what a crash at the very beginning leaves. */
static void
test_empty (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (truncate (f->path, 0), ==, 0);
  g_autoptr (MtvStore) store = mtv_store_open (f->directory, &error);
  g_assert_no_error (error);
  mtv_store_close (store);
}

/* After an unclean end every page is looked at. */
static void
test_unclean (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *rubbish = g_strnfill (4096, '\377');
  g_autoptr (GError) error = NULL;
  int status;

  pid_t child = fork ();
  if (child == 0)
    {
      MtvStore *store = mtv_store_open (f->directory, NULL);
      MtvStoreBatch *batch = mtv_store_batch_new ();

      mtv_store_batch_add (batch, "INSERT INTO setting VALUES ('x', x'00')", NULL);
      mtv_store_commit (store, batch, NULL);
      raise (SIGKILL);
    }
  waitpid (child, &status, 0);
  g_assert_true (WIFSIGNALED (status));
  int fd = open (f->path, O_WRONLY);
  g_assert_true (mtv_io_pwrite (fd, rubbish, 4096, 4096 * 30, f->path, &error));
  close (fd);
  assert_refused (f, "damaged");
}

#define ADD(path, func) g_test_add ("/store/damage/" path, Fixture, NULL, setup, func, teardown)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD ("newer", test_newer);
  ADD ("foreign", test_foreign);
  ADD ("garbage", test_garbage);
  ADD ("truncated", test_truncated);
  ADD ("empty", test_empty);
  ADD ("unclean", test_unclean);
  return g_test_run ();
}
