/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-source.h"

G_DEFINE_INTERFACE (MtvSource, mtv_source, MTV_TYPE_PROVIDER)

static void
mtv_source_default_init (MtvSourceInterface *iface)
{
  (void) iface;
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
