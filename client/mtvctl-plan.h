/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* Makes a plan with the options of the command line. Its path. (transfer full) */
char *mtvctl_plan_new (Mtvctl *ctl, const char *name, gpointer source, gpointer destination,
                       const char *const *vms, GError **error);
MtvDBusPlan *mtvctl_plan_proxy (Mtvctl *ctl, const char *path, GError **error);

/* The result of Validate(). (transfer full) */
GVariant *mtvctl_plan_check (Mtvctl *ctl, MtvDBusPlan *plan, GError **error);

/* The path of the new migration. (transfer full) */
char *mtvctl_plan_run (Mtvctl *ctl, MtvDBusPlan *plan, GError **error);
gboolean mtvctl_plan_delete (Mtvctl *ctl, gpointer plan, GError **error);

/* The ids of all virtual machines of @provider, NULL-terminated strings. (transfer full) */
GPtrArray *mtvctl_plan_all_vms (Mtvctl *ctl, MtvDBusProvider *provider, GError **error);

G_END_DECLS
