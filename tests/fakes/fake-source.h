/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* A source of VMs "web-0", "web-1" … with the ids "vm-0" …, as fake_world has them: type "fake".
 * The last two of more than three have the same name. */
#define FAKE_TYPE_SOURCE (fake_source_get_type ())
G_DECLARE_FINAL_TYPE (FakeSource, fake_source, FAKE, SOURCE, GObject)

extern const MtvProviderType fake_source_type;

G_END_DECLS
