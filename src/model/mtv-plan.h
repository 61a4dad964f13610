/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-schedule.h"

G_BEGIN_DECLS

typedef struct
{
  char *id;          /* never NULL; of the VM in the source's inventory */
  char *name;        /* never NULL; as it was called when it was planned */
  char *target_name; /* (nullable) used exactly as it is; NULL: made of the VM's name */
} MtvPlanVm;

/* Which VMs shall go from where to where, and how. */
typedef struct
{
  char *id;                 /* never NULL; the last part of its object path */
  char *name;               /* never NULL; unique among plans */
  char *description;        /* (nullable) */
  char *source;             /* never NULL; a provider's id */
  char *destination;        /* never NULL; a provider's id */
  GPtrArray *vms;           /* (element-type MtvPlanVm) */
  char *devices;            /* never NULL: "auto", "compatible", "virtio" */
  char *format;             /* never NULL: "raw", "qcow2" */
  char *hash;               /* never NULL: "xxh3-128", "sha256"; of the disks' blocks */
  char *verify;             /* never NULL: "written" (what a run wrote), "full", "off" */
  char *target_power_state; /* never NULL: "auto" (as at the source), "on", "off" */
  MtvSchedule schedule;
  GVariant *networks; /* (nullable) a{ss}: source network to destination network; "" is the
                         default */
  GVariant *ignore;   /* (nullable) as: ids of concerns that shall not count */
  gboolean archived;
  guint64 created; /* µs since the epoch */
} MtvPlan;

extern const MtvFields mtv_plan_fields;

MtvPlan *mtv_plan_new (void); /* every choice at its default */
void mtv_plan_free (MtvPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvPlan, mtv_plan_free)

MtvPlanVm *mtv_plan_add_vm (MtvPlan *self); /* (transfer none) */

GVariant *mtv_plan_to_variant (const MtvPlan *self); /* (transfer floating) a{sv} */
MtvPlan *mtv_plan_from_variant (GVariant *variant, GError **error);

/* Is @value one of those that the choice @key ("devices", "format", "hash", "verify",
 * "target-power-state", "shutdown") knows? MTV_ERROR_INVALID_ARGUMENT says which it knows. */
gboolean mtv_plan_validate_option (const char *key, const char *value, GError **error);

G_END_DECLS
