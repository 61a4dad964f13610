/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-events.h"

#include <glib-unix.h>
#include <libvirt/libvirt.h>

/* A file descriptor or a timer of libvirt's; see virEventRegisterImpl(). */
typedef struct
{
  int id;
  int fd; /* -1: a timer */
  int events;
  int msec;                        /* -1: it is off */
  virEventHandleCallback ready;    /* (nullable) */
  virEventTimeoutCallback elapsed; /* (nullable) */
  void *opaque;
  virFreeCallback free_opaque; /* (nullable) */
  GSource *source;             /* (owned) (nullable) */
} Watch;

/* libvirt registers one for the process, without a word of ours that it would hand back. */
static struct
{
  GMainContext *context; /* (owned) */
  GMutex lock;           /* for these two */
  GHashTable *watches;   /* (owned) id to Watch */
  int last_id;
} loop;

static GIOCondition
to_condition (int events)
{
  return (events & VIR_EVENT_HANDLE_READABLE ? G_IO_IN : 0)
         | (events & VIR_EVENT_HANDLE_WRITABLE ? G_IO_OUT : 0)
         | (events & VIR_EVENT_HANDLE_ERROR ? G_IO_ERR : 0)
         | (events & VIR_EVENT_HANDLE_HANGUP ? G_IO_HUP : 0);
}

static int
to_events (GIOCondition condition)
{
  return (condition & G_IO_IN ? VIR_EVENT_HANDLE_READABLE : 0)
         | (condition & G_IO_OUT ? VIR_EVENT_HANDLE_WRITABLE : 0)
         | (condition & (G_IO_ERR | G_IO_NVAL) ? VIR_EVENT_HANDLE_ERROR : 0)
         | (condition & G_IO_HUP ? VIR_EVENT_HANDLE_HANGUP : 0);
}

/* A copy, as libvirt may remove the watch while it is called; its data are freed by this thread,
 * too, later. FALSE when it was removed already. */
static gboolean
copy_watch (gpointer id, Watch *copy)
{
  g_mutex_lock (&loop.lock);
  const Watch *watch = g_hash_table_lookup (loop.watches, id);
  if (watch != NULL)
    *copy = *watch;
  g_mutex_unlock (&loop.lock);
  return watch != NULL;
}

static gboolean
ready_cb (int fd, GIOCondition condition, gpointer id)
{
  Watch watch;

  if (!copy_watch (id, &watch))
    return G_SOURCE_REMOVE;
  watch.ready (watch.id, fd, to_events (condition), watch.opaque);
  return G_SOURCE_CONTINUE;
}

static gboolean
elapsed_cb (gpointer id)
{
  Watch watch;

  if (!copy_watch (id, &watch))
    return G_SOURCE_REMOVE;
  watch.elapsed (watch.id, watch.opaque);
  return G_SOURCE_CONTINUE;
}

/* With the lock held: a source that fits what @watch waits for. */
static void
rearm (Watch *watch)
{
  gboolean is_on = watch->fd >= 0 ? watch->events != 0 : watch->msec >= 0;

  if (watch->source != NULL)
    g_source_destroy (watch->source);
  g_clear_pointer (&watch->source, g_source_unref);
  if (!is_on)
    return;
  if (watch->fd >= 0)
    {
      watch->source = g_unix_fd_source_new (watch->fd, to_condition (watch->events));
      g_source_set_callback (watch->source, G_SOURCE_FUNC (ready_cb), GINT_TO_POINTER (watch->id),
                             NULL);
    }
  else
    {
      watch->source = g_timeout_source_new (watch->msec);
      g_source_set_callback (watch->source, elapsed_cb, GINT_TO_POINTER (watch->id), NULL);
    }
  g_source_attach (watch->source, loop.context);
}

static int
add (Watch watch)
{
  Watch *kept = g_memdup2 (&watch, sizeof watch);

  g_mutex_lock (&loop.lock);
  kept->id = ++loop.last_id;
  g_hash_table_insert (loop.watches, GINT_TO_POINTER (kept->id), kept);
  rearm (kept);
  g_mutex_unlock (&loop.lock);
  return kept->id;
}

static int
add_handle (int fd, int events, virEventHandleCallback ready, void *opaque,
            virFreeCallback free_opaque)
{
  return add ((Watch){
      .fd = fd, .events = events, .ready = ready, .opaque = opaque, .free_opaque = free_opaque });
}

static int
add_timeout (int msec, virEventTimeoutCallback elapsed, void *opaque, virFreeCallback free_opaque)
{
  return add ((Watch){
      .fd = -1, .msec = msec, .elapsed = elapsed, .opaque = opaque, .free_opaque = free_opaque });
}

static void
update (int id, int value)
{
  g_mutex_lock (&loop.lock);
  Watch *watch = g_hash_table_lookup (loop.watches, GINT_TO_POINTER (id));
  if (watch != NULL)
    {
      *(watch->fd >= 0 ? &watch->events : &watch->msec) = value;
      rearm (watch);
    }
  g_mutex_unlock (&loop.lock);
}

/* Not where it was removed: locks may be held there. */
static gboolean
free_cb (gpointer data)
{
  Watch *watch = data;

  if (watch->free_opaque != NULL)
    watch->free_opaque (watch->opaque);
  g_free (watch);
  return G_SOURCE_REMOVE;
}

static int
drop (int id)
{
  Watch *watch = NULL;

  g_mutex_lock (&loop.lock);
  if (g_hash_table_steal_extended (loop.watches, GINT_TO_POINTER (id), NULL, (gpointer *) &watch))
    {
      watch->events = 0;
      watch->msec = -1;
      rearm (watch);
    }
  g_mutex_unlock (&loop.lock);
  if (watch == NULL)
    return -1;

  GSource *idle = g_idle_source_new ();
  g_source_set_callback (idle, free_cb, watch, NULL);
  g_source_attach (idle, loop.context);
  g_source_unref (idle);
  return 0;
}

static gpointer
loop_thread (gpointer data)
{
  (void) data;
  g_main_context_push_thread_default (loop.context);
  for (;;)
    g_main_context_iteration (loop.context, TRUE);
  return NULL;
}

void
mtv_libvirt_events_start (void)
{
  loop.context = g_main_context_new ();
  loop.watches = g_hash_table_new (NULL, NULL);
  virEventRegisterImpl (add_handle, update, drop, add_timeout, update, drop);
  g_thread_unref (g_thread_new ("mtv-libvirt", loop_thread, NULL));
}
