/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

G_BEGIN_DECLS

/* The libvirt definition of @target, with its images in @folder (an absolute path). @kvm: the
 * machine that it will run on has KVM, without which libvirt refuses a domain that asks for it.
 * (transfer full) */
char *mtv_local_domain_to_xml (const MtvTarget *target, const char *folder, gboolean kvm);

G_END_DECLS
