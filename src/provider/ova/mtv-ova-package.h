/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/ova/mtv-ovf.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* One OVF with the files that it names, in an archive or in a folder. Immutable; any thread.
 * Names are relative to the OVF's own folder, and never lead out of it or over a symbolic link. */
typedef struct _MtvOvaPackage MtvOvaPackage;

/* @fd: a tar archive, duplicated. @label is what errors call it: "web.ova". */
MtvOvaPackage *mtv_ova_package_new_archive (int fd, const char *label, GCancellable *cancellable,
                                            GError **error);
/* @path: of the OVF ("….ovf") below folder @dirfd, which is duplicated. */
MtvOvaPackage *mtv_ova_package_new_folder (int dirfd, const char *path, GCancellable *cancellable,
                                           GError **error);
void mtv_ova_package_free (MtvOvaPackage *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvOvaPackage, mtv_ova_package_free)

MtvOvf *mtv_ova_package_get_ovf (MtvOvaPackage *self);          /* (transfer none) */
const char *mtv_ova_package_get_ovf_name (MtvOvaPackage *self); /* (transfer none) */
gboolean mtv_ova_package_is_archive (MtvOvaPackage *self);

/* What errors call file @name: "'disk1.vmdk' of 'web.ova'". (transfer full) */
char *mtv_ova_package_describe (MtvOvaPackage *self, const char *name);

/* The names of the files that hold @disk as it is stored: one, its chunks in order, or none (an
 * empty disk). All of them are there. (transfer full) */
GPtrArray *mtv_ova_package_list_files (MtvOvaPackage *self, const MtvOvfDisk *disk, GError **error);

/* The bytes of one file. (transfer full) */
MtvReader *mtv_ova_package_open_file (MtvOvaPackage *self, const char *name, GError **error);

/* Compares a file with its checksum in the manifest, if there is one. */
gboolean mtv_ova_package_check_file (MtvOvaPackage *self, const char *name,
                                     GCancellable *cancellable, GError **error);

/* "device:inode:size:mtime" of the archive, or of file @name in a folder; see
 * mtv_ova_package_identify(). (transfer full) */
char *mtv_ova_package_identify_file (MtvOvaPackage *self, const char *name, GError **error);

/* The same of any descriptor. (transfer full) */
char *mtv_ova_package_identify (int fd, const char *label, GError **error);

gboolean mtv_ova_package_is_ovf_name (const char *name);

/* Opens a plain file (or @folder) below @dirfd, following no symbolic link on the way; -1 when it
 * cannot. */
int mtv_ova_package_open_below (int dirfd, const char *path, gboolean folder, GError **error);

G_END_DECLS
