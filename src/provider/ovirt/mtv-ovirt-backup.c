/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-backup.h"

#include "base/mtv-error.h"
#include "provider/ovirt/mtv-ovirt-transfer.h"

#include <string.h>

#define PREPARE_USEC (30 * 60 * G_TIME_SPAN_SECOND)
#define FINISH_USEC (120 * 60 * G_TIME_SPAN_SECOND) /* a snapshot may have to be merged */
#define MAX_TRIES 16

/* The id of try @n at the point @key: a UUID of its name (RFC 4122, version 5). (transfer full) */
static char *
make_id (const char *key, guint n)
{
  g_autofree char *name = g_strdup_printf ("%s/%u", key, n);
  g_autofree char *hex = g_compute_checksum_for_string (G_CHECKSUM_SHA1, name, -1);

  hex[12] = '5';
  hex[16] = "89ab"[g_ascii_xdigit_value (hex[16]) & 3];
  return g_strdup_printf ("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static char *
backup_path (const char *vm_id, const char *id, const char *more)
{
  return g_strdup_printf ("/vms/%s/backups/%s%s", vm_id, id, more);
}

/* NULL without an error: there is none of that id. (transfer full) */
static JsonNode *
look_up (MtvOvirtClient *client, const char *vm_id, const char *id, GCancellable *cancellable,
         GError **error)
{
  g_autofree char *path = backup_path (vm_id, id, "");
  g_autoptr (GError) problem = NULL;
  JsonNode *node = mtv_ovirt_client_get (client, path, cancellable, &problem);

  if (problem != NULL && !g_error_matches (problem, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    g_propagate_error (error, g_steal_pointer (&problem));
  return node;
}

static const char *
phase_of (JsonNode *node)
{
  const char *phase = node == NULL ? NULL : mtv_ovirt_text (json_node_get_object (node), "phase");

  return phase != NULL ? phase : "";
}

static gboolean
is_finished (JsonNode *node)
{
  return g_str_equal (phase_of (node), "succeeded") || g_str_equal (phase_of (node), "failed");
}

/* The checkpoint of @since, if the engine still has it and trusts it. (transfer full) (nullable) */
static char *
find_base (MtvOvirtClient *client, const char *vm_id, const MtvPoint *since,
           GCancellable *cancellable)
{
  const char *wanted = NULL;
  g_autofree char *path = g_strdup_printf ("/vms/%s/checkpoints", vm_id);

  for (guint i = 0; since != NULL && i < since->change_ids->len && wanted == NULL; i++)
    wanted = g_ptr_array_index (since->change_ids, i);
  if (wanted == NULL)
    return NULL;

  g_autoptr (JsonNode) node = mtv_ovirt_client_get (client, path, cancellable, NULL);
  for (guint i = 0; node != NULL && i < mtv_ovirt_count (json_node_get_object (node), "checkpoint");
       i++)
    {
      JsonObject *checkpoint = mtv_ovirt_item (json_node_get_object (node), "checkpoint", i);

      if (mtv_ovirt_is (checkpoint, "id", wanted) && !mtv_ovirt_is (checkpoint, "state", "invalid"))
        return g_strdup (wanted);
    }
  return NULL;
}

static gboolean
start (MtvOvirtClient *client, MtvVm *vm, const char *id, const char *base,
       GCancellable *cancellable, GError **error)
{
  g_autoptr (GString) body = g_string_new ("{");
  g_autofree char *path = g_strdup_printf ("/vms/%s/backups", vm->id);

  g_string_append_printf (body, "\"id\":\"%s\",\"description\":\"mtvd\",", id);
  if (base != NULL)
    g_string_append_printf (body, "\"from_checkpoint_id\":\"%s\",", base);
  g_string_append (body, "\"disks\":{\"disk\":[");
  for (guint i = 0; i < vm->disks->len; i++)
    g_string_append_printf (body, "%s{\"id\":\"%s\"}", i > 0 ? "," : "",
                            ((MtvVmDisk *) g_ptr_array_index (vm->disks, i))->id);
  g_string_append (body, "]}}");
  g_autoptr (JsonNode) node
      = mtv_ovirt_client_send (client, "POST", path, body->str, cancellable, error);
  return node != NULL;
}

/* Until data can be read; the checkpoint is told only then. (transfer full) */
static JsonNode *
await_ready (MtvOvirtClient *client, const char *vm_id, const char *id, GCancellable *cancellable,
             GError **error)
{
  gint64 deadline = g_get_monotonic_time () + PREPARE_USEC;
  guint pause = MTV_OVIRT_FIRST_PAUSE;

  for (;;)
    {
      GError *problem = NULL;
      g_autoptr (JsonNode) node = look_up (client, vm_id, id, cancellable, &problem);

      if (problem != NULL)
        {
          g_propagate_error (error, problem);
          return NULL;
        }
      if (g_str_equal (phase_of (node), "ready"))
        return g_steal_pointer (&node);
      if (node == NULL || is_finished (node) || g_str_equal (phase_of (node), "finalizing")
          || g_get_monotonic_time () >= deadline)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED,
                       "%s: The backup does not get ready (phase '%s')",
                       mtv_ovirt_client_get_label (client), phase_of (node));
          return NULL;
        }
      if (!mtv_ovirt_wait (&pause, cancellable, error))
        return NULL;
    }
}

static MtvPoint *
make_point (const char *key, MtvVm *vm, const char *id, JsonNode *node)
{
  const char *checkpoint = mtv_ovirt_text (json_node_get_object (node), "to_checkpoint_id");
  MtvPoint *point = mtv_point_new (key);

  point->remote_id = g_strdup_printf ("%s %s", id, checkpoint != NULL ? checkpoint : "-");
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (vm->disks, i);
      gboolean tracked = g_strcmp0 (disk->format, "qcow2") == 0; /* raw ones have no bitmap */

      g_ptr_array_add (point->change_ids, tracked ? g_strdup (checkpoint) : NULL);
    }
  return point;
}

static MtvPoint *
try_point (MtvOvirtClient *client, MtvVm *vm, const char *key, const char *id, JsonNode *found,
           const char *base, GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonNode) ready = NULL;

  if (found == NULL && !start (client, vm, id, base, cancellable, error))
    return NULL;
  ready = await_ready (client, vm->id, id, cancellable, error);
  return ready == NULL ? NULL : make_point (key, vm, id, ready);
}

/* A chain that the engine cannot go on with is dropped by it as a whole, and the next backup is a
 * full one. */
static gboolean
is_broken_chain (const GError *error)
{
  return g_error_matches (error, MTV_ERROR, MTV_ERROR_FAILED)
         || g_error_matches (error, MTV_ERROR, MTV_ERROR_EXISTS)
         || g_error_matches (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
}

static gboolean
check_disks (MtvOvirtClient *client, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/vms/%s/diskattachments?follow=disk", vm->id);
  g_autoptr (JsonNode) node = mtv_ovirt_client_get (client, path, cancellable, error);
  guint n = 0;

  if (node == NULL)
    return FALSE;
  for (guint i = 0; i < mtv_ovirt_count (json_node_get_object (node), "disk_attachment"); i++)
    {
      JsonObject *attachment = mtv_ovirt_item (json_node_get_object (node), "disk_attachment", i);
      const char *content = mtv_ovirt_text (attachment, "disk.content_type");
      const char *id = mtv_ovirt_text (attachment, "disk.id");
      const MtvVmDisk *known = NULL;

      if (content != NULL && !g_str_equal (content, "data"))
        continue;
      for (guint j = 0; j < vm->disks->len && known == NULL; j++)
        if (g_strcmp0 (((MtvVmDisk *) g_ptr_array_index (vm->disks, j))->id, id) == 0)
          known = g_ptr_array_index (vm->disks, j);
      if (known == NULL
          || mtv_ovirt_number (attachment, "disk.provisioned_size") != known->capacity)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                       "Disk '%s' of '%s' was %s since the VM was planned",
                       known != NULL ? known->name
                       : id != NULL  ? id
                                     : "",
                       vm->name, known != NULL ? "resized" : "added");
          return FALSE;
        }
      n++;
    }
  if (n == vm->disks->len)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "'%s' has %u disks, not the %u that it had when it was planned", vm->name, n,
               vm->disks->len);
  return FALSE;
}

MtvPoint *
mtv_ovirt_backup_create (MtvOvirtClient *client, MtvVm *vm, const char *key, const MtvPoint *since,
                         GCancellable *cancellable, GError **error)
{
  if (!check_disks (client, vm, cancellable, error))
    return NULL;

  g_autofree char *base = find_base (client, vm->id, since, cancellable);
  for (guint n = 0; n < MAX_TRIES; n++)
    {
      g_autofree char *id = make_id (key, n);
      GError *problem = NULL;
      g_autoptr (JsonNode) found = look_up (client, vm->id, id, cancellable, &problem);
      MtvPoint *point;

      if (problem == NULL && (is_finished (found) || g_str_equal (phase_of (found), "finalizing")))
        continue; /* ours, and over: an id is good once */
      point = problem != NULL ? NULL
                              : try_point (client, vm, key, id, found, base, cancellable, &problem);
      if (point != NULL)
        return point;
      if (base == NULL || !is_broken_chain (problem))
        {
          g_propagate_error (error, problem);
          return NULL;
        }
      g_debug ("%s: beginning a new chain", problem->message);
      g_error_free (problem);
      g_clear_pointer (&base, g_free);
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "%s: No backup of '%s' gets ready",
               mtv_ovirt_client_get_label (client), vm->name);
  return NULL;
}

char *
mtv_ovirt_backup_get_id (const MtvPoint *point)
{
  const char *id = point->remote_id != NULL ? point->remote_id : "";

  return g_strndup (id, strcspn (id, " "));
}

static gboolean
finish_one (MtvOvirtClient *client, const char *vm_id, const char *id, GCancellable *cancellable,
            GError **error)
{
  g_autofree char *action = backup_path (vm_id, id, "/finalize");
  gint64 deadline = g_get_monotonic_time () + FINISH_USEC;
  guint pause = MTV_OVIRT_FIRST_PAUSE;

  if (!mtv_ovirt_transfer_close_all (client, id, cancellable, error))
    return FALSE;
  for (;;)
    {
      GError *problem = NULL;
      g_autoptr (JsonNode) node = look_up (client, vm_id, id, cancellable, &problem);

      if (problem != NULL)
        {
          g_propagate_error (error, problem);
          return FALSE;
        }
      if (node == NULL || is_finished (node))
        return TRUE;
      g_autoptr (JsonNode) ignored G_GNUC_UNUSED
          = g_str_equal (phase_of (node), "finalizing")
                ? NULL
                : mtv_ovirt_client_send (client, "POST", action, "{}", cancellable, NULL);
      if (g_get_monotonic_time () >= deadline)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                       "%s: The backup %s does not end (phase '%s')",
                       mtv_ovirt_client_get_label (client), id, phase_of (node));
          return FALSE;
        }
      if (!mtv_ovirt_wait (&pause, cancellable, error))
        return FALSE;
    }
}

/* The backups that are there of the key's tries. A VM that is gone has none. (transfer full)
 * (element-type JsonNode) */
static GPtrArray *
list_ours (MtvOvirtClient *client, const char *vm_id, const char *key, GCancellable *cancellable,
           GError **error)
{
  g_autofree char *path = g_strdup_printf ("/vms/%s/backups", vm_id);
  g_autoptr (GPtrArray) ours = g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);
  g_autoptr (GError) problem = NULL;
  g_autoptr (JsonNode) node = mtv_ovirt_client_get (client, path, cancellable, &problem);
  JsonObject *all = node == NULL ? NULL : json_node_get_object (node);

  if (problem != NULL && !g_error_matches (problem, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  for (guint n = 0; n < MAX_TRIES; n++)
    {
      g_autofree char *id = make_id (key, n);

      for (guint i = 0; i < mtv_ovirt_count (all, "backup"); i++)
        if (mtv_ovirt_is (mtv_ovirt_item (all, "backup", i), "id", id))
          g_ptr_array_add (
              ours, json_node_init_object (json_node_alloc (), mtv_ovirt_item (all, "backup", i)));
    }
  return g_steal_pointer (&ours);
}

gboolean
mtv_ovirt_backup_finish (MtvOvirtClient *client, const char *vm_id, const char *key,
                         GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) ours = list_ours (client, vm_id, key, cancellable, error);

  for (guint i = 0; ours != NULL && i < ours->len; i++)
    {
      JsonNode *node = g_ptr_array_index (ours, i);
      const char *id = mtv_ovirt_text (json_node_get_object (node), "id");

      if (!is_finished (node) && !finish_one (client, vm_id, id, cancellable, error))
        return FALSE;
    }
  return ours != NULL;
}

static gboolean
delete_checkpoint (MtvOvirtClient *client, const char *vm_id, const char *id,
                   GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/vms/%s/checkpoints/%s", vm_id, id);
  g_autoptr (GError) problem = NULL;
  g_autoptr (JsonNode) node
      = mtv_ovirt_client_send (client, "DELETE", path, NULL, cancellable, &problem);

  if (node != NULL || g_error_matches (problem, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

gboolean
mtv_ovirt_backup_forget (MtvOvirtClient *client, const char *vm_id, const char *key,
                         const char *remote_id, GCancellable *cancellable, GError **error)
{
  const char *blank = remote_id == NULL ? NULL : strchr (remote_id, ' ');

  if (blank != NULL)
    return g_str_equal (blank + 1, "-")
           || delete_checkpoint (client, vm_id, blank + 1, cancellable, error);

  /* It was never noted: the backups of the key tell, as long as the engine remembers them. */
  g_autoptr (GPtrArray) ours = list_ours (client, vm_id, key, cancellable, error);
  for (guint i = 0; ours != NULL && i < ours->len; i++)
    {
      JsonNode *node = g_ptr_array_index (ours, i);
      const char *checkpoint = mtv_ovirt_text (json_node_get_object (node), "to_checkpoint_id");

      if (checkpoint != NULL && !delete_checkpoint (client, vm_id, checkpoint, cancellable, error))
        return FALSE;
    }
  return ours != NULL;
}

/* Tracking. */

static gboolean
set_backup (MtvOvirtClient *client, const char *disk, const char *mode, GCancellable *cancellable,
            GError **error)
{
  g_autofree char *path = g_strdup_printf ("/disks/%s", disk);
  g_autofree char *body = g_strdup_printf ("{\"backup\":\"%s\"}", mode);
  g_autoptr (JsonNode) node = mtv_ovirt_client_send (client, "PUT", path, body, cancellable, error);

  return node != NULL;
}

static gboolean
needs_tracking (MtvOvirtClient *client, const char *disk, gboolean *needs,
                GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/disks/%s", disk);
  g_autoptr (JsonNode) node = mtv_ovirt_client_get (client, path, cancellable, error);

  *needs = node != NULL && mtv_ovirt_is (json_node_get_object (node), "format", "cow")
           && !mtv_ovirt_is (json_node_get_object (node), "backup", "incremental");
  return node != NULL;
}

gboolean
mtv_ovirt_tracking_enable (MtvOvirtClient *client, MtvVm *vm, char **put_back,
                           GCancellable *cancellable, GError **error)
{
  g_autoptr (GString) changed = g_string_new (NULL);
  gboolean good = TRUE;

  for (guint i = 0; good && i < vm->disks->len; i++)
    {
      const char *disk = ((MtvVmDisk *) g_ptr_array_index (vm->disks, i))->id;
      gboolean needs = FALSE;

      good = needs_tracking (client, disk, &needs, cancellable, error)
             && (!needs || set_backup (client, disk, "incremental", cancellable, error));
      if (good && needs)
        g_string_append_printf (changed, "%s%s", changed->len > 0 ? " " : "", disk);
    }
  if (!good)
    {
      mtv_ovirt_tracking_put_back (client, changed->str, NULL, NULL);
      return FALSE;
    }
  *put_back = changed->len == 0 ? NULL : g_string_free (g_steal_pointer (&changed), FALSE);
  return TRUE;
}

gboolean
mtv_ovirt_tracking_put_back (MtvOvirtClient *client, const char *disks, GCancellable *cancellable,
                             GError **error)
{
  g_auto (GStrv) ids = g_strsplit (disks, " ", -1);

  for (guint i = 0; ids[i] != NULL; i++)
    {
      g_autoptr (GError) problem = NULL;

      if (*ids[i] == '\0' || set_backup (client, ids[i], "none", cancellable, &problem)
          || g_error_matches (problem, MTV_ERROR, MTV_ERROR_NOT_FOUND))
        continue;
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return TRUE;
}
