/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-options.h"

#include "base/mtv-error.h"

static const MtvOption *
find_option (const MtvOption *known, const char *key)
{
  for (; known != NULL && known->key != NULL; known++)
    if (g_strcmp0 (known->key, key) == 0)
      return known;
  return NULL;
}

static char *
list_options (const MtvOption *known)
{
  g_autoptr (GString) list = g_string_new (NULL);

  if (known == NULL)
    return g_strdup ("there are no options here");
  for (; known->key != NULL; known++)
    g_string_append_printf (list, "%s'%s'", list->len == 0 ? "known: " : ", ", known->key);
  return g_string_free (g_steal_pointer (&list), FALSE);
}

static gboolean
check_option (const char *key, GVariant *value, const MtvOption *known, GHashTable *seen,
              GError **error)
{
  const MtvOption *option = find_option (known, key);

  if (option == NULL)
    {
      g_autofree char *list = list_options (known);
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "Unknown option '%s' (%s)", key,
                   list);
    }
  else if (!g_hash_table_add (seen, (gpointer) option))
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "Option '%s' is given twice", key);
  else if (!g_variant_is_of_type (value, G_VARIANT_TYPE (option->type)))
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "Option '%s' must be of type '%s', not '%s'", key, option->type,
                 g_variant_get_type_string (value));
  else
    return TRUE;
  return FALSE;
}

gboolean
mtv_options_check (GVariant *options, const MtvOption *known, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_return_val_if_fail (g_variant_is_of_type (options, G_VARIANT_TYPE_VARDICT), FALSE);

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;

      if (!check_option (key, owned, known, seen, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
mtv_options_accept (GDBusMethodInvocation *invocation, GVariant *options, const MtvOption *known)
{
  GError *error = NULL;

  if (mtv_options_check (options, known, &error))
    return TRUE;
  g_dbus_method_invocation_take_error (invocation, error);
  return FALSE;
}

void
mtv_options_get_page (GVariant *options, guint *offset, guint *limit)
{
  *offset = 0;
  *limit = MTV_OPTIONS_MAX_PAGE;
  g_variant_lookup (options, "offset", "u", offset);
  g_variant_lookup (options, "limit", "u", limit);
  *limit = MIN (*limit, MTV_OPTIONS_MAX_PAGE);
}

int
mtv_options_take_fd (GUnixFDList *fds, GVariant *handle, const char *what, GError **error)
{
  gint32 number = g_variant_get_handle (handle);

  if (fds != NULL && number >= 0 && number < g_unix_fd_list_get_length (fds))
    return g_unix_fd_list_get (fds, number, error);

  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "The argument '%s' came without a file", what);
  return -1;
}
