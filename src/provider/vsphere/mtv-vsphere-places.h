/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-properties.h"

G_BEGIN_DECLS

/* What virtual machines are in, on and connected to: folders, datacenters, clusters, hosts,
 * datastores, networks. */
typedef struct
{
  char *id;     /* (owned) */
  char *type;   /* (owned) "Datacenter", "ClusterComputeResource" … */
  char *name;   /* (owned) */
  char *parent; /* (owned) (nullable) id */

  gboolean inaccessible;   /* a datastore */
  char *storage_type;      /* (owned) (nullable) of a datastore: "VMFS", "NFS", "vsan" */
  gboolean in_maintenance; /* a host */
  char *version;           /* (owned) (nullable) of a host's ESXi: "6.0.0" */
  guint64 build;           /* likewise */
  char *thumbprint;        /* (owned) (nullable) of a host's certificate */
  char *address;           /* (owned) (nullable) of a host: where its own API is */
  char *key;               /* (owned) (nullable) of a distributed port group, which NICs refer to */
  gboolean drs;            /* a cluster moves its VMs about … */
  gboolean dpm;            /* … switches hosts off … */
  gboolean ha;             /* … and starts VMs again */
  GHashTable *bound;       /* (owned) (nullable) ids of VMs that a rule of the cluster is about */
} MtvVspherePlace;

typedef struct _MtvVspherePlaces MtvVspherePlaces;

MtvVspherePlaces *mtv_vsphere_places_new (void);
void mtv_vsphere_places_free (MtvVspherePlaces *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVspherePlaces, mtv_vsphere_places_free)

/* All of them. */
gboolean mtv_vsphere_places_load (MtvVspherePlaces *self, MtvVsphereSession *session,
                                  GCancellable *cancellable, GError **error);
/* One, with what it lies in. */
gboolean mtv_vsphere_places_load_one (MtvVspherePlaces *self, MtvVsphereSession *session,
                                      const char *type, const char *id, GCancellable *cancellable,
                                      GError **error);

/* From an <objects> element; what it has nothing to say of is not there. */
void mtv_vsphere_places_add (MtvVspherePlaces *self, const xmlNode *object);

/* (nullable) (transfer none); @id: (nullable) */
const MtvVspherePlace *mtv_vsphere_places_get (MtvVspherePlaces *self, const char *id);
const MtvVspherePlace *mtv_vsphere_places_find_portgroup (MtvVspherePlaces *self, const char *key);

/* Names are told with / \ and % escaped, as paths need them; people want them as they are.
 * (transfer full) */
char *mtv_vsphere_places_unescape (const char *name);

/* "/DC0/vm/web", by the names from below the root on, where @parent is the place of what is called
 * @name. (transfer full) */
char *mtv_vsphere_places_get_path (MtvVspherePlaces *self, const char *parent, const char *name);
/* The path of the datacenter around @id, without a slash before it: "Folder/DC0". (transfer full)
 * (nullable) */
char *mtv_vsphere_places_get_datacenter (MtvVspherePlaces *self, const char *id);

G_END_DECLS
