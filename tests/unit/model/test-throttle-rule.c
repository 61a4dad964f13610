/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-throttle-rule.h"

#include "base/mtv-error.h"

#include <string.h>

#define MINUTE (60 * (guint64) G_USEC_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIB ((guint64) 1 << 20)

static MtvThrottleRule *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  MtvThrottleRule *rule = mtv_throttle_rule_parse (text, &error);

  g_assert_no_error (error);
  g_assert_nonnull (rule);
  return rule;
}

static void
test_print (void)
{
  static const struct
  {
    const char *text, *printed;
    gboolean off;
  } cases[] = {
    { "100M", "100M", FALSE },
    { "1.5G", "1536M", FALSE },
    { "1000", "1000", FALSE },
    { "1024", "1K", FALSE },
    { "2T", "2T", FALSE },
    { "991.5999999999999T", "1090275730102681", FALSE },
    { " 0.5K ", "512", FALSE },
    { "off", "off", TRUE },
    { "100M 08:00-18:00=10M", "100M 08:00-18:00=10M", FALSE },
    { "08:00-18:00=50M", "off 08:00-18:00=50M", FALSE },
    { "1M  22:00-06:00=off 06:00-07:00=2M", "1M 22:00-06:00=off 06:00-07:00=2M", FALSE },
    { "1M 20:00-24:00=3M", "1M 20:00-00:00=3M", FALSE },
    { "off 01:00-02:00=off", "off 01:00-02:00=off", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (MtvThrottleRule) rule = parse (cases[i].text);
      g_autofree char *printed = mtv_throttle_rule_to_string (rule);
      g_autoptr (MtvThrottleRule) again = parse (printed);
      g_autofree char *twice = mtv_throttle_rule_to_string (again);

      g_assert_cmpstr (printed, ==, cases[i].printed);
      g_assert_cmpstr (twice, ==, printed);
      g_assert_cmpint (mtv_throttle_rule_is_off (rule), ==, cases[i].off);
    }
}

static void
test_bad (void)
{
  static const char *const bad[] = { "",
                                     "  ",
                                     "0",
                                     "0K",
                                     "-1",
                                     "-5M",
                                     "5X",
                                     "5m",
                                     "5MB",
                                     "M",
                                     "1e9",
                                     "1.2.3",
                                     "nan",
                                     "inf",
                                     "0x10",
                                     "none",
                                     "99999999999999999999",
                                     "9999999T",
                                     "0.0001K",
                                     "10M 20M",
                                     "8:00-18:00=1M",
                                     "08:00-18:00",
                                     "08:00-18:00=",
                                     "08:00-18:00=0",
                                     "08:00=1M",
                                     "25:00-26:00=1M",
                                     "08:60-09:00=1M",
                                     "08:00-08:00=1M",
                                     "24:00-06:00=1M",
                                     "08:00-24:01=1M",
                                     "=1M",
                                     "08:00-18:00=1M 10M",
                                     "08:00-18:00=1M 17:59-19:00=2M",
                                     "22:00-06:00=1M 05:00-07:00=2M",
                                     "05:00-07:00=2M 22:00-06:00=1M",
                                     "00:00-00:01=1M 20:00-10:00=1M",
                                     "100M\n" };
  g_autofree char *long_text = g_strnfill (100000, '1');
  g_autoptr (GString) many = g_string_new ("1M");

  for (guint i = 0; i < 17; i++)
    g_string_append_printf (many, " %02u:00-%02u:00=1M", i, i + 1);
  for (guint i = 0; i < G_N_ELEMENTS (bad) + 2; i++)
    {
      const char *text = i < G_N_ELEMENTS (bad)    ? bad[i]
                         : i == G_N_ELEMENTS (bad) ? long_text
                                                   : many->str;
      g_autoptr (GError) error = NULL;

      g_test_message ("%.60s", text);
      g_assert_null (mtv_throttle_rule_parse (text, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_assert_true (g_str_has_prefix (error->message, "Bad throttle '"));
      g_assert_null (strchr (error->message, '\n'));
    }
  g_autoptr (GError) error = NULL;
  g_assert_null (mtv_throttle_rule_parse ("10M 17:59-19:00=zero", &error));
  g_assert_nonnull (strstr (error->message, "'zero'"));
}

static void
test_windows (void)
{
  g_autoptr (MtvThrottleRule) rule = parse ("100M 08:00-18:00=10M 22:00-06:00=off");
  static const struct
  {
    guint64 of_day, rate, next;
  } cases[] = {
    { 0, 0, 6 * HOUR },
    { 6 * HOUR - 1, 0, 6 * HOUR },
    { 6 * HOUR, 100 * MIB, 8 * HOUR },
    { 8 * HOUR, 10 * MIB, 18 * HOUR },
    { 18 * HOUR - 1, 10 * MIB, 18 * HOUR },
    { 18 * HOUR, 100 * MIB, 22 * HOUR },
    { 22 * HOUR, 0, 6 * HOUR },
    { DAY - 1, 0, 6 * HOUR },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_assert_cmpuint (mtv_throttle_rule_get_rate (rule, cases[i].of_day), ==, cases[i].rate);
      g_assert_cmpuint (mtv_throttle_rule_get_next_change (rule, cases[i].of_day), ==,
                        cases[i].next);
    }

  g_autoptr (MtvThrottleRule) plain = parse ("5K");
  g_assert_cmpuint (mtv_throttle_rule_get_rate (plain, 12 * HOUR), ==, 5120);
  g_assert_cmpuint (mtv_throttle_rule_get_next_change (plain, 0), ==, G_MAXUINT64);

  /* Until midnight, and from there on. */
  g_autoptr (MtvThrottleRule) both = parse ("12:00-24:00=1K 00:00-12:00=2K");
  g_assert_cmpuint (mtv_throttle_rule_get_rate (both, DAY - 1), ==, 1024);
  g_assert_cmpuint (mtv_throttle_rule_get_rate (both, 0), ==, 2048);
  g_assert_cmpuint (mtv_throttle_rule_get_next_change (both, DAY - 1), ==, 0);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/throttle-rule/print", test_print);
  g_test_add_func ("/throttle-rule/bad", test_bad);
  g_test_add_func ("/throttle-rule/windows", test_windows);
  return g_test_run ();
}
