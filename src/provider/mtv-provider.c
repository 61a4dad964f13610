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
