/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-task.h"

#include "base/mtv-error.h"

#include <string.h>

#define WAIT_SECONDS 20 /* that a server may hold an answer back: less than it may be silent */
#define LOST_USEC (5 * 60 * G_USEC_PER_SEC) /* that a server may be away */
#define MAX_MISSING 3
#define FIRST_PAUSE_USEC (250 * 1000)
#define LONGEST_PAUSE_USEC (15 * G_USEC_PER_SEC)

gboolean
mtv_vsphere_pause (gint64 usec, GCancellable *cancellable)
{
  GPollFD fd;

  if (g_cancellable_make_pollfd (cancellable, &fd))
    {
      g_poll (&fd, 1, (gint) (usec / 1000));
      g_cancellable_release_fd (cancellable);
    }
  else
    g_usleep (usec); /* nobody can cancel */
  return !g_cancellable_is_cancelled (cancellable);
}

static gint64
pause_length (guint n)
{
  return MIN (FIRST_PAUSE_USEC << MIN (n, 6), LONGEST_PAUSE_USEC);
}

gboolean
mtv_vsphere_task_back_off (const char *fault, guint *n, gint64 deadline, GCancellable *cancellable)
{
  static const char *const busy[]
      = { "TaskInProgress", "ConcurrentAccess", "ResourceInUse", "FileLocked", NULL };
  gint64 length = pause_length (*n);

  if (fault == NULL || !g_strv_contains (busy, fault)
      || g_get_monotonic_time () + length > deadline)
    return FALSE;
  (*n)++;
  return mtv_vsphere_pause (length, cancellable);
}

/* One wait. */

typedef struct
{
  MtvVsphereSession *session; /* (unowned) */
  const char *type;
  const char *id;
  const char *path;
  gboolean (*is_done) (const xmlNode *val);
  char *collector;    /* (owned) (nullable) of the session that it was made in */
  char *version;      /* (owned) */
  gboolean forgotten; /* so begin again: the session or the collector is gone */
  guint n_missing;    /* how often in a row something was not there: the object itself? */
} Wait;

static void
wait_clear (Wait *wait)
{
  g_clear_pointer (&wait->collector, g_free);
  g_clear_pointer (&wait->version, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Wait, wait_clear)

/* A fault of the collector itself: it, or what it knew, went away with the session. */
static xmlDoc *
wait_call (Wait *wait, const MtvSoapCall *call, gboolean of_collector, xmlNode **response,
           GCancellable *cancellable, GError **error)
{
  g_autofree char *fault = NULL;
  xmlDoc *document = mtv_vsphere_session_call_once (wait->session, call, NULL, response, &fault,
                                                    cancellable, error);

  gboolean missing = of_collector && g_strcmp0 (fault, "ManagedObjectNotFound") == 0;
  if (missing)
    wait->n_missing++;
  wait->forgotten = g_strcmp0 (fault, "NotAuthenticated") == 0
                    || (missing && wait->n_missing < MAX_MISSING)
                    || (of_collector
                        && (g_strcmp0 (fault, "InvalidCollectorVersion") == 0
                            || g_strcmp0 (fault, "RequestCanceled") == 0));
  return document;
}

static gboolean
make_collector (Wait *wait, GCancellable *cancellable, GError **error)
{
  const MtvVsphereService *service
      = mtv_vsphere_session_connect (wait->session, cancellable, error);
  xmlNode *response = NULL;

  if (service == NULL)
    return FALSE;
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("CreatePropertyCollector", "PropertyCollector",
                                                    service->property_collector);
  g_autoptr (xmlDoc) document = wait_call (wait, call, TRUE, &response, cancellable, error);
  const char *id = document == NULL ? NULL : mtv_vsphere_xml_text (response, "returnval");

  if (document != NULL && id == NULL)
    g_set_error_literal (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                         "CreatePropertyCollector was answered without a collector");
  wait->collector = g_strdup (id);
  return id != NULL;
}

static gboolean
make_filter (Wait *wait, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("CreateFilter", "PropertyCollector", wait->collector);

  mtv_soap_call_begin (call, "spec", NULL);
  mtv_soap_call_begin (call, "propSet", NULL);
  mtv_soap_call_add (call, "type", wait->type);
  mtv_soap_call_add_boolean (call, "all", FALSE);
  mtv_soap_call_add (call, "pathSet", wait->path);
  mtv_soap_call_end (call, "propSet");
  mtv_soap_call_begin (call, "objectSet", NULL);
  mtv_soap_call_add_ref (call, "obj", wait->type, wait->id);
  mtv_soap_call_end (call, "objectSet");
  mtv_soap_call_end (call, "spec");
  mtv_soap_call_add_boolean (call, "partialUpdates", FALSE);
  g_autoptr (xmlDoc) document = wait_call (wait, call, FALSE, NULL, cancellable, error);
  return document != NULL;
}

static MtvSoapCall *
wait_for_updates (const Wait *wait)
{
  MtvSoapCall *call = mtv_soap_call_new ("WaitForUpdatesEx", "PropertyCollector", wait->collector);

  mtv_soap_call_add (call, "version", wait->version);
  mtv_soap_call_begin (call, "options", NULL);
  mtv_soap_call_add_number (call, "maxWaitSeconds", WAIT_SECONDS);
  mtv_soap_call_end (call, "options");
  return call;
}

/* The last value in an update, if there is one. @gone: the object has left the inventory. */
static xmlNode *
find_value (const Wait *wait, const xmlNode *update, gboolean *gone)
{
  xmlNode *value = NULL;

  for (xmlNode *set = mtv_vsphere_xml_child (update, "filterSet"); set != NULL;
       set = mtv_vsphere_xml_next (set))
    for (xmlNode *object = mtv_vsphere_xml_child (set, "objectSet"); object != NULL;
         object = mtv_vsphere_xml_next (object))
      {
        *gone |= g_strcmp0 (mtv_vsphere_xml_text (object, "kind"), "leave") == 0;
        for (xmlNode *change = mtv_vsphere_xml_child (object, "changeSet"); change != NULL;
             change = mtv_vsphere_xml_next (change))
          if (g_strcmp0 (mtv_vsphere_xml_text (change, "name"), wait->path) == 0)
            value = mtv_vsphere_xml_child (change, "val");
      }
  return value;
}

/* An error about the object; not about the server. */
static void
set_gone (const Wait *wait, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "%s: '%s' is not there any more",
               mtv_vsphere_session_get_access (wait->session)->label, wait->id);
}

/* With a collector, until @deadline or an error. */
static xmlDoc *
follow (Wait *wait, gint64 deadline, xmlNode **val, GCancellable *cancellable, GError **error)
{
  while (g_get_monotonic_time () < deadline)
    {
      g_autoptr (MtvSoapCall) call = wait_for_updates (wait);
      xmlNode *response = NULL;
      gint64 began = g_get_monotonic_time ();
      g_autoptr (xmlDoc) document = wait_call (wait, call, TRUE, &response, cancellable, error);
      gboolean gone = FALSE;

      if (document == NULL)
        return NULL;
      xmlNode *update = mtv_vsphere_xml_child (response, "returnval");
      const char *version = mtv_vsphere_xml_text (update, "version");
      *val = find_value (wait, update, &gone);
      if (*val != NULL && wait->is_done (*val))
        return g_steal_pointer (&document);
      if (gone)
        {
          set_gone (wait, error);
          return NULL;
        }
      if (version != NULL)
        {
          g_free (wait->version);
          wait->version = g_strdup (version);
        }
      if (g_get_monotonic_time () - began < FIRST_PAUSE_USEC && *val == NULL)
        mtv_vsphere_pause (FIRST_PAUSE_USEC, cancellable); /* it should have held its answer back */
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
               "%s: '%s' took too long, and goes on at the server",
               mtv_vsphere_session_get_access (wait->session)->label, wait->id);
  return NULL;
}

static void
destroy_collector (Wait *wait, GCancellable *cancellable)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("DestroyPropertyCollector", "PropertyCollector", wait->collector);

  xmlFreeDoc (
      mtv_vsphere_session_call_once (wait->session, call, NULL, NULL, NULL, cancellable, NULL));
}

static xmlDoc *
wait_once (Wait *wait, gint64 deadline, xmlNode **val, GCancellable *cancellable, GError **error)
{
  wait_clear (wait);
  wait->version = g_strdup ("");
  wait->forgotten = FALSE;
  if (!make_collector (wait, cancellable, error) || !make_filter (wait, cancellable, error))
    return NULL;
  xmlDoc *document = follow (wait, deadline, val, cancellable, error);
  if (document != NULL)
    destroy_collector (wait, cancellable);
  return document;
}

xmlDoc *
mtv_vsphere_wait_for (MtvVsphereSession *session, const char *type, const char *id,
                      const char *path, gboolean (*is_done) (const xmlNode *val), gint64 deadline,
                      xmlNode **val, GCancellable *cancellable, GError **error)
{
  g_auto (Wait) wait
      = { .session = session, .type = type, .id = id, .path = path, .is_done = is_done };
  gint64 lost_since = 0;

  for (guint n = 0;; n++)
    {
      g_autoptr (GError) failed = NULL;
      gint64 began = g_get_monotonic_time ();
      xmlDoc *document = wait_once (&wait, deadline, val, cancellable, &failed);
      gint64 now = g_get_monotonic_time ();

      if (document != NULL)
        return document;
      if (now - began > LONGEST_PAUSE_USEC || lost_since == 0) /* it was back meanwhile */
        {
          lost_since = now;
          n = 0;
        }
      gboolean lost = wait.forgotten || g_error_matches (failed, MTV_ERROR, MTV_ERROR_UNREACHABLE);
      if (!lost || now > deadline || now - lost_since > LOST_USEC
          || !mtv_vsphere_pause (pause_length (n), cancellable))
        {
          g_propagate_error (error, g_steal_pointer (&failed));
          return NULL;
        }
    }
}

/* Tasks. */

static gboolean
task_is_done (const xmlNode *info)
{
  const char *state = mtv_vsphere_xml_text (info, "state");

  return g_strcmp0 (state, "success") == 0 || g_strcmp0 (state, "error") == 0;
}

typedef struct
{
  MtvVsphereSession *session; /* (owned) */
  char *task;                 /* (owned) */
} Cancelling;

/* It would hold up who was told to end at once. */
static gpointer
cancel_thread (gpointer data)
{
  Cancelling *cancelling = data;
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("CancelTask", "Task", cancelling->task);

  xmlFreeDoc (mtv_vsphere_session_call (cancelling->session, call, NULL, NULL, NULL, NULL));

  mtv_vsphere_session_unref (cancelling->session);
  g_free (cancelling->task);
  g_free (cancelling);
  return NULL;
}

static void
cancel_task (MtvVsphereSession *session, const char *task)
{
  Cancelling *cancelling = g_new0 (Cancelling, 1);

  cancelling->session = mtv_vsphere_session_ref (session);
  cancelling->task = g_strdup (task);
  g_thread_unref (g_thread_new ("mtv-cancel-task", cancel_thread, cancelling));
}

static gboolean
check_result (MtvVsphereSession *session, const MtvSoapCall *call, const xmlNode *info,
              char **result, char **fault, GError **error)
{
  if (g_strcmp0 (mtv_vsphere_xml_text (info, "state"), "success") == 0)
    {
      if (result != NULL)
        *result = g_strdup (mtv_vsphere_xml_text (info, "result"));
      return TRUE;
    }
  xmlNode *problem = mtv_vsphere_xml_child (info, "error");
  xmlNode *inner = mtv_vsphere_xml_child (problem, "fault");
  *fault = mtv_soap_get_fault_name (inner);
  mtv_soap_set_fault (error, inner, mtv_vsphere_xml_text (problem, "localizedMessage"),
                      "%s: %s of %s", mtv_vsphere_session_get_access (session)->label, call->method,
                      call->subject);
  return FALSE;
}

gboolean
mtv_vsphere_task_run (MtvVsphereSession *session, const MtvSoapCall *call, gint64 deadline,
                      char **result, char **fault, GCancellable *cancellable, GError **error)
{
  xmlNode *response = NULL;
  g_autoptr (xmlDoc) started
      = mtv_vsphere_session_call (session, call, &response, fault, cancellable, error);
  const char *task = started == NULL ? NULL : mtv_vsphere_xml_text (response, "returnval");
  xmlNode *info = NULL;

  if (task == NULL)
    {
      if (started != NULL)
        g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: %s was answered without a task",
                     mtv_vsphere_session_get_access (session)->label, call->method);
      return FALSE;
    }
  g_autoptr (xmlDoc) ended = mtv_vsphere_wait_for (session, "Task", task, "info", task_is_done,
                                                   deadline, &info, cancellable, error);
  if (ended != NULL)
    return check_result (session, call, info, result, fault, error);
  if (g_cancellable_is_cancelled (cancellable))
    cancel_task (session, task);
  return FALSE;
}

gboolean
mtv_vsphere_task_await (MtvVsphereSession *session, const char *task, gint64 deadline,
                        GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) failed = NULL;
  xmlNode *info = NULL;
  g_autoptr (xmlDoc) ended = mtv_vsphere_wait_for (session, "Task", task, "info", task_is_done,
                                                   deadline, &info, cancellable, &failed);

  if (ended != NULL || g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    return TRUE; /* what has ended is forgotten after some minutes */
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}
