/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-destination.h"

G_BEGIN_DECLS

/* A destination in the folder that is its URL, type "local": "work/RUN-NUMBER/disk0" … becomes
 * "vms/NAME/disk0" …. What is written is lost unless it is flushed. */
#define FAKE_TYPE_DESTINATION (fake_destination_get_type ())
G_DECLARE_FINAL_TYPE (FakeDestination, fake_destination, FAKE, DESTINATION, GObject)

extern const MtvProviderType fake_destination_type;

G_END_DECLS
