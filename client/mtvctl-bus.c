/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"

#include "mtvctl-format.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct
{
  const char *interface;
  const char *name_property;
  const char *unknown;
  const char *ambiguous;
} kinds[] = {
  [MTVCTL_PROVIDER] = { "org.mtv.Provider", "Name", N_ ("There is no provider '%s'"), NULL },
  [MTVCTL_PLAN] = { "org.mtv.Plan", "Name", N_ ("There is no plan '%s'"), NULL },
  [MTVCTL_MIGRATION] = { "org.mtv.Migration", "PlanName", N_ ("There is no migration '%s'"),
                         N_ ("Plan '%s' has several migrations: %s") },
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == MTVCTL_N_KINDS);

GDBusCallFlags
mtvctl_call_flags (Mtvctl *ctl)
{
  return ctl->no_ask_password ? G_DBUS_CALL_FLAGS_NONE
                              : G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION;
}

GVariant *
mtvctl_no_options (void)
{
  return g_variant_new ("a{sv}", NULL);
}

gboolean
mtvctl_connect (Mtvctl *ctl, GError **error)
{
  mtv_error_quark (); /* from now on the daemon's errors are ours */
  ctl->bus = g_bus_get_sync (ctl->user ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM, NULL, error);
  if (ctl->bus == NULL)
    {
      mtvctl_explain (error, ctl->user ? _ ("Cannot connect to the session bus")
                                       : _ ("Cannot connect to the system bus"));
      if (error != NULL && (*error)->domain != G_DBUS_ERROR)
        {
          (*error)->domain = MTV_ERROR;
          (*error)->code = MTV_ERROR_UNREACHABLE;
        }
      return FALSE;
    }
  g_dbus_connection_set_exit_on_close (ctl->bus, FALSE);

  /* The object manager's client takes a daemon that does not start for one without objects. */
  g_autoptr (GVariant) pong = g_dbus_connection_call_sync (
      ctl->bus, MTVCTL_BUS_NAME, MTVCTL_ROOT_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL,
      G_DBUS_CALL_FLAGS_NONE, MTVCTL_TIMEOUT_MSEC, NULL, error);
  if (pong == NULL)
    return mtvctl_explain (error, _ ("Cannot reach mtvd"));
  ctl->objects
      = mtv_dbus_object_manager_client_new_sync (ctl->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE,
                                                 MTVCTL_BUS_NAME, MTVCTL_ROOT_PATH, NULL, error);
  return ctl->objects != NULL || mtvctl_explain (error, _ ("Cannot reach mtvd"));
}

MtvDBusManager *
mtvctl_get_manager (Mtvctl *ctl, GError **error)
{
  MtvDBusManager *manager = mtv_dbus_manager_proxy_new_sync (
      ctl->bus, G_DBUS_PROXY_FLAGS_NONE, MTVCTL_BUS_NAME, MTVCTL_ROOT_PATH, NULL, error);

  if (manager == NULL)
    mtvctl_explain (error, _ ("Cannot reach mtvd"));
  return manager;
}

const char *
mtvctl_get_id (gpointer proxy)
{
  return strrchr (g_dbus_proxy_get_object_path (proxy), '/') + 1;
}

static char *
get_string (gpointer proxy, const char *property)
{
  g_autoptr (GVariant) value = g_dbus_proxy_get_cached_property (proxy, property);

  return value == NULL ? g_strdup ("") : g_variant_dup_string (value, NULL);
}

static gint
compare_by_name (gconstpointer a, gconstpointer b)
{
  g_autofree char *first = get_string (*(gpointer *) a, "Name");
  g_autofree char *second = get_string (*(gpointer *) b, "Name");

  return g_utf8_collate (first, second);
}

static gint
compare_by_start (gconstpointer a, gconstpointer b)
{
  guint64 first = mtv_dbus_migration_get_start_time (*(gpointer *) a);
  guint64 second = mtv_dbus_migration_get_start_time (*(gpointer *) b);

  if (first != second)
    return first < second ? -1 : 1;
  return strcmp (mtvctl_get_id (*(gpointer *) a), mtvctl_get_id (*(gpointer *) b));
}

GPtrArray *
mtvctl_get_all (Mtvctl *ctl, MtvctlKind kind)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_object_unref);
  GList *objects = g_dbus_object_manager_get_objects (ctl->objects);

  for (GList *at = objects; at != NULL; at = at->next)
    {
      GDBusInterface *proxy = g_dbus_object_get_interface (at->data, kinds[kind].interface);

      if (proxy != NULL)
        g_ptr_array_add (found, proxy);
    }
  g_list_free_full (objects, g_object_unref);
  g_ptr_array_sort (found, kind == MTVCTL_MIGRATION ? compare_by_start : compare_by_name);
  return found;
}

gpointer
mtvctl_get_by_path (Mtvctl *ctl, MtvctlKind kind, const char *path)
{
  return g_dbus_object_manager_get_interface (ctl->objects, path, kinds[kind].interface);
}

/* Those of @all that are called @name; @by_id: whose id it is. */
static GPtrArray *
select_by_name (GPtrArray *all, MtvctlKind kind, const char *name, gboolean by_id)
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < all->len; i++)
    {
      gpointer proxy = g_ptr_array_index (all, i);
      g_autofree char *own = get_string (proxy, kinds[kind].name_property);

      if (g_str_equal (by_id ? mtvctl_get_id (proxy) : own, name))
        g_ptr_array_add (found, proxy);
    }
  return found;
}

static void
set_unknown (GPtrArray *all, MtvctlKind kind, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = g_strdup_printf (_ (kinds[kind].unknown), name);

  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add (names, get_string (g_ptr_array_index (all, i), kinds[kind].name_property));
  g_ptr_array_add (names, NULL);
  const char *close = mtvctl_closest (name, (const char *const *) names->pdata);
  if (close == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "%s.", text);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, _ ("%s. Did you mean '%s'?"), text, close);
}

static void
set_ambiguous (GPtrArray *found, MtvctlKind kind, const char *name, GError **error)
{
  g_autoptr (GString) candidates = g_string_new (NULL);

  for (guint i = 0; i < found->len; i++)
    g_string_append_printf (candidates, "%s%s", i > 0 ? ", " : "",
                            mtvctl_get_id (g_ptr_array_index (found, i)));
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, _ (kinds[kind].ambiguous), name,
               candidates->str);
}

gpointer
mtvctl_find (Mtvctl *ctl, MtvctlKind kind, const char *name, GError **error)
{
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, kind);

  if (g_variant_is_object_path (name))
    {
      gpointer proxy = mtvctl_get_by_path (ctl, kind, name);

      if (proxy == NULL)
        set_unknown (all, kind, name, error);
      return proxy;
    }
  /* Names of providers and plans are unique and come first; a migration has only its id, and
   * the name that it shares with its plan's other runs. */
  gboolean id_first = kind == MTVCTL_MIGRATION;
  g_autoptr (GPtrArray) found = select_by_name (all, kind, name, id_first);
  if (found->len == 0)
    {
      g_ptr_array_unref (found);
      found = select_by_name (all, kind, name, !id_first);
    }
  if (found->len == 1)
    return g_object_ref (g_ptr_array_index (found, 0));
  if (found->len == 0)
    set_unknown (all, kind, name, error);
  else
    set_ambiguous (found, kind, name, error);
  return NULL;
}

const char *
mtvctl_provider_name (Mtvctl *ctl, const char *path)
{
  g_autoptr (MtvDBusProvider) provider = mtvctl_get_by_path (ctl, MTVCTL_PROVIDER, path);

  /* The object manager keeps it, and so its name. */
  return provider == NULL ? strrchr (path, '/') + 1 : mtv_dbus_provider_get_name (provider);
}

char *
mtvctl_unique_name (Mtvctl *ctl, const char *name)
{
  g_autoptr (GPtrArray) providers = mtvctl_get_all (ctl, MTVCTL_PROVIDER);
  g_autoptr (GPtrArray) plans = mtvctl_get_all (ctl, MTVCTL_PLAN);
  g_autofree char *candidate = g_strdup (name);

  for (guint i = 2;; i++)
    {
      g_autoptr (GPtrArray) same_provider
          = select_by_name (providers, MTVCTL_PROVIDER, candidate, FALSE);
      g_autoptr (GPtrArray) same_plan = select_by_name (plans, MTVCTL_PLAN, candidate, FALSE);

      if (same_provider->len + same_plan->len == 0)
        return g_steal_pointer (&candidate);
      g_free (candidate);
      candidate = g_strdup_printf ("%s-%u", name, i);
    }
}

int
mtvctl_for_each (Mtvctl *ctl, MtvctlKind kind, char **names, MtvctlEach each)
{
  int code = MTVCTL_OK;

  for (; *names != NULL; names++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GDBusProxy) proxy = mtvctl_find (ctl, kind, *names, &error);

      if (proxy != NULL && each (ctl, proxy, &error))
        continue;
      mtvctl_print_error (error);
      code = mtvctl_exit_code (ctl, error);
    }
  return code;
}

void
mtvctl_print_json_list (Mtvctl *ctl, GPtrArray *proxies)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < proxies->len; i++)
    json_array_add_element (array, mtvctl_json_for_proxy (g_ptr_array_index (proxies, i)));
  mtvctl_print_json (ctl, json_node_init_array (json_node_alloc (), array));
  json_array_unref (array);
}

int
mtvctl_show_each (Mtvctl *ctl, MtvctlKind kind, char **names, MtvctlShow show, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GPtrArray) proxies = g_ptr_array_new_with_free_func (g_object_unref);

  for (; *names != NULL; names++)
    {
      gpointer proxy = mtvctl_find (ctl, kind, *names, error);

      if (proxy == NULL)
        return MTVCTL_ERROR;
      g_ptr_array_add (proxies, proxy);
      if (ctl->json)
        continue;
      if (out->len > 0)
        g_string_append_c (out, '\n');
      if (!show (ctl, proxy, out, error))
        return MTVCTL_ERROR;
    }
  if (ctl->json)
    mtvctl_print_json_list (ctl, proxies);
  else
    mtvctl_print (ctl, out->str);
  return MTVCTL_OK;
}

typedef struct
{
  Mtvctl *ctl;
  int number;
  guint id;
} Trap;

static gboolean
trap_cb (gpointer user_data)
{
  Trap *trap = user_data;

  trap->ctl->signal = trap->number;
  trap->id = 0; /* gone with its handler: the next one of these ends us at once */
  return G_SOURCE_REMOVE;
}

static gboolean
wake_cb (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* The daemon may be restarted under us, and its work goes on then; but not for ever. */
#define COMEBACK_USEC (90 * G_USEC_PER_SEC)

static gboolean
is_lost (Mtvctl *ctl, gint64 *lost_since)
{
  g_autofree char *owner
      = g_dbus_object_manager_client_get_name_owner (G_DBUS_OBJECT_MANAGER_CLIENT (ctl->objects));

  if (g_dbus_connection_is_closed (ctl->bus))
    return TRUE;
  if (owner != NULL)
    *lost_since = 0;
  else if (*lost_since == 0)
    *lost_since = g_get_monotonic_time ();
  return *lost_since > 0 && g_get_monotonic_time () - *lost_since > COMEBACK_USEC;
}

gboolean
mtvctl_wait_until (Mtvctl *ctl, MtvctlCondition is_done, gpointer user_data, GError **error)
{
  Trap traps[] = { { ctl, SIGINT, 0 }, { ctl, SIGTERM, 0 }, { ctl, SIGHUP, 0 } };
  guint tick = g_timeout_add_seconds (1, wake_cb, NULL);
  gint64 lost_since = 0;
  gboolean done = FALSE, lost = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (traps); i++)
    traps[i].id = g_unix_signal_add (traps[i].number, trap_cb, &traps[i]);
  while (!(done = is_done (ctl, user_data)) && ctl->signal == 0
         && !(lost = is_lost (ctl, &lost_since)))
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (traps); i++)
    g_clear_handle_id (&traps[i].id, g_source_remove);
  g_source_remove (tick);
  if (done)
    return TRUE;
  if (lost)
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED, _ ("Lost mtvd while waiting"));
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_CANCELLED, _ ("Interrupted"));
  return FALSE;
}
