/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-lease.h"

#include "base/mtv-error.h"

#define TIMEOUT 300 /* seconds, what vSphere usually says */
#define WAIT_USEC (G_USEC_PER_SEC / 10)

struct _MtvVsphereExports
{
  gint ref_count; /* (atomic) */
  GMutex lock;    /* for all uses, too */
  GCond changed;
  GHashTable *open; /* (element-type utf8 MtvVsphereLeaseUse) of what, to the lease of it */
};

struct _MtvVsphereLeaseUse
{
  MtvVsphereExports *exports; /* (owned) */
  gpointer session;           /* (owned) */
  const MtvVsphereSessionFuncs *funcs;
  char *key; /* (owned) */

  guint n_users;
  MtvVsphereLease *lease; /* (owned) (nullable) while it is being started */
  gboolean failed;        /* to start */
  gboolean aborted;
  gboolean ended;
  guint percent;
  GThread *keeper; /* (owned) (nullable) */
};

static void
lease_disk_free (MtvVsphereLeaseDisk *disk)
{
  g_free (disk->key);
  g_free (disk->url);
  g_free (disk->thumbprint);
  g_free (disk);
}

MtvVsphereLease *
mtv_vsphere_lease_new (const char *id, guint timeout)
{
  MtvVsphereLease *self = g_new0 (MtvVsphereLease, 1);

  self->id = g_strdup (id);
  self->timeout = timeout;
  self->disks = g_ptr_array_new_with_free_func ((GDestroyNotify) lease_disk_free);
  return self;
}

void
mtv_vsphere_lease_add (MtvVsphereLease *self, const char *key, const char *url,
                       const char *thumbprint)
{
  MtvVsphereLeaseDisk *disk = g_new0 (MtvVsphereLeaseDisk, 1);

  disk->key = g_strdup (key);
  disk->url = g_strdup (url);
  disk->thumbprint = g_strdup (thumbprint);
  g_ptr_array_add (self->disks, disk);
}

void
mtv_vsphere_lease_free (MtvVsphereLease *self)
{
  g_free (self->id);
  g_ptr_array_unref (self->disks);
  g_free (self);
}

MtvVsphereExports *
mtv_vsphere_exports_new (void)
{
  MtvVsphereExports *self = g_new0 (MtvVsphereExports, 1);

  self->ref_count = 1;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->open = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

MtvVsphereExports *
mtv_vsphere_exports_ref (MtvVsphereExports *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
mtv_vsphere_exports_unref (MtvVsphereExports *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_hash_table_unref (self->open);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

static void
use_free (MtvVsphereLeaseUse *use)
{
  g_clear_pointer (&use->lease, mtv_vsphere_lease_free);
  use->funcs->unref (use->session);
  mtv_vsphere_exports_unref (use->exports);
  g_free (use->key);
  g_free (use);
}

/* A server gives a lease up that it hears nothing of for its timeout: three tries within that. That
 * one failed shows where the stream ends. */
static gpointer
keeper_thread (gpointer data)
{
  MtvVsphereLeaseUse *use = data;
  guint timeout = use->lease->timeout > 0 ? use->lease->timeout : TIMEOUT;
  gint64 interval_usec = MAX (timeout / 3, 1) * G_USEC_PER_SEC;

  g_mutex_lock (&use->exports->lock);
  while (!use->ended)
    {
      gint64 deadline = g_get_monotonic_time () + interval_usec;

      while (!use->ended
             && g_cond_wait_until (&use->exports->changed, &use->exports->lock, deadline))
        continue;
      if (use->ended)
        break;

      guint percent = use->percent;
      g_autoptr (GError) error = NULL;
      g_mutex_unlock (&use->exports->lock);
      if (!use->funcs->keep_export (use->session, use->lease->id, percent, NULL, &error))
        g_debug ("Cannot renew the lease %s, ignoring: %s", use->lease->id, error->message);
      g_mutex_lock (&use->exports->lock);
    }
  g_mutex_unlock (&use->exports->lock);
  return NULL;
}

/* With the lock held; @use was put in by the caller. */
static gboolean
start_lease (MtvVsphereLeaseUse *use, const MtvVsphereDiskRequest *request,
             GCancellable *cancellable, GError **error)
{
  g_mutex_unlock (&use->exports->lock);
  MtvVsphereLease *lease
      = use->funcs->start_export (use->session, request->vm, request->snapshot, cancellable, error);
  g_mutex_lock (&use->exports->lock);
  use->lease = lease;
  use->failed = lease == NULL;
  if (lease)
    use->keeper = g_thread_new ("mtv-lease", keeper_thread, use);
  else
    g_hash_table_remove (use->exports->open, use->key);
  g_cond_broadcast (&use->exports->changed);
  return lease != NULL;
}

/* With the lock held, for a lease that somebody else starts. */
static gboolean
wait_for_lease (MtvVsphereLeaseUse *use, GCancellable *cancellable, GError **error)
{
  while (!use->lease && !use->failed)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      g_cond_wait_until (&use->exports->changed, &use->exports->lock,
                         g_get_monotonic_time () + WAIT_USEC);
    }
  if (use->lease)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
               "The export of the other disks of the VM could not be started");
  return FALSE;
}

static MtvVsphereLeaseUse *
use_new (const MtvVsphereDiskRequest *request, MtvVsphereExports *exports, const char *key)
{
  MtvVsphereLeaseUse *use = g_new0 (MtvVsphereLeaseUse, 1);

  use->exports = mtv_vsphere_exports_ref (exports);
  use->funcs = request->funcs;
  use->session = use->funcs->ref (request->session);
  use->key = g_strdup (key);
  g_hash_table_insert (exports->open, use->key, use);
  return use;
}

MtvVsphereLeaseUse *
mtv_vsphere_lease_use (const MtvVsphereDiskRequest *request, GCancellable *cancellable,
                       GError **error)
{
  g_autoptr (MtvVsphereExports) exports
      = request->exports ? mtv_vsphere_exports_ref (request->exports) : mtv_vsphere_exports_new ();
  g_autofree char *key
      = g_strconcat (request->vm, " ", request->snapshot ? request->snapshot : "", NULL);

  g_mutex_lock (&exports->lock);
  MtvVsphereLeaseUse *use = g_hash_table_lookup (exports->open, key);
  gboolean first = use == NULL;
  if (first)
    use = use_new (request, exports, key);
  use->n_users++;
  gboolean good = first ? start_lease (use, request, cancellable, error)
                        : wait_for_lease (use, cancellable, error);
  g_mutex_unlock (&exports->lock);
  if (good)
    return use;
  mtv_vsphere_lease_release (use, TRUE);
  return NULL;
}

void
mtv_vsphere_lease_release (MtvVsphereLeaseUse *use, gboolean complete)
{
  MtvVsphereExports *exports = use->exports;

  g_mutex_lock (&exports->lock);
  use->aborted = use->aborted || !complete;
  gboolean last = --use->n_users == 0;
  if (last && g_hash_table_lookup (exports->open, use->key) == use)
    g_hash_table_remove (exports->open, use->key);
  use->ended = last;
  g_cond_broadcast (&exports->changed);
  g_mutex_unlock (&exports->lock);
  if (!last)
    return;
  g_clear_pointer (&use->keeper, g_thread_join);
  if (use->lease)
    use->funcs->end_export (use->session, use->lease->id, use->aborted);
  use_free (use);
}

const MtvVsphereLease *
mtv_vsphere_lease_get (MtvVsphereLeaseUse *use)
{
  return use->lease;
}

void
mtv_vsphere_lease_set_percent (MtvVsphereLeaseUse *use, guint percent)
{
  g_mutex_lock (&use->exports->lock);
  use->percent = percent;
  g_mutex_unlock (&use->exports->lock);
}
