/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-concern.h"
#include "model/mtv-provider-config.h"
#include "model/mtv-vm.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* A place that virtual machines come from (MtvSource) or go to (MtvDestination). All vfuncs block,
 * run on worker threads, may run at the same time, answer a cancellable promptly, and fail with
 * MTV_ERROR. The object itself does not change after it was made. */
#define MTV_TYPE_PROVIDER (mtv_provider_get_type ())
G_DECLARE_INTERFACE (MtvProvider, mtv_provider, MTV, PROVIDER, GObject)

struct _MtvProviderInterface
{
  GTypeInterface parent;

  gboolean (*test) (MtvProvider *self, GCancellable *cancellable, GError **error);
  void (*add_concerns) (MtvProvider *self,
                        GPtrArray *concerns); /* default: none; quick, any thread */
  int (*get_fd) (MtvProvider *self);          /* default: -1 */
};

/* Can it be reached and used, with what it was told? Changes nothing. */
gboolean mtv_provider_test (MtvProvider *self, GCancellable *cancellable, GError **error);

/* Standing warnings about the provider itself, such as switched-off certificate checks. */
void mtv_provider_add_concerns (MtvProvider *self, GPtrArray *concerns);

/* A descriptor that was handed to the provider and is worth keeping over a restart, or -1.
 * (transfer none) */
int mtv_provider_get_fd (MtvProvider *self);

/* May the same call succeed later, with nothing changed here? Then a job waits and goes on by
 * itself: the destination is full, the other side is down. */
gboolean mtv_provider_error_is_transient (const GError *error);

/* Something that a user may say of a provider of a type. */
typedef struct
{
  const char *key;  /* "user", "password" */
  const char *type; /* of the value: "s", "b", "u", "as"; "s" for secrets */
  gboolean secret;
} MtvProviderSetting;

/* What main.c hands to the engine: the kinds of providers there are. */
typedef struct
{
  const char *type;
  gboolean is_source;
  gboolean is_destination;
  const MtvProviderSetting *settings; /* (nullable) static, up to a NULL key */
  /* @secrets: (nullable) a{ss}, which is in no error. @fd: -1, or a file (or folder) that takes the
   * place of the URL; it is duplicated. Quick: no request is made, wrong arguments are
   * MTV_ERROR_INVALID_ARGUMENT. Only settings and secrets of the table come in here. May fill in
   * url and identity of @config. (transfer full) */
  MtvProvider *(*create) (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error);
} MtvProviderType;

/* Are all of @settings (a{sv}) and @secrets (a{ss}), both (nullable), in the table of @type, with
 * the type that they have there? MTV_ERROR_INVALID_ARGUMENT names the first that is not. */
gboolean mtv_provider_type_check (const MtvProviderType *type, GVariant *settings,
                                  GVariant *secrets, GError **error);

G_END_DECLS
