/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-control.h"

#include "base/mtv-error.h"

#include <signal.h>
#include <unistd.h>

typedef struct
{
  guint count;
  guint failures;
  int code;
  gboolean blocked;
  guint inside;
  guint kill_at;
  gboolean kill_after;
} Request;

FakeWorld fake_world;

static GMutex lock; /* for all below */
static GCond released;
static GHashTable *requests; /* (owned) name to Request */

static Request *
get (const char *name)
{
  Request *request = g_hash_table_lookup (requests, name);

  if (request == NULL)
    g_hash_table_insert (requests, g_strdup (name), request = g_new0 (Request, 1));
  return request;
}

void
fake_reset (void)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  g_clear_pointer (&requests, g_hash_table_unref);
  requests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  fake_world = (FakeWorld){
    .n_vms = 3, .n_disks = 2, .disk_size = 2 * 1024 * 1024 + 4096, .free_space = G_MAXUINT64
  };
}

void
fake_fail (const char *request, int code, guint times)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  get (request)->code = code;
  get (request)->failures = times;
}

void
fake_block (const char *request)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  get (request)->blocked = TRUE;
}

void
fake_release (const char *request)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  get (request)->blocked = FALSE;
  g_cond_broadcast (&released);
}

gboolean
fake_is_blocked (const char *request)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  return get (request)->inside > 0;
}

guint
fake_count (const char *request)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  return get (request)->count;
}

void
fake_kill_at (const char *request, guint nth, gboolean after)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  get (request)->kill_at = nth;
  get (request)->kill_after = after;
}

static void
cancelled_cb (void)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  g_cond_broadcast (&released);
}

/* With the lock: TRUE when @request shall fail. */
static gboolean
pass_through (Request *request, GCancellable *cancellable)
{
  if (++request->count == request->kill_at && !request->kill_after)
    kill (getpid (), SIGKILL);
  request->inside++;
  g_main_context_wakeup (NULL);
  while (request->blocked && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&released, &lock);
  request->inside--;
  if (request->failures == 0)
    return FALSE;
  request->failures -= request->failures != G_MAXUINT;
  return TRUE;
}

gboolean
fake_enter (const char *name, const char *what, GCancellable *cancellable, GError **error)
{
  gulong id = cancellable == NULL
                  ? 0
                  : g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), NULL, NULL);

  g_mutex_lock (&lock);
  gboolean fails = pass_through (get (name), cancellable);
  int code = get (name)->code;
  g_mutex_unlock (&lock);
  g_cancellable_disconnect (cancellable, id);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (fails)
    g_set_error (error, MTV_ERROR, code, "%s of %s failed", name, what);
  return !fails;
}

void
fake_leave (const char *name)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);
  Request *request = get (name);

  if (request->count >= request->kill_at && request->kill_at > 0 && request->kill_after)
    kill (getpid (), SIGKILL);
}

guint8 *
fake_make_bytes (guint vm, guint disk)
{
  guint8 *bytes = g_malloc0 (fake_world.disk_size);
  guint32 state = 1 + vm * 31 + disk * 17 + fake_world.generation * 7;

  for (guint64 i = 0; i < fake_world.disk_size; i++)
    if ((i >> 20) % 2 == 0) /* every other block stays zero */
      bytes[i] = (guint8) ((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}
