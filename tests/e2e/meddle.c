/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* To be preloaded. With $CRASH_AT=N it kills the process before the Nth of the operations that
 * change or make durable what is on disk (writes of data aside); $CRASH_COUNT names a file that is
 * told how many there were. With $SLOW_USEC each of them, and each read and write at an offset,
 * takes so much longer. */

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int n_operations;

static int
number (const char *name)
{
  const char *value = getenv (name);

  return value != NULL ? atoi (value) : 0;
}

static void
be_slow (void)
{
  int usec = number ("SLOW_USEC");

  if (usec > 0)
    usleep (usec);
}

static void
count_operation (void)
{
  if (atomic_fetch_add (&n_operations, 1) + 1 == number ("CRASH_AT"))
    kill (getpid (), SIGKILL);
  be_slow ();
}

__attribute__ ((destructor)) static void
tell_count (void)
{
  const char *path = getenv ("CRASH_COUNT");
  FILE *file = path != NULL ? fopen (path, "w") : NULL;

  if (file == NULL)
    return;
  fprintf (file, "%d\n", atomic_load (&n_operations));
  fclose (file);
}

#define WRAPPED(type, name, before, parameters, arguments)                    \
  type name parameters                                                        \
  {                                                                           \
    type (*next) parameters = (type (*) parameters) dlsym (RTLD_NEXT, #name); \
                                                                              \
    before ();                                                                \
    return next arguments;                                                    \
  }
#define COUNTED(name, parameters, arguments) \
  WRAPPED (int, name, count_operation, parameters, arguments)
#define SLOWED(name, parameters, arguments) WRAPPED (ssize_t, name, be_slow, parameters, arguments)

COUNTED (fsync, (int fd), (fd))
COUNTED (fdatasync, (int fd), (fd))
COUNTED (ftruncate64, (int fd, off64_t length), (fd, length))
COUNTED (rename, (const char *from, const char *to), (from, to))
COUNTED (renameat, (int from_fd, const char *from, int to_fd, const char *to),
         (from_fd, from, to_fd, to))
COUNTED (renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned int flags),
         (from_fd, from, to_fd, to, flags))
COUNTED (mkdir, (const char *path, mode_t mode), (path, mode))
COUNTED (mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
COUNTED (unlink, (const char *path), (path))
COUNTED (unlinkat, (int fd, const char *path, int flags), (fd, path, flags))

SLOWED (pread64, (int fd, void *to, size_t n, off64_t at), (fd, to, n, at))
SLOWED (pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at))
SLOWED (pwritev64, (int fd, const struct iovec *iov, int n, off64_t at), (fd, iov, n, at))
