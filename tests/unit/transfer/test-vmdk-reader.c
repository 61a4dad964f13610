/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-reader.h"

#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "transfer/mtv-concat-reader.h"
#include "transfer/mtv-gzip-reader.h"

#include <glib/gstdio.h>
#include <string.h>

#define LABEL "disk 'a.vmdk'"
#define KIB 1024u

typedef struct
{
  char *folder;
  char *raw_name;
  char *vmdk_name;
  GByteArray *raw;
} Fixture;

/* Stretches of zeroes, noise and text, the first grain not zero. @length: of whole sectors. */
static void
fill_raw (GByteArray *raw, gsize length)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (length);

  g_byte_array_set_size (raw, length);
  memset (raw->data, 0, length);
  for (gsize at = 0; at < length;)
    {
      gsize run = MIN (length - at, (gsize) g_rand_int_range (rand, 1, 150 * KIB));
      int kind = at == 0 ? 2 : g_rand_int_range (rand, 0, 3);

      for (gsize i = 0; kind > 0 && i < run; i++)
        raw->data[at + i] = kind == 1 ? g_rand_int (rand) : 'a' + (at + i) % 23 + i / 701 % 3;
      at += run;
    }
}

static void
set_raw (Fixture *f, gsize length)
{
  fill_raw (f->raw, length);
  g_assert_true (g_file_set_contents_full (f->raw_name, (char *) f->raw->data, length,
                                           G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  f->folder = g_dir_make_tmp ("test-vmdk-XXXXXX", NULL);
  f->raw_name = g_build_filename (f->folder, "a.raw", NULL);
  f->vmdk_name = g_build_filename (f->folder, "a.vmdk", NULL);
  f->raw = g_byte_array_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_remove (f->raw_name);
  g_remove (f->vmdk_name);
  g_assert_cmpint (g_rmdir (f->folder), ==, 0);
  g_free (f->folder);
  g_free (f->raw_name);
  g_free (f->vmdk_name);
  g_byte_array_unref (f->raw);
}

/* Runs @command (with the names of both files behind it), and reads what it made. */
static BytesReader *
run (Fixture *f, const char *command)
{
  g_autofree char *line = g_strdup_printf ("%s '%s' '%s'", command, f->raw_name, f->vmdk_name);
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL;
  char *contents;
  gsize length;
  int status;

  g_spawn_command_line_sync (line, &out, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_file_get_contents (f->vmdk_name, &contents, &length, &error);
  g_assert_no_error (error);

  g_autoptr (GBytes) bytes = g_bytes_new_take (contents, length);
  return bytes_reader_new (bytes);
}

static BytesReader *
make (Fixture *f, const char *options)
{
  g_autofree char *command = g_strdup_printf ("python3 " MKVMDK " %s", options);

  return run (f, command);
}

static MtvReader *
open_vmdk (BytesReader *file, GError **error)
{
  MtvVmdkReader *vmdk = mtv_vmdk_reader_new (MTV_READER (file), LABEL, NULL, error);

  return vmdk ? MTV_READER (vmdk) : NULL;
}

static void
assert_range (MtvReader *reader, GByteArray *raw, guint64 offset, gsize length)
{
  g_autofree guint8 *buffer = g_malloc (length + 1);
  g_autoptr (GError) error = NULL;

  memset (buffer, '#', length + 1);
  mtv_reader_read (reader, offset, buffer, length, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (memcmp (buffer, raw->data + offset, length) == 0);
  g_assert_cmpint (buffer[length], ==, '#');
}

static void
assert_extents (MtvReader *reader, GByteArray *raw, guint64 offset, guint64 length)
{
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  guint64 at = offset;

  g_assert_true (mtv_reader_extents (reader, offset, length, extents, NULL, NULL));
  for (guint i = 0; i < extents->len; i++)
    {
      const MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_cmpuint (extent->offset, ==, at);
      g_assert_cmpuint (extent->length, >, 0);
      if (i > 0)
        g_assert_cmpint (extent->zero, !=, extent[-1].zero);
      at += extent->length;
      for (guint64 b = extent->offset; extent->zero && b < at; b++)
        g_assert_cmpuint (raw->data[b], ==, 0);
    }
  g_assert_cmpuint (at, ==, offset + length);
}

static void
assert_disk (MtvReader *reader, GByteArray *raw)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  g_assert_cmpuint (mtv_reader_get_size (reader), ==, raw->len);
  assert_range (reader, raw, 0, raw->len);
  for (guint64 at = 0; at < raw->len; at += 1000 * KIB)
    assert_range (reader, raw, at, MIN (1000 * KIB, raw->len - at));
  for (int i = 0; i < 100; i++)
    {
      guint64 at = g_rand_int_range (rand, 0, raw->len);
      guint64 length = g_rand_int_range (rand, 0, MIN (raw->len - at, 200 * KIB));

      assert_range (reader, raw, at, length);
      assert_extents (reader, raw, at, length);
    }
  assert_extents (reader, raw, 0, raw->len);
}

static void
test_qemu (Fixture *f, gconstpointer data)
{
  static const gsize sizes[] = { 512, 64 * KIB, 64 * KIB + 512, 5 * KIB * KIB + 7 * 512 };
  g_autofree char *command
      = g_strdup_printf ("qemu-img convert -f raw -O vmdk -o subformat=%s", (const char *) data);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GError) error = NULL;

      set_raw (f, sizes[i]);
      g_autoptr (BytesReader) file = run (f, command);
      g_autoptr (MtvReader) reader = open_vmdk (file, &error);
      g_assert_no_error (error);
      assert_disk (reader, f->raw);
      g_remove (f->vmdk_name);
    }
}

static void
test_good (Fixture *f, gconstpointer data)
{
  set_raw (f, 3 * KIB * KIB + 512); /* more than a table of the smallest grains */
  g_autoptr (BytesReader) file = make (f, data);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvReader) reader = open_vmdk (file, &error);

  g_assert_no_error (error);
  assert_disk (reader, f->raw);
}

static const char *const good[] = {
  "--kind stream",
  "--kind stream --grain 8",
  "--kind stream --grain 2048",
  "--kind stream --zeroed",
  "--kind stream --fault no-footer",
  "--kind stream --fault bad-footer-gd",
  "--kind sparse",
  "--kind sparse --grain 8",
  "--kind sparse --zeroed",
  "--kind sparse --fault bad-gd",
  "--kind sparse --fault table-tail",
  "--kind stream --fault table-tail",
  "--kind sparse --fault bad-gt",
};

typedef struct
{
  const char *options;
  int code;
  const char *message;
} Bad;

static const Bad bad_to_open[] = {
  { "--fault no-eos", MTV_ERROR_BAD_DATA, "cut short" },
  { "--fault truncated", MTV_ERROR_BAD_DATA, "cut short" },
  { "--fault duplicate-record", MTV_ERROR_BAD_DATA, "grain 0 twice, at bytes 1024 and " },
  { "--fault bad-marker", MTV_ERROR_BAD_DATA, "broken marker at byte " },
  { "--fault long-marker", MTV_ERROR_BAD_DATA, "broken marker at byte " },
  { "--fault huge-capacity", MTV_ERROR_BAD_DATA, "impossible capacity" },
  { "--fault huge-grain", MTV_ERROR_BAD_DATA, "impossible grain size" },
  { "--fault huge-tables", MTV_ERROR_BAD_DATA, "impossible grain table size" },
  { "--fault huge-descriptor", MTV_ERROR_BAD_DATA, "impossible descriptor size" },
  { "--fault no-capacity", MTV_ERROR_UNSUPPORTED, "only describes other files" },
  { "--fault version", MTV_ERROR_UNSUPPORTED, "version 9" },
  { "--fault text-mode", MTV_ERROR_BAD_DATA, "damaged by a text-mode transfer" },
  { "--parent 12345678", MTV_ERROR_UNSUPPORTED, "its parent 'base.vmdk'" },
  { "--create-type vmfsSparse", MTV_ERROR_UNSUPPORTED, "'vmfsSparse'" },
  { "--kind sparse --fault bad-gds", MTV_ERROR_BAD_DATA, "grain table 0 at sector 4294967280" },
  { "--kind sparse --fault large-capacity", MTV_ERROR_BAD_DATA, "grain directory" },
  { "--kind sparse --fault text-mode", MTV_ERROR_BAD_DATA, "text-mode" },
};

static void
test_bad_to_open (Fixture *f, gconstpointer data)
{
  const Bad *bad = data;

  set_raw (f, 400 * KIB);
  g_autoptr (BytesReader) file = make (f, bad->options);
  g_autoptr (GError) error = NULL;

  g_assert_null (open_vmdk (file, &error));
  g_assert_error (error, MTV_ERROR, bad->code);
  g_assert_nonnull (strstr (error->message, LABEL));
  g_assert_nonnull (strstr (error->message, bad->message));
}

static const Bad bad_to_read[] = {
  { "--fault bad-deflate", MTV_ERROR_BAD_DATA, "grain 0 at byte 1024 cannot be inflated" },
  { "--fault short-grain", MTV_ERROR_BAD_DATA, "grain 0 at byte 1024 inflates to too few" },
  { "--fault bad-lba", MTV_ERROR_BAD_DATA, "grain 0 at byte 1024 says that it belongs elsewhere" },
  { "--fault bad-size", MTV_ERROR_BAD_DATA, "grain 0 at byte 1024 is cut short" },
  { "--fault duplicate", MTV_ERROR_BAD_DATA, "at byte 1024 says that it belongs elsewhere" },
  { "--fault past-end", MTV_ERROR_BAD_DATA, "at byte 1099511627264, past the end" },
  { "--fault into-header", MTV_ERROR_BAD_DATA, "" },
  { "--kind sparse --fault duplicate", MTV_ERROR_BAD_DATA, "more than one grain at byte 65536" },
  { "--kind sparse --fault past-end", MTV_ERROR_BAD_DATA, "at byte 1099511627264, past the end" },
  { "--kind sparse --fault into-header", MTV_ERROR_BAD_DATA, "at byte 1024, inside the header" },
  { "--kind sparse --fault truncated", MTV_ERROR_BAD_DATA, "past the end of the file" },
};

static void
test_bad_to_read (Fixture *f, gconstpointer data)
{
  const Bad *bad = data;

  set_raw (f, 400 * KIB);
  g_autoptr (BytesReader) file = make (f, bad->options);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvReader) reader = open_vmdk (file, &error);
  g_autofree guint8 *buffer = g_malloc (f->raw->len);

  g_assert_no_error (error);
  for (int i = 0; i < 2; i++) /* and it stays so */
    {
      g_clear_error (&error);
      g_assert_false (mtv_reader_read (reader, 0, buffer, f->raw->len, NULL, &error));
      g_assert_error (error, MTV_ERROR, bad->code);
      g_assert_nonnull (strstr (error->message, LABEL));
      g_assert_nonnull (strstr (error->message, bad->message));
    }
}

/* Any cut makes an error, or a file that needs nothing of what is missing. */
static void
test_every_cut (Fixture *f, gconstpointer data)
{
  set_raw (f, 40 * KIB);
  g_autoptr (BytesReader) file = make (f, data);
  guint64 size = mtv_reader_get_size (MTV_READER (file));
  g_autofree guint8 *all = g_malloc (size);
  g_autofree guint8 *buffer = g_malloc (f->raw->len);

  g_assert_true (mtv_reader_read (MTV_READER (file), 0, all, size, NULL, NULL));
  for (guint64 cut = 0; cut < size - 1; cut += 97)
    {
      g_autoptr (GBytes) bytes = g_bytes_new_static (all, cut);
      g_autoptr (BytesReader) part = bytes_reader_new (bytes);
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvReader) reader = open_vmdk (part, &error);

      if (reader && mtv_reader_read (reader, 0, buffer, f->raw->len, NULL, &error))
        g_assert_true (memcmp (buffer, f->raw->data, f->raw->len) == 0);
      else
        g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
    }
}

/* Neighbours are read together, and a grain read in pieces is inflated once. */
static void
test_few_reads (Fixture *f, gconstpointer data)
{
  g_byte_array_set_size (f->raw, 3 * KIB * KIB);
  memset (f->raw->data, 0x5a, f->raw->len);
  g_assert_true (g_file_set_contents_full (f->raw_name, (char *) f->raw->data, f->raw->len,
                                           G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  g_autoptr (BytesReader) file = make (f, data);
  g_autoptr (MtvReader) reader = open_vmdk (file, NULL);

  assert_range (reader, f->raw, 0, 512); /* the table is in memory now */
  guint before = bytes_reader_get_n_reads (file);
  assert_range (reader, f->raw, 1024 * KIB, 1024 * KIB);
  g_assert_cmpuint (bytes_reader_get_n_reads (file) - before, ==, 1);

  before = bytes_reader_get_n_reads (file);
  if (strstr (data, "stream"))
    {
      for (guint i = 0; i < 16; i++)
        assert_range (reader, f->raw, 128 * KIB + i * 4 * KIB, 4 * KIB);
      g_assert_cmpuint (bytes_reader_get_n_reads (file) - before, ==, 1);
    }
}

static void
test_source_fails (Fixture *f, gconstpointer data)
{
  set_raw (f, 2 * KIB * KIB);
  g_autoptr (BytesReader) file = make (f, data);
  g_autoptr (MtvReader) reader = open_vmdk (file, NULL);
  g_autoptr (GError) error = NULL;
  guint8 buffer[4096];

  bytes_reader_fail_at (file, mtv_reader_get_size (MTV_READER (file)) / 2);
  g_autofree guint8 *all = g_malloc (f->raw->len);
  g_assert_false (mtv_reader_read (reader, 0, all, f->raw->len, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_true (mtv_reader_read (reader, 0, buffer, sizeof buffer, NULL, NULL));
}

typedef struct
{
  MtvReader *reader;
  GByteArray *raw;
  guint first;
} Job;

static gpointer
read_thread (gpointer data)
{
  const Job *job = data;

  for (guint64 at = job->first * 60 * KIB; at < job->raw->len; at += 180 * KIB)
    assert_range (job->reader, job->raw, at, MIN (60 * KIB, job->raw->len - at));
  return NULL;
}

static void
test_threads (Fixture *f, gconstpointer data)
{
  set_raw (f, 2 * KIB * KIB);
  g_autoptr (BytesReader) file = make (f, data);
  g_autoptr (MtvReader) reader = open_vmdk (file, NULL);
  GThread *threads[3];
  Job jobs[3];

  for (guint i = 0; i < 3; i++)
    {
      jobs[i] = (Job){ reader, f->raw, i };
      threads[i] = g_thread_new ("test-reader", read_thread, &jobs[i]);
    }
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);
}

static BytesReader *
gzip (BytesReader *file)
{
  gsize size = mtv_reader_get_size (MTV_READER (file));
  g_autofree guint8 *all = g_malloc (size);
  g_autoptr (GConverter) converter
      = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 1));
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) out = g_converter_output_stream_new (memory, converter);

  g_assert_true (mtv_reader_read (MTV_READER (file), 0, all, size, NULL, NULL));
  g_assert_true (g_output_stream_write_all (out, all, size, NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (out, NULL, NULL));
  g_autoptr (GBytes) bytes
      = g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
  return bytes_reader_new (bytes);
}

/* As an OVF envelope can have it: the VMDK compressed, then cut into chunks. */
static void
test_nested (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) chunks = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;

  set_raw (f, 6 * KIB * KIB);
  g_autoptr (BytesReader) vmdk = make (f, data);
  g_autoptr (BytesReader) zipped = gzip (vmdk);
  gsize size = mtv_reader_get_size (MTV_READER (zipped));
  for (gsize at = 0; at < size; at += 100003)
    {
      gsize length = MIN (100003, size - at);
      guint8 *chunk = g_malloc (length);

      g_assert_true (mtv_reader_read (MTV_READER (zipped), at, chunk, length, NULL, NULL));
      g_autoptr (GBytes) bytes = g_bytes_new_take (chunk, length);
      g_ptr_array_add (chunks, bytes_reader_new (bytes));
    }
  g_autoptr (MtvConcatReader) concat = mtv_concat_reader_new (chunks, 0);
  g_autoptr (MtvGzipReader) inner
      = mtv_gzip_reader_new (MTV_READER (concat), G_MAXINT64, LABEL, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (MtvVmdkReader) disk = mtv_vmdk_reader_new (MTV_READER (inner), LABEL, NULL, &error);
  g_assert_no_error (error);
  assert_disk (MTV_READER (disk), f->raw);
}

static void
test_not_a_vmdk (Fixture *f, gconstpointer data)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("# Disk DescriptorFile\nCID=1\n", 28);
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
  g_autoptr (BytesReader) text = bytes_reader_new (bytes);
  g_autoptr (BytesReader) nothing = bytes_reader_new (empty);
  g_autoptr (GError) error = NULL;

  (void) f;
  (void) data;
  g_assert_null (open_vmdk (text, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_cmpstr (error->message, ==, LABEL " holds no data, it only describes other files");
  g_clear_error (&error);
  g_assert_null (open_vmdk (nothing, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
}

static void
add (const char *name, const char *options, gconstpointer data,
     void (*test) (Fixture *, gconstpointer))
{
  g_autofree char *path = g_strconcat ("/vmdk-reader/", name, "/", options, NULL);

  g_test_add (path, Fixture, data, set_up, test, tear_down);
}

int
main (int argc, char *argv[])
{
  static const char *const kinds[] = { "--kind stream", "--kind sparse" };

  g_test_init (&argc, &argv, NULL);
  add ("qemu", "streamOptimized", "streamOptimized", test_qemu);
  add ("qemu", "monolithicSparse", "monolithicSparse", test_qemu);
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    add ("good", good[i], good[i], test_good);
  for (gsize i = 0; i < G_N_ELEMENTS (bad_to_open); i++)
    add ("bad-to-open", bad_to_open[i].options, &bad_to_open[i], test_bad_to_open);
  for (gsize i = 0; i < G_N_ELEMENTS (bad_to_read); i++)
    add ("bad-to-read", bad_to_read[i].options, &bad_to_read[i], test_bad_to_read);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      add ("every-cut", kinds[i], kinds[i], test_every_cut);
      add ("few-reads", kinds[i], kinds[i], test_few_reads);
      add ("source-fails", kinds[i], kinds[i], test_source_fails);
      add ("nested", kinds[i], kinds[i], test_nested);
      add ("threads", kinds[i], kinds[i], test_threads);
    }
  add ("not-a-vmdk", "any", NULL, test_not_a_vmdk);
  return g_test_run ();
}
