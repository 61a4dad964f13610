/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-settings.h"

#include "base/mtv-error.h"

static char *
print (const MtvSettings *settings)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_settings_to_variant (settings));

  return g_variant_print (variant, FALSE);
}

static void
test_apply (void)
{
  static const struct
  {
    const char *values;
    const char *error; /* NULL: good */
  } cases[] = {
    { "{'max-vms-in-flight': <uint32 1>}", NULL },
    { "{'max-vms-in-flight': <uint32 1000>}", NULL },
    { "{'max-vms-in-flight': <uint32 0>}", "'max-vms-in-flight' must lie between 1 and 1000" },
    { "{'max-vms-in-flight': <uint32 1001>}", "'max-vms-in-flight' must lie between 1 and 1000" },
    { "{'max-disks-per-vm': <uint32 64>}", NULL },
    { "{'max-disks-per-vm': <uint32 65>}", "'max-disks-per-vm' must lie between 1 and 64" },
    { "{'max-disks-per-vm': <uint64 6>}", "'max-disks-per-vm' must be of type 'u', not 't'" },
    { "{'retry-interval': <uint64 1000000>}", NULL },
    { "{'retry-interval': <uint64 999999>}",
      "'retry-interval' must lie between 1000000 and 86400000000" },
    { "{'retry-interval': <uint64 86400000001>}",
      "'retry-interval' must lie between 1000000 and 86400000000" },
    { "{'retry-interval': <'soon'>}", "'retry-interval' must be of type 't', not 's'" },
    { "{'precopy-interval': <uint64 60000000>}", NULL },
    { "{'precopy-interval': <uint64 59999999>}",
      "'precopy-interval' must lie between 60000000 and 31622400000000" },
    { "{'max-downtime': <uint64 0>}",
      "'max-downtime' must lie between 1000000 and 31622400000000" },
    { "{'shutdown-timeout': <uint64 0>}",
      "'shutdown-timeout' must lie between 1000000 and 31622400000000" },
    { "{'cutover-grace': <uint64 0>}", NULL },
    { "{'max-snapshots': <uint32 1>}", "'max-snapshots' must lie between 2 and 28" },
    { "{'max-vms': <uint32 1>}", "There is no setting 'max-vms'" },
    { "{'max-vms-in-flight': <uint32 7>, 'x': <0>}", "There is no setting 'x'" },
    { "@a{sv} {}", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) values
          = g_variant_parse (G_VARIANT_TYPE_VARDICT, cases[i].values, NULL, NULL, NULL);
      MtvSettings settings, untouched;

      mtv_settings_init (&settings);
      untouched = settings;
      g_assert_true (mtv_settings_apply (&settings, values, &error) == (cases[i].error == NULL));
      if (cases[i].error == NULL)
        {
          g_assert_no_error (error);
          continue;
        }
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_assert_cmpstr (error->message, ==, cases[i].error);
      g_assert_cmpmem (&settings, sizeof settings, &untouched, sizeof untouched);
    }
}

static void
test_round_trip (void)
{
  g_autoptr (GVariant) values = g_variant_parse (
      NULL,
      "{'max-vms-in-flight': <uint32 3>, 'max-disks-per-vm': <uint32 4>, 'retry-interval': <uint64 "
      "5000000>, 'precopy-interval': <uint64 60000000>, 'max-downtime': <uint64 1000000>, "
      "'shutdown-timeout': <uint64 2000000>, 'cutover-grace': <uint64 0>, "
      "'max-snapshots': <uint32 2>}",
      NULL, NULL, NULL);
  MtvSettings settings;

  mtv_settings_init (&settings);
  g_autofree char *initial = print (&settings);
  g_assert_cmpstr (initial, ==,
                   "{'max-vms-in-flight': <uint32 20>, 'max-disks-per-vm': <uint32 2>, "
                   "'retry-interval': <uint64 30000000>, 'precopy-interval': <uint64 3600000000>, "
                   "'max-downtime': <uint64 60000000>, 'shutdown-timeout': <uint64 600000000>, "
                   "'cutover-grace': <uint64 3600000000>, 'max-snapshots': <uint32 28>}");
  g_assert_true (mtv_settings_apply (&settings, values, NULL));
  g_assert_cmpuint (settings.max_vms_in_flight, ==, 3);
  g_assert_cmpuint (settings.max_disks_per_vm, ==, 4);
  g_assert_cmpuint (settings.retry_interval_usec, ==, 5000000);
  g_autoptr (GVariant) back = g_variant_ref_sink (mtv_settings_to_variant (&settings));
  g_assert_true (g_variant_equal (back, values));
}

static void
test_key_file (void)
{
  static const struct
  {
    const char *text;
    const char *values; /* what comes of it, or the error */
    gboolean good;
  } cases[] = {
    { "[Manager]\nMaxVirtualMachinesInFlight= 5 \nRetryIntervalSec=90\nLogLevel=debug\n",
      "{'max-vms-in-flight': <uint32 5>, 'retry-interval': <uint64 90000000>}", TRUE },
    { "[Manager]\nMaxDisksPerVirtualMachine=64", "{'max-disks-per-vm': <uint32 64>}", TRUE },
    { "[Other]\nMaxDisksPerVirtualMachine=x", "{}", TRUE },
    { "", "{}", TRUE },
    { "[Manager]\nMaxDisksPerVirtualMachine=two",
      "MaxDisksPerVirtualMachine=two is not a whole number", FALSE },
    { "[Manager]\nRetryIntervalSec=-1", "RetryIntervalSec=-1 is not a whole number", FALSE },
    { "[Manager]\nRetryIntervalSec=", "RetryIntervalSec= is not a whole number", FALSE },
    { "[Manager]\nMaxVirtualMachinesInFlight=4294967296",
      "MaxVirtualMachinesInFlight=4294967296 is not a whole number", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GKeyFile) file = g_key_file_new ();
      g_autoptr (GError) error = NULL;

      g_assert_true (g_key_file_load_from_data (file, cases[i].text, (gsize) -1, 0, NULL));
      g_autoptr (GVariant) values = mtv_settings_from_key_file (file, &error);
      g_assert_true ((values != NULL) == cases[i].good);
      if (values == NULL)
        {
          g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
          g_assert_cmpstr (error->message, ==, cases[i].values);
          continue;
        }
      g_autofree char *text = g_variant_print (values, FALSE);
      g_assert_cmpstr (text, ==, cases[i].values);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/apply", test_apply);
  g_test_add_func ("/settings/round-trip", test_round_trip);
  g_test_add_func ("/settings/key-file", test_key_file);
  return g_test_run ();
}
