/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "dbus/mtv-options.h"
#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* What a call says of a provider, as long as its parameters live. */
#define MTV_PROVIDER_WORDS \
  { "settings", "a{sv}" }, { "secrets", "a{ss}" }

/* @options: checked against a table that has MTV_PROVIDER_WORDS. What is in @words belongs to it
 * until mtv_provider_words_clear(). */
void mtv_provider_words_parse (MtvProviderWords *words, const char *url, GVariant *options);
void mtv_provider_words_clear (MtvProviderWords *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MtvProviderWords, mtv_provider_words_clear)

G_END_DECLS
