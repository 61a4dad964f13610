/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-properties.h"

#include "base/mtv-error.h"

#include <string.h>

#define PAGE 100 /* objects */
#define MAX_RESTARTS 3
#define MAX_PAGES 10000

const char *
mtv_vsphere_object_id (const xmlNode *object)
{
  return mtv_vsphere_xml_text (object, "obj");
}

const char *
mtv_vsphere_object_type (const xmlNode *object)
{
  return mtv_vsphere_xml_ref_type (mtv_vsphere_xml_child (object, "obj"));
}

xmlNode *
mtv_vsphere_object_get (const xmlNode *object, const char *path)
{
  for (xmlNode *set = mtv_vsphere_xml_child (object, "propSet"); set != NULL;
       set = mtv_vsphere_xml_next (set))
    if (g_strcmp0 (mtv_vsphere_xml_text (set, "name"), path) == 0)
      return mtv_vsphere_xml_child (set, "val");
  return NULL;
}

static void
add_question (MtvSoapCall *call, const char *type, const char *const *paths)
{
  mtv_soap_call_begin (call, "propSet", NULL);
  mtv_soap_call_add (call, "type", type);
  mtv_soap_call_add_boolean (call, "all", FALSE);
  for (guint i = 0; paths[i] != NULL; i++)
    mtv_soap_call_add (call, "pathSet", paths[i]);
  mtv_soap_call_end (call, "propSet");
}

static MtvSoapCall *
collector_call (MtvVsphereSession *session, const char *method, GCancellable *cancellable,
                GError **error)
{
  const MtvVsphereService *service = mtv_vsphere_session_connect (session, cancellable, error);

  return service == NULL
             ? NULL
             : mtv_soap_call_new (method, "PropertyCollector", service->property_collector);
}

/* A server may answer whom it has forgotten with what anybody may see, and say so only here. */
static gboolean
is_forgotten (const xmlNode *object)
{
  for (xmlNode *missing = mtv_vsphere_xml_child (object, "missingSet"); missing != NULL;
       missing = mtv_vsphere_xml_next (missing))
    {
      xmlNode *fault = mtv_vsphere_xml_child (mtv_vsphere_xml_child (missing, "fault"), "fault");

      if (g_strcmp0 (mtv_vsphere_xml_type (fault), "NotAuthenticated") == 0)
        return TRUE;
    }
  return FALSE;
}

static void
expire (MtvVsphereSession *session, GCancellable *cancellable)
{
  g_autofree char *cookie = mtv_vsphere_session_get_cookie (session, cancellable, NULL);

  mtv_vsphere_session_expire (session, cookie);
}

/* All objects of some types. */

typedef struct
{
  MtvVsphereSession *session; /* (unowned) */
  const MtvVsphereQuestion *questions;
  const MtvVsphereSink *sink;
  gboolean forgotten;      /* we are not logged in any more … */
  gboolean told_by_object; /* … as no fault has said */
  gboolean any;            /* was handed over */
} Walk;

static gboolean
take_object (xmlNode *object, gpointer user_data, GError **error)
{
  Walk *walk = user_data;

  if (is_forgotten (object))
    {
      walk->forgotten = walk->told_by_object = TRUE;
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED,
                           "NotAuthenticated: the session has ended");
      return FALSE;
    }
  walk->any = TRUE;
  return walk->sink->object (object, walk->sink->user_data, error);
}

/* One request; what is not for this session any more is told as such. */
static xmlDoc *
walk_call (Walk *walk, const MtvSoapCall *call, gboolean has_items, xmlNode **response,
           GCancellable *cancellable, GError **error)
{
  const MtvVsphereXmlItems items = { "objects", take_object, walk };
  g_autofree char *fault = NULL;
  xmlDoc *document = mtv_vsphere_session_call_once (walk->session, call, has_items ? &items : NULL,
                                                    response, &fault, cancellable, error);

  walk->forgotten |= g_strcmp0 (fault, "NotAuthenticated") == 0;
  return document;
}

/* (transfer full) the view's id */
static char *
create_view (Walk *walk, const MtvVsphereService *service, GCancellable *cancellable,
             GError **error)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("CreateContainerView", "ViewManager", service->view_manager);
  xmlNode *response = NULL;

  mtv_soap_call_add_ref (call, "container", "Folder", service->root_folder);
  for (const MtvVsphereQuestion *at = walk->questions; at->type != NULL; at++)
    mtv_soap_call_add (call, "type", at->type);
  mtv_soap_call_add_boolean (call, "recursive", TRUE);
  g_autoptr (xmlDoc) document = walk_call (walk, call, FALSE, &response, cancellable, error);
  return document == NULL ? NULL : g_strdup (mtv_vsphere_xml_text (response, "returnval"));
}

static MtvSoapCall *
first_page (const Walk *walk, const MtvVsphereService *service, const char *view)
{
  MtvSoapCall *call = mtv_soap_call_new ("RetrievePropertiesEx", "PropertyCollector",
                                         service->property_collector);

  mtv_soap_call_begin (call, "specSet", NULL);
  for (const MtvVsphereQuestion *at = walk->questions; at->type != NULL; at++)
    add_question (call, at->type, at->paths);
  mtv_soap_call_begin (call, "objectSet", NULL);
  mtv_soap_call_add_ref (call, "obj", "ContainerView", view);
  mtv_soap_call_add_boolean (call, "skip", TRUE);
  mtv_soap_call_begin (call, "selectSet", "TraversalSpec");
  mtv_soap_call_add (call, "name", "view");
  mtv_soap_call_add (call, "type", "ContainerView");
  mtv_soap_call_add (call, "path", "view");
  mtv_soap_call_add_boolean (call, "skip", FALSE);
  mtv_soap_call_end (call, "selectSet");
  mtv_soap_call_end (call, "objectSet");
  mtv_soap_call_end (call, "specSet");
  mtv_soap_call_begin (call, "options", NULL);
  mtv_soap_call_add_number (call, "maxObjects", PAGE);
  mtv_soap_call_end (call, "options");
  return call;
}

static MtvSoapCall *
next_page (const MtvVsphereService *service, const char *token)
{
  MtvSoapCall *call = mtv_soap_call_new ("ContinueRetrievePropertiesEx", "PropertyCollector",
                                         service->property_collector);

  mtv_soap_call_add (call, "token", token);
  return call;
}

static gboolean
walk_pages (Walk *walk, const MtvVsphereService *service, const char *view,
            GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call = first_page (walk, service, view);

  for (guint n = 0; n < MAX_PAGES; n++)
    {
      xmlNode *response = NULL;
      g_autoptr (xmlDoc) document = walk_call (walk, call, TRUE, &response, cancellable, error);
      const char *token
          = document == NULL ? NULL : mtv_vsphere_xml_text (response, "returnval/token");

      if (document == NULL || token == NULL)
        return document != NULL;
      mtv_soap_call_free (call);
      call = next_page (service, token);
    }
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "The inventory does not come to an end");
  return FALSE;
}

static gboolean
walk_once (Walk *walk, GCancellable *cancellable, GError **error)
{
  const MtvVsphereService *service
      = mtv_vsphere_session_connect (walk->session, cancellable, error);
  g_autofree char *view = service == NULL ? NULL : create_view (walk, service, cancellable, error);

  if (view == NULL || !walk_pages (walk, service, view, cancellable, error))
    return FALSE;

  /* Else it would stay until the session ends. */
  g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("DestroyView", "ContainerView", view);
  xmlFreeDoc (
      mtv_vsphere_session_call_once (walk->session, call, NULL, NULL, NULL, cancellable, NULL));
  return TRUE;
}

gboolean
mtv_vsphere_retrieve_all (MtvVsphereSession *session, const MtvVsphereQuestion *questions,
                          const MtvVsphereSink *sink, GCancellable *cancellable, GError **error)
{
  for (guint n = 1;; n++)
    {
      Walk walk = { .session = session, .questions = questions, .sink = sink };
      g_autoptr (GError) failed = NULL;

      if (walk_once (&walk, cancellable, &failed))
        return TRUE;
      if (!walk.forgotten || n == MAX_RESTARTS)
        {
          g_propagate_error (error, g_steal_pointer (&failed));
          return FALSE;
        }
      if (walk.told_by_object)
        expire (session, cancellable);
      if (walk.any)
        sink->reset (sink->user_data);
    }
}

/* One object. */

static gboolean
any_is_forgotten (const xmlNode *response)
{
  for (xmlNode *object
       = mtv_vsphere_xml_child (mtv_vsphere_xml_child (response, "returnval"), "objects");
       object != NULL; object = mtv_vsphere_xml_next (object))
    if (is_forgotten (object))
      return TRUE;
  return FALSE;
}

static xmlDoc *
call_and_again (MtvVsphereSession *session, const MtvSoapCall *call, xmlNode **response,
                GCancellable *cancellable, GError **error)
{
  xmlDoc *document = mtv_vsphere_session_call (session, call, response, NULL, cancellable, error);

  if (document == NULL || !any_is_forgotten (*response))
    return document;
  xmlFreeDoc (document);
  expire (session, cancellable);
  return mtv_vsphere_session_call (session, call, response, NULL, cancellable, error);
}

xmlDoc *
mtv_vsphere_retrieve (MtvVsphereSession *session, const char *type, const char *id,
                      const char *const *paths, xmlNode **object, GCancellable *cancellable,
                      GError **error)
{
  g_autoptr (MtvSoapCall) call
      = collector_call (session, "RetrievePropertiesEx", cancellable, error);
  xmlNode *response = NULL;

  if (call == NULL)
    return NULL;
  mtv_soap_call_begin (call, "specSet", NULL);
  add_question (call, type, paths);
  mtv_soap_call_begin (call, "objectSet", NULL);
  mtv_soap_call_add_ref (call, "obj", type, id);
  mtv_soap_call_end (call, "objectSet");
  mtv_soap_call_end (call, "specSet");
  mtv_soap_call_begin (call, "options", NULL);
  mtv_soap_call_end (call, "options");
  g_autoptr (xmlDoc) document = call_and_again (session, call, &response, cancellable, error);
  if (document == NULL)
    return NULL;
  *object = mtv_vsphere_xml_child (mtv_vsphere_xml_child (response, "returnval"), "objects");
  if (*object != NULL)
    return g_steal_pointer (&document);
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "%s: '%s' is not there any more",
               mtv_vsphere_session_get_access (session)->label, id);
  return NULL;
}

static xmlDoc *
retrieve_several (MtvVsphereSession *session, MtvSoapCall *call, GPtrArray **objects,
                  GCancellable *cancellable, GError **error)
{
  xmlNode *response = NULL;

  mtv_soap_call_end (call, "objectSet");
  mtv_soap_call_end (call, "specSet");
  mtv_soap_call_begin (call, "options", NULL);
  mtv_soap_call_end (call, "options");
  xmlDoc *document = call_and_again (session, call, &response, cancellable, error);
  if (document == NULL)
    return NULL;
  *objects = g_ptr_array_new ();
  for (xmlNode *object
       = mtv_vsphere_xml_child (mtv_vsphere_xml_child (response, "returnval"), "objects");
       object != NULL; object = mtv_vsphere_xml_next (object))
    g_ptr_array_add (*objects, object);
  return document;
}

xmlDoc *
mtv_vsphere_retrieve_named (MtvVsphereSession *session, const char *type, const char *id,
                            const char *path, const MtvVsphereQuestion *question,
                            GPtrArray **objects, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = collector_call (session, "RetrievePropertiesEx", cancellable, error);

  if (call == NULL)
    return NULL;
  mtv_soap_call_begin (call, "specSet", NULL);
  add_question (call, question->type, question->paths);
  mtv_soap_call_begin (call, "objectSet", NULL);
  mtv_soap_call_add_ref (call, "obj", type, id);
  mtv_soap_call_add_boolean (call, "skip", TRUE);
  mtv_soap_call_begin (call, "selectSet", "TraversalSpec");
  mtv_soap_call_add (call, "name", "named");
  mtv_soap_call_add (call, "type", type);
  mtv_soap_call_add (call, "path", path);
  mtv_soap_call_add_boolean (call, "skip", FALSE);
  mtv_soap_call_end (call, "selectSet");
  return retrieve_several (session, call, objects, cancellable, error);
}

static void
add_traversal (MtvSoapCall *call, const char *name, const char *type, const char *path)
{
  mtv_soap_call_begin (call, "selectSet", "TraversalSpec");
  mtv_soap_call_add (call, "name", name);
  mtv_soap_call_add (call, "type", type);
  mtv_soap_call_add (call, "path", path);
  mtv_soap_call_add_boolean (call, "skip", FALSE);
  mtv_soap_call_begin (call, "selectSet", NULL);
  mtv_soap_call_add (call, "name", "parent");
  mtv_soap_call_end (call, "selectSet");
  mtv_soap_call_end (call, "selectSet");
}

xmlDoc *
mtv_vsphere_retrieve_ancestors (MtvVsphereSession *session, const char *type, const char *id,
                                const char *const *paths, GPtrArray **objects,
                                GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = collector_call (session, "RetrievePropertiesEx", cancellable, error);

  if (call == NULL)
    return NULL;
  mtv_soap_call_begin (call, "specSet", NULL);
  add_question (call, "ManagedEntity", paths);
  mtv_soap_call_begin (call, "objectSet", NULL);
  mtv_soap_call_add_ref (call, "obj", type, id);
  mtv_soap_call_add_boolean (call, "skip", FALSE);
  add_traversal (call, "parent", "ManagedEntity", "parent");
  add_traversal (call, "vapp", "VirtualMachine", "parentVApp");
  return retrieve_several (session, call, objects, cancellable, error);
}
