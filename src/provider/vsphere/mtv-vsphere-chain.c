/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-chain.h"

#include "base/mtv-error.h"
#include "provider/vsphere/mtv-se-sparse.h"
#include "provider/vsphere/mtv-vmfs-sparse.h"
#include "provider/vsphere/mtv-vsphere-link.h"
#include "transfer/mtv-concat-reader.h"

#define MAX_LINKS 256              /* VMware allows 32 snapshots */
#define MAX_GAP (128 * 1024)       /* read over, rather than to ask twice */
#define MAX_SPAN (4 * 1024 * 1024) /* at once */
#define VOLUMES "/vmfs/volumes/"

struct _MtvVsphereChain
{
  GObject parent;

  char *label;              /* (owned) */
  guint64 size;             /* bytes */
  GPtrArray *links;         /* (owned) (element-type MtvVsphereLink) the upper one first */
  MtvReader *base;          /* (owned) (nullable) until it was found */
  gpointer data;            /* (owned) */
  GDestroyNotify free_data; /* (nullable) */
};

static void mtv_vsphere_chain_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvVsphereChain, mtv_vsphere_chain, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER,
                                                      mtv_vsphere_chain_reader_init))

/* --- reading --- */

/* Bytes that are wanted, and where they are. */
typedef struct
{
  MtvReader *file; /* (unowned) */
  guint64 position;
  guint64 length;
  guint8 *buffer;
} Piece;

/* The upper link that knows of @offset decides; @file is NULL for zeroes. */
static gboolean
find (MtvVsphereChain *self, guint64 offset, guint64 length, Piece *piece,
      GCancellable *cancellable, GError **error)
{
  *piece = (Piece){ .length = length };
  for (guint i = 0; i < self->links->len; i++)
    {
      MtvVsphereLink *link = self->links->pdata[i];
      guint64 capacity = mtv_vsphere_link_get_capacity (link);
      MtvGrainKind kind;

      if (offset >= capacity)
        return TRUE;
      if (!mtv_vsphere_link_look_up (link, offset, MIN (piece->length, capacity - offset), &kind,
                                     &piece->position, &piece->length, cancellable, error))
        return FALSE;
      if (kind != MTV_GRAIN_PARENT)
        {
          piece->file = kind == MTV_GRAIN_DATA ? mtv_vsphere_link_get_file (link) : NULL;
          return TRUE;
        }
    }
  guint64 size = self->base ? mtv_reader_get_size (self->base) : 0;
  if (offset < size)
    {
      piece->file = self->base;
      piece->position = offset;
      piece->length = MIN (piece->length, size - offset);
    }
  return TRUE;
}

static gint
compare_pieces (gconstpointer a, gconstpointer b)
{
  const Piece *left = a;
  const Piece *right = b;

  if (left->file != right->file)
    return left->file < right->file ? -1 : 1;
  return (left->position > right->position) - (left->position < right->position);
}

/* Pieces from @i on that are read in one go, though the grains of a link lie as they were written.
 */
static guint
span_of (const Piece *pieces, guint i, guint n, guint64 *end)
{
  guint count = 1;

  *end = pieces[i].position + pieces[i].length;
  for (; i + count < n; count++)
    {
      const Piece *next = &pieces[i + count];

      if (next->file != pieces[i].file || next->position < *end || next->position - *end > MAX_GAP
          || next->position + next->length - pieces[i].position > MAX_SPAN)
        break;
      *end = next->position + next->length;
    }
  return count;
}

static gboolean
read_span (const Piece *pieces, guint count, guint64 end, GCancellable *cancellable, GError **error)
{
  guint64 start = pieces[0].position;

  if (count == 1)
    return mtv_reader_read (pieces[0].file, start, pieces[0].buffer, pieces[0].length, cancellable,
                            error);
  g_autofree guint8 *span = g_malloc (end - start);
  if (!mtv_reader_read (pieces[0].file, start, span, end - start, cancellable, error))
    return FALSE;
  for (guint i = 0; i < count; i++)
    memcpy (pieces[i].buffer, span + (pieces[i].position - start), pieces[i].length);
  return TRUE;
}

static gboolean
chain_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
            GCancellable *cancellable, GError **error)
{
  MtvVsphereChain *self = MTV_VSPHERE_CHAIN (reader);
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (Piece));
  guint count;

  for (gsize done = 0; done < length;)
    {
      Piece piece;

      if (!find (self, offset + done, length - done, &piece, cancellable, error))
        return FALSE;
      piece.buffer = (guint8 *) buffer + done;
      if (piece.file)
        g_array_append_val (all, piece);
      else
        memset (piece.buffer, 0, piece.length);
      done += piece.length;
    }
  g_array_sort (all, compare_pieces);

  const Piece *pieces = (const Piece *) (gpointer) all->data;
  for (guint i = 0; i < all->len; i += count)
    {
      guint64 end;

      count = span_of (pieces, i, all->len, &end);
      if (!read_span (pieces + i, count, end, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
chain_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
               GCancellable *cancellable, GError **error)
{
  MtvVsphereChain *self = MTV_VSPHERE_CHAIN (reader);
  guint old = extents->len;

  for (guint64 done = 0; done < length;)
    {
      MtvExtent *last
          = extents->len > old ? &g_array_index (extents, MtvExtent, extents->len - 1) : NULL;
      Piece piece;

      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !find (self, offset + done, length - done, &piece, cancellable, error))
        return FALSE;
      if (last && last->zero == (piece.file == NULL))
        last->length += piece.length;
      else
        {
          MtvExtent extent = { offset + done, piece.length, piece.file == NULL };

          g_array_append_val (extents, extent);
        }
      done += piece.length;
    }
  return TRUE;
}

static guint64
chain_get_size (MtvReader *reader)
{
  return MTV_VSPHERE_CHAIN (reader)->size;
}

static void
chain_get_hints (MtvReader *reader, MtvHints *hints)
{
  MtvVsphereChain *self = MTV_VSPHERE_CHAIN (reader);

  if (self->base)
    *hints = mtv_reader_get_hints (self->base);
}

static void
mtv_vsphere_chain_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = chain_get_size;
  iface->read = chain_read;
  iface->extents = chain_extents;
  iface->get_hints = chain_get_hints;
}

static void
mtv_vsphere_chain_finalize (GObject *object)
{
  MtvVsphereChain *self = MTV_VSPHERE_CHAIN (object);

  g_ptr_array_unref (self->links);
  g_clear_object (&self->base);
  g_free (self->label);
  if (self->free_data)
    self->free_data (self->data);

  G_OBJECT_CLASS (mtv_vsphere_chain_parent_class)->finalize (object);
}

static void
mtv_vsphere_chain_class_init (MtvVsphereChainClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_vsphere_chain_finalize;
}

static void
mtv_vsphere_chain_init (MtvVsphereChain *self)
{
  self->links = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vsphere_link_free);
}

/* --- opening --- */

/* One descriptor and what it was found through. */
typedef struct
{
  MtvVsphereChain *chain; /* (unowned) */
  MtvVsphereOpenFile open_file;
  GCancellable *cancellable;
  char *file;                    /* (owned) of the descriptor */
  MtvVmdkDescriptor *descriptor; /* (owned) (nullable) */
} Walk;

static MtvVmdkDescriptor *
read_descriptor (const Walk *walk, const char *file, GError **error)
{
  g_autoptr (MtvReader) reader
      = walk->open_file (walk->chain->data, file, walk->cancellable, error);
  guint64 size = reader ? mtv_reader_get_size (reader) : 0;

  if (!reader)
    return NULL;
  if (size > MTV_VMDK_MAX_DESCRIPTOR)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' is not a VMDK descriptor", file);
      return NULL;
    }
  g_autofree char *label = g_strdup_printf ("'%s'", file);
  g_autofree char *text = g_malloc (size + 1);
  if (!mtv_reader_read (reader, 0, text, size, walk->cancellable, error))
    return NULL;
  return mtv_vmdk_descriptor_parse_link (text, size, label, error);
}

/* @name in the folder of @file. */
static char *
beside (const char *file, const char *name)
{
  const char *slash = strrchr (file, '/');
  const char *folder = strchr (file, ']');
  gsize length = slash ? (gsize) (slash + 1 - file) : (gsize) (folder + 1 - file);
  g_autofree char *start = g_strndup (file, length);

  return g_strconcat (start, slash ? "" : " ", name, NULL);
}

/* The path a hint means: beside its link, or below /vmfs/volumes, where a datastore has its name
 * and a UUID that is not known here. If that leads to a wrong file, its content id tells. */
static char *
follow_hint (const char *file, const char *hint)
{
  const char *end = strchr (file, ']');

  if (!g_str_has_prefix (hint, VOLUMES))
    return beside (file, hint);

  const char *path = strchr (hint + strlen (VOLUMES), '/');
  g_autofree char *store = g_strndup (file, end + 1 - file);
  return g_strconcat (store, " ", path ? path + 1 : "", NULL);
}

static guint64
sectors_of (const MtvVmdkDescriptor *descriptor)
{
  guint64 sum = 0;

  for (guint i = 0; i < descriptor->extents->len; i++)
    sum += ((const MtvVmdkExtent *) descriptor->extents->pdata[i])->sectors;
  return sum;
}

/* A flat extent as a reader of exactly its size. */
static MtvReader *
open_flat (const Walk *walk, const MtvVmdkExtent *extent, GError **error)
{
  g_autofree char *name = beside (walk->file, extent->file);
  g_autoptr (MtvReader) reader
      = walk->open_file (walk->chain->data, name, walk->cancellable, error);
  guint64 wanted = extent->sectors * MTV_VMDK_SECTOR;

  if (!reader)
    return NULL;
  if (extent->type == MTV_VMDK_EXTENT_FLAT && extent->offset == 0
      && mtv_reader_get_size (reader) == wanted)
    return g_steal_pointer (&reader);
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "'%s' has %" G_GUINT64_FORMAT " bytes where its descriptor says %" G_GUINT64_FORMAT,
               name, mtv_reader_get_size (reader), wanted);
  return NULL;
}

static gboolean
open_base (const Walk *walk, GError **error)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_object_unref);
  GPtrArray *extents = walk->descriptor->extents;

  for (guint i = 0; i < extents->len; i++)
    {
      MtvReader *part = open_flat (walk, extents->pdata[i], error);

      if (!part)
        return FALSE;
      g_ptr_array_add (parts, part);
    }
  walk->chain->base = parts->len == 1 ? g_object_ref (parts->pdata[0])
                                      : MTV_READER (mtv_concat_reader_new (parts, 0));
  return TRUE;
}

static gboolean
open_link (const Walk *walk, const MtvVmdkExtent *extent, GError **error)
{
  g_autofree char *name = beside (walk->file, extent->file);
  g_autofree char *label = g_strdup_printf ("'%s'", name);
  g_autoptr (MtvReader) reader
      = walk->open_file (walk->chain->data, name, walk->cancellable, error);
  MtvVsphereLink *link
      = reader ? mtv_vsphere_link_new (
            reader, extent->type == MTV_VMDK_EXTENT_SE_SPARSE ? &mtv_se_sparse : &mtv_vmfs_sparse,
            label, walk->cancellable, error)
               : NULL;

  if (!link)
    return FALSE;
  g_ptr_array_add (walk->chain->links, link);
  return TRUE;
}

static gboolean
unsupported (const Walk *walk, const char *what, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "'%s' %s", walk->file, what);
  return FALSE;
}

static gboolean
open_extents (const Walk *walk, GError **error)
{
  const MtvVmdkExtent *first = walk->descriptor->extents->pdata[0];
  gboolean changes = first->type >= MTV_VMDK_EXTENT_VMFS_SPARSE;

  if (changes != (walk->descriptor->parent_cid != NULL))
    return unsupported (walk,
                        changes ? "holds changes, but names no parent"
                                : "is a whole disk, but names a parent",
                        error);
  for (guint i = 0; i < walk->descriptor->extents->len; i++)
    {
      const MtvVmdkExtent *extent = walk->descriptor->extents->pdata[i];

      if (extent->type == MTV_VMDK_EXTENT_SPARSE || extent->type == MTV_VMDK_EXTENT_ZERO)
        return unsupported (walk, "has an extent of a kind that ESXi does not make", error);
      if (changes && walk->descriptor->extents->len > 1)
        return unsupported (walk, "holds changes in more than one file", error);
    }
  return changes ? open_link (walk, first, error) : open_base (walk, error);
}

/* On to the parent of the descriptor, which must be the one that the link was made on. */
static gboolean
go_to_parent (Walk *walk, GError **error)
{
  MtvVmdkDescriptor *child = walk->descriptor;
  GError *problem = NULL;

  if (!child->parent_hint || !*child->parent_hint)
    return unsupported (walk, "does not name its parent", error);
  g_autofree char *file = follow_hint (walk->file, child->parent_hint);
  g_autoptr (MtvVmdkDescriptor) parent = read_descriptor (walk, file, &problem);
  if (!parent)
    {
      if (g_error_matches (problem, MTV_ERROR, MTV_ERROR_NOT_FOUND))
        {
          g_clear_error (&problem);
          return unsupported (walk, "has a parent that is not on the same datastore", error);
        }
      g_propagate_error (error, problem);
      return FALSE;
    }
  if (!parent->cid || g_ascii_strcasecmp (parent->cid, child->parent_cid) != 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "'%s' is not the parent that '%s' was made on: its content id is %s, not %s",
                   file, walk->file, parent->cid ? parent->cid : "missing", child->parent_cid);
      return FALSE;
    }
  g_free (walk->file);
  walk->file = g_steal_pointer (&file);
  mtv_vmdk_descriptor_free (walk->descriptor);
  walk->descriptor = g_steal_pointer (&parent);
  return TRUE;
}

static gboolean
open_all (Walk *walk, guint64 capacity, GError **error)
{
  MtvVsphereChain *self = walk->chain;

  walk->descriptor = read_descriptor (walk, walk->file, error);
  if (!walk->descriptor)
    return FALSE;
  self->size = sectors_of (walk->descriptor) * MTV_VMDK_SECTOR;
  if (capacity != 0 && self->size != capacity)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                   "'%s' has %" G_GUINT64_FORMAT " bytes, and not %" G_GUINT64_FORMAT " any more",
                   walk->file, self->size, capacity);
      return FALSE;
    }
  while (open_extents (walk, error))
    {
      if (self->base)
        return TRUE;
      if (self->links->len == MAX_LINKS)
        return unsupported (walk, "is at the end of a chain that is too long", error);
      if (!go_to_parent (walk, error))
        return FALSE;
    }
  return FALSE;
}

MtvVsphereChain *
mtv_vsphere_chain_open (const char *file, guint64 capacity, MtvVsphereOpenFile open_file,
                        gpointer data, GDestroyNotify free_data, const char *label,
                        GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (file != NULL && open_file != NULL && label != NULL, NULL);

  g_autoptr (MtvVsphereChain) self = g_object_new (MTV_TYPE_VSPHERE_CHAIN, NULL);
  g_autofree char *datastore = NULL;
  g_autofree char *path = NULL;
  Walk walk = { .chain = self, .open_file = open_file, .cancellable = cancellable };

  self->label = g_strdup (label);
  self->data = data;
  self->free_data = free_data;
  if (!mtv_vsphere_file_split (file, &datastore, &path, error))
    return NULL;
  walk.file = g_strdup (file);
  gboolean good = open_all (&walk, capacity, error);
  g_free (walk.file);
  g_clear_pointer (&walk.descriptor, mtv_vmdk_descriptor_free);
  if (good)
    return g_steal_pointer (&self);
  g_prefix_error (error, "%s: ", label);
  return NULL;
}

guint
mtv_vsphere_chain_get_length (MtvVsphereChain *self)
{
  g_return_val_if_fail (MTV_IS_VSPHERE_CHAIN (self), 0);

  return self->links->len + (self->base ? 1 : 0);
}
