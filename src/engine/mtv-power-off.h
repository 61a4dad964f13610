/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-job-moves.h"

G_BEGIN_DECLS

/* In the ledger from before we shut a VM down until it is defined at the destination; key: the VM's
 * id. What removes it starts the VM again. */
#define MTV_POWER_ENTRY "power"

/* Shuts the VM down as the job's schedule says: the operation of a state, of cold jobs and of warm
 * ones. Ends when the VM is off; or with an error that says why it is not. */
void mtv_power_off (MtvJob *self);

/* Until when a guest that was asked may still go down; 0: it was not asked, or it was seen off. */
guint64 mtv_power_off_get_deadline (MtvJob *self);

G_END_DECLS
