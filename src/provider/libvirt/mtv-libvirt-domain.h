/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"

G_BEGIN_DECLS

/* The VM that libvirt's domain XML (https://libvirt.org/formatdomain.html) describes, as far as
 * that tells: no power state, no capacities. Disks are in boot order, and their ids the names of
 * their targets ("vda"). The backing of a disk is an absolute path, or POOL/VOLUME with the pool as
 * its storage, or NULL where there is neither. MTV_ERROR_BAD_DATA. (transfer full) */
MtvVm *mtv_libvirt_domain_parse (const char *xml, gsize length, GError **error);

/* Would the guest hear of a request to shut down? By ACPI, or by its agent. */
gboolean mtv_libvirt_domain_can_be_asked (const char *xml);

G_END_DECLS
