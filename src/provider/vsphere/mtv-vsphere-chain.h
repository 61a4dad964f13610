/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-https.h"

G_BEGIN_DECLS

/* Opens a file of a datastore, such as mtv_vsphere_files_open(). */
typedef MtvReader *(*MtvVsphereOpenFile) (gpointer data, const char *file,
                                          GCancellable *cancellable, GError **error);

/* A disk as its descriptors tell, from the one that is given to the base: flat files, and links of
 * either format with changes. None of them may be in use. */
#define MTV_TYPE_VSPHERE_CHAIN (mtv_vsphere_chain_get_type ())
G_DECLARE_FINAL_TYPE (MtvVsphereChain, mtv_vsphere_chain, MTV, VSPHERE_CHAIN, GObject)

/* @file: the upper descriptor, "[ds1] web/web-000001.vmdk". @capacity: bytes; another one is
 * MTV_ERROR_SOURCE_CHANGED; 0: what it says. What has its data elsewhere than in files is
 * MTV_ERROR_UNSUPPORTED. @free_data: (nullable) with the chain, also when none could be made.
 * Blocking. */
MtvVsphereChain *mtv_vsphere_chain_open (const char *file, guint64 capacity,
                                         MtvVsphereOpenFile open_file, gpointer data,
                                         GDestroyNotify free_data, const char *label,
                                         GCancellable *cancellable, GError **error);

/* How many files with descriptors it is made of. */
guint mtv_vsphere_chain_get_length (MtvVsphereChain *self);

G_END_DECLS
