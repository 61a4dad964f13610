/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-places.h"

#include "base/mtv-error.h"

#include <string.h>

#define MAX_DEPTH 64      /* of folders */
#define MAX_PLACES 200000 /* in one inventory */
#define MAX_BOUND 100000  /* VMs in the rules of a cluster */

struct _MtvVspherePlaces
{
  GHashTable *by_id;      /* (owned) id to MtvVspherePlace (owned) */
  GHashTable *portgroups; /* (owned) key to MtvVspherePlace */
};

static void
place_free (gpointer data)
{
  MtvVspherePlace *place = data;

  g_free (place->id);
  g_free (place->type);
  g_free (place->name);
  g_free (place->parent);
  g_free (place->storage_type);
  g_free (place->version);
  g_free (place->thumbprint);
  g_free (place->address);
  g_free (place->key);
  g_clear_pointer (&place->bound, g_hash_table_unref);
  g_free (place);
}

MtvVspherePlaces *
mtv_vsphere_places_new (void)
{
  MtvVspherePlaces *self = g_new0 (MtvVspherePlaces, 1);

  self->by_id = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, place_free);
  self->portgroups = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

void
mtv_vsphere_places_free (MtvVspherePlaces *self)
{
  g_hash_table_unref (self->portgroups);
  g_hash_table_unref (self->by_id);
  g_free (self);
}

char *
mtv_vsphere_places_unescape (const char *name)
{
  GString *plain = g_string_new (name);

  g_string_replace (plain, "%2f", "/", 0);
  g_string_replace (plain, "%5c", "\\", 0);
  g_string_replace (plain, "%25", "%", 0);
  return g_string_free (plain, FALSE);
}

static char *
dup_text (const xmlNode *object, const char *path)
{
  return g_strdup (mtv_vsphere_xml_text (mtv_vsphere_object_get (object, path), NULL));
}

static void
add_rules (MtvVspherePlace *place, const xmlNode *config)
{
  g_autoptr (GHashTable) groups = g_hash_table_new (g_str_hash, g_str_equal);

  place->bound = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  /* A rule that binds VMs to hosts (ClusterVmHostRuleInfo) names groups; the others are about where
   * VMs are in relation to each other. */
  for (xmlNode *rule = mtv_vsphere_xml_child (config, "rule"); rule != NULL;
       rule = mtv_vsphere_xml_next (rule))
    if (mtv_vsphere_xml_text (rule, "vmGroupName") != NULL)
      g_hash_table_add (groups, (char *) mtv_vsphere_xml_text (rule, "vmGroupName"));
  for (xmlNode *group = mtv_vsphere_xml_child (config, "group"); group != NULL;
       group = mtv_vsphere_xml_next (group))
    {
      const char *name = mtv_vsphere_xml_text (group, "name");

      for (xmlNode *vm = name != NULL && g_hash_table_contains (groups, name)
                             ? mtv_vsphere_xml_child (group, "vm")
                             : NULL;
           vm != NULL && g_hash_table_size (place->bound) < MAX_BOUND;
           vm = mtv_vsphere_xml_next (vm))
        if (mtv_vsphere_xml_text (vm, NULL) != NULL)
          g_hash_table_add (place->bound, g_strdup (mtv_vsphere_xml_text (vm, NULL)));
    }
}

/* What only some types have; of the others the properties are not there. */
static void
add_details (MtvVspherePlace *place, const xmlNode *object)
{
  xmlNode *accessible = mtv_vsphere_object_get (object, "summary.accessible");
  xmlNode *cluster = mtv_vsphere_object_get (object, "configurationEx");

  place->inaccessible = accessible != NULL && !mtv_vsphere_xml_boolean (accessible, NULL);
  place->storage_type = dup_text (object, "summary.type");
  place->in_maintenance = mtv_vsphere_xml_boolean (
      mtv_vsphere_object_get (object, "runtime.inMaintenanceMode"), NULL);
  xmlNode *product = mtv_vsphere_object_get (object, "summary.config.product");
  place->version = g_strdup (mtv_vsphere_xml_text (product, "version"));
  place->build = mtv_vsphere_xml_number (product, "build");
  place->thumbprint = dup_text (object, "summary.config.sslThumbprint");
  if (g_str_equal (place->type, "HostSystem"))
    place->address = g_strdup (place->name);
  place->key = dup_text (object, "key");
  if (cluster == NULL)
    return;
  place->drs = mtv_vsphere_xml_boolean (cluster, "drsConfig/enabled");
  place->dpm = mtv_vsphere_xml_boolean (cluster, "dpmConfigInfo/enabled");
  place->ha = mtv_vsphere_xml_boolean (cluster, "dasConfig/enabled");
  add_rules (place, cluster);
}

void
mtv_vsphere_places_add (MtvVspherePlaces *self, const xmlNode *object)
{
  const char *id = mtv_vsphere_object_id (object);
  const char *type = mtv_vsphere_object_type (object);
  const char *name = mtv_vsphere_xml_text (mtv_vsphere_object_get (object, "name"), NULL);

  if (id == NULL || type == NULL || name == NULL)
    return;

  const MtvVspherePlace *old = g_hash_table_lookup (self->by_id, id);
  if (old != NULL && old->key != NULL)
    g_hash_table_remove (self->portgroups, old->key);

  MtvVspherePlace *place = g_new0 (MtvVspherePlace, 1);
  place->id = g_strdup (id);
  place->type = g_strdup (type);
  place->name = mtv_vsphere_places_unescape (name);
  place->parent = dup_text (object, "parent");
  if (place->parent == NULL)
    place->parent = dup_text (object, "parentFolder"); /* of a vApp */
  if (place->parent == NULL)
    place->parent = dup_text (object, "parentVApp"); /* of a VM */
  add_details (place, object);
  g_hash_table_replace (self->by_id, place->id, place);
  if (place->key != NULL)
    g_hash_table_replace (self->portgroups, place->key, place);
}

const MtvVspherePlace *
mtv_vsphere_places_get (MtvVspherePlaces *self, const char *id)
{
  return id == NULL ? NULL : g_hash_table_lookup (self->by_id, id);
}

const MtvVspherePlace *
mtv_vsphere_places_find_portgroup (MtvVspherePlaces *self, const char *key)
{
  const MtvVspherePlace *place = key == NULL ? NULL : g_hash_table_lookup (self->portgroups, key);

  return place != NULL ? place : mtv_vsphere_places_get (self, key);
}

/* Reading them. */

static const char *const plain[] = { "name", "parent", NULL };
static const char *const of_vapp[] = { "name", "parent", "parentFolder", NULL };
static const char *const of_vm[] = { "name", "parent", "parentVApp", NULL };
static const char *const of_cluster[] = { "name", "parent", "configurationEx", NULL };
static const char *const of_host[] = { "name",
                                       "parent",
                                       "runtime.inMaintenanceMode",
                                       "summary.config.product",
                                       "summary.config.sslThumbprint",
                                       NULL };
static const char *const of_datastore[]
    = { "name", "parent", "summary.accessible", "summary.type", NULL };
static const char *const of_portgroup[] = { "name", "parent", "key", NULL };

static const MtvVsphereQuestion questions[] = {
  { "Datacenter", plain },
  { "Folder", plain },
  { "ComputeResource", plain },
  { "ClusterComputeResource", of_cluster },
  { "HostSystem", of_host },
  { "VirtualApp", of_vapp },
  { "Datastore", of_datastore },
  { "Network", plain },
  { "DistributedVirtualPortgroup", of_portgroup },
  { NULL, NULL },
};

static gboolean
take_place (xmlNode *object, gpointer user_data, GError **error)
{
  MtvVspherePlaces *self = user_data;

  mtv_vsphere_places_add (self, object);
  if (g_hash_table_size (self->by_id) <= MAX_PLACES)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
               "The inventory has more than %d folders, hosts, datastores and networks",
               MAX_PLACES);
  return FALSE;
}

static void
forget_places (gpointer user_data)
{
  MtvVspherePlaces *self = user_data;

  g_hash_table_remove_all (self->portgroups);
  g_hash_table_remove_all (self->by_id);
}

gboolean
mtv_vsphere_places_load (MtvVspherePlaces *self, MtvVsphereSession *session,
                         GCancellable *cancellable, GError **error)
{
  const MtvVsphereSink sink = { take_place, forget_places, self };

  return mtv_vsphere_retrieve_all (session, questions, &sink, cancellable, error);
}

static const char *const *
paths_of (const char *type)
{
  for (const MtvVsphereQuestion *at = questions; at->type != NULL; at++)
    if (g_str_equal (at->type, type))
      return at->paths;
  return g_str_equal (type, "VirtualMachine") ? of_vm : plain;
}

gboolean
mtv_vsphere_places_load_one (MtvVspherePlaces *self, MtvVsphereSession *session, const char *type,
                             const char *id, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) ancestors = NULL;
  xmlNode *object = NULL;
  g_autoptr (xmlDoc) above
      = mtv_vsphere_retrieve_ancestors (session, type, id, plain, &ancestors, cancellable, error);

  if (above == NULL)
    return FALSE;
  for (guint i = 0; i < ancestors->len; i++)
    mtv_vsphere_places_add (self, g_ptr_array_index (ancestors, i));
  g_autoptr (xmlDoc) document
      = mtv_vsphere_retrieve (session, type, id, paths_of (type), &object, cancellable, error);
  if (document == NULL)
    return FALSE;
  mtv_vsphere_places_add (self, object);
  return TRUE;
}

/* Paths. */

/* The names above and with @id, from the top on, without the root, which has no parent. */
static GPtrArray *
list_names (MtvVspherePlaces *self, const char *id)
{
  GPtrArray *names = g_ptr_array_new ();

  for (const MtvVspherePlace *at = mtv_vsphere_places_get (self, id);
       at != NULL && at->parent != NULL && names->len < MAX_DEPTH;
       at = mtv_vsphere_places_get (self, at->parent))
    g_ptr_array_insert (names, 0, at->name);
  return names;
}

char *
mtv_vsphere_places_get_path (MtvVspherePlaces *self, const char *parent, const char *name)
{
  g_autoptr (GPtrArray) names = list_names (self, parent);
  GString *path = g_string_new (NULL);

  for (guint i = 0; i < names->len; i++)
    g_string_append_printf (path, "/%s", (const char *) g_ptr_array_index (names, i));
  g_string_append_printf (path, "/%s", name);
  return g_string_free (path, FALSE);
}

char *
mtv_vsphere_places_get_datacenter (MtvVspherePlaces *self, const char *id)
{
  const MtvVspherePlace *at = mtv_vsphere_places_get (self, id);

  for (guint depth = 0; at != NULL && depth < MAX_DEPTH; depth++)
    {
      if (g_str_equal (at->type, "Datacenter"))
        {
          g_autofree char *path = mtv_vsphere_places_get_path (self, at->parent, at->name);
          return g_strdup (path + 1);
        }
      at = mtv_vsphere_places_get (self, at->parent);
    }
  return NULL;
}
