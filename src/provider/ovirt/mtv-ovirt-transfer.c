/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-transfer.h"

#include "base/mtv-error.h"
#include "provider/ovirt/mtv-ovirt-imageio.h"

#include <string.h>

#define PREPARE_USEC (5 * 60 * G_TIME_SPAN_SECOND)
#define CLOSE_USEC (5 * 60 * G_TIME_SPAN_SECOND)
#define INACTIVITY_SECONDS 180 /* less than a locked disk is waited for */

/* Closes a transfer when the last reader of it is gone. */
#define MTV_TYPE_OVIRT_TICKET (mtv_ovirt_ticket_get_type ())
G_DECLARE_FINAL_TYPE (MtvOvirtTicket, mtv_ovirt_ticket, MTV, OVIRT_TICKET, GObject)

struct _MtvOvirtTicket
{
  GObject parent;

  MtvOvirtClient *client; /* (owned) */
  char *id;               /* (owned) of the transfer */
};

G_DEFINE_FINAL_TYPE (MtvOvirtTicket, mtv_ovirt_ticket, G_TYPE_OBJECT)

static gboolean
is_over (const char *phase)
{
  return phase == NULL || g_str_has_prefix (phase, "finished") || g_str_equal (phase, "cancelled")
         || g_str_equal (phase, "cancelled_system") || g_str_equal (phase, "cancelled_user");
}

/* What ends a transfer in @phase; NULL: it is ending by itself. */
static const char *
get_ending (const char *phase)
{
  if (g_str_equal (phase, "transferring"))
    return "finalize";
  return g_str_has_prefix (phase, "finalizing") ? NULL : "cancel";
}

static gboolean
close_transfer (MtvOvirtClient *client, const char *id, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/imagetransfers/%s", id);
  gint64 deadline = g_get_monotonic_time () + CLOSE_USEC;
  guint pause = MTV_OVIRT_FIRST_PAUSE;

  for (;;)
    {
      g_autoptr (GError) problem = NULL;
      g_autoptr (JsonNode) node = mtv_ovirt_client_get (client, path, cancellable, &problem);

      if (g_error_matches (problem, MTV_ERROR, MTV_ERROR_NOT_FOUND))
        return TRUE;
      if (node == NULL)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
      const char *phase = mtv_ovirt_text (json_node_get_object (node), "phase");
      if (is_over (phase))
        return TRUE;
      const char *ending = get_ending (phase);
      g_autofree char *action = ending == NULL ? NULL : g_strdup_printf ("%s/%s", path, ending);
      g_autoptr (JsonNode) ignored G_GNUC_UNUSED
          = action == NULL
                ? NULL
                : mtv_ovirt_client_send (client, "POST", action, "{}", cancellable, NULL);
      if (g_get_monotonic_time () >= deadline)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                       "%s: The image transfer %s does not end (phase '%s')",
                       mtv_ovirt_client_get_label (client), id, phase);
          return FALSE;
        }
      if (!mtv_ovirt_wait (&pause, cancellable, error))
        return FALSE;
    }
}

typedef struct
{
  MtvOvirtClient *client; /* (owned) */
  char *id;               /* (owned) */
} Closing;

static gpointer
close_thread (gpointer data)
{
  Closing *closing = data;
  g_autoptr (GError) error = NULL;

  if (!close_transfer (closing->client, closing->id, NULL, &error))
    g_debug ("%s, ignoring: it ends by its timeout", error->message);
  mtv_ovirt_client_unref (closing->client);
  g_free (closing->id);
  g_free (closing);
  return NULL;
}

/* Whoever drops the last reader may be the main thread, and the engine takes its time. */
static void
mtv_ovirt_ticket_finalize (GObject *object)
{
  MtvOvirtTicket *self = MTV_OVIRT_TICKET (object);
  Closing *closing = g_new0 (Closing, 1);

  closing->client = g_steal_pointer (&self->client);
  closing->id = g_steal_pointer (&self->id);
  g_thread_unref (g_thread_new ("mtv-ticket", close_thread, closing));

  G_OBJECT_CLASS (mtv_ovirt_ticket_parent_class)->finalize (object);
}

static void
mtv_ovirt_ticket_class_init (MtvOvirtTicketClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_ovirt_ticket_finalize;
}

static void
mtv_ovirt_ticket_init (MtvOvirtTicket *self)
{
  (void) self;
}

static MtvOvirtTicket *
create_transfer (MtvOvirtClient *client, const char *disk, const char *backup,
                 GCancellable *cancellable, GError **error)
{
  g_autofree char *of_backup
      = backup == NULL ? g_strdup ("") : g_strdup_printf ("\"backup\":{\"id\":\"%s\"},", backup);
  g_autofree char *body = g_strdup_printf (
      "{\"disk\":{\"id\":\"%s\"},%s\"direction\":\"download\",\"format\":\"raw\","
      "\"inactivity_timeout\":\"%d\",\"timeout_policy\":\"cancel\"}",
      disk, of_backup, INACTIVITY_SECONDS);
  g_autoptr (JsonNode) node
      = mtv_ovirt_client_send (client, "POST", "/imagetransfers", body, cancellable, error);
  const char *id = node == NULL ? NULL : mtv_ovirt_text (json_node_get_object (node), "id");

  if (id == NULL)
    {
      if (node != NULL)
        g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: An image transfer has no id",
                     mtv_ovirt_client_get_label (client));
      return NULL;
    }
  MtvOvirtTicket *ticket = g_object_new (MTV_TYPE_OVIRT_TICKET, NULL);
  ticket->client = mtv_ovirt_client_ref (client);
  ticket->id = g_strdup (id);
  return ticket;
}

/* Until data can be read. (transfer full) */
static JsonNode *
await_ready (MtvOvirtTicket *self, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/imagetransfers/%s", self->id);
  gint64 deadline = g_get_monotonic_time () + PREPARE_USEC;
  guint pause = MTV_OVIRT_FIRST_PAUSE;

  for (;;)
    {
      g_autoptr (JsonNode) node = mtv_ovirt_client_get (self->client, path, cancellable, error);
      const char *phase
          = node == NULL ? NULL : mtv_ovirt_text (json_node_get_object (node), "phase");

      if (node == NULL)
        return NULL;
      if (g_strcmp0 (phase, "transferring") == 0)
        return g_steal_pointer (&node);
      if (is_over (phase) || g_str_has_prefix (phase, "paused")
          || g_get_monotonic_time () >= deadline)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                       "%s: The image transfer does not begin (phase '%s')",
                       mtv_ovirt_client_get_label (self->client), phase != NULL ? phase : "");
          return NULL;
        }
      if (!mtv_ovirt_wait (&pause, cancellable, error))
        return NULL;
    }
}

/* The host itself, or, where it cannot be reached, the engine's proxy. */
static MtvOvirtImageio *
open_ticket (const MtvOvirtDoor *door, JsonObject *transfer, MtvOvirtTicket *ticket, guint64 size,
             const char *label, GCancellable *cancellable, GError **error)
{
  const char *urls[]
      = { mtv_ovirt_text (transfer, "transfer_url"), mtv_ovirt_text (transfer, "proxy_url") };
  MtvRestOptions options = { .label = label, .ca = door->ca, .insecure = door->insecure };
  g_autoptr (GError) first = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      g_autoptr (GError) problem = NULL;
      options.url = urls[i];
      MtvOvirtImageio *imageio
          = urls[i] == NULL
                ? NULL
                : mtv_ovirt_imageio_new (&options, size, G_OBJECT (ticket), cancellable, &problem);

      if (imageio != NULL)
        return imageio;
      if (first == NULL)
        first = g_steal_pointer (&problem);
    }
  if (first == NULL)
    g_set_error (&first, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: The image transfer has no URL", label);
  g_propagate_error (error, g_steal_pointer (&first));
  return NULL;
}

/* The transfers of @backup, which is ours; of one of its disks, or of all (NULL). */
static gboolean
close_stale (MtvOvirtClient *client, const char *backup, const char *disk,
             GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonNode) node = mtv_ovirt_client_get (client, "/imagetransfers", cancellable, error);

  if (node == NULL)
    return FALSE;
  for (guint i = 0; i < mtv_ovirt_count (json_node_get_object (node), "image_transfer"); i++)
    {
      JsonObject *transfer = mtv_ovirt_item (json_node_get_object (node), "image_transfer", i);
      const char *id = mtv_ovirt_text (transfer, "id");

      if (id != NULL && mtv_ovirt_is (transfer, "backup.id", backup)
          && (disk == NULL || mtv_ovirt_is (transfer, "disk.id", disk)
              || mtv_ovirt_is (transfer, "image.id", disk))
          && !close_transfer (client, id, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

MtvReader *
mtv_ovirt_transfer_open (const MtvOvirtDoor *door, const char *disk, const char *backup,
                         guint64 size, const char *label, GArray **changes,
                         GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvOvirtTicket) ticket = NULL;

  if (backup != NULL && !close_stale (door->client, backup, disk, cancellable, error))
    return NULL;
  ticket = create_transfer (door->client, disk, backup, cancellable, error);
  g_autoptr (JsonNode) transfer = ticket == NULL ? NULL : await_ready (ticket, cancellable, error);
  g_autoptr (MtvOvirtImageio) imageio = transfer == NULL
                                            ? NULL
                                            : open_ticket (door, json_node_get_object (transfer),
                                                           ticket, size, label, cancellable, error);
  g_autoptr (GError) problem = NULL;

  if (imageio == NULL)
    return NULL;
  if (changes != NULL)
    *changes = mtv_ovirt_imageio_get_changes (imageio, cancellable, &problem);
  if (problem != NULL && !g_error_matches (problem, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  return MTV_READER (g_steal_pointer (&imageio));
}

gboolean
mtv_ovirt_transfer_close_all (MtvOvirtClient *client, const char *backup, GCancellable *cancellable,
                              GError **error)
{
  return close_stale (client, backup, NULL, cancellable, error);
}
