/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-source.h"

G_DEFINE_INTERFACE (MtvSource, mtv_source, MTV_TYPE_PROVIDER)

static gboolean
source_has_tracking (MtvSource *self, MtvVm *vm, char **put_back, GCancellable *cancellable,
                     GError **error)
{
  (void) self;
  (void) vm;
  (void) cancellable;
  (void) error;
  *put_back = NULL;
  return TRUE;
}

static void
mtv_source_default_init (MtvSourceInterface *iface)
{
  iface->enable_tracking = source_has_tracking;
}

MtvPoint *
mtv_point_new (const char *key)
{
  MtvPoint *self = g_new0 (MtvPoint, 1);

  self->key = g_strdup (key);
  self->change_ids = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
mtv_point_free (MtvPoint *self)
{
  g_free (self->key);
  g_free (self->remote_id);
  g_ptr_array_unref (self->change_ids);
  g_free (self);
}

MtvSourceCaps
mtv_source_get_caps (MtvSource *self)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), 0);

  return MTV_SOURCE_GET_IFACE (self)->get_caps (self);
}

GPtrArray *
mtv_source_list (MtvSource *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), NULL);

  return MTV_SOURCE_GET_IFACE (self)->list (self, cancellable, error);
}

char *
mtv_source_get_identity (MtvSource *self, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), NULL);

  return MTV_SOURCE_GET_IFACE (self)->get_identity (self, vm, cancellable, error);
}

MtvReader *
mtv_source_open_disk (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                      GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), NULL);

  return MTV_SOURCE_GET_IFACE (self)->open_disk (self, vm, disk, cancellable, error);
}

gboolean
mtv_source_check_disk (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable,
                       GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), FALSE);
  g_return_val_if_fail (mtv_source_get_caps (self) & MTV_SOURCE_CAN_CHECK_DISKS, FALSE);

  return MTV_SOURCE_GET_IFACE (self)->check_disk (self, vm, disk, cancellable, error);
}

gboolean
mtv_source_get_power (MtvSource *self, MtvVm *vm, MtvPower *power, GCancellable *cancellable,
                      GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), FALSE);

  return MTV_SOURCE_GET_IFACE (self)->get_power (self, vm, power, cancellable, error);
}

gboolean
mtv_source_shut_down (MtvSource *self, MtvVm *vm, gboolean force, GCancellable *cancellable,
                      GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), FALSE);

  return MTV_SOURCE_GET_IFACE (self)->shut_down (self, vm, force, cancellable, error);
}

gboolean
mtv_source_start (MtvSource *self, MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), FALSE);

  return MTV_SOURCE_GET_IFACE (self)->start (self, vm, cancellable, error);
}

void
mtv_source_check_warm (MtvSource *self, MtvVm *vm, GPtrArray *concerns, GCancellable *cancellable)
{
  g_return_if_fail (MTV_IS_SOURCE (self));

  MTV_SOURCE_GET_IFACE (self)->check_warm (self, vm, concerns, cancellable);
}

gboolean
mtv_source_enable_tracking (MtvSource *self, MtvVm *vm, char **put_back, GCancellable *cancellable,
                            GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), FALSE);
  g_return_val_if_fail (put_back != NULL, FALSE);

  return MTV_SOURCE_GET_IFACE (self)->enable_tracking (self, vm, put_back, cancellable, error);
}

MtvPoint *
mtv_source_create_point (MtvSource *self, MtvVm *vm, const char *key, const MtvPoint *since,
                         GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), NULL);
  g_return_val_if_fail (key != NULL, NULL);

  return MTV_SOURCE_GET_IFACE (self)->create_point (self, vm, key, since, cancellable, error);
}

MtvReader *
mtv_source_open_point (MtvSource *self, MtvVm *vm, guint disk, const MtvPoint *point,
                       const MtvPoint *since, GArray **changes, GCancellable *cancellable,
                       GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), NULL);
  g_return_val_if_fail (disk < vm->disks->len && point != NULL && changes != NULL, NULL);

  *changes = NULL;
  return MTV_SOURCE_GET_IFACE (self)->open_point (self, vm, disk, point, since, changes,
                                                  cancellable, error);
}

gboolean
mtv_source_remove (MtvSource *self, const char *vm_id, const char *kind, const char *key,
                   const char *remote_id, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_SOURCE (self), FALSE);

  return MTV_SOURCE_GET_IFACE (self)->remove (self, vm_id, kind, key, remote_id, cancellable,
                                              error);
}
