/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-qcow2.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define DEADLINE_SEC 60
#define CHILD_FD 3
#define EMPTY_IMAGE_SIZE (1 << 20) /* more than what qemu-img writes at first */

/* A child and the loop that waits for it, on a context of this thread's own. */
typedef struct
{
  GSubprocess *child; /* (unowned) */
  GAsyncResult *result;
  gboolean late;
} Wait;

static gboolean
deadline_cb (gpointer user_data)
{
  Wait *wait = user_data;

  wait->late = TRUE;
  g_subprocess_force_exit (wait->child);
  return G_SOURCE_REMOVE;
}

static void
communicate_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  (void) source;
  ((Wait *) user_data)->result = g_object_ref (result);
}

/* What the child said on its standard error, once it has ended; NULL when it was not waited for to
 * its end. */
static char *
wait_for_child (GSubprocess *child, GCancellable *cancellable, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GSource) deadline = g_timeout_source_new_seconds (DEADLINE_SEC);
  g_autoptr (GAsyncResult) result = NULL;
  Wait wait = { child, NULL, FALSE };
  g_autofree char *said = NULL;

  g_main_context_push_thread_default (context);
  g_source_set_callback (deadline, deadline_cb, &wait, NULL);
  g_source_attach (deadline, context);
  g_subprocess_communicate_utf8_async (child, NULL, cancellable, communicate_cb, &wait);
  while (wait.result == NULL)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (deadline);
  g_main_context_pop_thread_default (context);
  result = wait.result;

  gboolean ok = g_subprocess_communicate_utf8_finish (child, result, NULL, &said, error);
  if (!ok)
    g_subprocess_force_exit (child);
  else if (wait.late)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in %d seconds", DEADLINE_SEC);
  return ok && !wait.late ? g_steal_pointer (&said) : NULL;
}

/* qemu-img knows the image as an open file only: no name can lead it anywhere else. */
static gboolean
run_qemu_img (int fd, const char *name, guint64 size, GCancellable *cancellable, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *bytes = g_strdup_printf ("%" G_GUINT64_FORMAT, size);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", CHILD_FD);
  g_autoptr (GError) local = NULL;

  g_subprocess_launcher_take_fd (launcher, fcntl (fd, F_DUPFD_CLOEXEC, CHILD_FD + 1), CHILD_FD);
  g_autoptr (GSubprocess) child = g_subprocess_launcher_spawn (
      launcher, &local, "qemu-img", "create", "-q", "-f", "qcow2", path, bytes, NULL);
  g_autofree char *said = child != NULL ? wait_for_child (child, cancellable, &local) : NULL;

  if (said != NULL && g_subprocess_get_if_exited (child)
      && g_subprocess_get_exit_status (child) == 0)
    return TRUE;
  if (said != NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "Cannot create '%s': %s", name,
                 g_strstrip (said));
  else
    {
      g_prefix_error (&local, "Cannot create '%s' with qemu-img: ", name);
      g_propagate_error (error, mtv_error_normalize (g_steal_pointer (&local)));
    }
  return FALSE;
}

static gboolean
make_durable (int fd, const char *name, GError **error)
{
  if (fsync (fd) == 0)
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot make '%s' durable", name);
  return FALSE;
}

/* qemu-img tells a full disk only in words, on which nobody can act: the kernel is asked first. */
static gboolean
check_space (int fd, const char *name, GError **error)
{
  if (fallocate (fd, FALLOC_FL_KEEP_SIZE, 0, EMPTY_IMAGE_SIZE) == 0
      || (errno != ENOSPC && errno != EDQUOT))
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot create '%s'", name);
  return FALSE;
}

gboolean
mtv_local_qcow2_create (int dirfd, const char *name, guint64 size, GCancellable *cancellable,
                        GError **error)
{
  g_autofree char *temporary = g_strdup_printf (".%s.new", name);

  if (faccessat (dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    return TRUE;
  int fd = openat (dirfd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot create '%s'", name);
      return FALSE;
    }

  gboolean ok = check_space (fd, name, error) && run_qemu_img (fd, name, size, cancellable, error)
                && make_durable (fd, name, error);
  close (fd);
  if (ok && renameat (dirfd, temporary, dirfd, name) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot create '%s'", name);
      ok = FALSE;
    }
  if (!ok)
    unlinkat (dirfd, temporary, 0);
  return ok;
}
