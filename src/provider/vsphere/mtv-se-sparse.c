/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-se-sparse.h"

#include "base/mtv-error.h"

#define MAGIC G_GUINT64_CONSTANT (0xcafebabe)
#define STATE_MAGIC G_GUINT64_CONSTANT (0xcafecafe)
#define VERSION G_GUINT64_CONSTANT (0x0000000200000001)
#define GRAIN 8  /* sectors, the only size that is made */
#define TABLE 64 /* sectors */
#define ENTRIES (TABLE * MTV_VMDK_SECTOR / 8)
#define MAX_SECTORS (G_GUINT64_CONSTANT (1) << 40)

/* The header is little-endian 64-bit words; these are the numbers of those that count. */
enum
{
  WORD_MAGIC,
  WORD_VERSION,
  WORD_CAPACITY,
  WORD_GRAIN,
  WORD_TABLE,
  WORD_FLAGS,
  WORD_STATE = 10,
  WORD_DIRECTORY = 16,
  WORD_DIRECTORY_SIZE,
  WORD_TABLES,
  WORD_TABLES_SIZE,
  WORD_GRAINS = 24,
  WORD_GRAINS_SIZE,
  N_WORDS
};

/* Upper four bits of an entry. */
enum
{
  ENTRY_NONE,
  ENTRY_UNMAPPED, /* of a grain table: by the guest; of the directory: there is a table */
  ENTRY_ZERO,
  ENTRY_DATA,
};

static gboolean
check_version (const guint64 words[], const char *label, GError **error)
{
  if (words[WORD_MAGIC] != MAGIC)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is no seSparse disk", label);
      return FALSE;
    }
  if (words[WORD_VERSION] == VERSION && words[WORD_GRAIN] == GRAIN && words[WORD_TABLE] == TABLE
      && words[WORD_FLAGS] == 0)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "%s is a seSparse disk of a kind that is not known: version 0x%" G_GINT64_MODIFIER
               "x, grains of %" G_GUINT64_FORMAT " sectors, flags 0x%" G_GINT64_MODIFIER "x",
               label, words[WORD_VERSION], words[WORD_GRAIN], words[WORD_FLAGS]);
  return FALSE;
}

static gboolean
parse (const guint8 *header, const char *label, MtvSparseLayout *layout, GError **error)
{
  guint64 words[N_WORDS];

  for (guint i = 0; i < N_WORDS; i++)
    words[i] = mtv_vmdk_get64 (header + 8 * (gsize) i);
  if (!check_version (words, label, error))
    return FALSE;

  guint64 n_tables
      = words[WORD_CAPACITY] / (GRAIN * ENTRIES) + (words[WORD_CAPACITY] % (GRAIN * ENTRIES) > 0);
  gboolean good = words[WORD_CAPACITY] > 0;
  for (guint i = WORD_STATE; i < N_WORDS; i++)
    good = good && words[i] < MAX_SECTORS;
  if (!good || words[WORD_CAPACITY] >= MAX_SECTORS || words[WORD_DIRECTORY] == 0
      || words[WORD_DIRECTORY_SIZE] < (n_tables * 8 + MTV_VMDK_SECTOR - 1) / MTV_VMDK_SECTOR)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s has a broken header: %" G_GUINT64_FORMAT " sectors, and a directory of "
                   "%" G_GUINT64_FORMAT " at %" G_GUINT64_FORMAT,
                   label, words[WORD_CAPACITY], words[WORD_DIRECTORY_SIZE], words[WORD_DIRECTORY]);
      return FALSE;
    }
  *layout = (MtvSparseLayout){
    .capacity = words[WORD_CAPACITY] * MTV_VMDK_SECTOR,
    .grain = GRAIN * MTV_VMDK_SECTOR,
    .directory = words[WORD_DIRECTORY] * MTV_VMDK_SECTOR,
    .n_tables = n_tables,
    .tables = words[WORD_TABLES] * MTV_VMDK_SECTOR,
    .n_slots = words[WORD_TABLES_SIZE] / TABLE,
    .grains = words[WORD_GRAINS] * MTV_VMDK_SECTOR,
    .n_grains = words[WORD_GRAINS_SIZE] / GRAIN,
    .state = words[WORD_STATE] * MTV_VMDK_SECTOR,
  };
  return TRUE;
}

static gboolean
bad_entry (const char *label, const char *what, guint64 entry, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s has a broken entry in a %s: 0x%016" G_GINT64_MODIFIER "x", label, what, entry);
  return FALSE;
}

static gboolean
table_at (const MtvSparseLayout *layout, const guint8 *entry, const char *label, guint64 *position,
          GError **error)
{
  guint64 value = mtv_vmdk_get64 (entry);
  guint64 slot = value & G_MAXUINT32;

  *position = 0;
  if (value == 0)
    return TRUE;
  if (value >> 32 != G_GUINT64_CONSTANT (1) << 28 || slot >= layout->n_slots)
    return bad_entry (label, "grain directory", value, error);
  *position = layout->tables + slot * TABLE * MTV_VMDK_SECTOR;
  return TRUE;
}

/* The number of a grain of data has its lowest 12 bits above the other 48. */
static gboolean
grain_at (const MtvSparseLayout *layout, const guint8 *entry, const char *label, MtvGrainKind *kind,
          guint64 *position, GError **error)
{
  guint64 value = mtv_vmdk_get64 (entry);
  guint64 number = (value >> 48 & 0xfff) | (value & ((G_GUINT64_CONSTANT (1) << 48) - 1)) << 12;

  *position = 0;
  switch (value >> 60)
    {
    case ENTRY_NONE:
      *kind = MTV_GRAIN_PARENT;
      return value == 0 || bad_entry (label, "grain table", value, error);
    case ENTRY_UNMAPPED:
    case ENTRY_ZERO:
      *kind = MTV_GRAIN_ZERO;
      return TRUE;
    case ENTRY_DATA:
      *kind = MTV_GRAIN_DATA;
      *position = layout->grains + number * layout->grain;
      return number < layout->n_grains || bad_entry (label, "grain table", value, error);
    default:
      return bad_entry (label, "grain table", value, error);
    }
}

const MtvSparseFormat mtv_se_sparse = {
  .name = "seSparse",
  .header = MTV_VMDK_SECTOR,
  .entry = 8,
  .entries = ENTRIES,
  .parse = parse,
  .table_at = table_at,
  .grain_at = grain_at,
};

gboolean
mtv_se_sparse_check_state (const guint8 *bytes, const char *label, GError **error)
{
  if (mtv_vmdk_get64 (bytes) != STATE_MAGIC)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s has a broken volatile header", label);
      return FALSE;
    }
  if (mtv_vmdk_get64 (bytes + 24) == 0)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "%s has a journal that was not replayed: it is in use, or was not closed", label);
  return FALSE;
}
