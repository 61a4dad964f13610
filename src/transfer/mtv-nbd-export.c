/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-nbd-export.h"

#include "base/mtv-error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The protocol is "The NBD protocol", doc/proto.md of NetworkBlockDevice/nbd; its sections are
 * named below. All numbers are big-endian. */
#define NBD_MAGIC G_GUINT64_CONSTANT (0x4e42444d41474943)    /* "NBDMAGIC" */
#define OPTION_MAGIC G_GUINT64_CONSTANT (0x49484156454f5054) /* "IHAVEOPT" */
#define OPTION_REPLY_MAGIC G_GUINT64_CONSTANT (0x0003e889045565a9)
#define REQUEST_MAGIC 0x25609513
#define REPLY_MAGIC 0x67446698

/* "Handshake flags", "Client flags": the same bits. */
#define FLAG_FIXED_NEWSTYLE 0x1
#define FLAG_NO_ZEROES 0x2

/* "Transmission flags" */
#define FLAG_HAS_FLAGS 0x1
#define FLAG_READ_ONLY 0x2

/* "Option types", "Option reply types", NBD_INFO_EXPORT */
enum
{
  OPT_EXPORT_NAME = 1,
  OPT_ABORT = 2,
  OPT_LIST = 3,
  OPT_INFO = 6,
  OPT_GO = 7,
};
#define REP_ACK 1
#define REP_SERVER 2
#define REP_INFO 3
#define REP_ERR_UNSUP 0x80000001
#define REP_ERR_INVALID 0x80000003
#define REP_ERR_UNKNOWN 0x80000006
#define INFO_EXPORT 0

/* "Request types", "Error values" */
enum
{
  CMD_READ = 0,
  CMD_WRITE = 1,
  CMD_DISC = 2,
};
enum
{
  NBD_OK = 0,
  NBD_EPERM = 1,
  NBD_EIO = 5,
  NBD_EINVAL = 22,
};

#define SECTOR 512
#define SEND_BUFFER (1024 * 1024) /* the kernel has a limit of its own */
#define MAX_OPTION_DATA 8192      /* a name may have 4096 bytes: "Values", on strings */
#define MAX_OPTIONS 64            /* of one client, before it gets to the point */

struct _MtvNbdExport
{
  GObject parent;

  int fd;          /* (owned) */
  guint64 size;    /* of the export */
  GThread *thread; /* (owned) (nullable) */
  MtvReader *file; /* (owned) (nullable) of the thread, once it runs */
  guint8 *buffer;  /* (owned) (nullable) of the thread: a reply */
  gsize data_size;
  GCancellable *cancellable; /* (owned) */

  GMutex lock;
  GError *error; /* (owned) (nullable) */
};

G_DEFINE_FINAL_TYPE (MtvNbdExport, mtv_nbd_export, G_TYPE_OBJECT)

/* Sent and received as they are. */
typedef struct
{
  guint64 magic;
  guint32 option;
  guint32 length;
} __attribute__ ((packed)) Option;

typedef struct
{
  guint64 magic;
  guint32 option;
  guint32 type;
  guint32 length;
} __attribute__ ((packed)) OptionReply;

typedef struct
{
  guint32 magic;
  guint16 flags;
  guint16 type;
  guint64 cookie;
  guint64 offset;
  guint32 length;
} __attribute__ ((packed)) Request;

typedef struct
{
  guint32 magic;
  guint32 error;
  guint64 cookie;
} __attribute__ ((packed)) Reply;

static gboolean
receive (MtvNbdExport *self, gpointer buffer, gsize length)
{
  for (gsize done = 0; done < length;)
    {
      gssize n = recv (self->fd, (guint8 *) buffer + done, length - done, 0);

      if (n == 0 || (n < 0 && errno != EINTR))
        return FALSE;
      done += MAX (n, 0);
    }
  return TRUE;
}

static gboolean
transmit (MtvNbdExport *self, gconstpointer buffer, gsize length)
{
  for (gsize done = 0; done < length;)
    {
      gssize n = send (self->fd, (const guint8 *) buffer + done, length - done, MSG_NOSIGNAL);

      if (n < 0 && errno != EINTR)
        return FALSE;
      done += MAX (n, 0);
    }
  return TRUE;
}

static gboolean
reply_to_option (MtvNbdExport *self, guint32 option, guint32 type, gconstpointer data, gsize length)
{
  OptionReply reply = { .magic = GUINT64_TO_BE (OPTION_REPLY_MAGIC),
                        .option = GUINT32_TO_BE (option),
                        .type = GUINT32_TO_BE (type),
                        .length = GUINT32_TO_BE (length) };

  return transmit (self, &reply, sizeof reply) && transmit (self, data, length);
}

/* Section "NBD_OPT_EXPORT_NAME": there is no way to refuse but to hang up. */
static gboolean
answer_export_name (MtvNbdExport *self, gsize name_length, gboolean no_zeroes)
{
  struct
  {
    guint64 size;
    guint16 flags;
    guint8 zeroes[124];
  } __attribute__ ((packed)) answer = { .size = GUINT64_TO_BE (self->size),
                                        .flags = GUINT16_TO_BE (FLAG_HAS_FLAGS | FLAG_READ_ONLY) };

  return name_length == 0 && transmit (self, &answer, no_zeroes ? 10 : sizeof answer);
}

/* Sections "NBD_OPT_INFO and NBD_OPT_GO": name, number of information requests, these. What was
 * not asked for may be told, and what was asked for need not be. FALSE to hang up. */
static gboolean
answer_go (MtvNbdExport *self, guint32 option, const guint8 *data, gsize length, gboolean *ready)
{
  struct
  {
    guint16 type;
    guint64 size;
    guint16 flags;
  } __attribute__ ((packed)) info = { .type = GUINT16_TO_BE (INFO_EXPORT),
                                      .size = GUINT64_TO_BE (self->size),
                                      .flags = GUINT16_TO_BE (FLAG_HAS_FLAGS | FLAG_READ_ONLY) };
  guint32 name_length = 0;
  guint16 n_requests;

  if (length >= sizeof name_length)
    memcpy (&name_length, data, sizeof name_length);
  name_length = GUINT32_FROM_BE (name_length);
  if (length < sizeof name_length + sizeof n_requests
      || name_length > length - sizeof name_length - sizeof n_requests)
    return reply_to_option (self, option, REP_ERR_INVALID, NULL, 0);
  memcpy (&n_requests, data + sizeof name_length + name_length, sizeof n_requests);
  n_requests = GUINT16_FROM_BE (n_requests);
  if (length != sizeof name_length + name_length + sizeof n_requests + 2u * n_requests)
    return reply_to_option (self, option, REP_ERR_INVALID, NULL, 0);
  if (name_length > 0)
    return reply_to_option (self, option, REP_ERR_UNKNOWN, NULL, 0);

  *ready = option == OPT_GO;
  return reply_to_option (self, option, REP_INFO, &info, sizeof info)
         && reply_to_option (self, option, REP_ACK, NULL, 0);
}

/* FALSE to hang up; @ready: the handshake is over. */
static gboolean
answer_option (MtvNbdExport *self, const Option *option, const guint8 *data, gboolean no_zeroes,
               gboolean *ready)
{
  static const guint8 empty_name[4]; /* its length */

  switch (option->option)
    {
    case OPT_EXPORT_NAME:
      *ready = TRUE;
      return answer_export_name (self, option->length, no_zeroes);
    case OPT_ABORT:
      reply_to_option (self, OPT_ABORT, REP_ACK, NULL, 0);
      return FALSE;
    case OPT_LIST:
      if (option->length > 0)
        return reply_to_option (self, OPT_LIST, REP_ERR_INVALID, NULL, 0);
      return reply_to_option (self, OPT_LIST, REP_SERVER, empty_name, sizeof empty_name)
             && reply_to_option (self, OPT_LIST, REP_ACK, NULL, 0);
    case OPT_INFO:
    case OPT_GO:
      return answer_go (self, option->option, data, option->length, ready);
    default: /* structured replies, TLS, ...: a client does without */
      return reply_to_option (self, option->option, REP_ERR_UNSUP, NULL, 0);
    }
}

/* Sections "Newstyle negotiation" and "Fixed newstyle negotiation". TRUE: the client goes on to
 * transmission. */
static gboolean
shake_hands (MtvNbdExport *self)
{
  struct
  {
    guint64 magic;
    guint64 option_magic;
    guint16 flags;
  } __attribute__ ((packed)) greeting = { GUINT64_TO_BE (NBD_MAGIC), GUINT64_TO_BE (OPTION_MAGIC),
                                          GUINT16_TO_BE (FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES) };
  guint8 data[MAX_OPTION_DATA];
  guint32 flags;
  gboolean ready = FALSE;

  if (!transmit (self, &greeting, sizeof greeting) || !receive (self, &flags, sizeof flags))
    return FALSE;
  flags = GUINT32_FROM_BE (flags);
  if ((flags & ~(guint32) (FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES)) != 0)
    return FALSE;
  for (guint i = 0; i < MAX_OPTIONS && !ready; i++)
    {
      Option option;

      if (!receive (self, &option, sizeof option))
        return FALSE;
      option.option = GUINT32_FROM_BE (option.option);
      option.length = GUINT32_FROM_BE (option.length);
      if (option.magic != GUINT64_TO_BE (OPTION_MAGIC) || option.length > sizeof data
          || !receive (self, data, option.length)
          || !answer_option (self, &option, data, (flags & FLAG_NO_ZEROES) != 0, &ready))
        return FALSE;
    }
  return ready;
}

static void
keep_error (MtvNbdExport *self, GError *error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (self->error == NULL)
    self->error = error;
  else
    g_error_free (error);
}

/* Room for a reply and @length bytes of data behind it, where this points to. */
static guint8 *
get_data (MtvNbdExport *self, gsize length)
{
  if (self->buffer == NULL || length > self->data_size)
    {
      g_free (self->buffer);
      self->buffer = g_malloc (sizeof (Reply) + length);
      self->data_size = length;
    }
  return self->buffer + sizeof (Reply);
}

/* Section "NBD_CMD_READ". The error of NBD; else the data is there. */
static guint32
read_range (MtvNbdExport *self, const Request *request)
{
  guint64 file_size = mtv_reader_get_size (self->file);
  GError *error = NULL;

  if (request->flags != 0 || request->length > MTV_NBD_EXPORT_MAX_REQUEST
      || request->offset > self->size || request->length > self->size - request->offset)
    return NBD_EINVAL;

  guint8 *data = get_data (self, request->length);
  gsize stored
      = request->offset < file_size ? MIN (request->length, file_size - request->offset) : 0;
  if (stored > 0
      && !mtv_reader_read (self->file, request->offset, data, stored, self->cancellable, &error))
    {
      keep_error (self, error);
      return NBD_EIO;
    }
  if (stored < request->length)
    memset (data + stored, 0, request->length - stored);
  return NBD_OK;
}

/* Section "Simple reply message". FALSE to hang up: a payload that is too large to be skipped is
 * not ours to look for the next request in. */
static gboolean
answer_request (MtvNbdExport *self, const Request *request)
{
  Reply reply = { .magic = GUINT32_TO_BE (REPLY_MAGIC), .cookie = request->cookie };
  guint32 error = NBD_EINVAL;
  gsize length = 0;

  if (request->type == CMD_READ)
    {
      error = read_range (self, request);
      length = error == NBD_OK ? request->length : 0;
    }
  else if (request->type == CMD_WRITE)
    {
      error = NBD_EPERM; /* "Transmission flags", on NBD_FLAG_READ_ONLY */
      if (request->length > MTV_NBD_EXPORT_MAX_REQUEST
          || !receive (self, get_data (self, request->length), request->length))
        return FALSE;
    }
  reply.error = GUINT32_TO_BE (error);
  memcpy (get_data (self, 0) - sizeof reply, &reply, sizeof reply);
  return transmit (self, self->buffer, sizeof reply + length);
}

/* Section "Request message". FALSE when there is none, or no more. */
static gboolean
receive_request (MtvNbdExport *self, Request *request)
{
  if (!receive (self, request, sizeof *request) || request->magic != GUINT32_TO_BE (REQUEST_MAGIC))
    return FALSE;
  request->flags = GUINT16_FROM_BE (request->flags);
  request->type = GUINT16_FROM_BE (request->type);
  request->offset = GUINT64_FROM_BE (request->offset);
  request->length = GUINT32_FROM_BE (request->length);
  return request->type != CMD_DISC;
}

static gpointer
export_thread (gpointer data)
{
  MtvNbdExport *self = data;
  Request request;

  if (shake_hands (self))
    while (receive_request (self, &request) && answer_request (self, &request))
      continue;

  shutdown (self->fd, SHUT_RDWR); /* closed by the owner, who may be using its number */
  g_clear_pointer (&self->buffer, g_free);
  g_clear_object (&self->file);
  return NULL;
}

static void
mtv_nbd_export_dispose (GObject *object)
{
  mtv_nbd_export_stop (MTV_NBD_EXPORT (object));

  G_OBJECT_CLASS (mtv_nbd_export_parent_class)->dispose (object);
}

static void
mtv_nbd_export_finalize (GObject *object)
{
  MtvNbdExport *self = MTV_NBD_EXPORT (object);

  if (self->fd >= 0)
    close (self->fd);
  g_clear_object (&self->file);
  g_clear_object (&self->cancellable);
  g_clear_error (&self->error);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (mtv_nbd_export_parent_class)->finalize (object);
}

static void
mtv_nbd_export_class_init (MtvNbdExportClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_nbd_export_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_nbd_export_finalize;
}

static void
mtv_nbd_export_init (MtvNbdExport *self)
{
  self->fd = -1;
  self->cancellable = g_cancellable_new ();
  g_mutex_init (&self->lock);
}

MtvNbdExport *
mtv_nbd_export_new (MtvReader *file, const char *label, int *client_fd, GError **error)
{
  const int send_buffer = SEND_BUFFER;
  int fds[2];

  g_return_val_if_fail (MTV_IS_READER (file), NULL);
  g_return_val_if_fail (mtv_reader_get_size (file) <= G_MAXINT64 - SECTOR, NULL);
  g_return_val_if_fail (label != NULL && client_fd != NULL, NULL);

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot export %s", label);
      return NULL;
    }
  /* Room for whole replies saves changes of context; without it all goes well, too. */
  setsockopt (fds[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  MtvNbdExport *self = g_object_new (MTV_TYPE_NBD_EXPORT, NULL);
  self->file = g_object_ref (file);
  self->size = (mtv_reader_get_size (file) + SECTOR - 1) / SECTOR * SECTOR;
  self->fd = fds[0];
  *client_fd = fds[1];
  self->thread = g_thread_new ("mtv-nbd-export", export_thread, self);
  return self;
}

GError *
mtv_nbd_export_get_error (MtvNbdExport *self)
{
  g_return_val_if_fail (MTV_IS_NBD_EXPORT (self), NULL);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  return self->error != NULL ? g_error_copy (self->error) : NULL;
}

void
mtv_nbd_export_stop (MtvNbdExport *self)
{
  g_return_if_fail (MTV_IS_NBD_EXPORT (self));

  if (self->thread == NULL)
    return;
  g_cancellable_cancel (self->cancellable);
  shutdown (self->fd, SHUT_RDWR);
  g_thread_join (g_steal_pointer (&self->thread));
}
