/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-inventory.h"

#include "base/mtv-error.h"
#include "provider/ovirt/mtv-ovirt-vm.h"

MtvOvirtWorld *
mtv_ovirt_world_new (void)
{
  MtvOvirtWorld *self = g_new0 (MtvOvirtWorld, 1);
  GHashTable **tables[] = { &self->clusters, &self->hosts,    &self->disks,
                            &self->networks, &self->profiles, &self->domains };

  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    *tables[i]
        = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) json_node_unref);
  return self;
}

void
mtv_ovirt_world_free (MtvOvirtWorld *self)
{
  GHashTable *tables[]
      = { self->clusters, self->hosts, self->disks, self->networks, self->profiles, self->domains };

  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    g_hash_table_unref (tables[i]);
  g_free (self);
}

void
mtv_ovirt_world_add (GHashTable *table, GPtrArray *items)
{
  for (guint i = 0; i < items->len; i++)
    {
      JsonNode *node = g_ptr_array_index (items, i);
      const char *id = mtv_ovirt_text (json_node_get_object (node), "id");

      if (id != NULL)
        g_hash_table_insert (table, g_strdup (id), json_node_ref (node));
    }
}

static gboolean
load (MtvOvirtClient *client, GHashTable *table, const char *path, const char *name,
      GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) items = mtv_ovirt_client_list (client, path, name, cancellable, error);

  if (items == NULL)
    return FALSE;
  mtv_ovirt_world_add (table, items);
  return TRUE;
}

MtvOvirtWorld *
mtv_ovirt_world_load (MtvOvirtClient *client, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvOvirtWorld) self = mtv_ovirt_world_new ();
  const struct
  {
    GHashTable *table;
    const char *path, *name;
  } parts[] = {
    { self->clusters, "/clusters", "cluster" },
    { self->hosts, "/hosts", "host" },
    { self->disks, "/disks", "disk" },
    { self->networks, "/networks", "network" },
    { self->domains, "/storagedomains", "storage_domain" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    if (!load (client, parts[i].table, parts[i].path, parts[i].name, cancellable, error))
      return NULL;

  /* This one cannot be searched, and so not be read in pages. */
  g_autoptr (JsonNode) node = mtv_ovirt_client_get (client, "/vnicprofiles", cancellable, error);
  if (node == NULL)
    return NULL;
  for (guint i = 0; i < mtv_ovirt_count (json_node_get_object (node), "vnic_profile"); i++)
    {
      JsonObject *profile = mtv_ovirt_item (json_node_get_object (node), "vnic_profile", i);
      const char *id = mtv_ovirt_text (profile, "id");

      if (id != NULL)
        g_hash_table_insert (self->profiles, g_strdup (id),
                             json_node_init_object (json_node_alloc (), profile));
    }
  return g_steal_pointer (&self);
}

GPtrArray *
mtv_ovirt_inventory_list (MtvOvirtClient *client, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvOvirtWorld) world = mtv_ovirt_world_load (client, cancellable, error);
  g_autoptr (GPtrArray) items
      = world == NULL ? NULL
                      : mtv_ovirt_client_list (client, "/vms?follow=" MTV_OVIRT_FOLLOW, "vm",
                                               cancellable, error);
  if (items == NULL)
    return NULL;

  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  for (guint i = 0; i < items->len; i++)
    {
      MtvVm *vm = mtv_ovirt_vm_parse (json_node_get_object (g_ptr_array_index (items, i)), world);

      if (vm != NULL)
        g_ptr_array_add (vms, vm);
    }
  return g_steal_pointer (&vms);
}
