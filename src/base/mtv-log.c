/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-log.h"

#include "base/mtv-enum.h"

#include <unistd.h>

/* Syslog's, as LogControl1 has them. GLib's levels fall on five of them. */
static const char *const levels[]
    = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

static int max_level = 6;           /* (atomic) index into levels */
static gboolean to_journal = FALSE; /* set once, before there are threads */

static int
syslog_level (GLogLevelFlags flags)
{
  if (flags & G_LOG_LEVEL_ERROR)
    return 2;
  if (flags & G_LOG_LEVEL_CRITICAL)
    return 3;
  if (flags & G_LOG_LEVEL_WARNING)
    return 4;
  if (flags & G_LOG_LEVEL_MESSAGE)
    return 5;
  return flags & G_LOG_LEVEL_INFO ? 6 : 7;
}

static GLogWriterOutput
write_log (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  (void) user_data;
  if (syslog_level (flags) > g_atomic_int_get (&max_level))
    return G_LOG_WRITER_HANDLED;
  if (to_journal && g_log_writer_journald (flags, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_standard_streams (flags, fields, n_fields, NULL);
}

void
mtv_log_init (void)
{
  to_journal = g_log_writer_is_journald (STDERR_FILENO);
  if (g_getenv ("G_MESSAGES_DEBUG") != NULL)
    max_level = 7;
  g_log_writer_default_set_use_stderr (TRUE);
  g_log_set_writer_func (write_log, NULL, NULL);
}

gboolean
mtv_log_set_level (const char *level)
{
  guint value;

  if (!mtv_enum_from_string (levels, G_N_ELEMENTS (levels), level, &value))
    return FALSE;
  g_atomic_int_set (&max_level, (int) value);
  return TRUE;
}

const char *
mtv_log_get_level (void)
{
  return levels[g_atomic_int_get (&max_level)];
}

const char *
mtv_log_get_target (void)
{
  return to_journal ? "journal" : "console";
}

static void
add_field (GArray *fields, const char *key, const char *value)
{
  GLogField field = { key, value, -1 };

  if (value != NULL)
    g_array_append_val (fields, field);
}

void
mtv_log (GLogLevelFlags level, const char *message_id, const MtvLogFields *context,
         const char *format, ...)
{
  static const char *const priorities[] = { "0", "1", "2", "3", "4", "5", "6", "7" };
  g_autoptr (GArray) fields = g_array_new (FALSE, FALSE, sizeof (GLogField));
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);

  add_field (fields, "MESSAGE", message);
  add_field (fields, "PRIORITY", priorities[syslog_level (level)]);
  add_field (fields, "GLIB_DOMAIN", G_LOG_DOMAIN);
  add_field (fields, "SYSLOG_IDENTIFIER", "mtvd");
  add_field (fields, "MESSAGE_ID", message_id);
  if (context != NULL)
    {
      add_field (fields, "MTV_PROVIDER", context->provider);
      add_field (fields, "MTV_JOB", context->run);
      add_field (fields, "MTV_VM", context->vm);
      add_field (fields, "MTV_DISK", context->disk);
    }
  g_log_structured_array (level, (const GLogField *) fields->data, fields->len);
}
