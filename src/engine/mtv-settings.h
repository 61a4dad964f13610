/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What holds for everything that does not say otherwise: org.mtv.Manager:Defaults. What a user set
 * by SetDefaults() goes before mtvd.conf, and that before what is built in. */
typedef struct
{
  guint max_vms_in_flight;     /* per source provider */
  guint max_disks_per_vm;      /* copied at the same time */
  guint64 retry_interval_usec; /* of a suspended job */

  /* Of warm migrations whose plan does not say otherwise. */
  guint64 precopy_interval_usec; /* from the end of a round's copy to the next round */
  guint64 max_downtime_usec;     /* cutover is ready when less is expected */
  guint64 shutdown_timeout_usec; /* for a guest to shut down */
  guint64 cutover_grace_usec;    /* by which a cutover that we missed may be late */
  guint max_snapshots;           /* of one VM in one run; the last is for the cutover */
} MtvSettings;

void mtv_settings_init (MtvSettings *self);

/* Takes over what @values (a{sv}) has; all or nothing. MTV_ERROR_INVALID_ARGUMENT names a key that
 * is unknown, of the wrong type or out of range. */
gboolean mtv_settings_apply (MtvSettings *self, GVariant *values, GError **error);
GVariant *mtv_settings_to_variant (const MtvSettings *self); /* (transfer floating) a{sv} */

/* The section [Manager] of mtvd.conf, as values for mtv_settings_apply(); keys that belong to
 * others are passed over, MTV_ERROR_INVALID_ARGUMENT for a value that is no number. (transfer full)
 */
GVariant *mtv_settings_from_key_file (GKeyFile *file, GError **error);

G_END_DECLS
