/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The checksums of a ".mf" file. Immutable. */
typedef struct _MtvOvaManifest MtvOvaManifest;

/* Lines of "SHA256(name)= hex", with the liberties that producers take; others are passed over. */
MtvOvaManifest *mtv_ova_manifest_parse (const char *text, gsize length);
void mtv_ova_manifest_free (MtvOvaManifest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvOvaManifest, mtv_ova_manifest_free)

/* The strongest checksum of the file, lower-case hex, and its algorithm as mtv_digest_reader()
 * calls it; NULL when the manifest has none. @algorithm: (out) (transfer none) */
const char *mtv_ova_manifest_find (MtvOvaManifest *self, const char *name, const char **algorithm);

G_END_DECLS
