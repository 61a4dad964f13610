/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-qcow2.h"

#include "base/mtv-error.h"

#include <string.h>

/* docs/interop/qcow2.txt of QEMU; its sections are named below. All numbers are big-endian. */
#define MAGIC "QFI\xfb"
#define HEADER_V2 72
#define HEADER_V3 104
#define MAX_BACKING 1023
#define MAX_EXTENSION (64 * 1024)
#define MAX_EXTENSIONS 64

/* "Header extensions" */
#define EXTENSION_END 0
#define EXTENSION_BACKING_FORMAT 0xe2792aca
#define EXTENSION_BITMAPS 0x23852875

/* "Header", incompatible_features */
#define DATA_FILE 4

/* "Bitmap directory" */
#define MAX_BITMAPS 65535
#define MAX_DIRECTORY (1024 * 1024)
#define ENTRY_SIZE 24
#define BITMAP_IN_USE 1
#define BITMAP_AUTO 2

typedef struct
{
  MtvReader *file;
  const char *label;
  GCancellable *cancellable;
  MtvLibvirtQcow2 *image;
} Reading;

static guint16
get16 (const guint8 *at)
{
  return (guint16) (at[0] << 8 | at[1]);
}

static guint32
get32 (const guint8 *at)
{
  return (guint32) get16 (at) << 16 | get16 (at + 2);
}

static guint64
get64 (const guint8 *at)
{
  return (guint64) get32 (at) << 32 | get32 (at + 4);
}

static void
bitmap_free (gpointer data)
{
  MtvLibvirtBitmap *bitmap = data;

  g_free (bitmap->name);
  g_free (bitmap);
}

void
mtv_libvirt_qcow2_free (MtvLibvirtQcow2 *self)
{
  g_free (self->backing);
  g_free (self->backing_format);
  g_ptr_array_unref (self->bitmaps);
  g_free (self);
}

static gboolean
refuse (const Reading *reading, GError **error, const char *what)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s %s", reading->label, what);
  return FALSE;
}

static gboolean
read_at (const Reading *reading, guint64 offset, gpointer buffer, gsize length, GError **error)
{
  guint64 size = mtv_reader_get_size (reading->file);

  if (length > size || offset > size - length)
    return refuse (reading, error, "ends within its qcow2 header");
  return mtv_reader_read (reading->file, offset, buffer, length, reading->cancellable, error);
}

/* Names are bytes; they go into messages, and those of bitmaps are compared with ours. */
static char *
read_name (const Reading *reading, guint64 offset, gsize length, GError **error)
{
  g_autofree char *name = g_malloc0 (length + 1);

  return read_at (reading, offset, name, length, error) ? g_utf8_make_valid (name, -1) : NULL;
}

/* One entry of the directory of @size bytes; returns its length, 0 when it is broken. */
static gsize
read_entry (const Reading *reading, const guint8 *entry, gsize size)
{
  if (size < ENTRY_SIZE)
    return 0;
  guint32 flags = get32 (entry + 12);
  gsize name_size = get16 (entry + 18);
  guint32 extra = get32 (entry + 20);
  if (extra > size || ENTRY_SIZE + (gsize) extra + name_size > size)
    return 0;

  MtvLibvirtBitmap *bitmap = g_new0 (MtvLibvirtBitmap, 1);
  g_autofree char *name = g_strndup ((const char *) entry + ENTRY_SIZE + extra, name_size);
  bitmap->name = g_utf8_make_valid (name, -1);
  bitmap->in_use = (flags & BITMAP_IN_USE) != 0;
  bitmap->recording = (flags & BITMAP_AUTO) != 0;
  g_ptr_array_add (reading->image->bitmaps, bitmap);
  return MIN (size, (ENTRY_SIZE + extra + name_size + 7) / 8 * 8);
}

/* "Bitmaps extension" */
static gboolean
read_bitmaps (const Reading *reading, const guint8 *extension, gsize length, GError **error)
{
  if (length < 24)
    return refuse (reading, error, "has a broken list of bitmaps");
  guint32 count = get32 (extension);
  guint64 size = get64 (extension + 8);
  if (count > MAX_BITMAPS || size > MAX_DIRECTORY)
    return refuse (reading, error, "has a list of bitmaps that is too long");

  g_autofree guint8 *directory = g_malloc (MAX (size, 1));
  if (!read_at (reading, get64 (extension + 16), directory, size, error))
    return FALSE;
  for (gsize at = 0; count > 0; count--)
    {
      gsize used = read_entry (reading, directory + at, size - at);
      if (used == 0)
        return refuse (reading, error, "has a broken list of bitmaps");
      at += used;
    }
  return TRUE;
}

static gboolean
read_extension (const Reading *reading, guint32 type, guint64 offset, gsize length, GError **error)
{
  guint8 extension[24];

  if (type == EXTENSION_BACKING_FORMAT)
    {
      g_free (reading->image->backing_format);
      reading->image->backing_format = read_name (reading, offset, MIN (length, 32), error);
      return reading->image->backing_format != NULL;
    }
  if (type != EXTENSION_BITMAPS)
    return TRUE;
  return read_at (reading, offset, extension, MIN (length, sizeof extension), error)
         && read_bitmaps (reading, extension, length, error);
}

static gboolean
read_extensions (const Reading *reading, guint64 offset, GError **error)
{
  guint8 head[8];

  for (guint i = 0; i < MAX_EXTENSIONS; i++)
    {
      if (!read_at (reading, offset, head, sizeof head, error))
        return FALSE;
      guint32 type = get32 (head);
      guint32 length = get32 (head + 4);
      if (type == EXTENSION_END)
        return TRUE;
      if (length > MAX_EXTENSION)
        break;
      if (!read_extension (reading, type, offset + sizeof head, length, error))
        return FALSE;
      offset += sizeof head + ((guint64) length + 7) / 8 * 8;
    }
  return refuse (reading, error, "has a qcow2 header that does not end");
}

static gboolean
read_backing (const Reading *reading, guint64 offset, guint32 length, GError **error)
{
  if (offset == 0)
    return TRUE;
  if (length == 0 || length > MAX_BACKING)
    return refuse (reading, error, "has a broken name of its backing file");
  reading->image->backing = read_name (reading, offset, length, error);
  return reading->image->backing != NULL;
}

static gboolean
read_header (const Reading *reading, GError **error)
{
  guint8 head[HEADER_V3] = { 0 };
  MtvLibvirtQcow2 *image = reading->image;
  guint64 extensions = HEADER_V2;

  if (!read_at (reading, 0, head, HEADER_V2, error))
    return FALSE;
  if (memcmp (head, MAGIC, strlen (MAGIC)) != 0)
    return refuse (reading, error, "is no qcow2 image");
  image->version = get32 (head + 4);
  image->encrypted = get32 (head + 32) != 0;
  if (image->version != 2 && image->version != 3)
    return refuse (reading, error, "is a qcow2 image of a version other than 2 and 3");
  if (image->version == 3)
    {
      if (!read_at (reading, 0, head, sizeof head, error))
        return FALSE;
      image->has_data_file = (get64 (head + 72) & DATA_FILE) != 0;
      extensions = get32 (head + 100);
      if (extensions < HEADER_V3)
        return refuse (reading, error, "has a broken qcow2 header");
    }
  return read_backing (reading, get64 (head + 8), get32 (head + 16), error)
         && read_extensions (reading, extensions, error);
}

MtvLibvirtQcow2 *
mtv_libvirt_qcow2_read (MtvReader *file, const char *label, GCancellable *cancellable,
                        GError **error)
{
  g_autoptr (MtvLibvirtQcow2) self = g_new0 (MtvLibvirtQcow2, 1);
  Reading reading = { file, label, cancellable, self };

  self->bitmaps = g_ptr_array_new_with_free_func (bitmap_free);
  return read_header (&reading, error) ? g_steal_pointer (&self) : NULL;
}

const MtvLibvirtBitmap *
mtv_libvirt_qcow2_find_bitmap (MtvLibvirtQcow2 *self, const char *name)
{
  for (guint i = 0; i < self->bitmaps->len; i++)
    {
      const MtvLibvirtBitmap *bitmap = self->bitmaps->pdata[i];
      if (strcmp (bitmap->name, name) == 0)
        return bitmap;
    }
  return NULL;
}

const char *
mtv_libvirt_qcow2_why_no_bitmaps (MtvLibvirtQcow2 *self)
{
  if (self->version < 3)
    return "it is a qcow2 image of version 2 (compat 0.10), which keeps no bitmaps: change it with "
           "'qemu-img amend -o compat=1.1' while the VM is off";
  if (self->has_data_file)
    return "its data are in another file, for which QEMU keeps no bitmaps: convert it";
  return NULL;
}
