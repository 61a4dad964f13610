/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer/mtv-manifest.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MIB (G_GUINT64_CONSTANT (1) << 20)
#define WHAT "'manifest.json' of 'web'"

/* An open file that has no name any more. */
static int
temporary_file (void)
{
  g_autofree char *name = NULL;
  int fd = g_file_open_tmp ("mtv-manifest-XXXXXX", &name, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_unlink (name);
  return fd;
}

static MtvBlockMap *
make_map (guint64 size, MtvHash hash)
{
  MtvBlockMap *map = mtv_block_map_new (size, hash);
  guint8 bytes[MTV_HASH_MAX_SIZE];

  for (guint i = 0; i < mtv_block_map_get_n_blocks (map); i++)
    {
      mtv_hash_data (hash, (const guint8 *) &i, sizeof i, bytes);
      mtv_block_map_set (map, i, i % 3 == 1 ? NULL : bytes);
    }
  return map;
}

static MtvManifest *
make_manifest (MtvHash hash)
{
  MtvManifest *manifest = mtv_manifest_new (hash);
  g_autoptr (MtvBlockMap) large = make_map (3000 * MIB + 5, hash);
  g_autoptr (MtvBlockMap) empty = make_map (0, hash);

  manifest->run = g_strdup ("0f3c");
  manifest->number = 3;
  manifest->created = g_strdup ("2023-11-14T22:13:20Z");
  manifest->name = g_strdup ("web");
  manifest->plan = g_strdup ("\"\\\n\t\302\205/<>\342\200\250\360\237\230\200");
  manifest->source_identity = g_strdup ("");
  manifest->vm_id = g_strdup ("vm-1");
  manifest->vm_name = g_strdup ("Web");
  mtv_manifest_add_disk (manifest, "disk-0.raw", "raw", large)->source_id = g_strdup ("d0");
  mtv_manifest_add_disk (manifest, "..disk \"1\"", "qcow2", empty)->source_name = g_strdup ("n1");
  return manifest;
}

static void
assert_same_map (MtvBlockMap *a, MtvBlockMap *b)
{
  guint8 left[MTV_HASH_MAX_SIZE], right[MTV_HASH_MAX_SIZE];

  g_assert_cmpint (mtv_block_map_get_hash (a), ==, mtv_block_map_get_hash (b));
  g_assert_cmpuint (mtv_block_map_get_disk_size (a), ==, mtv_block_map_get_disk_size (b));
  for (guint i = 0; i < mtv_block_map_get_n_blocks (a); i++)
    {
      MtvBlockState state = mtv_block_map_get (a, i, left);
      gsize size = mtv_hash_get_size (mtv_block_map_get_hash (a));

      g_assert_cmpint (state, ==, mtv_block_map_get (b, i, right));
      if (state == MTV_BLOCK_DATA)
        g_assert_cmpmem (left, size, right, size);
    }
}

static void
assert_same_disk (const MtvManifestDisk *a, const MtvManifestDisk *b)
{
  g_assert_cmpstr (a->file, ==, b->file);
  g_assert_cmpstr (a->format, ==, b->format);
  g_assert_cmpstr (a->source_id, ==, b->source_id);
  g_assert_cmpstr (a->source_name, ==, b->source_name);
  g_assert_cmpuint (a->size, ==, b->size);
  assert_same_map (a->map, b->map);
}

static void
test_round_trip (gconstpointer data)
{
  g_autoptr (MtvManifest) written = make_manifest (GPOINTER_TO_UINT (data));
  g_autoptr (GError) error = NULL;
  int fd = temporary_file ();

  g_assert_true (mtv_manifest_write (written, fd, &error));
  g_assert_no_error (error);
  g_autoptr (MtvManifest) read = mtv_manifest_read (fd, WHAT, &error);
  g_assert_no_error (error);
  g_assert_cmpint (read->hash, ==, written->hash);
  g_assert_cmpstr (read->run, ==, "0f3c");
  g_assert_cmpuint (read->number, ==, 3);
  g_assert_cmpstr (read->created, ==, written->created);
  g_assert_cmpstr (read->name, ==, "web");
  g_assert_cmpstr (read->plan, ==, written->plan);
  g_assert_null (read->source);
  g_assert_cmpstr (read->source_identity, ==, "");
  g_assert_cmpstr (read->vm_id, ==, "vm-1");
  g_assert_null (read->vm_uuid);
  g_assert_cmpstr (read->vm_name, ==, "Web");
  g_assert_cmpuint (read->disks->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    assert_same_disk (g_ptr_array_index (read->disks, i), g_ptr_array_index (written->disks, i));
  close (fd);
}

/* An image that was copied by hand has no migration, and a VM may have no disk. */
static void
test_least (void)
{
  const char *text = "{\n  \"format\": \"org.mtv.manifest/1\",\n  \"vm\": {\n  },\n"
                     "  \"hash\": \"xxh3-128\",\n  \"disks\": [\n  ]\n}\n";
  g_autoptr (MtvManifest) none = mtv_manifest_new (MTV_HASH_XXH3_128);
  g_autoptr (GError) error = NULL;
  char got[256] = { 0 };
  int fd = temporary_file ();

  g_assert_true (mtv_manifest_write (none, fd, &error));
  g_assert_cmpint (pread (fd, got, sizeof got - 1, 0), ==, strlen (text));
  g_assert_cmpstr (got, ==, text);
  g_autoptr (MtvManifest) read = mtv_manifest_parse (text, strlen (text), WHAT, &error);
  g_assert_no_error (error);
  g_assert_null (read->run);
  g_assert_cmpuint (read->disks->len, ==, 0);
  close (fd);
}

static void
test_is_of (void)
{
  g_autoptr (MtvManifest) manifest = make_manifest (MTV_HASH_XXH3_128);
  g_autoptr (GError) error = NULL;
  int fd = temporary_file ();

  g_assert_false (mtv_manifest_is_of (fd, "0f3c", 3));
  manifest->number = 33;
  g_assert_true (mtv_manifest_write (manifest, fd, &error));
  g_assert_true (mtv_manifest_is_of (fd, "0f3c", 33));
  g_assert_false (mtv_manifest_is_of (fd, "0f3c", 3));
  g_assert_false (mtv_manifest_is_of (fd, "0f3c", 333));
  g_assert_false (mtv_manifest_is_of (fd, "0f3", 33));
  close (fd);
}

static void
test_refused_at_writing (void)
{
  static const char *const names[] = { "", ".", "..", "a/b", "/", "a\377" };
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (3 * MIB, MTV_HASH_SHA256);
  g_autoptr (GError) error = NULL;
  int fd = temporary_file ();

  mtv_block_map_set (map, 0, NULL);
  g_autoptr (MtvManifest) pending = mtv_manifest_new (MTV_HASH_SHA256);
  mtv_manifest_add_disk (pending, "disk-1.raw", "raw", map);
  g_assert_false (mtv_manifest_write (pending, fd, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "'disk-1.raw' is not whole: block 1 was not copied");

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (MtvManifest) named = mtv_manifest_new (MTV_HASH_SHA256);
      g_autoptr (GError) name_error = NULL;

      mtv_manifest_add_disk (named, names[i], "raw", map);
      g_assert_false (mtv_manifest_write (named, fd, &name_error));
      g_assert_error (name_error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
    }
  close (fd);
}

/* A whole manifest, and what is put in the place of a part of it. */
#define SAMPLE                                                                                  \
  "{ \"format\": \"org.mtv.manifest/1\",\n"                                                     \
  "  \"run\": \"r\", \"number\": 1, \"extra\": {\"a\": [1, true]},\n"                           \
  "  \"created\": \"2023-11-14T22:13:20Z\", \"plan\": null,\n"                                  \
  "  \"vm\": {\"id\": \"v\", \"more\": []},\n"                                                  \
  "  \"hash\": \"xxh3-128\",\n"                                                                 \
  "  \"disks\": [\n"                                                                            \
  "    {\"file\": \"a.raw\", \"format\": \"raw\", \"size\": 1572864, \"data-bytes\": 524288,\n" \
  "     \"block-size\": 1048576, \"later\": 0.5,\n"                                             \
  "     \"blocks\": [null, \"00112233445566778899aabbccddeeff\"]},\n"                           \
  "    {\"file\": \"b.raw\", \"format\": \"raw\", \"size\": 0, \"block-size\": 1048576,\n"      \
  "     \"blocks\": []}]}\n"

typedef struct
{
  const char *part;
  const char *instead;
  const char *message; /* after WHAT */
} Damage;

static void
assert_refused (const Damage *damage)
{
  g_autoptr (GString) text = g_string_new (SAMPLE);
  g_autofree char *expected = g_strconcat (WHAT, damage->message, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (g_string_replace (text, damage->part, damage->instead, 1), ==, 1);
  g_autoptr (MtvManifest) manifest = mtv_manifest_parse (text->str, text->len, WHAT, &error);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_cmpstr (error->message, ==, expected);
  g_assert_null (manifest);
}

static void
test_sample (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvManifest) manifest = mtv_manifest_parse (SAMPLE, strlen (SAMPLE), WHAT, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (manifest->vm_id, ==, "v");
  g_assert_null (manifest->plan);
  const MtvManifestDisk *disk = g_ptr_array_index (manifest->disks, 0);
  guint8 hash[MTV_HASH_MAX_SIZE];
  g_assert_cmpint (mtv_block_map_get (disk->map, 0, NULL), ==, MTV_BLOCK_ZERO);
  g_assert_cmpint (mtv_block_map_get (disk->map, 1, hash), ==, MTV_BLOCK_DATA);
  for (guint i = 0; i < 16; i++)
    g_assert_cmpuint (hash[i], ==, i * 0x11);
}

static void
test_damage (void)
{
  static const Damage damages[] = {
    { "{ \"format\"", "[ \"format\"", ", line 1: not an object" },
    { "manifest/1", "manifest/2", ", line 1, 'format': not 'org.mtv.manifest/1'" },
    { "\"format\": \"org.mtv.manifest/1\",", "", ", line 11: 'format' is missing" },
    { "\"run\"", "\"format\"", ", line 2, 'format': given twice" },
    { "\"run\": \"r\"", "\"run\": 1", ", line 2, 'run': not a string" },
    { "\"created\"", "\"run\"", ", line 3, 'run': given twice" },
    { "\"number\": 1", "\"number\": 4294967296",
      ", line 2, 'number': 4294967296 is more than 4294967295" },
    { "[1, true]", "[1, yes]", ", line 2, 'extra.a[1]': no value" },
    { "\"id\": \"v\"", "\"id\": {}", ", line 4, 'vm.id': not a string" },
    { "\"more\": []", "\"id\": \"w\"", ", line 4, 'vm.id': given twice" },
    { "\"xxh3-128\"", "\"md5\"", ", line 5, 'hash': no hash that is known: 'md5'" },
    { "\"xxh3-128\"", "null", ", line 5, 'hash': no hash that is known: ''" },
    { "\"hash\": \"xxh3-128\",", "", ", line 6, 'disks': stands before 'hash'" },
    { "\"extra\"", "\"hash\": \"sha256\", \"extra\"", ", line 5, 'hash': given twice" },
    { "\"disks\"", "\"discs\"", ", line 11: 'disks' is missing" },
    { "\"extra\": {\"a\"", "\"hash\": \"sha256\", \"disks\": [], \"extra\": {\"a\"",
      ", line 5, 'hash': given twice" },
    { "\"a.raw\"", "\"../a\"", ", line 9, 'disks[0]': 'file' is no plain name: '../a'" },
    { "\"a.raw\"", "\"..\"", ", line 9, 'disks[0]': 'file' is no plain name: '..'" },
    { "\"a.raw\"", "\".\"", ", line 9, 'disks[0]': 'file' is no plain name: '.'" },
    { "\"a.raw\"", "\"\"", ", line 9, 'disks[0]': 'file' is no plain name: ''" },
    { "\"a.raw\"", "\"/etc\"", ", line 9, 'disks[0]': 'file' is no plain name: '/etc'" },
    { "\"a.raw\"", "\"a\\n/\"", ", line 9, 'disks[0]': 'file' is no plain name: 'a /'" },
    { "\"a.raw\"", "null", ", line 9, 'disks[0]': 'file' is missing" },
    { "\"b.raw\"", "\"a.raw\"", ", line 11, 'disks[1]': 'a.raw' is the file of disk 0 already" },
    { "\"format\": \"raw\",", "", ", line 9, 'disks[0]': 'format' is missing" },
    { "\"raw\"", "\"-x\"", ", line 9, 'disks[0]': 'format' is no format: '-x'" },
    { "\"raw\"", "\"raw,x\"", ", line 9, 'disks[0]': 'format' is no format: 'raw,x'" },
    { "1572864", "15728.64", ", line 7, 'disks[0].size': not a whole number below 2^64" },
    { "1572864", "-1", ", line 7, 'disks[0].size': not a whole number below 2^64" },
    { "1572864", "9223372036854775808",
      ", line 7, 'disks[0].size': 9223372036854775808 is more than 9223372036854775807" },
    { "1572864", "9223372036854775807",
      ", line 9, 'disks[0].blocks': the blocks of a disk of 9223372036854775807 bytes have "
      "17592186044416 bytes, not 1048576" },
    { "\"size\": 1572864,", "",
      ", line 9, 'disks[0].blocks': stands before 'size' and 'block-size'" },
    { "\"block-size\": 1048576,", "",
      ", line 9, 'disks[0].blocks': stands before 'size' and 'block-size'" },
    { "\"later\": 0.5", "\"size\": 1", ", line 8, 'disks[0].size': given twice" },
    { "\"later\": 0.5", "\"file\": \"c\"", ", line 8, 'disks[0].file': given twice" },
    { "1048576, \"later\"", "4096, \"later\"",
      ", line 9, 'disks[0].blocks': the blocks of a disk of 1572864 bytes have 1048576 bytes, "
      "not 4096" },
    { "524288", "524287",
      ", line 9, 'disks[0]': 'data-bytes' is 524287, but the blocks have 524288" },
    { "\"blocks\": []", "\"blocks\": [], \"blocks\": []",
      ", line 11, 'disks[1].blocks': given twice" },
    { "\"blocks\": []", "\"Blocks\": []", ", line 11, 'disks[1]': 'blocks' is missing" },
    { "\"blocks\": []", "\"blocks\": [null]",
      ", line 11, 'disks[1].blocks[0]': a disk of 0 bytes has only 0 blocks" },
    { "[null, ", "[", ", line 9, 'disks[0].blocks': 1 blocks are missing" },
    { "[null, ", "[null, null, ",
      ", line 9, 'disks[0].blocks[2]': a disk of 1572864 bytes has only 2 blocks" },
    { "[null, ", "[0, ", ", line 9, 'disks[0].blocks[0]': not a string" },
    { "ddeeff", "ddeef",
      ", line 9, 'disks[0].blocks[1]': neither null nor 32 lower-case "
      "hexadecimal digits" },
    { "ddeeff", "ddeeff0",
      ", line 9, 'disks[0].blocks[1]': neither null nor 32 lower-case "
      "hexadecimal digits" },
    { "ddeeff", "ddeeFF",
      ", line 9, 'disks[0].blocks[1]': neither null nor 32 lower-case "
      "hexadecimal digits" },
    { "xxh3-128", "sha256",
      ", line 9, 'disks[0].blocks[1]': neither null nor 64 lower-case "
      "hexadecimal digits" },
    { "[]}]}\n", "[]}]}\n{", ", line 12: more follows the end" },
    { "[]}]}\n", "[]}]", ", line 11, 'disks': neither ',' nor '}' follows" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (damages); i++)
    assert_refused (&damages[i]);
}

/* The example of the manual, which has to be read there, too, and tells the truth. */
static void
test_manual (void)
{
  g_autofree char *page = NULL;
  g_autofree guint8 *yes = g_malloc (MIB / 2);
  guint8 hash[MTV_HASH_MAX_SIZE], got[MTV_HASH_MAX_SIZE];
  g_autoptr (GError) error = NULL;

  g_file_get_contents (MANUAL, &page, NULL, &error);
  g_assert_no_error (error);
  char *begin = strstr (strstr (page, ".SH EXAMPLE"), "\n{\n");
  g_autoptr (GString) text = g_string_new_len (begin, strstr (begin, "\n.fi\n") - begin);
  g_string_replace (text, "\\-", "-", 0);
  g_autoptr (MtvManifest) manifest = mtv_manifest_parse (text->str, text->len, WHAT, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (manifest->vm_name, ==, "Web");

  const MtvManifestDisk *disk = g_ptr_array_index (manifest->disks, 0);
  for (gsize i = 0; i < MIB / 2; i++)
    yes[i] = i % 2 == 0 ? 'y' : '\n';
  mtv_hash_data (manifest->hash, yes, MIB / 2, hash);
  g_assert_cmpint (mtv_block_map_get (disk->map, 0, NULL), ==, MTV_BLOCK_ZERO);
  g_assert_cmpint (mtv_block_map_get (disk->map, 1, got), ==, MTV_BLOCK_DATA);
  g_assert_cmpmem (got, 16, hash, 16);

  /* What is written of it is the example to the letter. */
  int fd = temporary_file ();
  g_assert_true (mtv_manifest_write (manifest, fd, &error));
  g_autofree char *written = g_malloc0 (text->len + 2);
  g_assert_cmpint (pread (fd, written, text->len + 1, 0), ==, text->len);
  g_assert_cmpmem (written, text->len - 1, text->str + 1, text->len - 1);
  close (fd);
}

/* Cut anywhere, it is no manifest: what a power cut leaves of it is not taken for one. */
static void
test_cut (void)
{
  for (gsize length = 0; length + 1 < strlen (SAMPLE); length++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *cut = g_memdup2 (SAMPLE, length);
      g_autoptr (MtvManifest) manifest = mtv_manifest_parse (cut, length, WHAT, &error);

      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
      g_assert_null (manifest);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint hash = 0; hash < MTV_N_HASHES; hash++)
    {
      g_autofree char *path
          = g_strconcat ("/manifest/round-trip/", mtv_hash_to_string (hash), NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (hash), test_round_trip);
    }
  g_test_add_func ("/manifest/least", test_least);
  g_test_add_func ("/manifest/is-of", test_is_of);
  g_test_add_func ("/manifest/refused-at-writing", test_refused_at_writing);
  g_test_add_func ("/manifest/sample", test_sample);
  g_test_add_func ("/manifest/damage", test_damage);
  g_test_add_func ("/manifest/manual", test_manual);
  g_test_add_func ("/manifest/cut", test_cut);
  return g_test_run ();
}
