/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-nbd-server.h"

#include "base/mtv-error.h"
#include "transfer/mtv-nbd-export.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READY_TIMEOUT_USEC (60 * G_USEC_PER_SEC)
#define STOP_TIMEOUT_USEC (120 * G_USEC_PER_SEC) /* it writes its caches out first */
#define LISTEN_FD 3                              /* SD_LISTEN_FDS_START, see sd_listen_fds(3) */
#define EXEC_WITH_PID "LISTEN_PID=$$ exec \"$0\" \"$@\""
#define IMAGE_FD 4 /* the image, or the connection to our export of it; then those behind it */
#define MAX_CONNECTIONS "16"
#define MAX_STDERR 4096

struct _MtvNbdServer
{
  GObject parent;

  char *label;          /* (owned) */
  char *program;        /* (owned) */
  char *directory;      /* (owned) (nullable) */
  char *socket;         /* (owned) */
  char *log;            /* (owned) the child's stderr */
  GThread *thread;      /* (owned) (nullable) the child's parent */
  MtvNbdExport *export; /* (owned) (nullable) the child's image */

  /* Of the thread, before it runs. */
  GSubprocessLauncher *launcher; /* (owned) (nullable) */
  GStrv argv;                    /* (owned) */

  GMutex lock; /* for all below */
  GCond changed;
  GSubprocess *child; /* (owned) (nullable) */
  GError *error;      /* (owned) (nullable) why it did not start */
  gboolean ended;
};

G_DEFINE_FINAL_TYPE (MtvNbdServer, mtv_nbd_server, G_TYPE_OBJECT)

static void
remove_files (MtvNbdServer *self)
{
  if (self->directory == NULL)
    return;
  g_unlink (self->socket);
  g_unlink (self->log);
  g_rmdir (self->directory);
  g_clear_pointer (&self->directory, g_free);
}

static void
mtv_nbd_server_dispose (GObject *object)
{
  MtvNbdServer *self = MTV_NBD_SERVER (object);
  g_autoptr (GError) error = NULL;

  if (!mtv_nbd_server_stop (self, &error))
    g_debug ("Ignoring: %s", error->message);

  G_OBJECT_CLASS (mtv_nbd_server_parent_class)->dispose (object);
}

static void
mtv_nbd_server_finalize (GObject *object)
{
  MtvNbdServer *self = MTV_NBD_SERVER (object);

  g_free (self->label);
  g_free (self->program);
  g_free (self->socket);
  g_free (self->log);
  g_clear_object (&self->launcher);
  g_clear_object (&self->export);
  g_clear_object (&self->child);
  g_strfreev (self->argv);
  g_clear_error (&self->error);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);

  G_OBJECT_CLASS (mtv_nbd_server_parent_class)->finalize (object);
}

static void
mtv_nbd_server_class_init (MtvNbdServerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_nbd_server_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_nbd_server_finalize;
}

static void
mtv_nbd_server_init (MtvNbdServer *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
}

/* A null backing overrides what the image's header names. A VHD's footer says how large the disk
 * is; from some producers QEMU would rather believe the geometry, which is rounded down. */
static const char *
format_options (const char *format)
{
  if (strcmp (format, "qcow2") == 0)
    return "\"backing\":null,";
  return strcmp (format, "vpc") == 0 ? "\"force_size_calc\":\"current_size\"," : "";
}

/* The block graph as QEMU's json: pseudo-protocol takes it: with the driver given for each node
 * nothing is probed. */
static char *
image_json (const char *format, const char *protocol)
{
  return g_strdup_printf ("json:{\"driver\":\"%s\",%s\"file\":%s}", format, format_options (format),
                          protocol);
}

/* From the last to the first; a raw image has no backing file. */
static char *
chain_json (const MtvNbdLayer *layers, guint n_layers)
{
  g_autofree char *node = NULL;

  for (guint i = n_layers; i-- > 0;)
    {
      struct stat status = { 0 };
      gboolean is_device = fstat (layers[i].fd, &status) == 0 && S_ISBLK (status.st_mode);
      gboolean is_raw = strcmp (layers[i].format, "raw") == 0;
      g_autofree char *behind = g_steal_pointer (&node);
      g_autofree char *backing
          = is_raw ? g_strdup ("")
                   : g_strdup_printf ("\"backing\":%s,", behind != NULL ? behind : "null");

      node = g_strdup_printf (
          "{\"driver\":\"%s\",%s\"file\":{\"driver\":\"%s\",\"filename\":\"/proc/self/fd/%u\"}}",
          layers[i].format, backing, is_device ? "host_device" : "file", IMAGE_FD + i);
    }
  return g_strconcat ("json:", node, NULL);
}

/* LISTEN_PID has to be the child's own, which only the child knows: hence the shell. */
static GStrv
build_argv (const char *qemu_nbd, const char *image, const char *bitmap, gboolean writable,
            gboolean direct)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();

  g_strv_builder_add_many (argv, "/bin/sh", "-c", EXEC_WITH_PID, qemu_nbd, "--persistent",
                           "--shared=" MAX_CONNECTIONS, "--aio=threads", NULL);
  if (writable)
    g_strv_builder_add_many (argv, direct ? "--cache=none" : "--cache=writeback", "--discard=unmap",
                             "--detect-zeroes=unmap", NULL);
  else
    g_strv_builder_add_many (argv, "--read-only", "--cache=writeback", NULL);
  if (bitmap != NULL)
    g_strv_builder_add_many (argv, "--bitmap", bitmap, NULL);
  g_strv_builder_add (argv, image);
  return g_strv_builder_end (argv);
}

/* Between fork and exec. Should the parent have died before prctl(), the signal never comes. A
 * session of its own keeps a terminal's ^C away: it is stopped by us, after the last flush. */
static void
die_with_parent (gpointer data)
{
  setsid ();
  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid () != GPOINTER_TO_INT (data))
    _exit (127);
}

/* PR_SET_PDEATHSIG acts when the thread that forked ends. So each server has a thread that forks,
 * and then lives exactly as long as its child: the child dies early if and only if this process
 * does, in whatever way. */
static gpointer
parent_thread (gpointer data)
{
  MtvNbdServer *self = data;
  GError *error = NULL;
  GSubprocess *child
      = g_subprocess_launcher_spawnv (self->launcher, (const char *const *) self->argv, &error);

  /* With this the child has the only listening socket: when it ends, connecting fails. */
  g_clear_object (&self->launcher);
  g_mutex_lock (&self->lock);
  self->child = child;
  self->error = error;
  self->ended = child == NULL;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  if (child == NULL)
    return NULL;

  g_subprocess_wait (child, NULL, NULL);
  g_mutex_lock (&self->lock);
  self->ended = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return NULL;
}

/* What the child said, without the block graph in QEMU's messages. (transfer full) */
static char *
read_stderr (MtvNbdServer *self)
{
  char text[MAX_STDERR + 1] = { 0 };
  int fd = open (self->log, O_RDONLY | O_CLOEXEC);

  if (fd >= 0)
    {
      if (read (fd, text, MAX_STDERR) <= 0)
        text[0] = '\0';
      close (fd);
    }
  const char *graph_end = g_strrstr (text, "}': ");
  g_autofree char *said = g_strdup (graph_end != NULL ? graph_end + strlen ("}': ") : text);
  g_strstrip (said);
  return g_utf8_make_valid (*said != '\0' ? said : "it said nothing", -1);
}

static gboolean
set_address (struct sockaddr_un *address, const char *path)
{
  address->sun_family = AF_UNIX;
  return g_strlcpy (address->sun_path, path, sizeof address->sun_path) < sizeof address->sun_path;
}

/* The socket exists and listens before the child does, so that connecting needs no second try. */
static int
listen_on (MtvNbdServer *self, GError **error)
{
  struct sockaddr_un address;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (!set_address (&address, self->socket))
    errno = ENAMETOOLONG;
  else if (fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0
           && listen (fd, SOMAXCONN) == 0)
    return fd;
  mtv_error_set_errno (error, errno, "Cannot listen on '%s'", self->socket);
  if (fd >= 0)
    close (fd);
  return -1;
}

/* The child opens the image through /proc, which asks for permission again. @direct: whether it
 * can be had past the page cache. */
static int
reopen_image (int fd, gboolean writable, const char *label, gboolean *direct, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC;
  int with_direct = open (path, flags | O_DIRECT);

  *direct = with_direct >= 0;
  if (with_direct >= 0)
    close (with_direct);
  int plain = open (path, flags);
  if (plain < 0)
    mtv_error_set_errno (error, errno, "Cannot open %s", label);
  return plain;
}

static gboolean
make_directory (MtvNbdServer *self, GError **error)
{
  g_autoptr (GError) local = NULL;

  self->directory = g_dir_make_tmp ("mtv-nbd-XXXXXX", &local); /* mode 0700 */
  if (self->directory == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED,
                   "Cannot make a folder for the NBD server of %s: %s", self->label,
                   local->message);
      return FALSE;
    }
  self->socket = g_build_filename (self->directory, "socket", NULL);
  self->log = g_build_filename (self->directory, "stderr", NULL);
  return TRUE;
}

static void
spawn (MtvNbdServer *self, int listen_fd, const int *image_fds, guint n_images)
{
  self->launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_subprocess_launcher_take_fd (self->launcher, listen_fd, LISTEN_FD);
  for (guint i = 0; i < n_images; i++)
    g_subprocess_launcher_take_fd (self->launcher, image_fds[i], IMAGE_FD + (int) i);
  g_subprocess_launcher_setenv (self->launcher, "LISTEN_FDS", "1", TRUE);
  g_subprocess_launcher_setenv (self->launcher, "LC_ALL", "C", TRUE);
  g_subprocess_launcher_unsetenv (self->launcher, "LISTEN_FDNAMES");
  g_subprocess_launcher_unsetenv (self->launcher, "NOTIFY_SOCKET");
  g_subprocess_launcher_set_stderr_file_path (self->launcher, self->log);
  g_subprocess_launcher_set_child_setup (self->launcher, die_with_parent,
                                         GINT_TO_POINTER (getpid ()), NULL);
  self->thread = g_thread_new ("mtv-nbd-server", parent_thread, self);
}

static gboolean
wait_for_spawn (MtvNbdServer *self, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  while (self->child == NULL && self->error == NULL)
    g_cond_wait (&self->changed, &self->lock);
  if (self->error == NULL)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "Cannot start the NBD server of %s: %s",
               self->label, self->error->message);
  return FALSE;
}

/* Reads the server's greeting from @fd: 1 it came, 0 the child has ended, -1 with @error. */
static int
wait_for_greeting (MtvNbdServer *self, int fd, GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + READY_TIMEOUT_USEC;
  struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = -1 } };
  GPollFD cancel_fd;
  int n;

  if (cancellable != NULL && g_cancellable_make_pollfd (cancellable, &cancel_fd))
    fds[1] = (struct pollfd){ .fd = cancel_fd.fd, .events = POLLIN };
  do
    n = poll (fds, 2, MAX (0, (deadline - g_get_monotonic_time ()) / 1000));
  while (n < 0 && errno == EINTR);
  if (fds[1].fd >= 0)
    g_cancellable_release_fd (cancellable);

  char greeting;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return -1;
  if (n > 0)
    return recv (fd, &greeting, 1, 0) == 1;
  g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "The NBD server of %s does not answer",
               self->label);
  return -1;
}

/* The connection waits in the socket's queue until the child has opened the image and greets us; if
 * it ends instead, the queue goes with it. */
static gboolean
wait_until_ready (MtvNbdServer *self, GCancellable *cancellable, GError **error)
{
  struct sockaddr_un address;
  int ready = 0;

  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  set_address (&address, self->socket);
  if (fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    ready = wait_for_greeting (self, fd, cancellable, error);
  if (fd >= 0)
    close (fd);
  if (ready != 0)
    return ready > 0;

  GError *cause = self->export != NULL ? mtv_nbd_export_get_error (self->export) : NULL;
  if (cause != NULL)
    {
      g_propagate_error (error, cause);
      return FALSE;
    }
  g_autofree char *said = read_stderr (self);
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "Cannot open %s: %s", self->label, said);
  return FALSE;
}

static MtvNbdServer *
server_new (const char *label, GError **error)
{
  g_autofree char *qemu_nbd = g_find_program_in_path ("qemu-nbd");

  if (qemu_nbd == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "Cannot open %s: qemu-nbd is not installed", label);
      return NULL;
    }
  MtvNbdServer *self = g_object_new (MTV_TYPE_NBD_SERVER, NULL);
  self->label = g_strdup (label);
  self->program = g_steal_pointer (&qemu_nbd);
  return self;
}

static void
close_all (const int *fds, guint n)
{
  for (guint i = 0; i < n; i++)
    close (fds[i]);
}

/* Consumes @image_fds. */
static gboolean
start (MtvNbdServer *self, const int *image_fds, guint n_images, GCancellable *cancellable,
       GError **error)
{
  int listen_fd = make_directory (self, error) ? listen_on (self, error) : -1;

  if (listen_fd < 0)
    {
      close_all (image_fds, n_images);
      return FALSE;
    }
  spawn (self, listen_fd, image_fds, n_images);
  return wait_for_spawn (self, error) && wait_until_ready (self, cancellable, error);
}

MtvNbdServer *
mtv_nbd_server_new (int fd, const char *format, gboolean writable, const char *label,
                    GCancellable *cancellable, GError **error)
{
  gboolean direct;

  g_return_val_if_fail (fd >= 0, NULL);
  g_return_val_if_fail (format != NULL && label != NULL, NULL);

  g_autoptr (MtvNbdServer) self = server_new (label, error);
  int image_fd = self != NULL ? reopen_image (fd, writable, label, &direct, error) : -1;
  if (image_fd < 0)
    return NULL;
  g_autofree char *file
      = g_strdup_printf ("{\"driver\":\"file\",\"filename\":\"/proc/self/fd/%d\"}", IMAGE_FD);
  g_autofree char *image = image_json (format, file);
  self->argv = build_argv (self->program, image, NULL, writable, direct);
  return start (self, &image_fd, 1, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

MtvNbdServer *
mtv_nbd_server_new_for_reader (MtvReader *file, const char *format, const char *label,
                               GCancellable *cancellable, GError **error)
{
  int image_fd;

  g_return_val_if_fail (MTV_IS_READER (file), NULL);
  g_return_val_if_fail (format != NULL && label != NULL, NULL);

  g_autoptr (MtvNbdServer) self = server_new (label, error);
  if (self == NULL)
    return NULL;
  self->export = mtv_nbd_export_new (file, label, &image_fd, error);
  if (self->export == NULL)
    return NULL;
  g_autofree char *connection = g_strdup_printf (
      "{\"driver\":\"nbd\",\"server\":{\"type\":\"fd\",\"str\":\"%d\"}}", IMAGE_FD);
  g_autofree char *image = image_json (format, connection);
  self->argv = build_argv (self->program, image, NULL, FALSE, FALSE);
  return start (self, &image_fd, 1, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

MtvNbdServer *
mtv_nbd_server_new_for_chain (const MtvNbdLayer *layers, guint n_layers, const char *bitmap,
                              const char *label, GCancellable *cancellable, GError **error)
{
  int fds[MTV_NBD_MAX_LAYERS];
  gboolean direct;

  g_return_val_if_fail (n_layers > 0 && n_layers <= MTV_NBD_MAX_LAYERS, NULL);
  g_return_val_if_fail (label != NULL, NULL);

  g_autoptr (MtvNbdServer) self = server_new (label, error);
  if (self == NULL)
    return NULL;
  for (guint i = 0; i < n_layers; i++)
    {
      fds[i] = reopen_image (layers[i].fd, FALSE, label, &direct, error);
      if (fds[i] >= 0)
        continue;
      close_all (fds, i);
      return NULL;
    }
  g_autofree char *image = chain_json (layers, n_layers);
  self->argv = build_argv (self->program, image, bitmap, FALSE, FALSE);
  return start (self, fds, n_layers, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

/* A pipe with all of @secret in it, to be read. */
static int
make_secret (const char *secret, const char *label, GError **error)
{
  gsize length = secret != NULL ? strlen (secret) : 0;
  int fds[2] = { -1, -1 };

  if (pipe2 (fds, O_CLOEXEC | O_NONBLOCK) == 0
      && (length == 0 || write (fds[1], secret, length) == (gssize) length)
      && fcntl (fds[0], F_SETFL, 0) == 0)
    {
      close (fds[1]);
      return fds[0];
    }
  mtv_error_set_errno (error, errno, "Cannot make a pipe for the NBD server of %s", label);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    if (fds[i] >= 0)
      close (fds[i]);
  return -1;
}

MtvNbdServer *
mtv_nbd_server_new_for_program (const char *const *argv, const char *secret, const char *label,
                                GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (argv != NULL && argv[0] != NULL && label != NULL, NULL);
  G_STATIC_ASSERT (MTV_NBD_SERVER_SECRET_FD == IMAGE_FD);

  g_autoptr (MtvNbdServer) self = g_object_new (MTV_TYPE_NBD_SERVER, NULL);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GError) problem = NULL;

  self->label = g_strdup (label);
  g_strv_builder_add_many (builder, "/bin/sh", "-c", EXEC_WITH_PID, NULL);
  g_strv_builder_addv (builder, (const char **) argv);
  self->argv = g_strv_builder_end (builder);
  int fd = make_secret (secret, label, error);
  if (fd < 0)
    return NULL;
  if (start (self, &fd, 1, cancellable, &problem))
    return g_steal_pointer (&self);
  if (g_error_matches (problem, MTV_ERROR, MTV_ERROR_BAD_DATA))
    problem->code = MTV_ERROR_FAILED; /* there is no image that could be bad */
  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}

char *
mtv_nbd_server_get_said (MtvNbdServer *self)
{
  g_return_val_if_fail (MTV_IS_NBD_SERVER (self), NULL);

  return read_stderr (self);
}

const char *
mtv_nbd_server_get_socket (MtvNbdServer *self)
{
  g_return_val_if_fail (MTV_IS_NBD_SERVER (self), NULL);

  return self->socket;
}

/* FALSE when it had to be killed, or was dead already. */
static gboolean
end_child (MtvNbdServer *self)
{
  gint64 deadline = g_get_monotonic_time () + STOP_TIMEOUT_USEC;
  gboolean killed = FALSE;

  g_mutex_lock (&self->lock);
  if (self->child != NULL && !self->ended)
    g_subprocess_send_signal (self->child, SIGTERM); /* writes its caches out and ends */
  while (!self->ended && !killed)
    killed = !g_cond_wait_until (&self->changed, &self->lock, deadline);
  if (!self->ended)
    g_subprocess_force_exit (self->child);
  g_mutex_unlock (&self->lock);

  g_thread_join (g_steal_pointer (&self->thread));
  return self->child != NULL && g_subprocess_get_successful (self->child);
}

gboolean
mtv_nbd_server_stop (MtvNbdServer *self, GError **error)
{
  g_return_val_if_fail (MTV_IS_NBD_SERVER (self), FALSE);

  if (self->thread == NULL)
    {
      remove_files (self);
      return TRUE;
    }
  if (self->export != NULL)
    mtv_nbd_export_stop (self->export); /* the child would wait for what it has asked for */
  gboolean ok = end_child (self);
  g_autofree char *said = read_stderr (self);
  remove_files (self);
  if (!ok)
    g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "The NBD server of %s did not end well: %s",
                 self->label, said);
  return ok;
}
