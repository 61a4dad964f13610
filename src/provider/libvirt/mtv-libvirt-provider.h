/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* The VMs of one libvirt daemon for QEMU: cold, and warm by its checkpoints and pull-mode backups.
 * The URL is libvirt's (qemu:///system, qemu+ssh://host/system …). Where data are read, this is the
 * daemon's host. */
#define MTV_TYPE_LIBVIRT_PROVIDER (mtv_libvirt_provider_get_type ())
G_DECLARE_FINAL_TYPE (MtvLibvirtProvider, mtv_libvirt_provider, MTV, LIBVIRT_PROVIDER, GObject)

extern const MtvProviderType mtv_libvirt_source_type;

G_END_DECLS
