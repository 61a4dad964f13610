/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-snapshot.h"

#include "base/mtv-error.h"

#include <string.h>

#define CREATE_USEC (30 * 60 * G_USEC_PER_SEC)
#define REMOVE_USEC (G_GINT64_CONSTANT (120) * 60 * G_USEC_PER_SEC)
#define MAX_NAMES 5
#define DESCRIPTION "Made by mtvd for a migration, which removes it again."

/* The snapshots are a forest: each has those that were made after it as children. The parser keeps
 * the depth below 256. */
static void
visit (const xmlNode *parent, const char *list, void (*func) (const xmlNode *, gpointer),
       gpointer user_data)
{
  for (xmlNode *at = mtv_vsphere_xml_child (parent, list); at != NULL;
       at = mtv_vsphere_xml_next (at))
    {
      func (at, user_data);
      visit (at, "childSnapshotList", func, user_data);
    }
}

static void
count_one (const xmlNode *snapshot, gpointer user_data)
{
  (void) snapshot;
  ++*(guint *) user_data;
}

guint
mtv_vsphere_snapshot_count (const xmlNode *info)
{
  guint n = 0;

  visit (info, "rootSnapshotList", count_one, &n);
  return n;
}

static void
list_one (const xmlNode *snapshot, gpointer user_data)
{
  GPtrArray *names = user_data;
  const char *name = mtv_vsphere_xml_text (snapshot, "name");

  if (names->len < MAX_NAMES)
    g_ptr_array_add (names, g_strdup_printf ("'%s'", name != NULL ? name : ""));
}

char *
mtv_vsphere_snapshot_list (const xmlNode *info)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  visit (info, "rootSnapshotList", list_one, names);
  if (mtv_vsphere_snapshot_count (info) > MAX_NAMES)
    g_ptr_array_add (names, g_strdup ("…"));
  g_ptr_array_add (names, NULL);
  return g_strjoinv (", ", (char **) names->pdata);
}

typedef struct
{
  const char *name;
  const char *id; /* (nullable) found */
} Search;

static void
find_one (const xmlNode *snapshot, gpointer user_data)
{
  Search *search = user_data;

  if (search->id == NULL && g_strcmp0 (mtv_vsphere_xml_text (snapshot, "name"), search->name) == 0)
    search->id = mtv_vsphere_xml_text (snapshot, "snapshot");
}

char *
mtv_vsphere_snapshot_find (const xmlNode *info, const char *name)
{
  Search search = { name, NULL };

  visit (info, "rootSnapshotList", find_one, &search);
  return g_strdup (search.id);
}

/* What is known of a VM between two steps. */
typedef struct
{
  char *snapshot; /* (owned) (nullable) the one that was looked for */
  gboolean consolidation_needed;
} Look;

static void
look_clear (Look *look)
{
  g_clear_pointer (&look->snapshot, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Look, look_clear)

static gboolean
look_at (MtvVsphereSession *session, const char *vm, const char *name, Look *look,
         GCancellable *cancellable, GError **error)
{
  static const char *const paths[] = { "snapshot", "runtime.consolidationNeeded", NULL };
  xmlNode *object = NULL;

  look_clear (look);
  g_autoptr (xmlDoc) document
      = mtv_vsphere_retrieve (session, "VirtualMachine", vm, paths, &object, cancellable, error);
  if (document == NULL)
    return FALSE;
  look->snapshot = mtv_vsphere_snapshot_find (mtv_vsphere_object_get (object, paths[0]), name);
  look->consolidation_needed
      = mtv_vsphere_xml_boolean (mtv_vsphere_object_get (object, paths[1]), NULL);
  return TRUE;
}

/* Of a task: does it make or remove a snapshot, and is not over? */
static gboolean
matters (const xmlNode *info)
{
  const char *state = mtv_vsphere_xml_text (info, "state");
  const char *what = mtv_vsphere_xml_text (info, "descriptionId");

  return (g_strcmp0 (state, "queued") == 0 || g_strcmp0 (state, "running") == 0) && what != NULL
         && (g_str_has_suffix (what, ".createSnapshot")
             || g_str_has_suffix (what, "napshot.remove"));
}

/* Waits for all of those. @waited: there was one. */
static gboolean
await_tasks (MtvVsphereSession *session, const char *vm, gint64 deadline, gboolean *waited,
             GCancellable *cancellable, GError **error)
{
  static const char *const paths[] = { "info", NULL };
  const MtvVsphereQuestion question = { "Task", paths };
  g_autoptr (GPtrArray) tasks = NULL;
  g_autoptr (xmlDoc) document = mtv_vsphere_retrieve_named (
      session, "VirtualMachine", vm, "recentTask", &question, &tasks, cancellable, error);

  for (guint i = 0; document != NULL && i < tasks->len; i++)
    {
      const xmlNode *task = g_ptr_array_index (tasks, i);

      if (mtv_vsphere_object_id (task) == NULL || !matters (mtv_vsphere_object_get (task, "info")))
        continue;
      *waited = TRUE;
      if (!mtv_vsphere_task_await (session, mtv_vsphere_object_id (task), deadline, cancellable,
                                   error))
        return FALSE;
    }
  return document != NULL;
}

/* A daemon that crashed may have left such a task running: what it makes is not there yet, and
 * would come into being after we have looked. Then looks again. */
static gboolean
look_after_tasks (MtvVsphereSession *session, const char *vm, const char *name, gint64 deadline,
                  Look *look, GCancellable *cancellable, GError **error)
{
  gboolean waited = FALSE;

  if (!look_at (session, vm, name, look, cancellable, error))
    return FALSE;
  if (look->snapshot != NULL)
    return TRUE;
  if (!await_tasks (session, vm, deadline, &waited, cancellable, error))
    return FALSE;
  return !waited || look_at (session, vm, name, look, cancellable, error);
}

static char *
create_once (MtvVsphereSession *session, const char *vm, const char *name, gboolean quiesce,
             gint64 deadline, char **fault, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("CreateSnapshot_Task", "VirtualMachine", vm);
  char *id = NULL;

  mtv_soap_call_add (call, "name", name);
  mtv_soap_call_add (call, "description", DESCRIPTION);
  mtv_soap_call_add_boolean (call, "memory", FALSE);
  mtv_soap_call_add_boolean (call, "quiesce", quiesce);
  if (!mtv_vsphere_task_run (session, call, deadline, &id, fault, cancellable, error))
    return NULL;
  if (id == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                 "%s: the task that made snapshot '%s' has no result",
                 mtv_vsphere_session_get_access (session)->label, name);
  return id;
}

/* What a guest says, or its tools, when they cannot hold the file systems still. */
static gboolean
is_about_quiescing (const char *fault)
{
  static const char *const faults[] = { "ApplicationQuiesceFault",
                                        "FilesystemQuiesceFault",
                                        "SnapshotFault",
                                        "GenericVmConfigFault",
                                        "ToolsUnavailable",
                                        "QuiesceDatastoreIOForHAFailed",
                                        NULL };

  return fault != NULL && g_strv_contains (faults, fault);
}

char *
mtv_vsphere_snapshot_create (MtvVsphereSession *session, const char *vm, const char *name,
                             gboolean quiesce, GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + CREATE_USEC;

  for (guint n = 0;;)
    {
      g_auto (Look) look = { .snapshot = NULL };
      g_autofree char *fault = NULL;
      g_autoptr (GError) failed = NULL;

      if (!look_after_tasks (session, vm, name, deadline, &look, cancellable, error))
        return NULL;
      if (look.snapshot != NULL)
        return g_steal_pointer (&look.snapshot);
      char *id = create_once (session, vm, name, quiesce, deadline, &fault, cancellable, &failed);
      if (id != NULL)
        return id;
      if (quiesce && is_about_quiescing (fault))
        {
          g_debug ("%s; once more without quiescing", failed->message);
          quiesce = FALSE;
        }
      else if (!mtv_vsphere_task_back_off (fault, &n, deadline, cancellable))
        {
          g_propagate_error (error, g_steal_pointer (&failed));
          return NULL;
        }
    }
}

static gboolean
remove_once (MtvVsphereSession *session, const char *snapshot, gint64 deadline, char **fault,
             GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("RemoveSnapshot_Task", "VirtualMachineSnapshot", snapshot);

  mtv_soap_call_add_boolean (call, "removeChildren", FALSE);
  mtv_soap_call_add_boolean (call, "consolidate", TRUE);
  return mtv_vsphere_task_run (session, call, deadline, NULL, fault, cancellable, error);
}

static gboolean
consolidate_once (MtvVsphereSession *session, const char *vm, gint64 deadline, char **fault,
                  GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("ConsolidateVMDisks_Task", "VirtualMachine", vm);

  return mtv_vsphere_task_run (session, call, deadline, NULL, fault, cancellable, error);
}

/* One thing at a time until nothing is left to do. @done: that is so. FALSE with an error unless it
 * may be tried again. */
static gboolean
remove_step (MtvVsphereSession *session, const char *vm, const char *name, gint64 deadline,
             guint *n, gboolean *done, GCancellable *cancellable, GError **error)
{
  g_auto (Look) look = { .snapshot = NULL };
  g_autofree char *fault = NULL;
  g_autoptr (GError) failed = NULL;
  gboolean ok = FALSE;

  if (!look_after_tasks (session, vm, name, deadline, &look, cancellable, error))
    return FALSE;
  if (look.snapshot != NULL)
    ok = remove_once (session, look.snapshot, deadline, &fault, cancellable, &failed);
  else if (look.consolidation_needed)
    ok = consolidate_once (session, vm, deadline, &fault, cancellable, &failed);
  else
    ok = *done = TRUE;
  if (ok || mtv_vsphere_task_back_off (fault, n, deadline, cancellable))
    return TRUE;
  /* The snapshot, or the task that removes it, went away under our hands: look again. */
  if (g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND) && ++*n < 8)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

gboolean
mtv_vsphere_snapshot_remove (MtvVsphereSession *session, const char *vm, const char *name,
                             GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + REMOVE_USEC;
  gboolean done = FALSE;
  g_autoptr (GError) failed = NULL;

  for (guint n = 0, steps = 0; !done && steps < 100; steps++)
    if (!remove_step (session, vm, name, deadline, &n, &done, cancellable, &failed))
      {
        if (g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND))
          return TRUE; /* the VM is gone */
        g_propagate_prefixed_error (error, g_steal_pointer (&failed),
                                    "Cannot remove snapshot '%s': ", name);
        return FALSE;
      }
  if (!done)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                 "The disks of '%s' still need consolidation after the removal of snapshot '%s'",
                 vm, name);
  return done;
}
