/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-provider-words.h"

void
mtv_provider_words_parse (MtvProviderWords *words, const char *url, GVariant *options)
{
  words->url = url;
  words->settings = g_variant_lookup_value (options, "settings", NULL);
  words->secrets = g_variant_lookup_value (options, "secrets", NULL);
}

void
mtv_provider_words_clear (MtvProviderWords *words)
{
  g_clear_pointer (&words->settings, g_variant_unref);
  g_clear_pointer (&words->secrets, g_variant_unref);
}
