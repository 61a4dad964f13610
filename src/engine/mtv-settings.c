/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-settings.h"

#include "base/mtv-error.h"
#include "engine/mtv-round-plan.h"

#define YEAR (366 * 24 * 3600 * (guint64) G_USEC_PER_SEC)

static const struct
{
  const char *key;
  const char *file_key; /* in mtvd.conf */
  gsize offset;
  char type; /* 'u' or 't' */
  guint64 minimum;
  guint64 maximum;
  guint64 initial;
  guint64 file_unit; /* what one of the file's units is */
} table[] = {
  { "max-vms-in-flight", "MaxVirtualMachinesInFlight",
    G_STRUCT_OFFSET (MtvSettings, max_vms_in_flight), 'u', 1, 1000, 20, 1 },
  { "max-disks-per-vm", "MaxDisksPerVirtualMachine",
    G_STRUCT_OFFSET (MtvSettings, max_disks_per_vm), 'u', 1, 64, 2, 1 },
  { "retry-interval", "RetryIntervalSec", G_STRUCT_OFFSET (MtvSettings, retry_interval_usec), 't',
    G_USEC_PER_SEC, 24 * 3600 * (guint64) G_USEC_PER_SEC, 30 * (guint64) G_USEC_PER_SEC,
    G_USEC_PER_SEC },
  { "precopy-interval", "PrecopyIntervalSec", G_STRUCT_OFFSET (MtvSettings, precopy_interval_usec),
    't', 60 * (guint64) G_USEC_PER_SEC, YEAR, 3600 * (guint64) G_USEC_PER_SEC, G_USEC_PER_SEC },
  { "max-downtime", "MaxDowntimeSec", G_STRUCT_OFFSET (MtvSettings, max_downtime_usec), 't',
    G_USEC_PER_SEC, YEAR, 60 * (guint64) G_USEC_PER_SEC, G_USEC_PER_SEC },
  { "shutdown-timeout", "ShutdownTimeoutSec", G_STRUCT_OFFSET (MtvSettings, shutdown_timeout_usec),
    't', G_USEC_PER_SEC, YEAR, 600 * (guint64) G_USEC_PER_SEC, G_USEC_PER_SEC },
  { "cutover-grace", "CutoverGraceSec", G_STRUCT_OFFSET (MtvSettings, cutover_grace_usec), 't', 0,
    YEAR, 3600 * (guint64) G_USEC_PER_SEC, G_USEC_PER_SEC },
  { "max-snapshots", "MaxSnapshots", G_STRUCT_OFFSET (MtvSettings, max_snapshots), 'u', 2,
    MTV_ROUND_MAX_POINTS, MTV_ROUND_MAX_POINTS, 1 },
};

static void
set_value (MtvSettings *self, guint i, guint64 value)
{
  gpointer member = (char *) self + table[i].offset;

  if (table[i].type == 'u')
    *(guint *) member = (guint) value;
  else
    *(guint64 *) member = value;
}

static guint64
get_value (const MtvSettings *self, guint i)
{
  gconstpointer member = (const char *) self + table[i].offset;

  return table[i].type == 'u' ? *(const guint *) member : *(const guint64 *) member;
}

void
mtv_settings_init (MtvSettings *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    set_value (self, i, table[i].initial);
}

static gboolean
apply_one (MtvSettings *self, const char *key, GVariant *value, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      if (g_strcmp0 (table[i].key, key) != 0)
        continue;

      const char type[] = { table[i].type, '\0' };
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE (type)))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       "'%s' must be of type '%s', not '%s'", key, type,
                       g_variant_get_type_string (value));
          return FALSE;
        }
      guint64 number
          = table[i].type == 'u' ? g_variant_get_uint32 (value) : g_variant_get_uint64 (value);
      if (number < table[i].minimum || number > table[i].maximum)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       "'%s' must lie between %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT, key,
                       table[i].minimum, table[i].maximum);
          return FALSE;
        }
      set_value (self, i, number);
      return TRUE;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "There is no setting '%s'", key);
  return FALSE;
}

gboolean
mtv_settings_apply (MtvSettings *self, GVariant *values, GError **error)
{
  MtvSettings changed = *self;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;

      if (!apply_one (&changed, key, owned, error))
        return FALSE;
    }
  *self = changed;
  return TRUE;
}

GVariant *
mtv_settings_to_variant (const MtvSettings *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    g_variant_builder_add (&builder, "{sv}", table[i].key,
                           table[i].type == 'u'
                               ? g_variant_new_uint32 ((guint32) get_value (self, i))
                               : g_variant_new_uint64 (get_value (self, i)));
  return g_variant_builder_end (&builder);
}

GVariant *
mtv_settings_from_key_file (GKeyFile *file, GError **error)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *text = g_key_file_get_string (file, "Manager", table[i].file_key, NULL);
      guint64 number = 0;

      if (text == NULL)
        continue;
      if (!g_ascii_string_to_unsigned (g_strstrip (text), 10, 0, G_MAXUINT32, &number, NULL))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "%s=%s is not a whole number",
                       table[i].file_key, text);
          return NULL;
        }
      number *= table[i].file_unit;
      g_variant_builder_add (&builder, "{sv}", table[i].key,
                             table[i].type == 'u' ? g_variant_new_uint32 ((guint32) number)
                                                  : g_variant_new_uint64 (number));
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}
