/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-destination.h"

G_DEFINE_INTERFACE (MtvDestination, mtv_destination, MTV_TYPE_PROVIDER)

static gboolean
cannot_read_back (MtvDestination *self, const MtvTarget *target)
{
  (void) self;
  (void) target;
  return FALSE;
}

static void
mtv_destination_default_init (MtvDestinationInterface *iface)
{
  iface->can_read_back = cannot_read_back;
}

gboolean
mtv_destination_can_read_back (MtvDestination *self, const MtvTarget *target)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), FALSE);

  return MTV_DESTINATION_GET_IFACE (self)->can_read_back (self, target);
}

void
mtv_destination_object_free (gpointer object)
{
  g_free (((MtvDestinationObject *) object)->key);
  g_free (object);
}

void
mtv_destination_check (MtvDestination *self, const MtvTarget *target, GPtrArray *concerns,
                       GCancellable *cancellable)
{
  g_return_if_fail (MTV_IS_DESTINATION (self));

  MTV_DESTINATION_GET_IFACE (self)->check (self, target, concerns, cancellable);
}

gboolean
mtv_destination_has_vm (MtvDestination *self, const char *name, GCancellable *cancellable)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), FALSE);

  return MTV_DESTINATION_GET_IFACE (self)->has_vm (self, name, cancellable);
}

guint64
mtv_destination_get_free_space (MtvDestination *self, GCancellable *cancellable)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), 0);

  return MTV_DESTINATION_GET_IFACE (self)->get_free_space (self, cancellable);
}

GPtrArray *
mtv_destination_list_objects (MtvDestination *self, const MtvTarget *target)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), NULL);

  return MTV_DESTINATION_GET_IFACE (self)->list_objects (self, target);
}

gboolean
mtv_destination_create_volumes (MtvDestination *self, const MtvTarget *target,
                                GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), FALSE);

  return MTV_DESTINATION_GET_IFACE (self)->create_volumes (self, target, cancellable, error);
}

MtvWriter *
mtv_destination_open_writer (MtvDestination *self, const MtvTarget *target, guint disk,
                             GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), NULL);

  return MTV_DESTINATION_GET_IFACE (self)->open_writer (self, target, disk, cancellable, error);
}

MtvReader *
mtv_destination_open_reader (MtvDestination *self, const MtvTarget *target, guint disk,
                             GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), NULL);

  return MTV_DESTINATION_GET_IFACE (self)->open_reader (self, target, disk, cancellable, error);
}

char *
mtv_destination_define (MtvDestination *self, const MtvTarget *target, GCancellable *cancellable,
                        GError **error)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), NULL);

  return MTV_DESTINATION_GET_IFACE (self)->define (self, target, cancellable, error);
}

gboolean
mtv_destination_remove (MtvDestination *self, const char *kind, const char *key,
                        GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_DESTINATION (self), FALSE);

  return MTV_DESTINATION_GET_IFACE (self)->remove (self, kind, key, cancellable, error);
}
