/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-soap.h"

G_BEGIN_DECLS

/* How to get into a vCenter or an ESXi. */
typedef struct
{
  const char *url;   /* "https://vc.example.com", with or without "/sdk" */
  const char *label; /* what errors call it: "provider 'vc1'" */
  const char *user;
  const char *password;
  const char *ca;         /* (nullable) these three as MtvRestOptions has them */
  const char *thumbprint; /* (nullable) */
  gboolean insecure;
} MtvVsphereAccess;

/* What a server says of itself (ServiceContent). The ids of its one object of each kind. */
typedef struct
{
  gboolean is_vcenter; /* else a single ESXi */
  char *api_version;   /* never NULL: "8.0.1.0" */
  char *full_name;     /* never NULL */
  char *instance_uuid; /* (nullable) */
  char *root_folder;   /* never NULL, and so are the others */
  char *property_collector;
  char *view_manager;
  char *session_manager;
  char *search_index;
  char *authorization_manager;
} MtvVsphereService;

/* One session, shared by all threads that work with a provider. It begins with the first call, is
 * kept alive, comes back by itself when the server has forgotten it, and ends (Logout) with the
 * last reference. Logins are made one at a time, on a thread of its own. */
typedef struct _MtvVsphereSession MtvVsphereSession;

/* Makes no request. MTV_ERROR_INVALID_ARGUMENT when @access cannot be right. (transfer full) */
MtvVsphereSession *mtv_vsphere_session_new (const MtvVsphereAccess *access, GError **error);
MtvVsphereSession *mtv_vsphere_session_ref (MtvVsphereSession *self);
/* The last one waits for the Logout, for three seconds at most. */
void mtv_vsphere_session_unref (MtvVsphereSession *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereSession, mtv_vsphere_session_unref)

/* Logs in unless it is done. (transfer none), as long as the session */
const MtvVsphereService *mtv_vsphere_session_connect (MtvVsphereSession *self,
                                                      GCancellable *cancellable, GError **error);

/* (transfer none) What it was made with; the url is only scheme, host and port. */
const MtvVsphereAccess *mtv_vsphere_session_get_access (MtvVsphereSession *self);

/* Is the API at least of this version? Only after mtv_vsphere_session_connect(). */
gboolean mtv_vsphere_session_has_api (MtvVsphereSession *self, guint major, guint minor);

/* Calls, and once more when the session turned out to be forgotten. @fault: (out) (nullable)
 * (optional) (transfer full) VMware's name of the fault, if it failed by one.
 * @response: (out) (optional) (transfer none) of what is returned. (transfer full) */
xmlDoc *mtv_vsphere_session_call (MtvVsphereSession *self, const MtvSoapCall *call,
                                  xmlNode **response, char **fault, GCancellable *cancellable,
                                  GError **error);

/* The same, once: a NotAuthenticated is for the caller, who has to begin anew, since views,
 * collectors and tokens belong to a session. Afterwards calls are made in a new one. @items:
 * (nullable) see there. */
xmlDoc *mtv_vsphere_session_call_once (MtvVsphereSession *self, const MtvSoapCall *call,
                                       const MtvVsphereXmlItems *items, xmlNode **response,
                                       char **fault, GCancellable *cancellable, GError **error);

/* What HTTP requests beside the API need: "vmware_soap_session=…", a secret; logs in unless it is
 * done. And when such a request was answered as if that were not good any more: the next one is
 * another. (transfer full) */
char *mtv_vsphere_session_get_cookie (MtvVsphereSession *self, GCancellable *cancellable,
                                      GError **error);
void mtv_vsphere_session_expire (MtvVsphereSession *self, const char *cookie);

/* The session's own name at the server, for HasPrivilegeOnEntities. (transfer full) (nullable) */
char *mtv_vsphere_session_get_key (MtvVsphereSession *self);

G_END_DECLS
