/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-image.h"

#include "base/mtv-error.h"
#include "transfer/mtv-file-reader.h"
#include "transfer/mtv-nbd-disk.h"
#include "transfer/mtv-nbd-server.h"
#include "transfer/mtv-qcow2-check.h"
#include "transfer/mtv-stream-reader.h"
#include "transfer/mtv-vmdk-header.h"
#include "transfer/mtv-vmdk-reader.h"

#include <string.h>

#define HEAD_SIZE 4096

typedef struct
{
  MtvReader *file;
  const char *label;
  guint64 size;
  guint8 head[HEAD_SIZE];
  gsize head_size;
  GCancellable *cancellable;
} Probe;

static guint32
get_be32 (const guint8 *at)
{
  guint32 value;

  memcpy (&value, at, sizeof value);
  return GUINT32_FROM_BE (value);
}

static guint64
get_be64 (const guint8 *at)
{
  guint64 value;

  memcpy (&value, at, sizeof value);
  return GUINT64_FROM_BE (value);
}

static gboolean
refuse (const Probe *probe, GError **error, const char *what)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "%s %s", probe->label, what);
  return FALSE;
}

static gboolean
starts_with (const Probe *probe, const char *magic, gsize length)
{
  return probe->head_size >= length && memcmp (probe->head, magic, length) == 0;
}

static gboolean
probe_vmdk (Probe *probe, MtvImage *image, GError **error)
{
  MtvVmdkHeader header;

  image->format = MTV_IMAGE_VMDK;
  if (probe->head_size < MTV_VMDK_SECTOR)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s ends within its VMDK header",
                   probe->label);
      return FALSE;
    }
  if (!mtv_vmdk_header_parse (probe->head, probe->label, &header, error))
    return FALSE;
  image->capacity = header.capacity * MTV_VMDK_SECTOR;
  image->allocated = header.compressed ? 0 : probe->size;
  return TRUE;
}

/* docs/interop/qcow2.txt of QEMU */
static gboolean
probe_qcow2 (Probe *probe, MtvImage *image, GError **error)
{
  const guint8 *head = probe->head;

  image->format = MTV_IMAGE_QCOW2;
  if (probe->head_size < 104)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s ends within its qcow2 header",
                   probe->label);
      return FALSE;
    }
  guint32 version = get_be32 (head + 4);
  if (version != 2 && version != 3)
    return refuse (probe, error, "is a qcow2 image of a version other than 2 and 3");
  if (get_be64 (head + 8) != 0)
    return refuse (probe, error, "is a qcow2 image with a backing file: flatten it first");
  if (get_be32 (head + 32) != 0)
    return refuse (probe, error, "is an encrypted qcow2 image: decrypt it first");
  if (version == 3 && (get_be64 (head + 72) & 4) != 0)
    return refuse (probe, error,
                   "is a qcow2 image whose data are in another file: convert it "
                   "first");
  image->capacity = get_be64 (head + 24);
  return TRUE;
}

/* "Virtual Hard Disk Image Format Specification" 1.0: the footer, of which a disk that grows has a
 * copy at its start. */
#define VHD_FOOTER 512

static gboolean
is_footer (const guint8 *bytes)
{
  return memcmp (bytes, "conectix", 8) == 0;
}

static gboolean
read_footer (const Probe *probe, guint8 footer[VHD_FOOTER], GError **error)
{
  return mtv_reader_read (probe->file, probe->size - VHD_FOOTER, footer, VHD_FOOTER,
                          probe->cancellable, error);
}

/* QEMU reads zeroes where a file that was cut short has nothing. */
static gboolean
check_footer (const Probe *probe, GError **error)
{
  guint8 footer[VHD_FOOTER];

  if (!read_footer (probe, footer, error))
    return FALSE;
  if (is_footer (footer) || is_footer (footer + 1)) /* Virtual PC before 2004 wrote 511 bytes */
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s is cut short: a VHD ends with its footer, and this file ends at byte "
               "%" G_GUINT64_FORMAT " with something else",
               probe->label, probe->size);
  return FALSE;
}

static gboolean
probe_vhd (Probe *probe, const guint8 *footer, MtvImage *image, GError **error)
{
  guint32 type = get_be32 (footer + 60);

  image->capacity = get_be64 (footer + 48);
  image->allocated = probe->size;
  image->format = type == 2 ? MTV_IMAGE_VHD_FIXED : MTV_IMAGE_VHD;
  if (type == 4)
    return refuse (probe, error, "is a differencing VHD, which needs its parent: merge it first");
  if (type == 3)
    return TRUE;
  if (type == 2 && probe->size >= 512 && image->capacity <= probe->size - 512)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               type == 2 ? "%s is a fixed VHD that is shorter than the disk it holds"
                         : "%s is a VHD of an unknown type",
               probe->label);
  return FALSE;
}

/* [MS-VHDX]: GUIDs of the metadata region and of the items in it, as they lie on the disk. */
static const guint8 metadata_region[16] = { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                            0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e };
static const guint8 file_parameters[16] = { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                            0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b };
static const guint8 disk_size[16] = { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                      0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8 };
#define VHDX_REGION_TABLE (192 * 1024)
#define VHDX_TABLE_SIZE (64 * 1024)

static gboolean
read_at (Probe *probe, guint64 offset, guint8 *buffer, gsize length, GError **error)
{
  if (length <= probe->size && offset <= probe->size - length)
    return mtv_reader_read (probe->file, offset, buffer, length, probe->cancellable, error);
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s ends within its VHDX tables",
               probe->label);
  return FALSE;
}

/* The offset that the table's entry of this GUID has: 8 bytes wide for regions, 4 for items. */
static guint64
find_entry (const guint8 *table, guint count, gsize first, const guint8 guid[16], gboolean wide)
{
  for (guint i = 0; i < count && first + 32 * ((gsize) i + 1) <= VHDX_TABLE_SIZE; i++)
    {
      const guint8 *entry = table + first + 32 * i;
      if (memcmp (entry, guid, 16) == 0)
        return wide ? mtv_vmdk_get64 (entry + 16) : mtv_vmdk_get32 (entry + 16);
    }
  return 0;
}

static gboolean
probe_vhdx (Probe *probe, MtvImage *image, GError **error)
{
  g_autofree guint8 *table = g_malloc (VHDX_TABLE_SIZE);
  guint8 value[8];

  image->format = MTV_IMAGE_VHDX;
  if (!read_at (probe, VHDX_REGION_TABLE, table, VHDX_TABLE_SIZE, error))
    return FALSE;
  guint64 metadata = find_entry (table, mtv_vmdk_get32 (table + 8), 16, metadata_region, TRUE);
  if (!read_at (probe, metadata, table, VHDX_TABLE_SIZE, error))
    return FALSE;

  guint count = table[10] | table[11] << 8;
  guint64 parameters = find_entry (table, count, 32, file_parameters, FALSE);
  guint64 size = find_entry (table, count, 32, disk_size, FALSE);
  if (metadata == 0 || parameters == 0 || size == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s has broken VHDX tables", probe->label);
      return FALSE;
    }
  if (!read_at (probe, metadata + parameters, value, sizeof value, error))
    return FALSE;
  if (mtv_vmdk_get32 (value + 4) & 2)
    return refuse (probe, error, "is a differencing VHDX, which needs its parent: merge it first");
  if (!read_at (probe, metadata + size, value, sizeof value, error))
    return FALSE;
  image->capacity = mtv_vmdk_get64 (value);
  image->allocated = probe->size;
  return TRUE;
}

/* Formats that hold disks but that nothing here reads. */
static const char *
find_foreign (const Probe *probe)
{
  static const struct
  {
    gsize offset;
    const char *magic;
    gsize length;
    const char *what;
  } formats[] = {
    { 0, "COWD", 4, "is a snapshot of a VMDK: export the machine without snapshots" },
    { 0, "\xbe\xba\xfe\xca\0\0\0\0", 8,
      "is a snapshot of a VMDK (SESparse): export the machine without snapshots" },
    { 64, "\x7f\x10\xda\xbe", 4, "is a VirtualBox VDI image: export it as VMDK" },
    { 0, "PK\x03\x04", 4, "is packed with zip: unpack it first" },
    { 0, "QED\0", 4, "is a QED image: convert it first" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    if (probe->head_size >= formats[i].offset + formats[i].length
        && memcmp (probe->head + formats[i].offset, formats[i].magic, formats[i].length) == 0)
      return formats[i].what;
  return NULL;
}

static gboolean
probe_raw (Probe *probe, MtvImage *image, GError **error)
{
  image->format = MTV_IMAGE_RAW;
  image->capacity = probe->size;
  if (probe->size > 0 && probe->size % MTV_VMDK_SECTOR == 0)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s is no disk image: nothing in it tells a format, and %" G_GUINT64_FORMAT
               " bytes are no whole number of sectors",
               probe->label, probe->size);
  return FALSE;
}

static gboolean
probe_packed (Probe *probe, MtvStreamKind packer, MtvImage *image, GError **error)
{
  switch (packer)
    {
    case MTV_STREAM_GZIP:
      image->format = MTV_IMAGE_GZIP;
      return TRUE;
    case MTV_STREAM_ZSTD:
      image->format = MTV_IMAGE_ZSTD;
      return TRUE;
    case MTV_STREAM_XZ:
      image->format = MTV_IMAGE_XZ;
      return TRUE;
    case MTV_STREAM_BZIP2:
      return refuse (probe, error, "is packed with bzip2: unpack it first");
    case MTV_STREAM_LZ4:
      return refuse (probe, error, "is packed with lz4: unpack it first");
    case MTV_STREAM_NONE:
    default:
      g_return_val_if_reached (FALSE);
    }
}

gboolean
mtv_image_probe (MtvReader *file, const char *label, MtvImage *image, GCancellable *cancellable,
                 GError **error)
{
  Probe probe = { file, label, mtv_reader_get_size (file), { 0 }, 0, cancellable };
  guint8 footer[VHD_FOOTER];

  memset (image, 0, sizeof *image);
  probe.head_size = MIN (probe.size, HEAD_SIZE);
  if (!mtv_reader_read (file, 0, probe.head, probe.head_size, cancellable, error))
    return FALSE;

  const char *foreign = find_foreign (&probe);
  if (foreign != NULL)
    return refuse (&probe, error, foreign);
  MtvStreamKind packer = mtv_stream_sniff (probe.head, probe.head_size);
  if (packer != MTV_STREAM_NONE)
    return probe_packed (&probe, packer, image, error);
  if (starts_with (&probe, "KDMV", 4))
    return probe_vmdk (&probe, image, error);
  else if (mtv_vmdk_descriptor_sniff (probe.head, probe.head_size))
    image->format = MTV_IMAGE_VMDK_DESCRIPTOR;
  else if (starts_with (&probe, "QFI\xfb", 4))
    return probe_qcow2 (&probe, image, error);
  else if (starts_with (&probe, "vhdxfile", 8))
    return probe_vhdx (&probe, image, error);
  else if (is_footer (probe.head) && probe.head_size >= sizeof footer)
    return check_footer (&probe, error) && probe_vhd (&probe, probe.head, image, error);
  else if (probe.size < VHD_FOOTER)
    return probe_raw (&probe, image, error);
  else if (!read_footer (&probe, footer, error))
    return FALSE;
  else if (is_footer (footer))
    return probe_vhd (&probe, footer, image, error);
  else
    return probe_raw (&probe, image, error);
  return TRUE;
}

static MtvReader *
open_by_nbd (MtvReader *file, const MtvImage *image, const char *label, GCancellable *cancellable,
             GError **error)
{
  g_autoptr (MtvNbdServer) server = mtv_nbd_server_new_for_reader (
      file, mtv_image_format_to_string (image->format), label, cancellable, error);

  if (server == NULL)
    return NULL;
  g_autoptr (MtvReader) reader = (MtvReader *) mtv_nbd_disk_new (
      mtv_nbd_server_get_socket (server), FALSE, G_OBJECT (server), label, error);
  /* QEMU takes the size of some producers' VHDs from their rounded geometry. */
  if (reader != NULL && mtv_reader_get_size (reader) < image->capacity)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s says that it holds %" G_GUINT64_FORMAT
                   " bytes, but QEMU finds %" G_GUINT64_FORMAT " in it: convert it first",
                   label, image->capacity, mtv_reader_get_size (reader));
      return NULL;
    }
  return g_steal_pointer (&reader);
}

MtvReader *
mtv_image_open (MtvReader *file, const MtvImage *image, const char *label,
                GCancellable *cancellable, GError **error)
{
  switch (image->format)
    {
    case MTV_IMAGE_RAW:
      return g_object_ref (file);
    case MTV_IMAGE_VMDK:
      return (MtvReader *) mtv_vmdk_reader_new (file, label, cancellable, error);
    case MTV_IMAGE_VHD_FIXED:
      if (!MTV_IS_FILE_READER (file))
        return open_by_nbd (file, image, label, cancellable, error);
      return (MtvReader *) mtv_file_reader_new (mtv_file_reader_get_fd (MTV_FILE_READER (file)),
                                                mtv_file_reader_get_offset (MTV_FILE_READER (file)),
                                                image->capacity, label, error);
    case MTV_IMAGE_QCOW2:
      if (!mtv_qcow2_check (file, label, cancellable, error))
        return NULL;
      return open_by_nbd (file, image, label, cancellable, error);
    case MTV_IMAGE_VHD:
    case MTV_IMAGE_VHDX:
      return open_by_nbd (file, image, label, cancellable, error);
    case MTV_IMAGE_VMDK_DESCRIPTOR:
    case MTV_IMAGE_GZIP:
    case MTV_IMAGE_ZSTD:
    case MTV_IMAGE_XZ:
    default:
      g_return_val_if_reached (NULL);
    }
}

MtvReader *
mtv_image_open_content (MtvReader *content, const MtvImage *packed, const char *label,
                        GCancellable *cancellable, GError **error)
{
  const char *packer = mtv_image_format_to_string (packed->format);
  MtvImage image;

  if (!mtv_image_probe (content, label, &image, cancellable, error))
    return NULL;
  if (image.format != MTV_IMAGE_VMDK_DESCRIPTOR && !mtv_image_is_packed (&image))
    return mtv_image_open (content, &image, label, cancellable, error);
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               image.format == MTV_IMAGE_VMDK_DESCRIPTOR
                   ? "%s is a VMDK descriptor inside %s: unpack it first"
                   : "%s is packed with %s twice: unpack it first",
               label, packer);
  return NULL;
}

const char *
mtv_image_format_to_string (MtvImageFormat format)
{
  static const char *const names[] = {
    [MTV_IMAGE_RAW] = "raw",
    [MTV_IMAGE_VMDK] = "vmdk",
    [MTV_IMAGE_VMDK_DESCRIPTOR] = "vmdk-flat",
    [MTV_IMAGE_QCOW2] = "qcow2",
    [MTV_IMAGE_VHD] = "vpc",
    [MTV_IMAGE_VHD_FIXED] = "vpc",
    [MTV_IMAGE_VHDX] = "vhdx",
    [MTV_IMAGE_GZIP] = "gzip",
    [MTV_IMAGE_ZSTD] = "zstd",
    [MTV_IMAGE_XZ] = "xz",
  };

  return names[format];
}

gboolean
mtv_image_is_packed (const MtvImage *image)
{
  return image->format == MTV_IMAGE_GZIP || image->format == MTV_IMAGE_ZSTD
         || image->format == MTV_IMAGE_XZ;
}
