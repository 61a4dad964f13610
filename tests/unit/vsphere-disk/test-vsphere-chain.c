/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-chain.h"

#include "base/mtv-error.h"
#include "bytes-reader.h"

#include <stdio.h>
#include <string.h>

#define CAPACITY (40 * 1024 * 1024 + 24 * 512)
#define LABEL "disk 'd'"

typedef struct
{
  char *folder; /* (owned) what mkdelta.py made: the datastore "ds", folder "vm" of it */
} Fixture;

static void
run (const char *command)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *said = NULL;
  int status = 0;

  g_spawn_command_line_sync (command, NULL, &said, &status, &error);
  g_assert_no_error (error);
  if (status != 0)
    g_error ("%s: %s", command, said);
}

static void
set_up (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->folder = g_dir_make_tmp ("mtv-chain-XXXXXX", NULL);
  g_autofree char *command = g_strdup_printf ("python3 " MKDELTA " %s", f->folder);
  run (command);
}

static void
tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *command = g_strdup_printf ("rm -r %s", f->folder);

  run (command);
  g_free (f->folder);
}

static char *
in_folder (Fixture *f, const char *name)
{
  return g_build_filename (f->folder, name, NULL);
}

/* "[ds] vm/NAME" */
static MtvReader *
open_file_cb (gpointer data, const char *file, GCancellable *cancellable G_GNUC_UNUSED,
              GError **error)
{
  static const char start[] = "[ds] vm/";
  Fixture *f = data;

  if (!g_str_has_prefix (file, start))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "There is no '%s'", file);
      return NULL;
    }
  g_autofree char *path = in_folder (f, file + strlen (start));
  char *contents = NULL;
  gsize length;
  if (!g_file_get_contents (path, &contents, &length, NULL))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "There is no '%s'", file);
      return NULL;
    }
  g_autoptr (GBytes) bytes = g_bytes_new_take (contents, length);
  return MTV_READER (bytes_reader_new (bytes));
}

static MtvVsphereChain *
open_chain (Fixture *f, const char *name, GError **error)
{
  g_autofree char *file = g_strconcat ("[ds] vm/", name, NULL);

  return mtv_vsphere_chain_open (file, CAPACITY, open_file_cb, f, NULL, LABEL, NULL, error);
}

static char *
load (Fixture *f, const char *name)
{
  g_autofree char *path = in_folder (f, name);
  g_autoptr (GError) error = NULL;
  char *bytes = NULL;
  gsize length;

  g_file_get_contents (path, &bytes, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (length, ==, CAPACITY);
  return bytes;
}

/* In pieces of odd sizes, so that grains are cut. */
static void
assert_reads (MtvReader *reader, const char *wanted)
{
  static const guint64 steps[] = { 1 << 20, 777, 4096, 65536, 3 << 20, 511 };
  g_autofree char *buffer = g_malloc (4 << 20);
  guint n = 0;

  g_assert_cmpuint (mtv_reader_get_size (reader), ==, CAPACITY);
  for (guint64 at = 0; at < CAPACITY; n++)
    {
      gsize step = MIN (steps[n % G_N_ELEMENTS (steps)], CAPACITY - at);
      g_autoptr (GError) error = NULL;

      mtv_reader_read (reader, at, buffer, step, NULL, &error);
      g_assert_no_error (error);
      if (memcmp (buffer, wanted + at, step) != 0)
        g_error ("The %" G_GSIZE_FORMAT " bytes at %" G_GUINT64_FORMAT " differ", step, at);
      at += step;
    }
}

static guint64
assert_extents (MtvReader *reader, const char *wanted)
{
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autoptr (GError) error = NULL;
  guint64 at = 0;
  guint64 zero = 0;

  mtv_reader_extents (reader, 0, CAPACITY, extents, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < extents->len; i++)
    {
      const MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_cmpuint (extent->offset, ==, at);
      for (guint64 k = 0; extent->zero && k < extent->length; k++)
        g_assert_cmpint (wanted[at + k], ==, 0);
      zero += extent->zero ? extent->length : 0;
      at += extent->length;
    }
  g_assert_cmpuint (at, ==, CAPACITY);
  return zero;
}

static void
test_flat (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVsphereChain) chain = open_chain (f, "base.vmdk", &error);
  g_autofree char *wanted = load (f, "base-flat.vmdk");

  g_assert_no_error (error);
  g_assert_cmpuint (mtv_vsphere_chain_get_length (chain), ==, 1);
  assert_reads (MTV_READER (chain), wanted);
  g_assert_cmpuint (assert_extents (MTV_READER (chain), wanted), ==, 0);
}

static void
test_links (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVsphereChain) lower = open_chain (f, "d1.vmdk", &error);
  g_autofree char *lower_wanted = load (f, "d1.raw");
  g_autofree char *wanted = load (f, "d2.raw");

  g_assert_no_error (error);
  g_assert_cmpuint (mtv_vsphere_chain_get_length (lower), ==, 2);
  assert_reads (MTV_READER (lower), lower_wanted);

  g_autoptr (MtvVsphereChain) upper = open_chain (f, "d2.vmdk", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_vsphere_chain_get_length (upper), ==, 3);
  assert_reads (MTV_READER (upper), wanted);
  g_assert_cmpuint (assert_extents (MTV_READER (upper), wanted), >=, 1000 * 4096);
}

/* QEMU reads both formats, too. */
static void
test_as_qemu (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *qemu_img = g_find_program_in_path ("qemu-img");
  g_autoptr (GError) error = NULL;

  if (!qemu_img)
    {
      g_test_skip ("qemu-img is not installed");
      return;
    }
  g_autofree char *command = g_strdup_printf (
      "qemu-img convert -f vmdk -O raw %s/d2.vmdk %s/qemu.raw", f->folder, f->folder);
  run (command);
  g_autofree char *wanted = load (f, "qemu.raw");
  g_autoptr (MtvVsphereChain) chain = open_chain (f, "d2.vmdk", &error);
  g_assert_no_error (error);
  assert_reads (MTV_READER (chain), wanted);
}

/* The files are asked for once; grains that lie apart are read together. */
static void
test_moved_parent (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *command = g_strdup_printf (
      "sed -i s,d1.vmdk,/vmfs/volumes/5f0c-ab/vm/d1.vmdk, %s/d2.vmdk", f->folder);
  g_autofree char *wanted = load (f, "d2.raw");
  g_autoptr (GError) error = NULL;

  run (command);
  g_autoptr (MtvVsphereChain) chain = open_chain (f, "d2.vmdk", &error);
  g_assert_no_error (error);
  assert_reads (MTV_READER (chain), wanted);
}

/* --- what is wrong --- */

typedef struct
{
  const char *edit; /* of sed, and the file that it is for */
  MtvError code;
  const char *message;
} Bad;

static const Bad bad_texts[] = {
  { "s/^parentCID=22222222/parentCID=44444444/ d2", MTV_ERROR_BAD_DATA,
    "'[ds] vm/d1.vmdk' is not the parent that '[ds] vm/d2.vmdk' was made on" },
  { "/^CID/d d1", MTV_ERROR_BAD_DATA, "its content id is missing" },
  { "s/d1.vmdk/gone.vmdk/ d2", MTV_ERROR_UNSUPPORTED,
    "'[ds] vm/d2.vmdk' has a parent that is not on the same datastore" },
  { "s/d1.vmdk/d2.vmdk/;s/22222222/33333333/ d2", MTV_ERROR_UNSUPPORTED, "too long" },
  { "/parentFileNameHint/d d2", MTV_ERROR_UNSUPPORTED, "does not name its parent" },
  { "s/22222222/ffffffff/ d2", MTV_ERROR_UNSUPPORTED, "holds changes, but names no parent" },
  { "s/ffffffff/12345678/ base", MTV_ERROR_UNSUPPORTED, "is a whole disk, but names a parent" },
  { "s/\"base-flat.vmdk\"/\"vsan:\\/\\/5f0c\"/ base", MTV_ERROR_UNSUPPORTED,
    "in the object 'vsan://5f0c', which is no file" },
  { "s/ VMFS / VMFSRDM / base", MTV_ERROR_UNSUPPORTED, "cannot be read: RW 81944 VMFSRDM" },
  { "s/ VMFS / SPARSE / base", MTV_ERROR_UNSUPPORTED, "of a kind that ESXi does not make" },
  { "s/\"base-flat.vmdk\"/\"..\\/base-flat.vmdk\"/ base", MTV_ERROR_BAD_DATA,
    "which is not a plain file name" },
  { "s/RW 81944/RW 81952/ base", MTV_ERROR_BAD_DATA,
    "'[ds] vm/base-flat.vmdk' has 41955328 bytes" },
  { "s/RW 81944/RW 81952/ d2", MTV_ERROR_SOURCE_CHANGED,
    "'[ds] vm/d2.vmdk' has 41959424 bytes, and not 41955328 any more" },
  { "s/d2-sesparse/d1-delta/ d2", MTV_ERROR_BAD_DATA, "'[ds] vm/d1-delta.vmdk' is no seSparse" },
  { "s/d1-delta/d2-sesparse/ d1", MTV_ERROR_BAD_DATA, "is no redo log of VMFS" },
  { "s/seSparse/vsanSparse/ d2", MTV_ERROR_UNSUPPORTED, "is a VMDK of type 'vsanSparse'" },
  { "1d d2", MTV_ERROR_BAD_DATA, "'[ds] vm/d2.vmdk' is not a VMDK descriptor" },
};

static void
test_bad_text (Fixture *f, gconstpointer data)
{
  const Bad *bad = data;
  const char *space = strrchr (bad->edit, ' ');
  g_autofree char *edit = g_strndup (bad->edit, space - bad->edit);
  g_autofree char *command = g_strdup_printf ("sed -i '%s' %s/%s.vmdk", edit, f->folder, space + 1);
  g_autoptr (GError) error = NULL;

  run (command);
  g_autoptr (MtvVsphereChain) chain = open_chain (f, "d2.vmdk", &error);
  g_assert_null (chain);
  g_assert_error (error, MTV_ERROR, (int) bad->code);
  g_assert_true (g_str_has_prefix (error->message, LABEL ": "));
  if (!strstr (error->message, bad->message))
    g_error ("'%s' does not say '%s'", error->message, bad->message);
}

/* Bytes at a place of a link, and what then comes of opening and reading it. */
typedef struct
{
  const char *name;
  guint64 at;
  guint64 value;
  guint width;
  MtvError code;
  const char *message;
} Patch;

#define SE_DIRECTORY (4096 * 512)
#define SE_TABLES (4160 * 512)

static const Patch patches[] = {
  { "d2-sesparse", 8, 0x300000001, 8, MTV_ERROR_UNSUPPORTED, "version 0x300000001" },
  { "d2-sesparse", 24, 16, 8, MTV_ERROR_UNSUPPORTED, "grains of 16 sectors" },
  { "d2-sesparse", 40, 1, 8, MTV_ERROR_UNSUPPORTED, "flags 0x1" },
  { "d2-sesparse", 16, 0, 8, MTV_ERROR_BAD_DATA, "broken header" },
  { "d2-sesparse", 16, G_MAXUINT64, 8, MTV_ERROR_BAD_DATA, "broken header" },
  { "d2-sesparse", 16 * 8, 1 << 30, 8, MTV_ERROR_BAD_DATA, "grain directory at byte" },
  { "d2-sesparse", 17 * 8, 0, 8, MTV_ERROR_BAD_DATA, "a directory of 0" },
  { "d2-sesparse", 512, 0, 8, MTV_ERROR_BAD_DATA, "broken volatile header" },
  { "d2-sesparse", 512 + 24, 1, 8, MTV_ERROR_UNSUPPORTED, "journal that was not replayed" },
  { "d2-sesparse", SE_DIRECTORY, 0x2000000000000000, 8, MTV_ERROR_BAD_DATA, "grain directory" },
  { "d2-sesparse", SE_DIRECTORY, 0x1000000000000009, 8, MTV_ERROR_BAD_DATA, "grain directory" },
  { "d2-sesparse", SE_TABLES, 5, 8, MTV_ERROR_BAD_DATA, "grain table: 0x0000000000000005" },
  { "d2-sesparse", SE_TABLES, 0x4000000000000000, 8, MTV_ERROR_BAD_DATA, "grain table" },
  { "d2-sesparse", SE_TABLES, 0x3fffffffffffffff, 8, MTV_ERROR_BAD_DATA, "grain table" },
  { "d1-delta", 4, 2, 4, MTV_ERROR_UNSUPPORTED, "redo log of version 2" },
  { "d1-delta", 12, 0, 4, MTV_ERROR_BAD_DATA, "broken header" },
  { "d1-delta", 16, 0, 4, MTV_ERROR_BAD_DATA, "broken header" },
  { "d1-delta", 20, 1 << 30, 4, MTV_ERROR_BAD_DATA, "outside of the file" },
  { "d1-delta", 24, 1, 4, MTV_ERROR_BAD_DATA, "and 1 tables" },
  { "d1-delta", 4 * 512 + 8 * 4, 1 << 30, 4, MTV_ERROR_BAD_DATA, "grain table at byte" },
};

static void
test_bad_bytes (Fixture *f, gconstpointer data)
{
  const Patch *patch = data;
  g_autofree char *name = g_strconcat (patch->name, ".vmdk", NULL);
  g_autofree char *path = in_folder (f, name);
  g_autofree char *buffer = g_malloc (CAPACITY);
  g_autoptr (GError) error = NULL;
  guint64 value = GUINT64_TO_LE (patch->value);
  FILE *file = fopen (path, "r+");

  g_assert_cmpint (fseek (file, (long) patch->at, SEEK_SET), ==, 0);
  g_assert_cmpuint (fwrite (&value, patch->width, 1, file), ==, 1);
  fclose (file);

  g_autoptr (MtvVsphereChain) chain = open_chain (f, "d2.vmdk", &error);
  if (chain)
    g_assert_false (mtv_reader_read (MTV_READER (chain), 0, buffer, CAPACITY, NULL, &error));
  g_assert_error (error, MTV_ERROR, (int) patch->code);
  if (!strstr (error->message, patch->message) || !strstr (error->message, name))
    g_error ("'%s' does not say '%s' and '%s'", error->message, patch->message, name);
}

static void
test_names (void)
{
  static const char *const bad[]
      = { "web.vmdk", "[] web.vmdk", "[ds", "[ds] ", "[ds] ../web.vmdk", "[ds] a//b", "[ds] /etc" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      char *datastore = NULL;
      char *path = NULL;

      g_assert_false (mtv_vsphere_file_split (bad[i], &datastore, &path, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
      g_assert_nonnull (strstr (error->message, bad[i]));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, test) g_test_add (name, Fixture, data, set_up, test, tear_down)
  ADD ("/vsphere-chain/flat", NULL, test_flat);
  ADD ("/vsphere-chain/links", NULL, test_links);
  ADD ("/vsphere-chain/as-qemu", NULL, test_as_qemu);
  ADD ("/vsphere-chain/moved-parent", NULL, test_moved_parent);
  for (gsize i = 0; i < G_N_ELEMENTS (bad_texts); i++)
    {
      g_autofree char *name = g_strdup_printf ("/vsphere-chain/bad-text/%zu", i);

      ADD (name, &bad_texts[i], test_bad_text);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (patches); i++)
    {
      g_autofree char *name = g_strdup_printf ("/vsphere-chain/bad-bytes/%zu", i);

      ADD (name, &patches[i], test_bad_bytes);
    }
  g_test_add_func ("/vsphere-chain/names", test_names);
  return g_test_run ();
}
