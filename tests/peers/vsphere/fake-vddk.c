/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stand-in for nbdkit's plugin "vddk": the same name, parameters and rules of alignment, but the
 * bytes come from files. $MTV_FAKE_VDDK_MAP has lines of "SNAPSHOT<tab>FILE<tab>PATH": what disk
 * FILE ("[ds] vm/vm.vmdk") of SNAPSHOT ("-" for none) is read from; $MTV_FAKE_VDDK_PASSWORD and
 * $MTV_FAKE_VDDK_THUMBPRINT are what it wants to be told. */
#define NBDKIT_API_VERSION 2
#include <errno.h>
#include <fcntl.h>
#include <nbdkit-plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#define SECTOR 512
#define CHUNK 65536 /* what the library tells extents in */

enum
{
  SERVER,
  USER,
  THUMBPRINT,
  VM,
  SNAPSHOT,
  FILE_NAME,
  LIBDIR,
  TRANSPORTS,
  N_CHECKED
};
static const char *const keys[]
    = { "server",      "user",       "thumbprint",  "vm",         "snapshot", "file",
        "libdir",      "transports", "compression", "config",     "cookie",   "port",
        "nfchostport", "vimapiver",  "single-link", "unbuffered", NULL };

static char *values[sizeof keys / sizeof *keys];
static char *password;

typedef struct
{
  int fd;
  int64_t size;
} Handle;

static int
set (const char *key, const char *value)
{
  if (strcmp (key, "password") == 0)
    {
      free (password);
      return nbdkit_read_password (value, &password);
    }
  for (int i = 0; keys[i]; i++)
    if (strcmp (key, keys[i]) == 0)
      {
        free (values[i]);
        values[i] = strdup (value);
        return 0;
      }
  nbdkit_error ("unknown parameter '%s'", key);
  return -1;
}

static int
refuse (const char *why)
{
  nbdkit_error ("%s", why);
  return -1;
}

/* That much is known before the first client comes. */
static int
complete (void)
{
  if (!values[SERVER] || !values[USER] || !password || !values[VM] || !values[FILE_NAME])
    return refuse ("file, server, user, password and vm are needed for a remote server");
  if (strncmp (values[VM], "moref=", strlen ("moref=")) != 0)
    return refuse ("vm must be moref=ID");
  if (!values[LIBDIR])
    return refuse ("libdir is missing");
  if (values[SNAPSHOT] && !values[TRANSPORTS])
    return refuse ("a snapshot without transports would crash some versions of the library");
  return 0;
}

/* The rest only shows when the library connects. */
static int
is_let_in (void)
{
  const char *wanted = getenv ("MTV_FAKE_VDDK_PASSWORD");
  const char *thumbprint = getenv ("MTV_FAKE_VDDK_THUMBPRINT");

  if (wanted && strcmp (wanted, password) != 0)
    return refuse ("VixDiskLib_ConnectEx: Cannot complete login due to an incorrect user name or "
                   "password.");
  if (thumbprint && (!values[THUMBPRINT] || strcasecmp (thumbprint, values[THUMBPRINT]) != 0))
    return refuse ("VixDiskLib_Open: Unknown error");
  return 0;
}

/* (transfer full) */
static char *
find_path (void)
{
  const char *map = getenv ("MTV_FAKE_VDDK_MAP");
  FILE *file = map ? fopen (map, "re") : NULL;
  char *line = NULL, *path = NULL;
  size_t size = 0;

  while (file && !path && getline (&line, &size, file) > 0)
    {
      char *save = NULL;
      const char *snapshot = strtok_r (line, "\t", &save);
      const char *name = strtok_r (NULL, "\t", &save);
      const char *found = strtok_r (NULL, "\n", &save);

      if (found && strcmp (snapshot, values[SNAPSHOT] ? values[SNAPSHOT] : "-") == 0
          && strcmp (name, values[FILE_NAME]) == 0)
        path = strdup (found);
    }
  free (line);
  if (file)
    fclose (file);
  return path;
}

static void *
open_disk (int readonly)
{
  struct stat info;

  if (!readonly)
    {
      nbdkit_error ("this stand-in only reads");
      return NULL;
    }
  if (is_let_in () < 0)
    return NULL;
  char *path = find_path ();
  int fd = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
  free (path);
  if (fd < 0 || fstat (fd, &info) < 0)
    {
      nbdkit_error ("VixDiskLib_Open: You do not have access rights to this file: %s",
                    values[FILE_NAME]);
      return NULL;
    }
  Handle *handle = malloc (sizeof *handle);
  if (!handle)
    abort ();
  *handle = (Handle){ fd, info.st_size };
  return handle;
}

static void
close_disk (void *data)
{
  Handle *handle = data;

  close (handle->fd);
  free (handle);
}

static int64_t
get_size (void *data)
{
  return ((Handle *) data)->size;
}

static int
block_size (void *data, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
  (void) data;
  *minimum = SECTOR;
  *preferred = 4096;
  *maximum = 0xffffffff;
  return 0;
}

static int
read_disk (void *data, void *buffer, uint32_t count, uint64_t offset, uint32_t flags)
{
  Handle *handle = data;

  (void) flags;
  if (offset % SECTOR != 0 || count % SECTOR != 0)
    {
      nbdkit_error ("read is not aligned to sectors");
      errno = EINVAL;
      return -1;
    }
  while (count > 0)
    {
      ssize_t done = pread (handle->fd, buffer, count, (off_t) offset);

      if (done <= 0)
        return refuse ("VixDiskLib_Read: unknown error");
      buffer = (char *) buffer + done;
      offset += (uint64_t) done;
      count -= (uint32_t) done;
    }
  return 0;
}

static int
can_extents (void *data)
{
  (void) data;
  return 1;
}

static int
tell_extents (void *data, uint32_t count, uint64_t offset, uint32_t flags,
              struct nbdkit_extents *extents)
{
  Handle *handle = data;
  uint64_t end = offset + count;

  (void) flags;
  for (uint64_t at = offset / CHUNK * CHUNK; at < end; at += CHUNK)
    {
      uint64_t length = at + CHUNK > (uint64_t) handle->size ? (uint64_t) handle->size - at : CHUNK;
      off_t found = lseek (handle->fd, (off_t) at, SEEK_DATA);
      int hole = found < 0 || (uint64_t) found >= at + length;

      if (nbdkit_add_extent (extents, at, length,
                             hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0)
          < 0)
        return -1;
    }
  return 0;
}

static struct nbdkit_plugin plugin = {
  .name = "vddk",
  .longname = "stand-in for the plugin of this name",
  .version = "0",
  .magic_config_key = "file",
  .config = set,
  .config_complete = complete,
  .open = open_disk,
  .close = close_disk,
  .get_size = get_size,
  .block_size = block_size,
  .pread = read_disk,
  .can_extents = can_extents,
  .extents = tell_extents,
};

struct nbdkit_plugin *plugin_init (void); /* what the macro lacks */
NBDKIT_REGISTER_PLUGIN (plugin)
