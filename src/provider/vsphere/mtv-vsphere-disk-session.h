/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* An export that the server holds open. */
typedef struct
{
  char *id;         /* moref of the HttpNfcLease */
  guint timeout;    /* its leaseTimeout in seconds; 0: 300 */
  GPtrArray *disks; /* (element-type MtvVsphereLeaseDisk) of info.deviceUrl those with disk=true, in
                       the server's order */
} MtvVsphereLease;

typedef struct
{
  char *key;        /* "/vm-1/VirtualLsiLogicController0:0"; never NULL */
  char *url;        /* its host may be "*", as the server writes it */
  char *thumbprint; /* (nullable) sslThumbprint of the host in @url */
} MtvVsphereLeaseDisk;

MtvVsphereLease *mtv_vsphere_lease_new (const char *id, guint timeout);
void mtv_vsphere_lease_add (MtvVsphereLease *self, const char *key, const char *url,
                            const char *thumbprint);
void mtv_vsphere_lease_free (MtvVsphereLease *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereLease, mtv_vsphere_lease_free)

/* The exports that are open: one lease serves all disks of a VM, whom a second one is refused. A
 * provider has one of these. Any thread. */
typedef struct _MtvVsphereExports MtvVsphereExports;

MtvVsphereExports *mtv_vsphere_exports_new (void);
MtvVsphereExports *mtv_vsphere_exports_ref (MtvVsphereExports *self);
void mtv_vsphere_exports_unref (MtvVsphereExports *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereExports, mtv_vsphere_exports_unref)

/* What the readers need of whoever talks to the API. All block, on any thread, for as long as a
 * reader lives; @session is what the request has. Errors are MTV_ERROR. */
typedef struct
{
  gpointer (*ref) (gpointer session);
  void (*unref) (gpointer session);
  /* "vmware_soap_session=…", a secret. @refused: (nullable) one that an answer of 401 or 403 called
   * bad: then another one, after a new login. (transfer full) */
  char *(*get_cookie) (gpointer session, const char *refused, GCancellable *cancellable,
                       GError **error);
  /* (nullable) AcquireGenericServiceTicket for one GET of @url, which is on the host of the
   * request: "vmware_cgi_ticket=<id>". (transfer full) */
  char *(*get_ticket) (gpointer session, const char *url, GCancellable *cancellable,
                       GError **error);
  /* (nullable) ExportSnapshot of @snapshot, or where that is NULL ExportVm of @vm; returns when the
   * lease is ready. (transfer full) */
  MtvVsphereLease *(*start_export) (gpointer session, const char *vm, const char *snapshot,
                                    GCancellable *cancellable, GError **error);
  /* HttpNfcLeaseProgress; with start_export. */
  gboolean (*keep_export) (gpointer session, const char *id, guint percent,
                           GCancellable *cancellable, GError **error);
  /* HttpNfcLeaseComplete, or with @aborted HttpNfcLeaseAbort; nobody is interested in why not. */
  void (*end_export) (gpointer session, const char *id, gboolean aborted);
} MtvVsphereSessionFuncs;

G_END_DECLS
