/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-header.h"

#include "base/mtv-error.h"

/* "Virtual Disk Format 5.0", VMware's technical note: SparseExtentHeader. */
#define FLAG_NEWLINES 0x1u
#define FLAG_REDUNDANT 0x2u
#define FLAG_ZEROED 0x4u
#define FLAG_COMPRESSED 0x10000u
#define FLAG_MARKERS 0x20000u

#define MAX_CAPACITY (G_GUINT64_CONSTANT (1) << 40) /* sectors: 512 TiB, 8 times VMware's limit */

static gboolean
is_power_of_two (guint64 value, guint64 low, guint64 high)
{
  return value >= low && value <= high && (value & (value - 1)) == 0;
}

static gboolean
check_magic (const guint8 *bytes, const char *label, GError **error)
{
  static const char *const foreign[][2]
      = { { "COWD", "a vmfsSparse snapshot" }, { "\xbe\xba\xfe\xca", "a seSparse snapshot" } };

  if (memcmp (bytes, "KDMV", 4) == 0)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (foreign); i++)
    if (memcmp (bytes, foreign[i][0], 4) == 0)
      {
        g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "%s is %s, not a whole disk", label,
                     foreign[i][1]);
        return FALSE;
      }
  if (mtv_vmdk_descriptor_sniff (bytes, MTV_VMDK_SECTOR))
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                 "%s holds no data, it only describes other files", label);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is not a VMDK", label);
  return FALSE;
}

static gboolean
check_kind (const guint8 *bytes, const char *label, GError **error)
{
  guint32 version = mtv_vmdk_get32 (bytes + 4);
  guint32 flags = mtv_vmdk_get32 (bytes + 8);
  guint algorithm = bytes[77] | bytes[78] << 8;

  if ((flags & FLAG_NEWLINES) && memcmp (bytes + 73, "\n \r\n", 4) != 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s looks damaged by a text-mode transfer",
                   label);
      return FALSE;
    }
  if (version < 1 || version > 3)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "%s is a VMDK of unknown version %u",
                   label, version);
      return FALSE;
    }
  if (!(flags & FLAG_COMPRESSED) != !(flags & FLAG_MARKERS)
      || ((flags & FLAG_COMPRESSED) && algorithm != 1))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s is compressed in an unknown way (flags 0x%x, algorithm %u)", label, flags,
                   algorithm);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_numbers (const MtvVmdkHeader *header, const char *label, GError **error)
{
  const char *what = NULL;

  if (header->capacity > MAX_CAPACITY)
    what = "capacity";
  else if (!is_power_of_two (header->grain_size, 8, 2048)
           || header->capacity / header->grain_size >= G_MAXUINT32)
    what = "grain size";
  else if (!is_power_of_two (header->table_entries, 512, 4096))
    what = "grain table size";
  else if (header->descriptor_offset > MAX_CAPACITY
           || header->descriptor_size > MTV_VMDK_MAX_DESCRIPTOR / MTV_VMDK_SECTOR)
    what = "descriptor size";
  else if (header->overhead > MAX_CAPACITY)
    what = "overhead";
  if (!what)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s has an impossible %s (capacity %" G_GUINT64_FORMAT
               ", grain size %" G_GUINT64_FORMAT ", %u entries a table)",
               label, what, header->capacity, header->grain_size, header->table_entries);
  return FALSE;
}

gboolean
mtv_vmdk_header_parse (const guint8 *bytes, const char *label, MtvVmdkHeader *header,
                       GError **error)
{
  if (!check_magic (bytes, label, error) || !check_kind (bytes, label, error))
    return FALSE;

  guint32 flags = mtv_vmdk_get32 (bytes + 8);
  *header = (MtvVmdkHeader){
    .capacity = mtv_vmdk_get64 (bytes + 12),
    .grain_size = mtv_vmdk_get64 (bytes + 20),
    .descriptor_offset = mtv_vmdk_get64 (bytes + 28),
    .descriptor_size = mtv_vmdk_get64 (bytes + 36),
    .table_entries = mtv_vmdk_get32 (bytes + 44),
    .rgd_offset = (flags & FLAG_REDUNDANT) ? mtv_vmdk_get64 (bytes + 48) : 0,
    .gd_offset = mtv_vmdk_get64 (bytes + 56),
    .overhead = mtv_vmdk_get64 (bytes + 64),
    .zeroed_grains = (flags & FLAG_ZEROED) != 0,
    .compressed = (flags & FLAG_COMPRESSED) != 0,
  };
  return check_numbers (header, label, error);
}
