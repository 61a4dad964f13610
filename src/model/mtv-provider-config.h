/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-fields.h"

G_BEGIN_DECLS

/* What a user said of a provider. No secret is ever in here: those are in the a{ss} that comes
 * beside it ("password", "token", …). */
typedef struct
{
  char *id;       /* never NULL; the last part of its object path */
  char *name;     /* never NULL; unique among providers */
  char *type;     /* never NULL; "ova", "local" … */
  char *url;      /* (nullable) where it is; a path for "ova" and "local" */
  char *identity; /* (nullable) of a file that was handed over as a descriptor: what it must still
                     be  when only its path is left after a restart */
  GVariant *settings; /* (nullable) a{sv}: what its type understands: "user", "ca", "thumbprint",
                         "insecure" … */
  guint64 created;    /* µs since the epoch */
} MtvProviderConfig;

extern const MtvFields mtv_provider_config_fields;

void mtv_provider_config_free (MtvProviderConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvProviderConfig, mtv_provider_config_free)

G_END_DECLS
