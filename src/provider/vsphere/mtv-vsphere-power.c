/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-power.h"

#include "base/mtv-error.h"

#define POWER_USEC (10 * 60 * G_USEC_PER_SEC)
#define BUSY_USEC (60 * G_USEC_PER_SEC) /* that another task may hold a shutdown up */

gboolean
mtv_vsphere_power_get (MtvVsphereSession *session, const char *id, MtvPower *power,
                       GCancellable *cancellable, GError **error)
{
  static const char *const paths[] = { "runtime.powerState", NULL };
  xmlNode *object = NULL;
  g_autoptr (xmlDoc) document
      = mtv_vsphere_retrieve (session, "VirtualMachine", id, paths, &object, cancellable, error);
  const char *state = document == NULL
                          ? NULL
                          : mtv_vsphere_xml_text (mtv_vsphere_object_get (object, paths[0]), NULL);

  static const struct
  {
    const char *name;
    MtvPower power;
  } states[] = { { "poweredOn", MTV_POWER_ON },
                 { "poweredOff", MTV_POWER_OFF },
                 { "suspended", MTV_POWER_SUSPENDED } };

  if (document == NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_strcmp0 (state, states[i].name) == 0)
      {
        *power = states[i].power;
        return TRUE;
      }
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: the power state of '%s' is '%s'",
               mtv_vsphere_session_get_access (session)->label, id,
               state != NULL ? state : "not told");
  return FALSE;
}

/* Changes the power by a task. What had changed by itself meanwhile (InvalidPowerState) is as good.
 */
static gboolean
change (MtvVsphereSession *session, const char *id, const char *method, MtvPower wanted,
        GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + POWER_USEC;
  guint n = 0;

  for (;;)
    {
      g_autoptr (MtvSoapCall) call = mtv_soap_call_new (method, "VirtualMachine", id);
      g_autofree char *fault = NULL;
      g_autoptr (GError) failed = NULL;
      MtvPower power = MTV_POWER_SUSPENDED;

      if (mtv_vsphere_task_run (session, call, deadline, NULL, &fault, cancellable, &failed))
        return TRUE;
      if (g_strcmp0 (fault, "InvalidPowerState") == 0
          && mtv_vsphere_power_get (session, id, &power, cancellable, NULL) && power == wanted)
        return TRUE;
      if (!mtv_vsphere_task_back_off (fault, &n, deadline, cancellable))
        {
          g_propagate_error (error, g_steal_pointer (&failed));
          return FALSE;
        }
    }
}

/* Not a task: it returns as soon as the guest was told. */
static gboolean
ask_guest (MtvVsphereSession *session, const char *id, GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + BUSY_USEC;
  guint n = 0;

  for (;;)
    {
      g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("ShutdownGuest", "VirtualMachine", id);
      g_autofree char *fault = NULL;
      g_autoptr (GError) failed = NULL;
      MtvPower power = MTV_POWER_ON;
      g_autoptr (xmlDoc) document
          = mtv_vsphere_session_call (session, call, NULL, &fault, cancellable, &failed);

      if (document != NULL)
        return TRUE;
      if (g_strcmp0 (fault, "InvalidPowerState") == 0
          && mtv_vsphere_power_get (session, id, &power, cancellable, NULL)
          && power == MTV_POWER_OFF)
        return TRUE;
      if (!mtv_vsphere_task_back_off (fault, &n, deadline, cancellable))
        {
          g_propagate_error (error, g_steal_pointer (&failed));
          return FALSE;
        }
    }
}

gboolean
mtv_vsphere_power_shut_down (MtvVsphereSession *session, const char *id, gboolean force,
                             GCancellable *cancellable, GError **error)
{
  MtvPower power;

  if (!mtv_vsphere_power_get (session, id, &power, cancellable, error))
    return FALSE;
  if (power == MTV_POWER_OFF)
    return TRUE;
  return force ? change (session, id, "PowerOffVM_Task", MTV_POWER_OFF, cancellable, error)
               : ask_guest (session, id, cancellable, error);
}

gboolean
mtv_vsphere_power_start (MtvVsphereSession *session, const char *id, GCancellable *cancellable,
                         GError **error)
{
  MtvPower power;

  if (!mtv_vsphere_power_get (session, id, &power, cancellable, error))
    return FALSE;
  return power == MTV_POWER_ON
         || change (session, id, "PowerOnVM_Task", MTV_POWER_ON, cancellable, error);
}
