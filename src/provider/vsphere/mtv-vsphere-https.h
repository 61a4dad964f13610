/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-disk.h"

G_BEGIN_DECLS

/* Files of datastores, as /folder of a vCenter or an ESXi shows them: where, and how to get in. Any
 * thread; as long as a reader of a file lives. */
typedef struct _MtvVsphereFiles MtvVsphereFiles;

MtvVsphereFiles *mtv_vsphere_files_new (const MtvVsphereDiskRequest *request);
MtvVsphereFiles *mtv_vsphere_files_ref (MtvVsphereFiles *self);
void mtv_vsphere_files_unref (MtvVsphereFiles *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereFiles, mtv_vsphere_files_unref)

/* What the way there is called: "vCenter vc.example.com", "host esx1.example.com". */
const char *mtv_vsphere_files_get_place (MtvVsphereFiles *self);

/* Opens "[ds1] web/web-flat.vmdk". Blocking. (transfer full), to be kept no longer than @self */
MtvReader *mtv_vsphere_files_open (MtvVsphereFiles *self, const char *file,
                                   GCancellable *cancellable, GError **error);

/* "[ds1] web/web.vmdk" is "ds1" and "web/web.vmdk". Names may hold anything but a "]" (datastores)
 * and parts that lead elsewhere. */
gboolean mtv_vsphere_file_split (const char *file, char **datastore, char **path, GError **error);

/* The URL of a file. @twice: names in the query are escaped twice where that makes a difference, as
 * a vCenter unescapes them twice. (transfer full) */
char *mtv_vsphere_folder_url (const char *base, const char *datacenter, const char *datastore,
                              const char *path, gboolean twice);

G_END_DECLS
