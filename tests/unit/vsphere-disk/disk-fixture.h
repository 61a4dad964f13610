/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-disk.h"

G_BEGIN_DECLS

/* A host with files and an export, on a thread of its own, and a session with it. It wants a cookie
 * "vmware_soap_session=N" with N the number of the login that counts. */
typedef struct
{
  char *url; /* (owned) */
  gpointer server;

  GMutex lock;         /* for all below */
  GHashTable *files;   /* path with query, as it was asked, to GBytes */
  GPtrArray *requests; /* (element-type utf8) "PATH?QUERY COOKIE RANGE" */
  guint status;        /* that every request is answered with, n_statuses times */
  guint n_statuses;
  guint login;     /* the cookie that is good */
  guint n_tickets; /* that were given out */
  guint n_exports, n_kept, n_completed, n_aborted;
  guint export_disks;
  gboolean export_elsewhere; /* the URLs have a host of their own */
} Host;

Host *host_new (void);
void host_free (Host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Host, host_free)

/* @bytes: (transfer full) */
void host_add_file (Host *host, const char *path_and_query, GBytes *bytes);

/* For a disk of @capacity bytes, "[ds] vm/vm.vmdk". */
MtvVsphereDiskRequest host_request (Host *host, guint64 capacity);

guint host_count (Host *host, const char *part);

G_END_DECLS
