/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-changes.h"
#include "transfer/mtv-disk-io.h"
#include "vsphere-fixture.h"

#include <string.h>

#define MIB (1024 * 1024)

static GArray *
query (Fixture *f, gboolean good, GError **error)
{
  GArray *changes = NULL;

  g_assert_true (mtv_vsphere_changes_query (f->session, FAKE_VM, "snapshot-2", FAKE_DISK,
                                            FAKE_CAPACITY, "uu id/1", &changes, NULL, error)
                 == good);
  return changes;
}

static void
assert_changes (GArray *changes, const char *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < changes->len; i++)
    {
      const MtvExtent *extent = &g_array_index (changes, MtvExtent, i);

      g_assert_false (extent->zero);
      g_string_append_printf (text, "%s%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, i == 0 ? "" : " ",
                              extent->offset, extent->length);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

static void
answer (Fixture *f, guint64 start, guint64 length, const char *areas)
{
  g_autofree char *inside
      = g_strdup_printf ("<returnval><startOffset>%" G_GUINT64_FORMAT
                         "</startOffset><length>%" G_GUINT64_FORMAT "</length>%s</returnval>",
                         start, length, areas);

  fake_vcenter_answer (f->vcenter, "QueryChangedDiskAreas", inside, 1);
}

#define AREA(start, length) \
  "<changedArea><start>" #start "</start><length>" #length "</length></changedArea>"

static void
test_one_page (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) changes = query (f, TRUE, &error);
  g_autofree char *last = fake_vcenter_get_last (f->vcenter, "QueryChangedDiskAreas");

  g_assert_no_error (error);
  assert_changes (changes, "65536+131072");
  /* All parameters, in the order of the API's reference. */
  g_assert_nonnull (
      strstr (last, "<_this type=\"VirtualMachine\">vm-57</_this><snapshot "
                    "type=\"VirtualMachineSnapshot\">snapshot-2</snapshot><deviceKey>2000"
                    "</deviceKey><startOffset>0</startOffset><changeId>uu id/1</changeId>"));
}

/* The end is never asked for, and empty pages in the middle and at the end are no end. */
static void
test_pages (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  answer (f, 0, 16 * MIB, AREA (0, 65536) AREA (65536, 65536));
  answer (f, 16 * MIB, 16 * MIB, "");
  answer (f, 32 * MIB, 16 * MIB, AREA (50331648, 1) AREA (33554432, 512) AREA (33554432, 1024));
  answer (f, 48 * MIB, 16 * MIB, "");
  g_autoptr (GArray) changes = query (f, TRUE, &error);
  g_assert_no_error (error);
  assert_changes (changes, "0+131072 33554432+1024 50331648+1");
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "QueryChangedDiskAreas"), ==, 4);
}

static void
test_clipped (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  answer (f, 0, 99 * MIB,
          AREA (67108352, 65536) AREA (67108864, 65536) AREA (99999999999, 1) AREA (7, 0)
              AREA (18446744073709551615, 18446744073709551615) AREA (-1, 5) AREA (x, y));
  g_autoptr (GArray) changes = query (f, TRUE, &error);
  g_assert_no_error (error);
  assert_changes (changes, "0+5 67108352+512"); /* what is no number is 0: rather more than less */
}

static void
test_nonsense (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    guint64 start;
    guint64 length;
  } pages[] = { { 0, 0 }, { 4096, 65536 }, { G_MAXUINT64, 2 }, { 1, G_MAXUINT64 } };

  for (gsize i = 0; i < G_N_ELEMENTS (pages); i++)
    {
      g_autoptr (GError) error = NULL;

      answer (f, pages[i].start, pages[i].length, "");
      g_assert_null (query (f, FALSE, &error));
      assert_says (error, MTV_ERROR_BAD_DATA, "disk '2000'");
    }
  /* A second page that is the first one again. */
  g_autoptr (GError) error = NULL;
  answer (f, 0, MIB, "");
  answer (f, 0, MIB, "");
  g_assert_null (query (f, FALSE, &error));
  assert_says (error, MTV_ERROR_BAD_DATA, "from 1048576 on");
}

static void
test_cannot_tell (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const faults[] = { "FileFault", "InvalidArgument", "MethodNotFound" };

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr (GError) error = NULL;

      answer (f, 0, MIB, AREA (0, 65536));
      fake_vcenter_fault (f->vcenter, "QueryChangedDiskAreas", faults[i], 1);
      g_assert_null (query (f, TRUE, &error)); /* the first page's areas are not all */
      g_assert_no_error (error);
    }
  g_autoptr (GError) error = NULL;
  fake_vcenter_fault (f->vcenter, "QueryChangedDiskAreas", "ManagedObjectNotFound", 1);
  g_assert_null (query (f, FALSE, &error));
  assert_says (error, MTV_ERROR_NOT_FOUND, "vm-57");
}

static void
test_expired (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  answer (f, 0, 16 * MIB, AREA (0, 65536));
  fake_vcenter_fault (f->vcenter, "QueryChangedDiskAreas", "NotAuthenticated", 1);
  answer (f, 16 * MIB, 48 * MIB, AREA (16777216, 65536));
  g_autoptr (GArray) changes = query (f, TRUE, &error);
  g_assert_no_error (error);
  assert_changes (changes, "0+65536 16777216+65536");
}

static void
test_many (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) areas = g_string_new (NULL);

  for (guint i = 0; i < 2500; i++)
    g_string_append_printf (areas,
                            "<changedArea><start>%u</start><length>512</length></changedArea>",
                            (2499 - i) * 1024);
  answer (f, 0, FAKE_CAPACITY, areas->str);
  g_autoptr (GArray) changes = query (f, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (changes->len, ==, 2500);
  g_assert_cmpuint (g_array_index (changes, MtvExtent, 2499).offset, ==, 2499 * 1024);
}

static void
test_epochs (void)
{
  g_assert_true (mtv_vsphere_changes_is_same_epoch ("52 de-61/81", "52 de-61/9"));
  g_assert_false (mtv_vsphere_changes_is_same_epoch ("52 de-61/81", "52 de-62/81"));
  g_assert_false (mtv_vsphere_changes_is_same_epoch ("52/1", "5/21"));
  g_assert_false (mtv_vsphere_changes_is_same_epoch ("", ""));
  g_assert_false (mtv_vsphere_changes_is_same_epoch ("52/1", ""));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mtv_error_quark ();

#define ADD(name, func) \
  g_test_add ("/vsphere-changes/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("one-page", test_one_page);
  ADD ("pages", test_pages);
  ADD ("clipped", test_clipped);
  ADD ("nonsense", test_nonsense);
  ADD ("cannot-tell", test_cannot_tell);
  ADD ("expired", test_expired);
  ADD ("many", test_many);
  g_test_add_func ("/vsphere-changes/epochs", test_epochs);
  return g_test_run ();
}
