/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-fields.h"

G_BEGIN_DECLS

/* What would make a plan fail, or deserves a warning. */
typedef struct
{
  char *id;         /* stable, e.g. "disk.capacity.invalid"; a plan may ignore by it */
  char *category;   /* "critical" blocks the plan, "warning", "information" */
  char *vm;         /* (nullable) the VM's name, when it is about one */
  char *label;      /* a few words */
  char *assessment; /* one sentence with the evidence, and what to do */
} MtvConcern;

extern const MtvFields mtv_concern_fields;

#define MTV_CONCERN_CRITICAL "critical"
#define MTV_CONCERN_WARNING "warning"
#define MTV_CONCERN_INFORMATION "information"

/* Appends one to @concerns, from mtv_concerns_new(). */
void mtv_concerns_add (GPtrArray *concerns, const char *id, const char *category, const char *vm,
                       const char *label, const char *format, ...) G_GNUC_PRINTF (6, 7);
GPtrArray *mtv_concerns_new (void);
gboolean mtv_concerns_has (GPtrArray *concerns, const char *category);
GVariant *mtv_concerns_to_variant (GPtrArray *concerns); /* (transfer floating) aa{sv} */

G_END_DECLS
