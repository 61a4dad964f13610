/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-manifest.h"

#include "base/mtv-error.h"
#include "provider/local/mtv-local-folder.h"
#include "transfer/mtv-manifest.h"

static MtvManifest *
manifest_for (const MtvTarget *target, guint64 created)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (created / G_USEC_PER_SEC);
  MtvManifest *manifest = mtv_manifest_new (target->hash);

  manifest->run = g_strdup (target->run_id);
  manifest->number = target->number;
  manifest->created = g_date_time_format_iso8601 (utc);
  manifest->name = g_strdup (target->name);
  manifest->plan = g_strdup (target->plan);
  manifest->source = g_strdup (target->source);
  manifest->source_identity = g_strdup (target->source_identity);
  manifest->vm_id = g_strdup (target->vm->id);
  manifest->vm_uuid = g_strdup (target->vm->uuid);
  manifest->vm_name = g_strdup (target->vm->name);
  return manifest;
}

gboolean
mtv_local_manifest_write (const MtvTarget *target, guint64 created, int fd, GError **error)
{
  g_autoptr (MtvManifest) manifest = manifest_for (target, created);

  for (guint i = 0; i < target->disks->len; i++)
    {
      const MtvTargetDisk *disk = g_ptr_array_index (target->disks, i);
      g_autofree char *file = mtv_local_disk_file (target, i);

      if (disk->map == NULL)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "'%s' was never copied", file);
          return FALSE;
        }
      MtvManifestDisk *written = mtv_manifest_add_disk (manifest, file, target->format, disk->map);
      written->source_id = g_strdup (disk->source->id);
      written->source_name = g_strdup (disk->source->name);
    }
  return mtv_manifest_write (manifest, fd, error);
}

gboolean
mtv_local_manifest_is_of (int fd, const MtvTarget *target)
{
  return mtv_manifest_is_of (fd, target->run_id, target->number);
}
