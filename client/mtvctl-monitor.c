/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-format.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

/* One thing that happened: to @path, @what ("changed", "added", a signal's name), @details. */
static void
print_event (Mtvctl *ctl, const char *path, const char *what, GVariant *details)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S.%f");
  /* Below the root the path's last parts name it as a user would. */
  const char *name = g_str_has_prefix (path, MTVCTL_ROOT_PATH "/")
                         ? path + strlen (MTVCTL_ROOT_PATH "/")
                         : "manager";
  g_autofree char *printed = details != NULL ? g_variant_print (details, FALSE) : g_strdup ("");
  g_autofree char *text = mtvctl_escape (printed);

  printf ("%.12s %s%s%s %s%s%s\n", time, mtvctl_style (&ctl->out, MTVCTL_BOLD), name,
          mtvctl_style (&ctl->out, MTVCTL_PLAIN), what, *text ? " " : "", text);
}

static void
print_json_event (Mtvctl *ctl, const char *path, const char *what, const char *interface,
                  GVariant *details)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);

  json_object_set_int_member (object, "time", g_get_real_time ());
  json_object_set_string_member (object, "path", path);
  json_object_set_string_member (object, "interface", interface);
  json_object_set_string_member (object, "event", what);
  if (details != NULL)
    json_object_set_member (object, "details", json_gvariant_serialize (details));
  g_autofree char *text = mtvctl_json_to_string (node, FALSE);
  fputs (text, stdout);
}

static void
report (Mtvctl *ctl, const char *path, const char *what, const char *interface, GVariant *details)
{
  if (ctl->json)
    print_json_event (ctl, path, what, interface, details);
  else
    print_event (ctl, path, what, details);
}

/* A line for each property: "migration/1/vm/1 State 'running'". */
static void
report_properties (Mtvctl *ctl, const char *path, const char *interface, GVariant *changed)
{
  const char *property;
  GVariant *value;
  GVariantIter iter;

  if (ctl->json)
    {
      print_json_event (ctl, path, "changed", interface, changed);
      return;
    }
  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_loop (&iter, "{&sv}", &property, &value))
    print_event (ctl, path, property, value);
}

static void
report_interfaces (Mtvctl *ctl, GVariant *parameters, gboolean added)
{
  g_autoptr (GVariant) interfaces = g_variant_get_child_value (parameters, 1);
  const char *path, *interface;
  GVariantIter iter;

  g_variant_get_child (parameters, 0, "&o", &path);
  g_variant_iter_init (&iter, interfaces);
  if (added)
    while (g_variant_iter_next (&iter, "{&s@a{sv}}", &interface, NULL))
      report (ctl, path, "added", interface, NULL);
  else
    while (g_variant_iter_next (&iter, "&s", &interface))
      report (ctl, path, "removed", interface, NULL);
}

static void
signal_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *parameters, gpointer user_data)
{
  Mtvctl *ctl = user_data;

  if (g_str_equal (signal, "PropertiesChanged")
      && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    {
      g_autoptr (GVariant) changed = g_variant_get_child_value (parameters, 1);
      const char *whose;

      g_variant_get_child (parameters, 0, "&s", &whose);
      report_properties (ctl, path, whose, changed);
    }
  else if (g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oa{sa{sv}})"))
           || g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oas)")))
    report_interfaces (ctl, parameters, g_str_equal (signal, "InterfacesAdded"));
  else
    report (ctl, path, signal, interface, parameters);
  fflush (stdout);
}

static void
owner_cb (GObject *manager, GParamSpec *pspec, gpointer user_data)
{
  g_autofree char *owner
      = g_dbus_object_manager_client_get_name_owner (G_DBUS_OBJECT_MANAGER_CLIENT (manager));

  report (user_data, MTVCTL_ROOT_PATH, owner != NULL ? "appeared" : "vanished", MTVCTL_BUS_NAME,
          NULL);
  fflush (stdout);
}

static gboolean
never (Mtvctl *ctl, gpointer user_data)
{
  return FALSE;
}

int
mtvctl_monitor (Mtvctl *ctl, char **args, GError **error)
{
  guint id = g_dbus_connection_signal_subscribe (ctl->bus, MTVCTL_BUS_NAME, NULL, NULL, NULL, NULL,
                                                 G_DBUS_SIGNAL_FLAGS_NONE, signal_cb, ctl, NULL);

  g_signal_connect (ctl->objects, "notify::name-owner", G_CALLBACK (owner_cb), ctl);
  if (!ctl->json && !ctl->quiet && !ctl->no_legend)
    printf ("%s\n", _ ("Monitoring mtvd; Ctrl-C ends this."));
  fflush (stdout);
  mtvctl_wait_until (ctl, never, NULL, error);
  g_dbus_connection_signal_unsubscribe (ctl->bus, id);
  g_signal_handlers_disconnect_by_data (ctl->objects, ctl);
  if (ctl->signal == 0)
    return MTVCTL_ERROR;
  g_clear_error (error);
  return MTVCTL_OK; /* there is no other way to end it */
}
