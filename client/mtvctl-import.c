/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-concerns.h"
#include "mtvctl-plan.h"
#include "mtvctl-provider.h"
#include "mtvctl-vm.h"
#include "mtvctl-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What an import has made, to be taken back unless it comes to a migration. */
typedef struct
{
  Mtvctl *ctl;
  char *source, *destination, *plan; /* (owned) (nullable): paths */
} Import;

static void
take_back (Import *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (self->ctl, &error);
  GDBusCallFlags flags = mtvctl_call_flags (self->ctl);
  const char *providers[] = { self->source, self->destination };

  if (manager != NULL && self->plan != NULL)
    mtv_dbus_manager_call_remove_plan_sync (manager, self->plan, mtvctl_no_options (), flags,
                                            MTVCTL_TIMEOUT_MSEC, NULL, &error);
  for (guint i = 0; i < G_N_ELEMENTS (providers); i++)
    if (error == NULL && providers[i] != NULL)
      mtv_dbus_manager_call_remove_provider_sync (manager, providers[i], mtvctl_no_options (),
                                                  flags, MTVCTL_TIMEOUT_MSEC, NULL, &error);
  if (error == NULL)
    return;
  mtvctl_explain (&error, _ ("Cannot take back what was made for the import"));
  mtvctl_print_error (error);
}

static void
import_clear (Import *self)
{
  g_free (self->source);
  g_free (self->destination);
  g_free (self->plan);
}

/* "/x/web.ova" to "web", or "web-2" if that is taken. */
static char *
name_for (Mtvctl *ctl, const char *file)
{
  g_autofree char *name = g_path_get_basename (file);
  gsize length = strlen (name);

  if (length > 4 && g_ascii_strcasecmp (name + length - 4, ".ova") == 0)
    name[length - 4] = '\0';
  if (!g_utf8_validate (name, -1, NULL))
    g_strlcpy (name, "ova", length + 1);
  return mtvctl_unique_name (ctl, name);
}

static int
open_regular (const char *file, GError **error)
{
  struct stat st;
  int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo would let us hang */

  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, _ ("Cannot open '%s'"), file);
      return -1;
    }
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    return fd;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, _ ("'%s' is not a regular file."),
               file);
  g_close (fd, NULL);
  return -1;
}

static gboolean
make_source (Import *self, const char *name, const char *file, GError **error)
{
  int fd = open_regular (file, error);

  if (fd < 0)
    return FALSE;
  self->source = mtvctl_provider_new (self->ctl, name, "ova", NULL, fd, error);
  g_close (fd, NULL);
  return self->source != NULL;
}

/* The provider for a folder: the one that is there for it, or a new one. */
static gpointer
find_destination (Import *self, GError **error)
{
  Mtvctl *ctl = self->ctl;

  if (ctl->to == NULL)
    return mtvctl_find (ctl, MTVCTL_PROVIDER, "local", error);

  g_autofree char *folder = g_canonicalize_filename (ctl->to, NULL);
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, MTVCTL_PROVIDER);
  for (guint i = 0; i < all->len; i++)
    {
      MtvDBusProvider *provider = g_ptr_array_index (all, i);

      /* One that still can be used: its folder may have been removed and made again. */
      if (g_str_equal (mtv_dbus_provider_get_type_ (provider), "local")
          && g_str_equal (mtv_dbus_provider_get_url (provider), folder)
          && mtv_dbus_provider_call_test_sync (provider, mtvctl_no_options (),
                                               mtvctl_call_flags (ctl), MTVCTL_NO_TIMEOUT, NULL,
                                               NULL))
        return g_object_ref (provider);
    }
  g_autofree char *last = g_path_get_basename (folder);
  g_autofree char *name = mtvctl_unique_name (ctl, *last == '/' ? "root" : last);
  self->destination = mtvctl_provider_new_local (ctl, name, folder, error);
  return self->destination ? mtvctl_provider_await (ctl, self->destination, error) : NULL;
}

/* FALSE with an error if a concern stands in the way; those that do not are shown. */
static gboolean
check_plan (Mtvctl *ctl, MtvDBusPlan *plan, GError **error)
{
  g_autoptr (GVariant) result = mtvctl_plan_check (ctl, plan, error);
  g_autoptr (GString) out = g_string_new (NULL);

  if (result == NULL)
    return FALSE;
  gboolean blocked = mtvctl_dict_boolean (result, "blocked");
  g_autoptr (GVariant) concerns
      = g_variant_lookup_value (result, "concerns", G_VARIANT_TYPE ("aa{sv}"));
  if (concerns != NULL)
    mtvctl_append_concerns (ctl, concerns, out);
  if (out->len > 0 && !ctl->json && (blocked || !ctl->quiet))
    printf ("%s\n", out->str + 1); /* the first needs no blank line before it */
  if (blocked && ctl->json)
    mtvctl_print_json (ctl, json_gvariant_serialize (result));
  if (blocked)
    g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED,
                 _ ("The import cannot go on because of critical concerns; nothing was kept. "
                    "--ignore=ID passes over one."));
  return !blocked;
}

/* From the open file to a running migration, whose path it returns. */
static char *
prepare (Import *self, const char *name, const char *file, GError **error)
{
  Mtvctl *ctl = self->ctl;

  if (!make_source (self, name, file, error))
    return NULL;
  g_autoptr (MtvDBusProvider) source = mtvctl_provider_await (ctl, self->source, error);
  g_autoptr (GPtrArray) vms = source ? mtvctl_plan_all_vms (ctl, source, error) : NULL;
  g_autoptr (GDBusProxy) destination = vms ? find_destination (self, error) : NULL;
  if (destination == NULL)
    return NULL;
  self->plan
      = mtvctl_plan_new (ctl, name, source, destination, (const char *const *) vms->pdata, error);
  g_autoptr (MtvDBusPlan) plan = self->plan ? mtvctl_plan_proxy (ctl, self->plan, error) : NULL;
  if (plan == NULL || !check_plan (ctl, plan, error))
    return NULL;
  return mtvctl_plan_run (ctl, plan, error);
}

int
mtvctl_import (Mtvctl *ctl, char **args, GError **error)
{
  Import self = { .ctl = ctl };
  g_autofree char *name = ctl->name ? g_strdup (ctl->name) : name_for (ctl, args[0]);
  g_autofree char *migration = prepare (&self, name, args[0], error);
  int code = MTVCTL_ERROR;

  if (migration == NULL)
    take_back (&self);
  else
    {
      mtvctl_say (ctl, _ ("Importing '%s' as plan '%s', migration %s."), args[0], name,
                  strrchr (migration, '/') + 1);
      code = mtvctl_watch (ctl, migration, error);
    }
  import_clear (&self);
  return code;
}
