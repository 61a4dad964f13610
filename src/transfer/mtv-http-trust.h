/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Which certificate of an https server is good enough. Immutable, any thread. */
typedef struct _MtvHttpTrust MtvHttpTrust;

/* All arguments optional. @ca: certificates in PEM, and @ca_file: a file of them, instead of the
 * authorities that the system trusts. @thumbprint: SHA-1 or SHA-256 of the one certificate that is
 * accepted, whatever else is wrong with it, in hexadecimal, with or without colons. @insecure: any
 * one is. @server_name: whom the certificate may be for, beside the host of the URL.
 * MTV_ERROR_INVALID_ARGUMENT for what cannot be read. (transfer full) */
MtvHttpTrust *mtv_http_trust_new (const char *ca, const char *ca_file, const char *thumbprint,
                                  gboolean insecure, const char *server_name, GError **error);
MtvHttpTrust *mtv_http_trust_ref (MtvHttpTrust *self);
void mtv_http_trust_unref (MtvHttpTrust *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvHttpTrust, mtv_http_trust_unref)

/* (transfer none) (nullable) NULL: that of the system. */
GTlsDatabase *mtv_http_trust_get_database (MtvHttpTrust *self);

/* The answer to "accept-certificate": @errors is what is wrong with it. */
gboolean mtv_http_trust_accepts (MtvHttpTrust *self, GTlsCertificate *certificate,
                                 GTlsCertificateFlags errors);

/* "AB:CD:…" of its SHA-256. (transfer full) */
char *mtv_http_trust_get_thumbprint (GTlsCertificate *certificate);

/* Sets @error for @reason (transfer full), what GIO or libsoup met: MTV_ERROR_CANCELLED,
 * MTV_ERROR_PERMISSION_DENIED for a certificate that is not good, else MTV_ERROR_UNREACHABLE.
 * @certificate: (nullable) the one that was refused, for @errors. Always FALSE. */
gboolean mtv_http_trust_fail (const char *label, GError *reason, GTlsCertificate *certificate,
                              GTlsCertificateFlags errors, GError **error);

G_END_DECLS
