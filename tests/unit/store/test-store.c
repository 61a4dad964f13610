/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-fixture.h"

#include "base/mtv-error.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
add (MtvStoreBatch *batch, const char *key, const char *value)
{
  mtv_store_batch_add (batch, "INSERT INTO t (key, value) VALUES (?, CAST (? AS BLOB))",
                       g_variant_new_string (key), g_variant_new_string (value), NULL);
}

static MtvStoreBatch *
batch_of (const char *key)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  add (batch, key, "x");
  return batch;
}

static void
open_store (Fixture *f)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  store_fixture_open (f);
  mtv_store_batch_add (batch,
                       "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, key TEXT UNIQUE,"
                       " value BLOB)",
                       NULL);
  store_fixture_commit (f, batch);
}

static void
setup (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->directory = g_dir_make_tmp ("mtv-store-XXXXXX", NULL);
  open_store (f);
}

/* The keys, in the order in which they became part of the table. */
static char *
keys_of (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows
      = mtv_store_query (f->store, "SELECT key FROM t ORDER BY n", NULL, &error);
  GString *keys = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < rows->len; i++)
    {
      g_autoptr (GVariant) key = g_variant_get_child_value (rows->pdata[i], 0);
      g_string_append_printf (keys, "%s ", g_variant_get_string (key, NULL));
    }
  return g_string_free (keys, FALSE);
}

static void
test_columns (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_batch_add (batch, "CREATE TABLE c (a, b, c, d, e, f)", NULL);
  mtv_store_batch_add (batch, "INSERT INTO c VALUES (?, ?, ?, ?, ?, ?)",
                       g_variant_new_string ("ž'x"), g_variant_new_uint32 (G_MAXUINT32),
                       g_variant_new_uint64 (G_MAXUINT64), g_variant_new_boolean (TRUE),
                       g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "\0\377", 2, 1),
                       g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, NULL, 0, 1), NULL);
  g_assert_true (mtv_store_commit (f->store, batch, NULL));

  g_autoptr (GPtrArray) rows
      = mtv_store_query (f->store, "SELECT * FROM c WHERE a = ?", "ž'x", NULL);
  g_autoptr (GVariant) expected = g_variant_ref_sink (g_variant_new_parsed (
      "('ž\\'x', int64 4294967295, int64 -1, int64 1, [byte 0, 255], @ay [])"));
  g_assert_cmpuint (rows->len, ==, 1);
  g_assert_cmpvariant (rows->pdata[0], expected);
  g_autoptr (GPtrArray) none = mtv_store_query (f->store, "SELECT * FROM c WHERE a = ?", "y", NULL);
  g_assert_cmpuint (none->len, ==, 0);

  g_autoptr (GError) error = NULL;
  g_assert_null (mtv_store_query (f->store, "SELECT * FROM nowhere", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, "nowhere"));
  g_assert_nonnull (strstr (error->message, f->directory));
}

typedef struct
{
  GString *log;
  guint n_left;
} Answers;

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answers *answers = user_data;
  g_autoptr (GError) error = NULL;
  gboolean ok = mtv_store_commit_finish (MTV_STORE (source), result, &error);

  if (!ok)
    {
      g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
      g_assert_nonnull (strstr (error->message, "UNIQUE"));
    }
  g_string_append (answers->log, ok ? "+" : "-");
  answers->n_left--;
}

/* Handed over in one go, so that they fall into few transactions: every third one fails at its
 * second statement, which must take back its first and nothing else. */
static void
test_group (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (GString) expected = g_string_new ("a ");
  Answers answers = { log, 200 };

  g_assert_true (mtv_store_commit (f->store, batch_of ("a"), NULL));
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *key = g_strdup_printf ("%u", i);
      MtvStoreBatch *batch = batch_of (key);

      if (i % 3 == 1)
        add (batch, "a", "y");
      else
        g_string_append_printf (expected, "%u ", i);
      mtv_store_commit_async (f->store, batch, committed_cb, &answers);
    }
  g_assert_cmpuint (answers.n_left, ==, 200);
  while (answers.n_left > 0)
    g_main_context_iteration (NULL, TRUE);

  g_autofree char *keys = keys_of (f);
  g_assert_cmpstr (keys, ==, expected->str);
  for (guint i = 0; i < 200; i++)
    g_assert_cmpint (log->str[i], ==, i % 3 == 1 ? '-' : '+');
}

/* What was handed over before is committed and answered; the journal is gone. */
static void
test_close (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *journal = g_build_filename (f->directory, "mtv.db-wal", NULL);
  g_autofree char *path = g_build_filename (f->directory, "mtv.db", NULL);
  g_autoptr (GString) log = g_string_new (NULL);
  Answers answers = { log, 5 };
  GStatBuf st;

  for (guint i = 0; i < 5; i++)
    {
      char key[] = { 'a' + i, '\0' };
      mtv_store_commit_async (f->store, batch_of (key), committed_cb, &answers);
    }
  mtv_store_close (f->store);
  mtv_store_close (f->store);
  g_assert_cmpint (g_stat (journal, &st), <, 0);
  g_assert_cmpint (g_stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 0777, ==, 0600);
  while (answers.n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (log->str, ==, "+++++");

  g_clear_object (&f->store);
  open_store (f);
  g_autofree char *keys = keys_of (f);
  g_assert_cmpstr (keys, ==, "a b c d e ");
}

/* A thread may be late: that is an answer, not a mistake. */
static void
test_after_close (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  mtv_store_close (f->store);
  g_assert_false (mtv_store_commit (f->store, batch_of ("late"), &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "closed"));
}

static void
test_in_use (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *process = g_strdup_printf ("(process %d)", (int) getpid ());
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_store_open (f->directory, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_IN_USE);
  g_assert_nonnull (strstr (error->message, process));
  g_assert_nonnull (strstr (error->message, f->directory));
  store_fixture_close (f);
  open_store (f);
}

static gpointer
commit_thread (gpointer data)
{
  Fixture *f = data;

  for (guint i = 0; i < 50; i++)
    {
      g_autofree char *key = g_strdup_printf ("%p-%u", (void *) g_thread_self (), i);
      gboolean ok = mtv_store_commit (f->store, batch_of (key), NULL);
      g_assert_true (ok);
    }
  return NULL;
}

static void
test_threads (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("test", commit_thread, f);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_autoptr (GPtrArray) rows = mtv_store_query (f->store, "SELECT n FROM t", NULL, NULL);
  g_assert_cmpuint (rows->len, ==, 200);
}

/* SQLite's own limit fails just as a full file system does (SQLITE_FULL). The small batch behind
 * the big one is not drawn in. */
static void
test_no_space (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *big = g_strnfill (1 << 20, 'x');
  g_autoptr (GError) error = NULL;
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_batch_add (batch, "PRAGMA max_page_count = 60", NULL);
  g_assert_true (mtv_store_commit (f->store, batch, &error));
  batch = batch_of ("first");
  add (batch, "big", big);
  g_assert_false (mtv_store_commit (f->store, batch, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, f->directory));
  g_assert_true (mtv_store_commit (f->store, batch_of ("small"), NULL));

  batch = mtv_store_batch_new ();
  mtv_store_batch_add (batch, "PRAGMA max_page_count = 100000", NULL);
  add (batch, "big", big);
  g_assert_true (mtv_store_commit (f->store, batch, NULL));
  g_autofree char *keys = keys_of (f);
  g_assert_cmpstr (keys, ==, "small big ");
}

/* Commits for ever, and tells each number once it is committed. */
static void G_GNUC_NORETURN
commit_until_killed (const char *directory, int fd)
{
  MtvStore *store = mtv_store_open (directory, NULL);

  for (guint i = 0;; i++)
    {
      g_autofree char *key = g_strdup_printf ("%u", i);

      if (!mtv_store_commit (store, batch_of (key), NULL) || write (fd, &i, sizeof i) != sizeof i)
        _exit (1);
    }
}

static void
test_kill (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  int fds[2], status;
  guint number = 0, n = 0;

  store_fixture_close (f);
  g_assert_cmpint (pipe (fds), ==, 0);
  pid_t child = fork ();
  if (child == 0)
    commit_until_killed (f->directory, fds[1]);
  close (fds[1]);
  for (; n < 100 && read (fds[0], &number, sizeof number) == sizeof number; n++)
    ;
  g_assert_cmpuint (n, ==, 100);
  kill (child, SIGKILL);
  waitpid (child, &status, 0);
  g_assert_true (WIFSIGNALED (status));
  while (read (fds[0], &number, sizeof number) == sizeof number)
    n++;
  close (fds[0]);
  g_assert_cmpuint (number, ==, n - 1);

  open_store (f);
  g_autoptr (GPtrArray) rows
      = mtv_store_query (f->store, "SELECT CAST (key AS INTEGER) FROM t ORDER BY n", NULL, NULL);
  g_assert_cmpuint (rows->len, >=, n);
  g_assert_cmpuint (rows->len, <=, n + 1);
  for (guint i = 0; i < rows->len; i++)
    {
      gint64 key;
      g_variant_get (rows->pdata[i], "(x)", &key);
      g_assert_cmpint (key, ==, i);
    }
}

#define ADD(path, func) \
  g_test_add ("/store/" path, Fixture, NULL, setup, func, store_fixture_tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD ("columns", test_columns);
  ADD ("group", test_group);
  ADD ("close", test_close);
  ADD ("after-close", test_after_close);
  ADD ("in-use", test_in_use);
  ADD ("threads", test_threads);
  ADD ("no-space", test_no_space);
  ADD ("kill", test_kill);
  return g_test_run ();
}
