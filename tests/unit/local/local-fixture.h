/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

/* What an enemy would call things. */
#define HOSTILE "<&'\"]]>\n- a: {b}\t# \302\205\342\200\250 \346\227\245\\ ../x: \"%s\" &amp;"

#define FIXTURE_DISK_SIZE ((2 << 20) + 1536)

/* A VM of two disks and two network cards that has hostile names, but for the target's. Of each
 * disk block 0 is data, 1 zeroes, and 2, the short last one, data. */
MtvTarget *local_fixture_target (void);

void local_fixture_set (char **string, const char *value);
