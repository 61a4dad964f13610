/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomainCheckpoint, virDomainCheckpointFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virStoragePool, virStoragePoolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virStorageVol, virStorageVolFree)

/* One connection to a libvirt daemon, opened when it is first needed, and again when it broke.
 * Thread-safe. A peer that is silent for half a minute counts as gone. */
typedef struct _MtvLibvirtLink MtvLibvirtLink;

/* MTV_ERROR_INVALID_ARGUMENT for what is no address of a QEMU daemon, or one by which other
 * programs than ssh would be run. @insecure: it need not prove who it is, nor encrypt. */
MtvLibvirtLink *mtv_libvirt_link_new (const char *uri, const char *user, const char *password,
                                      gboolean insecure, GError **error);
void mtv_libvirt_link_free (MtvLibvirtLink *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvLibvirtLink, mtv_libvirt_link_free)

/* What errors call it: the address without user and query. (transfer none) */
const char *mtv_libvirt_link_get_label (MtvLibvirtLink *self);

/* Is the daemon's host this one, and is it that of the user, not of the system? */
gboolean mtv_libvirt_link_is_local (MtvLibvirtLink *self);
gboolean mtv_libvirt_link_is_session (MtvLibvirtLink *self);

/* Blocking; the only thing that may take long. (transfer full) */
virConnect *mtv_libvirt_link_get (MtvLibvirtLink *self, GCancellable *cancellable, GError **error);

/* The domain of that UUID; MTV_ERROR_NOT_FOUND. @label is what the error calls it. (transfer full)
 */
virDomain *mtv_libvirt_link_find (MtvLibvirtLink *self, const char *uuid, const char *label,
                                  GCancellable *cancellable, GError **error);

/* @error from what libvirt said last on this thread: "<message>: <libvirt's text>". */
void mtv_libvirt_set_error (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);
gboolean mtv_libvirt_failed_with (int code);

G_END_DECLS
