/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer-fixture.h"
#include "transfer/mtv-data-runs.h"

#include <string.h>

#define TOOTH (128 * KIB)

/* A disk of 40 GiB that begins every 128 KiB with 4 KiB of data; with a gap in what it tells, if
 * asked for. */
typedef struct
{
  GObject parent;

  guint64 gap;
} Comb;
typedef GObjectClass CombClass;

GType comb_get_type (void);

static guint64
comb_get_size (MtvReader *reader)
{
  (void) reader;
  return 40 * 1024 * MIB;
}

static gboolean
comb_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
              GCancellable *cancellable, GError **error)
{
  (void) cancellable;
  (void) error;
  for (guint64 at = offset; at < offset + length; at += TOOTH)
    {
      MtvExtent extent = { at, 4096, FALSE };

      g_array_append_val (extents, extent);
      extent = (MtvExtent){ at + 4096, TOOTH - 4096, TRUE };
      if (at != ((Comb *) reader)->gap)
        g_array_append_val (extents, extent);
    }
  return TRUE;
}

static void
comb_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = comb_get_size;
  iface->extents = comb_extents;
}

static void
comb_class_init (CombClass *klass)
{
  (void) klass;
}

static void
comb_init (Comb *self)
{
  self->gap = G_MAXUINT64;
}

G_DEFINE_TYPE_WITH_CODE (Comb, comb, G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, comb_reader_init))

static void
test_rounding (void)
{
  g_autoptr (FakeMemoryDisk) disk = fake_memory_disk_new (3 * MIB + 5);
  g_autoptr (GError) error = NULL;
  MtvRunKind kind;

  fake_memory_disk_get_data (disk)[MIB + 1] = 1;
  fake_memory_disk_get_data (disk)[3 * MIB + 4] = 1;
  g_autoptr (MtvDataRuns) runs = mtv_data_runs_new (MTV_READER (disk), MIB, NULL, NULL, &error);
  g_assert_no_error (error);

  g_assert_cmpuint (mtv_data_runs_next (runs, 0, 3 * MIB, &kind), ==, MIB);
  g_assert_cmpint (kind, ==, MTV_RUN_ZERO);
  g_assert_cmpuint (mtv_data_runs_next (runs, 0, 1000, &kind), ==, 1000);
  g_assert_cmpint (kind, ==, MTV_RUN_ZERO);
  g_assert_cmpuint (mtv_data_runs_next (runs, MIB + 3, 3 * MIB, &kind), ==, MIB + 64 * KIB);
  g_assert_cmpint (kind, ==, MTV_RUN_DATA);
  g_assert_cmpuint (mtv_data_runs_next (runs, MIB + 64 * KIB, 3 * MIB, &kind), ==, 3 * MIB);
  g_assert_cmpint (kind, ==, MTV_RUN_ZERO);
  g_assert_cmpuint (mtv_data_runs_next (runs, 3 * MIB, 3 * MIB + 5, &kind), ==, 3 * MIB + 5);
  g_assert_cmpint (kind, ==, MTV_RUN_DATA);
  g_assert_cmpuint (mtv_data_runs_count (runs, 0, 3 * MIB + 5), ==, 64 * KIB + 5);
  g_assert_cmpuint (mtv_data_runs_count (runs, MIB + 10, MIB + 30), ==, 20);
}

/* Too fine to keep: from some point on whole blocks, so that all of this disk is data there. */
static void
test_fine_structure_is_bounded (void)
{
  g_autoptr (MtvReader) comb = g_object_new (comb_get_type (), NULL);
  g_autoptr (GError) error = NULL;
  MtvRunKind kind;
  guint64 end = 40 * 1024 * MIB;

  g_autoptr (MtvDataRuns) runs = mtv_data_runs_new (comb, MIB, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_data_runs_count (runs, 0, MIB), ==, MIB / 2);
  g_assert_cmpuint (mtv_data_runs_next (runs, 20 * 1024 * MIB, end, &kind), ==, end);
  g_assert_cmpint (kind, ==, MTV_RUN_DATA);
}

static void
test_gap (void)
{
  g_autoptr (MtvReader) comb = g_object_new (comb_get_type (), NULL);
  g_autoptr (GError) error = NULL;

  ((Comb *) comb)->gap = 5 * TOOTH;
  g_assert_null (mtv_data_runs_new (comb, MIB, NULL, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "659456")); /* 5 * TOOTH + 4096 */
}

/* Only what changed counts, and where nothing did, nothing is asked. */
static void
test_changes (void)
{
  Comb *comb = g_object_new (comb_get_type (), NULL);
  g_autoptr (MtvReader) owner = MTV_READER (comb);
  MtvExtent given[] = { { MIB + 3, 5, FALSE }, { 2 * MIB - 1, 64 * KIB, TRUE } };
  g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autoptr (GError) error = NULL;
  MtvRunKind kind;

  g_array_append_vals (changes, given, 2);
  comb->gap = 3 * 1024 * (guint64) MIB; /* would be an error */
  g_autoptr (MtvDataRuns) runs = mtv_data_runs_new (owner, MIB, changes, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_data_runs_next (runs, 0, 4 * MIB, &kind), ==, MIB);
  g_assert_cmpint (kind, ==, MTV_RUN_KEEP);
  g_assert_cmpuint (mtv_data_runs_next (runs, MIB, 4 * MIB, &kind), ==, MIB + 64 * KIB);
  g_assert_cmpint (kind, ==, MTV_RUN_DATA);
  g_assert_cmpuint (mtv_data_runs_next (runs, 2 * MIB - 64 * KIB, 4 * MIB, &kind), ==, 2 * MIB);
  g_assert_cmpint (kind, ==, MTV_RUN_ZERO);
  g_assert_cmpuint (mtv_data_runs_next (runs, 2 * MIB + 64 * KIB, 4 * MIB, &kind), ==, 4 * MIB);
  g_assert_cmpint (kind, ==, MTV_RUN_KEEP);
  g_assert_cmpuint (mtv_data_runs_count (runs, 0, 4 * MIB), ==, 128 * KIB);

  MtvExtent *first = &g_array_index (changes, MtvExtent, 0);
  first->offset = 3 * MIB; /* behind the next */
  g_assert_null (mtv_data_runs_new (owner, MIB, changes, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "byte 2097151"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/data-runs/rounding", test_rounding);
  g_test_add_func ("/data-runs/fine-structure-is-bounded", test_fine_structure_is_bounded);
  g_test_add_func ("/data-runs/gap", test_gap);
  g_test_add_func ("/data-runs/changes", test_changes);
  return g_test_run ();
}
