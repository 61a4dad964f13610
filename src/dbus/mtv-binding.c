/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-binding.h"

static GQuark
entry_quark (void)
{
  return g_quark_from_static_string ("mtv-binding-entry");
}

void
mtv_binding_new (gpointer skeleton, MtvEngine *engine, gpointer entry, const MtvHandler *handlers,
                 void (*sync) (gpointer skeleton))
{
  g_return_if_fail (G_IS_DBUS_INTERFACE_SKELETON (skeleton));
  g_return_if_fail (G_IS_OBJECT (entry));

  g_object_set_qdata_full (skeleton, entry_quark (), g_object_ref (entry), g_object_unref);
  for (; handlers->signal != NULL; handlers++)
    g_signal_connect_data (skeleton, handlers->signal, handlers->handler, g_object_ref (engine),
                           (GClosureNotify) (void (*) (void)) g_object_unref, 0);
  g_signal_connect_object (entry, "changed", G_CALLBACK (sync), skeleton, G_CONNECT_SWAPPED);
  sync (skeleton);
}

gpointer
mtv_binding_get_entry (gpointer skeleton)
{
  return g_object_get_qdata (skeleton, entry_quark ());
}
