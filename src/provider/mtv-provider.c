/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-provider.h"

#include "base/mtv-error.h"

G_DEFINE_INTERFACE (MtvProvider, mtv_provider, G_TYPE_OBJECT)

static void
provider_no_concerns (MtvProvider *self, GPtrArray *concerns)
{
  (void) self;
  (void) concerns;
}

static int
provider_no_fd (MtvProvider *self)
{
  (void) self;
  return -1;
}

static void
mtv_provider_default_init (MtvProviderInterface *iface)
{
  iface->add_concerns = provider_no_concerns;
  iface->get_fd = provider_no_fd;
}

gboolean
mtv_provider_test (MtvProvider *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_PROVIDER (self), FALSE);

  return MTV_PROVIDER_GET_IFACE (self)->test (self, cancellable, error);
}

void
mtv_provider_add_concerns (MtvProvider *self, GPtrArray *concerns)
{
  g_return_if_fail (MTV_IS_PROVIDER (self));

  MTV_PROVIDER_GET_IFACE (self)->add_concerns (self, concerns);
}

int
mtv_provider_get_fd (MtvProvider *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER (self), -1);

  return MTV_PROVIDER_GET_IFACE (self)->get_fd (self);
}

gboolean
mtv_provider_error_is_transient (const GError *error)
{
  return g_error_matches (error, MTV_ERROR, MTV_ERROR_NO_SPACE)
         || g_error_matches (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
}

static const MtvProviderSetting *
find_setting (const MtvProviderType *type, const char *key, gboolean secret)
{
  for (const MtvProviderSetting *p = type->settings; p != NULL && p->key != NULL; p++)
    if (p->secret == secret && g_str_equal (p->key, key))
      return p;
  return NULL;
}

static gboolean
check_setting (const MtvProviderType *type, const char *key, const GVariantType *given,
               gboolean secret, GError **error)
{
  const MtvProviderSetting *setting = find_setting (type, key, secret);

  if (setting == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "A provider of type '%s' has no %s '%s'", type->type,
                 secret ? "secret" : "setting", key);
  else if (!g_variant_type_equal (given, G_VARIANT_TYPE (setting->type)))
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "'%s' of a provider must be of type '%s'", key, setting->type);
  else
    return TRUE;
  return FALSE;
}

gboolean
mtv_provider_type_check (const MtvProviderType *type, GVariant *settings, GVariant *secrets,
                         GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  gboolean good = TRUE;

  if (settings != NULL)
    g_variant_iter_init (&iter, settings);
  while (good && settings != NULL && g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      good = check_setting (type, key, g_variant_get_type (value), FALSE, error);
      g_variant_unref (value);
    }
  if (secrets != NULL)
    g_variant_iter_init (&iter, secrets);
  while (good && secrets != NULL && g_variant_iter_next (&iter, "{&s&s}", &key, NULL))
    good = check_setting (type, key, G_VARIANT_TYPE_STRING, TRUE, error);
  return good;
}
