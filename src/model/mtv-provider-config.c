/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-provider-config.h"

static const MtvField fields[] = {
  MTV_FIELD (MtvProviderConfig, id, "id", 's'),
  MTV_FIELD (MtvProviderConfig, name, "name", 's'),
  MTV_FIELD (MtvProviderConfig, type, "type", 's'),
  MTV_FIELD (MtvProviderConfig, url, "url", 's'),
  MTV_FIELD (MtvProviderConfig, identity, "identity", 's'),
  MTV_FIELD (MtvProviderConfig, settings, "settings", 'v'),
  MTV_FIELD (MtvProviderConfig, created, "created", 't'),
};

const MtvFields mtv_provider_config_fields
    = { fields, G_N_ELEMENTS (fields), sizeof (MtvProviderConfig), NULL };

void
mtv_provider_config_free (MtvProviderConfig *self)
{
  mtv_fields_free (&mtv_provider_config_fields, self);
}
