/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* Appends an aa{sv} of concerns, the worst first, each with a blank line before it. What is said of
 * several virtual machines in the same words is said once. */
void mtvctl_append_concerns (Mtvctl *ctl, GVariant *concerns, GString *out);

G_END_DECLS
