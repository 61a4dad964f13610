/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-http-reader.h"

G_BEGIN_DECLS

enum
{
  WEB_HTTP,
  WEB_HTTPS,           /* also HTTP/2 */
  WEB_HTTPS_ELSEWHERE, /* with a certificate for another host */
  WEB_HTTPS_EXPIRED,
  WEB_N_PORTS
};

/* Web servers on the loopback, and a file /disk that they serve; all of it ends with the test. */
typedef struct
{
  char *folder; /* (owned) */
  GBytes *contents;
  GSubprocess *nginx; /* (owned) (nullable) */
  int sockets[WEB_N_PORTS];
  guint16 ports[WEB_N_PORTS];
  GSubprocess *bad; /* (owned) (nullable) tests/tools/bad-http.py */
  guint bad_port;
} Web;

Web *web_new (gsize size);
void web_free (Web *web);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Web, web_free)

/* @tls: with certificates; otherwise there is WEB_HTTP only. The listening sockets are the
 * fixture's: while nginx is away, connections wait for it. */
void web_start_nginx (Web *web, gboolean tls);
void web_stop_nginx (Web *web);
/* With it stopped: what was answered completely, "HTTP/1.1 GET 206 bytes=0-9" a line, in order. */
char *web_read_log (Web *web);

void web_start_bad (Web *web);
/* The requests for @path so far, see bad-http.py. */
GStrv web_read_bad_log (Web *web, const char *path);

char *web_path (Web *web, const char *name);
char *web_url (Web *web, guint port, const char *path);
char *web_bad_url (Web *web, const char *path);

G_END_DECLS
