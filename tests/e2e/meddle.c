/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* To be preloaded: kills the process before the operation number $CRASH_AT of those that change or
 * make durable what is on disk. Without it writes how many there were into $CRASH_COUNT as the
 * process ends. */

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int n_operations;

static void
count_operation (void)
{
  const char *at = getenv ("CRASH_AT");

  if (atomic_fetch_add (&n_operations, 1) + 1 == (at != NULL ? atoi (at) : 0))
    kill (getpid (), SIGKILL);
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

#define COUNTED(name, parameters, arguments) \
  int name parameters \
  { \
    int (*next) parameters = (int (*) parameters) dlsym (RTLD_NEXT, #name); \
\
    count_operation (); \
    return next arguments; \
  }

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
