/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Where a libvirt daemon is: https://libvirt.org/uri.html. */
typedef struct
{
  char *uri;   /* (owned) as libvirt takes it */
  char *label; /* (owned) without user and query: for people */
  gboolean is_local;
  gboolean is_session;
} MtvLibvirtAddress;

void mtv_libvirt_address_clear (MtvLibvirtAddress *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MtvLibvirtAddress, mtv_libvirt_address_clear)

/* @user (nullable): whom ssh logs in as. @insecure: unencrypted connections, and no_verify=1, are
 * taken, too. What is refused is MTV_ERROR_INVALID_ARGUMENT. */
gboolean mtv_libvirt_address_parse (const char *uri, const char *user, gboolean insecure,
                                    MtvLibvirtAddress *self, GError **error);

G_END_DECLS
