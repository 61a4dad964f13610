/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-provider.h"

#include "mtvctl-bus.h"
#include "mtvctl-concerns.h"
#include "mtvctl-format.h"
#include "mtvctl-settings.h"
#include "mtvctl-table.h"
#include "mtvctl-vm.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <unistd.h>

static const MtvctlColumn columns[] = {
  { N_ ("NAME"), 0, 10, 0 },
  { N_ ("TYPE"), 0, 0, 0 },
  { N_ ("ROLES"), 0, 0, 4 },
  { N_ ("STATE"), 0, 0, 0 },
  { N_ ("VMS"), MTVCTL_COLUMN_RIGHT, 0, 1 },
  { N_ ("REFRESHED"), 0, 0, 3 },
  { N_ ("URL"), MTVCTL_COLUMN_MIDDLE, 16, 2 },
};

static char *
describe_roles (MtvDBusProvider *provider)
{
  const char *const *roles = mtv_dbus_provider_get_roles (provider);
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint i = 0; roles[i] != NULL; i++)
    {
      g_autofree char *label = mtvctl_state_label (roles[i], NULL);

      g_string_append_printf (out, "%s%s", i > 0 ? "," : "", label);
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static gboolean
is_source (MtvDBusProvider *provider)
{
  return g_strv_contains (mtv_dbus_provider_get_roles (provider), "source");
}

int
mtvctl_provider_list (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, MTVCTL_PROVIDER);
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));

  if (ctl->json)
    {
      mtvctl_print_json_list (ctl, all);
      return MTVCTL_OK;
    }
  for (guint i = 0; i < all->len; i++)
    {
      MtvDBusProvider *provider = g_ptr_array_index (all, i);

      mtvctl_table_add (table, mtv_dbus_provider_get_name (provider));
      mtvctl_table_add (table, mtv_dbus_provider_get_type_ (provider));
      mtvctl_table_take (table, describe_roles (provider));
      mtvctl_table_add_state (table, mtv_dbus_provider_get_state (provider));
      if (is_source (provider))
        mtvctl_table_add_number (table, mtv_dbus_provider_get_virtual_machine_count (provider));
      else
        mtvctl_table_add (table, NULL);
      mtvctl_table_take (table, mtvctl_format_ago (mtv_dbus_provider_get_refresh_time (provider),
                                                   g_get_real_time ()));
      mtvctl_table_add (table, mtv_dbus_provider_get_url (provider));
    }
  g_autofree char *legend = g_strdup_printf (
      ngettext ("%u provider listed.", "%u providers listed.", all->len), all->len);
  mtvctl_print_table (ctl, table, legend, _ ("No providers."));
  return MTVCTL_OK;
}

/* "user=root insecure=yes"; what has lines of its own is not shown here. */
static char *
describe_settings (GVariant *settings)
{
  g_autoptr (GString) out = g_string_new (NULL);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, settings);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *text = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                                  ? g_variant_dup_string (value, NULL)
                                  : g_variant_print (value, FALSE);

      g_string_append_printf (out, "%s%s=%s", out->len > 0 ? " " : "", key,
                              strchr (text, '\n') != NULL ? "…" : text);
      g_variant_unref (value);
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static gboolean
show (Mtvctl *ctl, gpointer proxy, GString *out, GError **error)
{
  MtvDBusProvider *provider = proxy;
  g_autoptr (MtvctlFields) fields = mtvctl_fields_new ();
  const char *error_text = "";
  GVariant *failure = mtv_dbus_provider_get_error (provider);

  if (failure != NULL)
    g_variant_get (failure, "(s&s)", NULL, &error_text);
  mtvctl_fields_add (fields, _ ("Name"), mtv_dbus_provider_get_name (provider));
  mtvctl_fields_add (fields, _ ("Id"), mtvctl_get_id (provider));
  mtvctl_fields_add (fields, _ ("Type"), mtv_dbus_provider_get_type_ (provider));
  mtvctl_fields_add (fields, _ ("URL"), mtv_dbus_provider_get_url (provider));
  if (mtv_dbus_provider_get_settings (provider) != NULL)
    mtvctl_fields_take (fields, _ ("Settings"),
                        describe_settings (mtv_dbus_provider_get_settings (provider)));
  mtvctl_fields_take (fields, _ ("Roles"), describe_roles (provider));
  mtvctl_fields_add_state (fields, _ ("State"), mtv_dbus_provider_get_state (provider));
  mtvctl_fields_add (fields, _ ("Error"), error_text);
  mtvctl_fields_take (fields, _ ("Added"),
                      mtvctl_format_time (mtv_dbus_provider_get_created_time (provider)));
  if (is_source (provider))
    {
      mtvctl_fields_take (fields, _ ("Refreshed"),
                          mtvctl_format_time (mtv_dbus_provider_get_refresh_time (provider)));
      mtvctl_fields_take (
          fields, _ ("Virtual machines"),
          g_strdup_printf ("%u", mtv_dbus_provider_get_virtual_machine_count (provider)));
    }
  mtvctl_fields_render (fields, &ctl->out, out);
  if (mtv_dbus_provider_get_concerns (provider) != NULL)
    mtvctl_append_concerns (ctl, mtv_dbus_provider_get_concerns (provider), out);
  return TRUE;
}

int
mtvctl_provider_show (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_show_each (ctl, MTVCTL_PROVIDER, args, show, error);
}

char *
mtvctl_provider_new (Mtvctl *ctl, const char *name, const char *type, const char *url, int fd,
                     GError **error)
{
  g_autofree char *path = NULL;
  g_auto (GVariantBuilder) options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);
  gboolean ok = FALSE;

  if (manager == NULL || !mtvctl_add_settings (ctl, type, name, &options, error))
    return NULL;
  if (fd >= 0)
    {
      g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();

      ok = g_unix_fd_list_append (fds, fd, error) >= 0
           && mtv_dbus_manager_call_add_provider_file_sync (
               manager, name, type, g_variant_new_handle (0), g_variant_builder_end (&options),
               mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC, fds, &path, NULL, NULL, error);
    }
  else
    ok = mtv_dbus_manager_call_add_provider_sync (
        manager, name, type, url, g_variant_builder_end (&options), mtvctl_call_flags (ctl),
        MTVCTL_TIMEOUT_MSEC, &path, NULL, error);
  if (!ok)
    mtvctl_explain (error, _ ("Cannot add provider '%s'"), name);
  return g_steal_pointer (&path);
}

typedef struct
{
  const char *path;
  gboolean appeared;
} Awaited;

static gboolean
is_read (Mtvctl *ctl, gpointer user_data)
{
  Awaited *awaited = user_data;
  g_autoptr (MtvDBusProvider) provider = mtvctl_get_by_path (ctl, MTVCTL_PROVIDER, awaited->path);

  /* The daemon said that it is there; that it comes to be known here is a matter of order. */
  if (provider == NULL)
    return awaited->appeared;
  awaited->appeared = TRUE;
  return g_strcmp0 (mtv_dbus_provider_get_state (provider), "refreshing") != 0;
}

MtvDBusProvider *
mtvctl_provider_await (Mtvctl *ctl, const char *path, GError **error)
{
  Awaited awaited = { path, FALSE };

  if (!mtvctl_wait_until (ctl, is_read, &awaited, error))
    return NULL;
  g_autoptr (MtvDBusProvider) provider = mtvctl_get_by_path (ctl, MTVCTL_PROVIDER, path);
  if (provider == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   _ ("The provider was removed while waiting."));
      return NULL;
    }
  if (g_strcmp0 (mtv_dbus_provider_get_state (provider), "failed") != 0)
    return g_steal_pointer (&provider);

  const char *name, *text;
  g_variant_get (mtv_dbus_provider_get_error (provider), "(&s&s)", &name, &text);
  g_propagate_error (error, mtv_error_new_for_name (name, text));
  mtvctl_explain (error, _ ("Cannot read the inventory of '%s'"),
                  mtv_dbus_provider_get_name (provider));
  return NULL;
}

gboolean
mtvctl_provider_delete (Mtvctl *ctl, gpointer provider, GError **error)
{
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);

  if (manager == NULL)
    return FALSE;
  return mtv_dbus_manager_call_remove_provider_sync (
             manager, g_dbus_proxy_get_object_path (provider), mtvctl_no_options (),
             mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC, NULL, error)
         || mtvctl_explain (error, _ ("Cannot remove provider '%s'"),
                            mtv_dbus_provider_get_name (provider));
}

/* A single file is opened with the caller's rights; anything else is for the daemon to find. */
static int
open_file (const char *url, GError **error)
{
  if (!g_file_test (url, G_FILE_TEST_IS_REGULAR))
    return -1;
  int fd = open (url, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    mtv_error_set_errno (error, errno, _ ("Cannot open '%s'"), url);
  return fd;
}

char *
mtvctl_provider_new_local (Mtvctl *ctl, const char *name, const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, _ ("Cannot open '%s'"), path);
      return NULL;
    }
  char *provider = mtvctl_provider_new (ctl, name, "local", NULL, fd, error);
  g_close (fd, NULL);
  return provider;
}

/* As the user named it: a file and a folder to write to are opened here, anything else is for the
 * daemon to find. */
static char *
provider_new_for (Mtvctl *ctl, const char *name, const char *type, const char *url, GError **error)
{
  /* A path is relative to here, not to the daemon; "scheme://…" is none. */
  g_autofree char *whole
      = strstr (url, "://") != NULL ? g_strdup (url) : g_canonicalize_filename (url, NULL);
  g_autoptr (GError) local = NULL;

  if (g_str_equal (type, "local"))
    return mtvctl_provider_new_local (ctl, name, whole, error);

  int fd = open_file (url, &local);
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  char *path = mtvctl_provider_new (ctl, name, type, whole, fd, error);
  if (fd >= 0)
    g_close (fd, NULL);
  return path;
}

int
mtvctl_provider_add (Mtvctl *ctl, char **args, GError **error)
{
  const char *name = args[0];
  g_autofree char *path = provider_new_for (ctl, name, args[1], args[2], error);

  if (path == NULL)
    return MTVCTL_ERROR;
  mtvctl_say (ctl, _ ("Added provider '%s'."), name);
  if (!ctl->wait)
    return MTVCTL_OK;
  g_autoptr (MtvDBusProvider) provider = mtvctl_provider_await (ctl, path, error);
  return provider != NULL ? MTVCTL_OK : MTVCTL_ERROR;
}

int
mtvctl_provider_configure (Mtvctl *ctl, char **args, GError **error)
{
  g_auto (GVariantBuilder) changes = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (MtvDBusProvider) provider = mtvctl_find (ctl, MTVCTL_PROVIDER, args[0], error);

  if (provider == NULL
      || !mtvctl_add_settings (ctl, mtv_dbus_provider_get_type_ (provider),
                               ctl->username == NULL ? NULL : args[0], &changes, error))
    return MTVCTL_ERROR;
  if (ctl->url != NULL)
    g_variant_builder_add (&changes, "{sv}", "url", g_variant_new_string (ctl->url));
  if (mtv_dbus_provider_call_configure_sync (provider, g_variant_builder_end (&changes),
                                             mtvctl_no_options (), mtvctl_call_flags (ctl),
                                             MTVCTL_TIMEOUT_MSEC, NULL, error))
    return MTVCTL_OK;
  mtvctl_explain (error, _ ("Cannot configure provider '%s'"),
                  mtv_dbus_provider_get_name (provider));
  return MTVCTL_ERROR;
}

static gboolean
test (Mtvctl *ctl, gpointer provider, GError **error)
{
  const char *name = mtv_dbus_provider_get_name (provider);

  if (!mtv_dbus_provider_call_test_sync (provider, mtvctl_no_options (), mtvctl_call_flags (ctl),
                                         MTVCTL_NO_TIMEOUT, NULL, error))
    return mtvctl_explain (error, _ ("Provider '%s' cannot be used"), name);
  mtvctl_say (ctl, _ ("Provider '%s' can be used."), name);
  return TRUE;
}

int
mtvctl_provider_test (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_for_each (ctl, MTVCTL_PROVIDER, args, test);
}

static gboolean
refresh (Mtvctl *ctl, gpointer provider, GError **error)
{
  GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (ctl->wait)
    g_variant_builder_add (&options, "{sv}", "wait", g_variant_new_boolean (TRUE));
  return mtv_dbus_provider_call_refresh_sync (provider, g_variant_builder_end (&options),
                                              mtvctl_call_flags (ctl), MTVCTL_NO_TIMEOUT, NULL,
                                              error)
         || mtvctl_explain (error, _ ("Cannot refresh provider '%s'"),
                            mtv_dbus_provider_get_name (provider));
}

int
mtvctl_provider_refresh (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_for_each (ctl, MTVCTL_PROVIDER, args, refresh);
}

static gboolean
forget (Mtvctl *ctl, gpointer provider, GError **error)
{
  if (!mtvctl_provider_delete (ctl, provider, error))
    return FALSE;
  mtvctl_say (ctl, _ ("Removed provider '%s'."), mtv_dbus_provider_get_name (provider));
  return TRUE;
}

int
mtvctl_provider_remove (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_for_each (ctl, MTVCTL_PROVIDER, args, forget);
}
