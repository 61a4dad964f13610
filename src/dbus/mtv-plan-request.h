/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-plan.h"

G_BEGIN_DECLS

/* The plan that org.mtv.Manager.CreatePlan() asks for, short of its providers.
 * MTV_ERROR_INVALID_ARGUMENT names the option that is wrong. (transfer full) */
MtvPlan *mtv_plan_request_parse (const char *name, const char *const *vms, GVariant *options,
                                 GError **error);

G_END_DECLS
