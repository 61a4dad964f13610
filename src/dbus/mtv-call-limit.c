/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-call-limit.h"

#include "base/mtv-error.h"

/* Everything here runs on GDBus' own thread, one message at a time. */
typedef struct
{
  GHashTable
      *senders; /* (owned) unique name to a table of what waits: serial to "wants an answer" */
  guint total;
} Limit;

static void
limit_free (gpointer data)
{
  Limit *limit = data;

  g_hash_table_unref (limit->senders);
  g_free (limit);
}

static char *
find_excess (Limit *limit, GDBusMessage *message, GHashTable *waiting)
{
  GVariant *body = g_dbus_message_get_body (message);

  if (waiting != NULL && g_hash_table_size (waiting) >= MTV_CALL_LIMIT_PER_SENDER)
    return g_strdup_printf ("%d calls of this client wait for an answer already",
                            MTV_CALL_LIMIT_PER_SENDER);
  if (waiting != NULL
      && g_hash_table_contains (waiting, GUINT_TO_POINTER (g_dbus_message_get_serial (message))))
    return g_strdup ("A call with this serial number waits for an answer already");
  if (limit->total >= MTV_CALL_LIMIT_TOTAL)
    return g_strdup_printf ("%d calls wait for an answer already", MTV_CALL_LIMIT_TOTAL);
  if (body != NULL && g_variant_get_size (body) > MTV_CALL_LIMIT_BYTES)
    return g_strdup_printf ("The arguments of %s are longer than %d bytes",
                            g_dbus_message_get_member (message), MTV_CALL_LIMIT_BYTES);
  return NULL;
}

static void
refuse (GDBusConnection *connection, GDBusMessage *message, gboolean wants_answer, const char *why)
{
  g_autoptr (GError) error = g_error_new_literal (MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED, why);
  g_autofree char *name = mtv_error_get_name (error);
  g_autoptr (GDBusMessage) answer = g_dbus_message_new_method_error_literal (message, name, why);

  if (wants_answer)
    g_dbus_connection_send_message (connection, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

/* GDBus answers nothing where no answer is wanted, and then the end of the call would not be seen:
 * so it is made to believe that one is. NULL: there was no memory or descriptor for a copy, which
 * loses the call. (transfer full) */
static GDBusMessage *
want_answer (GDBusMessage *message)
{
  g_autoptr (GDBusMessage) copy = g_dbus_message_copy (message, NULL);

  g_object_unref (message);
  if (copy != NULL)
    g_dbus_message_set_flags (copy, g_dbus_message_get_flags (copy)
                                        & ~G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  return g_steal_pointer (&copy);
}

static GDBusMessage *
call_arrives (Limit *limit, GDBusConnection *connection, GDBusMessage *message)
{
  const char *sender = g_dbus_message_get_sender (message);
  gboolean wants_answer
      = !(g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  GHashTable *waiting = g_hash_table_lookup (limit->senders, sender);
  g_autofree char *excess = find_excess (limit, message, waiting);

  if (excess != NULL)
    {
      refuse (connection, message, wants_answer, excess);
      g_object_unref (message);
      return NULL;
    }

  if (!wants_answer)
    message = want_answer (message);
  if (message == NULL)
    return NULL;

  if (waiting == NULL)
    {
      waiting = g_hash_table_new (NULL, NULL);
      g_hash_table_insert (limit->senders, g_strdup (sender), waiting);
    }
  g_hash_table_insert (waiting, GUINT_TO_POINTER (g_dbus_message_get_serial (message)),
                       GINT_TO_POINTER (wants_answer));
  limit->total++;
  return message;
}

/* An answer that nobody wanted. It cannot be dropped: g_dbus_connection_flush() would wait for it
 * for ever (GLib 2.74 counts only what was written); and sent, it would be a breach of the bus'
 * policy. So something goes out in its place that has no effect. (transfer full) */
static GDBusMessage *
replace_answer (GDBusMessage *message)
{
  GDBusMessage *nothing = g_dbus_message_new_method_call (
      "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Peer", "Ping");

  g_dbus_message_set_flags (nothing, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_dbus_message_set_serial (nothing, g_dbus_message_get_serial (message));
  g_object_unref (message);
  return nothing;
}

static GDBusMessage *
answer_leaves (Limit *limit, GDBusMessage *message)
{
  const char *sender = g_dbus_message_get_destination (message);
  gpointer serial = GUINT_TO_POINTER (g_dbus_message_get_reply_serial (message));
  GHashTable *waiting = sender == NULL ? NULL : g_hash_table_lookup (limit->senders, sender);
  gpointer wants_answer;

  if (waiting == NULL || !g_hash_table_steal_extended (waiting, serial, NULL, &wants_answer))
    return message;

  limit->total--;
  if (g_hash_table_size (waiting) == 0)
    g_hash_table_remove (limit->senders, sender);
  return GPOINTER_TO_INT (wants_answer) ? message : replace_answer (message);
}

static GDBusMessage *
filter_cb (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
           gpointer user_data)
{
  GDBusMessageType type = g_dbus_message_get_message_type (message);

  if (incoming && type == G_DBUS_MESSAGE_TYPE_METHOD_CALL
      && g_dbus_message_get_sender (message) != NULL)
    return call_arrives (user_data, connection, message);
  if (!incoming && (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR))
    return answer_leaves (user_data, message);
  return message;
}

guint
mtv_call_limit_add (GDBusConnection *connection)
{
  Limit *limit = g_new0 (Limit, 1);

  limit->senders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                          (GDestroyNotify) g_hash_table_unref);
  return g_dbus_connection_add_filter (connection, filter_cb, limit, limit_free);
}

void
mtv_call_limit_remove (GDBusConnection *connection, guint id)
{
  g_dbus_connection_remove_filter (connection, id);
}
