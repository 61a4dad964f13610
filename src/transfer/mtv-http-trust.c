/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-http-trust.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct _MtvHttpTrust
{
  gint ref_count;         /* (atomic) */
  GTlsDatabase *database; /* (owned) (nullable) */
  int ca_fd;              /* (owned) or -1; the database may read it again */
  char *thumbprint;       /* (owned) (nullable) hexadecimal, lower-case, no colons */
  gboolean insecure;
  GSocketConnectable *identity; /* (owned) (nullable) */
};

static gboolean
set_thumbprint (MtvHttpTrust *self, const char *thumbprint, GError **error)
{
  g_autoptr (GString) digits = g_string_new (NULL);
  gboolean good = TRUE;

  for (const char *c = thumbprint; *c != '\0'; c++)
    if (g_ascii_isxdigit (*c))
      g_string_append_c (digits, g_ascii_tolower (*c));
    else
      good = good && *c == ':';
  if (good && (digits->len == 40 || digits->len == 64))
    {
      self->thumbprint = g_string_free (g_steal_pointer (&digits), FALSE);
      return TRUE;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "'%s' is not the SHA-1 or SHA-256 of a certificate in hexadecimal", thumbprint);
  return FALSE;
}

static gboolean
set_ca_file (MtvHttpTrust *self, const char *path, const char *name, GError **error)
{
  g_autoptr (GError) problem = NULL;

  self->database = g_tls_file_database_new (path, &problem);
  if (self->database != NULL)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "Cannot read the authorities in %s: %s", name, problem->message);
  return FALSE;
}

/* GIO takes no authorities but those in a file. */
static gboolean
set_ca (MtvHttpTrust *self, const char *ca, GError **error)
{
  g_autofree char *path = NULL;

  self->ca_fd = memfd_create ("ca", MFD_CLOEXEC);
  if (self->ca_fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot keep the certificates");
      return FALSE;
    }
  if (!mtv_io_pwrite (self->ca_fd, ca, strlen (ca), 0, "the certificates", error))
    return FALSE;
  path = g_strdup_printf ("/proc/self/fd/%d", self->ca_fd);
  return set_ca_file (self, path, "the certificates that were given", error);
}

MtvHttpTrust *
mtv_http_trust_new (const char *ca, const char *ca_file, const char *thumbprint, gboolean insecure,
                    const char *server_name, GError **error)
{
  g_autoptr (MtvHttpTrust) self = g_new0 (MtvHttpTrust, 1);
  g_autofree char *name = g_strdup_printf ("'%s'", ca_file != NULL ? ca_file : "");

  self->ref_count = 1;
  self->ca_fd = -1;
  self->insecure = insecure;
  if (server_name != NULL)
    self->identity = g_network_address_new (server_name, 443);
  if (ca != NULL && !set_ca (self, ca, error))
    return NULL;
  if (ca == NULL && ca_file != NULL && !set_ca_file (self, ca_file, name, error))
    return NULL;
  if (thumbprint != NULL && !set_thumbprint (self, thumbprint, error))
    return NULL;
  return g_steal_pointer (&self);
}

MtvHttpTrust *
mtv_http_trust_ref (MtvHttpTrust *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
mtv_http_trust_unref (MtvHttpTrust *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_object (&self->database);
  g_clear_object (&self->identity);
  g_free (self->thumbprint);
  if (self->ca_fd >= 0)
    close (self->ca_fd);
  g_free (self);
}

GTlsDatabase *
mtv_http_trust_get_database (MtvHttpTrust *self)
{
  return self->database;
}

static char *
digest (GTlsCertificate *certificate, GChecksumType type)
{
  g_autoptr (GByteArray) der = NULL;

  g_object_get (certificate, "certificate", &der, NULL);
  return g_compute_checksum_for_data (type, der->data, der->len);
}

gboolean
mtv_http_trust_accepts (MtvHttpTrust *self, GTlsCertificate *certificate,
                        GTlsCertificateFlags errors)
{
  if (self->insecure)
    return TRUE;
  if (self->thumbprint != NULL)
    {
      g_autofree char *shown = digest (
          certificate, strlen (self->thumbprint) == 40 ? G_CHECKSUM_SHA1 : G_CHECKSUM_SHA256);

      return g_str_equal (shown, self->thumbprint);
    }
  return self->identity != NULL && (errors & ~G_TLS_CERTIFICATE_BAD_IDENTITY) == 0
         && !(g_tls_certificate_verify (certificate, self->identity, NULL)
              & G_TLS_CERTIFICATE_BAD_IDENTITY);
}

char *
mtv_http_trust_get_thumbprint (GTlsCertificate *certificate)
{
  g_autofree char *digits = digest (certificate, G_CHECKSUM_SHA256);
  GString *text = g_string_new (NULL);

  for (gsize i = 0; digits[i] != '\0'; i++)
    {
      if (i > 0 && i % 2 == 0)
        g_string_append_c (text, ':');
      g_string_append_c (text, g_ascii_toupper (digits[i]));
    }
  return g_string_free (text, FALSE);
}

static const char *
certificate_fault (GTlsCertificateFlags errors)
{
  static const struct
  {
    GTlsCertificateFlags flag;
    const char *text;
  } faults[] = {
    { G_TLS_CERTIFICATE_BAD_IDENTITY, "was issued for another host" },
    { G_TLS_CERTIFICATE_EXPIRED, "has expired" },
    { G_TLS_CERTIFICATE_NOT_ACTIVATED, "is not valid yet" },
    { G_TLS_CERTIFICATE_REVOKED, "has been revoked" },
    { G_TLS_CERTIFICATE_INSECURE, "uses an algorithm that is not secure" },
    { G_TLS_CERTIFICATE_UNKNOWN_CA, "is not signed by an authority that is trusted" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    if (errors & faults[i].flag)
      return faults[i].text;
  return "is not valid";
}

static gboolean
is_final_tls_error (const GError *error)
{
  return g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE)
         || g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_NOT_TLS)
         || g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_HANDSHAKE)
         || g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_CERTIFICATE_REQUIRED)
         || g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_INAPPROPRIATE_FALLBACK);
}

gboolean
mtv_http_trust_fail (const char *label, GError *reason, GTlsCertificate *certificate,
                     GTlsCertificateFlags errors, GError **error)
{
  g_autoptr (GError) taken = reason;

  if (g_error_matches (taken, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, mtv_error_normalize (g_steal_pointer (&taken)));
  else if (is_final_tls_error (taken) && certificate != NULL)
    {
      g_autofree char *thumbprint = mtv_http_trust_get_thumbprint (certificate);

      g_set_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED,
                   "%s: The certificate of the server %s; its SHA-256 thumbprint is %s", label,
                   certificate_fault (errors), thumbprint);
    }
  else
    g_set_error (error, MTV_ERROR,
                 is_final_tls_error (taken) ? MTV_ERROR_PERMISSION_DENIED : MTV_ERROR_UNREACHABLE,
                 "%s: %s", label, taken->message);
  return FALSE;
}
