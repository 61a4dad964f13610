/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

#define KUBE_DISK_SIZE ((3 << 20) + 512)

/* "web", number 3 of run "run-1": a VM of two network cards and @n_disks disks. */
MtvTarget *kube_fixture_target (guint n_disks);
