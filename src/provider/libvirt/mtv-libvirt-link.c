/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-link.h"

#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-address.h"
#include "provider/libvirt/mtv-libvirt-events.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 6
#define CANCEL_CHECK_USEC (G_USEC_PER_SEC / 20)

struct _MtvLibvirtLink
{
  char *uri;
  char *label;
  char *user;     /* (nullable) */
  char *password; /* (nullable) */
  gboolean is_local;
  gboolean is_session;

  GMutex lock;      /* for this one */
  virConnect *open; /* (owned) (nullable) */
};

/* A connection that is being opened, by a thread that nobody may be waiting for any more. */
typedef struct
{
  gint ref_count; /* (atomic) */
  char *uri;
  char *label;
  char *user;
  char *password;

  GMutex lock; /* for all below */
  GCond changed;
  gboolean done;
  virConnect *connection; /* (owned) (nullable) */
  GError *error;          /* (owned) (nullable) */
} Opening;

/* The process's part. */

/* What goes wrong is in the errors that calls return. */
static void
ignore_error (void *data, virErrorPtr error)
{
  (void) data;
  (void) error;
}

static gpointer
set_up (gpointer data)
{
  (void) data;
  virInitialize ();
  virSetErrorFunc (NULL, ignore_error);
  mtv_libvirt_events_start ();
  return NULL;
}

/* Errors. */

static MtvError
code_of_errno (int errnum)
{
  switch (errnum)
    {
    case EACCES:
    case EPERM:
      return MTV_ERROR_PERMISSION_DENIED;
    case ENOSPC:
    case EDQUOT:
      return MTV_ERROR_NO_SPACE;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENOENT: /* the daemon's socket */
    case EPIPE:
    case ETIMEDOUT:
      return MTV_ERROR_UNREACHABLE;
    default:
      return MTV_ERROR_FAILED;
    }
}

static MtvError
code_of_error (const virError *error)
{
  switch (error->code)
    {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_DOMAIN_CHECKPOINT:
    case VIR_ERR_NO_DOMAIN_BACKUP:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
      return MTV_ERROR_NOT_FOUND;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
      return MTV_ERROR_PERMISSION_DENIED;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_RPC:
    case VIR_ERR_SSH:
    case VIR_ERR_LIBSSH:
    case VIR_ERR_GNUTLS_ERROR:
    case VIR_ERR_OPERATION_TIMEOUT: /* somebody else works on the VM */
      return MTV_ERROR_UNREACHABLE;
    case VIR_ERR_RESOURCE_BUSY:
      return MTV_ERROR_IN_USE;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
      return MTV_ERROR_UNSUPPORTED;
    case VIR_ERR_OPERATION_INVALID:
      return MTV_ERROR_WRONG_STATE;
    case VIR_ERR_SYSTEM_ERROR:
      return code_of_errno (error->int1);
    default:
      /* A connection that breaks under a call is told as an internal error of the RPC layer. */
      return error->domain == VIR_FROM_RPC || error->domain == VIR_FROM_REMOTE
                 ? MTV_ERROR_UNREACHABLE
                 : MTV_ERROR_FAILED;
    }
}

void
mtv_libvirt_set_error (GError **error, const char *format, ...)
{
  const virError *last = virGetLastError ();
  const char *text = last != NULL && last->message != NULL ? last->message : "libvirt says nothing";
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MTV_ERROR, last != NULL ? code_of_error (last) : MTV_ERROR_FAILED, "%s: %s",
               message, g_strstrip (valid));
}

gboolean
mtv_libvirt_failed_with (int code)
{
  const virError *last = virGetLastError ();

  return last != NULL && last->code == code;
}

/* Opening. */

static void
opening_unref (Opening *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_pointer (&self->connection, virConnectClose);
  g_clear_error (&self->error);
  g_free (self->uri);
  g_free (self->label);
  g_free (self->user);
  g_free (self->password);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

static char *
duplicate (const char *text)
{
  return text != NULL ? strdup (text) : NULL; /* freed by libvirt, with free() */
}

static int
answer (virConnectCredentialPtr asked, unsigned int n_asked, void *data)
{
  const Opening *self = data;

  for (unsigned int i = 0; i < n_asked; i++)
    {
      const char *known = asked[i].type == VIR_CRED_AUTHNAME || asked[i].type == VIR_CRED_USERNAME
                              ? self->user
                              : self->password;

      asked[i].result = duplicate (known != NULL ? known : asked[i].defresult);
      if (asked[i].result == NULL)
        return -1;
      asked[i].resultlen = strlen (asked[i].result);
    }
  return 0;
}

static gpointer
opening_thread (gpointer data)
{
  static int types[]
      = { VIR_CRED_USERNAME, VIR_CRED_AUTHNAME, VIR_CRED_PASSPHRASE, VIR_CRED_NOECHOPROMPT };
  Opening *self = data;
  virConnectAuth auth = { types, G_N_ELEMENTS (types), answer, self };
  virConnect *connection = virConnectOpenAuth (self->uri, &auth, 0);
  GError *error = NULL;

  if (connection == NULL)
    mtv_libvirt_set_error (&error, "Cannot connect to '%s'", self->label);
  else
    virConnectSetKeepAlive (connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
  g_mutex_lock (&self->lock);
  self->connection = connection;
  self->error = error;
  self->done = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  opening_unref (self);
  return NULL;
}

/* ssh may take minutes to give up: then its thread ends by itself, later. */
static virConnect *
wait_for (Opening *self, GCancellable *cancellable, GError **error)
{
  virConnect *connection = NULL;
  gboolean ok = TRUE;

  g_mutex_lock (&self->lock);
  while (ok && !self->done)
    {
      g_cond_wait_until (&self->changed, &self->lock, g_get_monotonic_time () + CANCEL_CHECK_USEC);
      ok = !g_cancellable_set_error_if_cancelled (cancellable, error);
    }
  if (ok && self->error != NULL)
    g_propagate_error (error, g_steal_pointer (&self->error));
  else if (ok)
    connection = g_steal_pointer (&self->connection);
  g_mutex_unlock (&self->lock);
  return connection;
}

static virConnect *
open_connection (MtvLibvirtLink *self, GCancellable *cancellable, GError **error)
{
  static GOnce once = G_ONCE_INIT;
  Opening *opening = g_new0 (Opening, 1);

  g_once (&once, set_up, NULL);
  opening->ref_count = 2;
  opening->uri = g_strdup (self->uri);
  opening->label = g_strdup (self->label);
  opening->user = g_strdup (self->user);
  opening->password = g_strdup (self->password);
  g_mutex_init (&opening->lock);
  g_cond_init (&opening->changed);
  g_thread_unref (g_thread_new ("mtv-libvirt-open", opening_thread, opening));
  virConnect *connection = wait_for (opening, cancellable, error);
  opening_unref (opening);
  return connection;
}

MtvLibvirtLink *
mtv_libvirt_link_new (const char *uri, const char *user, const char *password, gboolean insecure,
                      GError **error)
{
  g_auto (MtvLibvirtAddress) address = { 0 };

  if (!mtv_libvirt_address_parse (uri, user, insecure, &address, error))
    return NULL;
  MtvLibvirtLink *self = g_new0 (MtvLibvirtLink, 1);
  self->uri = g_steal_pointer (&address.uri);
  self->label = g_steal_pointer (&address.label);
  self->is_local = address.is_local;
  self->is_session = address.is_session;
  self->user = g_strdup (user);
  self->password = g_strdup (password);
  g_mutex_init (&self->lock);
  return self;
}

void
mtv_libvirt_link_free (MtvLibvirtLink *self)
{
  g_clear_pointer (&self->open, virConnectClose);
  g_free (self->uri);
  g_free (self->label);
  g_free (self->user);
  g_free (self->password);
  g_mutex_clear (&self->lock);
  g_free (self);
}

const char *
mtv_libvirt_link_get_label (MtvLibvirtLink *self)
{
  return self->label;
}

gboolean
mtv_libvirt_link_is_local (MtvLibvirtLink *self)
{
  return self->is_local;
}

gboolean
mtv_libvirt_link_is_session (MtvLibvirtLink *self)
{
  return self->is_session;
}

/* The one that is there, if it is alive. (transfer full) (nullable) */
static virConnect *
reuse (MtvLibvirtLink *self)
{
  virConnect *connection = NULL;

  g_mutex_lock (&self->lock);
  if (self->open != NULL && virConnectIsAlive (self->open) != 1)
    g_clear_pointer (&self->open, virConnectClose);
  if (self->open != NULL && virConnectRef (self->open) == 0)
    connection = self->open;
  g_mutex_unlock (&self->lock);
  return connection;
}

virConnect *
mtv_libvirt_link_get (MtvLibvirtLink *self, GCancellable *cancellable, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  virConnect *connection = reuse (self);
  if (connection != NULL)
    return connection;

  connection = open_connection (self, cancellable, error);
  g_mutex_lock (&self->lock);
  if (connection != NULL && self->open == NULL && virConnectRef (connection) == 0)
    self->open = connection;
  g_mutex_unlock (&self->lock);
  return connection;
}

virDomain *
mtv_libvirt_link_find (MtvLibvirtLink *self, const char *uuid, const char *label,
                       GCancellable *cancellable, GError **error)
{
  g_autoptr (virConnect) connection = mtv_libvirt_link_get (self, cancellable, error);
  virDomain *domain = connection != NULL ? virDomainLookupByUUIDString (connection, uuid) : NULL;

  if (connection != NULL && domain == NULL)
    mtv_libvirt_set_error (error, "Cannot find '%s'", label);
  return domain;
}
