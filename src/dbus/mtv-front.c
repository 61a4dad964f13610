/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-front.h"

#include "dbus/mtv-call-limit.h"
#include "dbus/mtv-dbus-job.h"
#include "dbus/mtv-dbus-manager.h"
#include "dbus/mtv-dbus-migration.h"
#include "dbus/mtv-dbus-plan.h"
#include "dbus/mtv-dbus-provider.h"
#include "dbus/mtv-dbus-transfer.h"
#include "dbus/mtv-log-control.h"
#include "dbus/mtv-path.h"

struct _MtvFront
{
  GObject parent;

  MtvEngine *engine; /* (owned) */
  char *version;     /* (owned) */
  MtvAuthorityMode mode;

  /* All NULL or 0 while nothing is exported. */
  GDBusConnection *connection;       /* (owned) */
  MtvAuthority *authority;           /* (owned) */
  GDBusObjectManagerServer *objects; /* (owned) */
  GDBusInterfaceSkeleton *manager;   /* (owned) */
  guint log_control;
  guint limit;
};

G_DEFINE_FINAL_TYPE (MtvFront, mtv_front, G_TYPE_OBJECT)

static void
add_object (MtvFront *self, const char *path, GDBusInterfaceSkeleton *interface)
{
  g_autoptr (GDBusObjectSkeleton) object = g_dbus_object_skeleton_new (path);

  mtv_authority_guard (self->authority, interface);
  g_dbus_object_skeleton_add_interface (object, interface);
  g_dbus_object_manager_server_export (self->objects, object);
}

static void
add_provider (MtvFront *self, MtvProviderEntry *entry)
{
  g_autofree char *path = mtv_path_new ("provider", mtv_provider_entry_get_config (entry)->id);
  g_autoptr (GDBusInterfaceSkeleton) interface = mtv_dbus_provider_new (self->engine, entry);

  add_object (self, path, interface);
}

static void
add_plan (MtvFront *self, MtvPlanEntry *entry)
{
  g_autofree char *path = mtv_path_new ("plan", mtv_plan_entry_get_plan (entry)->id);
  g_autoptr (GDBusInterfaceSkeleton) interface = mtv_dbus_plan_new (self->engine, entry);

  add_object (self, path, interface);
}

static void
add_job (MtvFront *self, MtvJob *job)
{
  g_autofree char *path = mtv_path_new_for_job (mtv_job_get_record (job));
  g_autoptr (GDBusInterfaceSkeleton) interface = mtv_dbus_job_new (self->engine, job);

  add_object (self, path, interface);
}

/* The virtual machines first: whoever sees the migration can look at them. */
static void
add_migration (MtvFront *self, MtvMigration *migration)
{
  GPtrArray *jobs = mtv_migration_get_jobs (migration);
  g_autofree char *path = mtv_path_new ("migration", mtv_migration_get_record (migration)->id);
  g_autoptr (GDBusInterfaceSkeleton) interface = mtv_dbus_migration_new (self->engine, migration);

  for (guint i = 0; i < jobs->len; i++)
    add_job (self, g_ptr_array_index (jobs, i));
  add_object (self, path, interface);
}

static void
add_transfer (MtvFront *self, MtvTransfer *transfer)
{
  g_autofree char *path = mtv_path_new ("transfer", mtv_transfer_get_id (transfer));
  g_autoptr (GDBusInterfaceSkeleton) interface = mtv_dbus_transfer_new (self->engine, transfer);

  add_object (self, path, interface);
}

static void
remove_migration (MtvFront *self, MtvMigration *migration)
{
  GPtrArray *jobs = mtv_migration_get_jobs (migration);
  g_autofree char *path = mtv_path_new ("migration", mtv_migration_get_record (migration)->id);

  g_dbus_object_manager_server_unexport (self->objects, path);
  for (guint i = 0; i < jobs->len; i++)
    {
      g_autofree char *vm = mtv_path_new_for_job (mtv_job_get_record (g_ptr_array_index (jobs, i)));

      g_dbus_object_manager_server_unexport (self->objects, vm);
    }
}

static void
added_cb (MtvEngine *engine, GObject *entry, MtvFront *self)
{
  (void) engine;
  if (MTV_IS_PROVIDER_ENTRY (entry))
    add_provider (self, MTV_PROVIDER_ENTRY (entry));
  else if (MTV_IS_PLAN_ENTRY (entry))
    add_plan (self, MTV_PLAN_ENTRY (entry));
  else if (MTV_IS_TRANSFER (entry))
    add_transfer (self, MTV_TRANSFER (entry));
  else
    add_migration (self, MTV_MIGRATION (entry));
}

static void
removed_cb (MtvEngine *engine, GObject *entry, MtvFront *self)
{
  g_autofree char *path = NULL;

  (void) engine;
  if (MTV_IS_PROVIDER_ENTRY (entry))
    path
        = mtv_path_new ("provider", mtv_provider_entry_get_config (MTV_PROVIDER_ENTRY (entry))->id);
  else if (MTV_IS_PLAN_ENTRY (entry))
    path = mtv_path_new ("plan", mtv_plan_entry_get_plan (MTV_PLAN_ENTRY (entry))->id);
  else if (MTV_IS_TRANSFER (entry))
    path = mtv_path_new ("transfer", mtv_transfer_get_id (MTV_TRANSFER (entry)));

  if (path != NULL)
    g_dbus_object_manager_server_unexport (self->objects, path);
  else
    remove_migration (self, MTV_MIGRATION (entry));
}

static void
add_all (MtvFront *self, GPtrArray *entries)
{
  for (guint i = 0; i < entries->len; i++)
    added_cb (self->engine, g_ptr_array_index (entries, i), self);
}

gboolean
mtv_front_export (MtvFront *self, GDBusConnection *connection, GError **error)
{
  g_return_val_if_fail (MTV_IS_FRONT (self), FALSE);
  g_return_val_if_fail (self->connection == NULL, FALSE);

  self->connection = g_object_ref (connection);
  self->authority = mtv_authority_new (connection, self->mode);
  self->limit = mtv_call_limit_add (connection);

  self->objects = g_dbus_object_manager_server_new (MTV_PATH);
  add_all (self, mtv_engine_get_providers (self->engine));
  add_all (self, mtv_engine_get_plans (self->engine));
  add_all (self, mtv_engine_get_migrations (self->engine));
  add_all (self, mtv_engine_get_transfers (self->engine));
  g_dbus_object_manager_server_set_connection (self->objects, connection);
  g_signal_connect_object (self->engine, "added", G_CALLBACK (added_cb), self, 0);
  g_signal_connect_object (self->engine, "removed", G_CALLBACK (removed_cb), self, 0);

  self->manager = mtv_dbus_manager_new (self->engine, self->version);
  mtv_authority_guard (self->authority, self->manager);
  if (g_dbus_interface_skeleton_export (self->manager, connection, MTV_PATH, error))
    self->log_control = mtv_log_control_export (connection, self->authority, error);
  if (self->log_control != 0)
    return TRUE;

  mtv_front_unexport (self);
  return FALSE;
}

void
mtv_front_unexport (MtvFront *self)
{
  g_return_if_fail (MTV_IS_FRONT (self));

  if (self->connection == NULL)
    return;

  g_signal_handlers_disconnect_by_data (self->engine, self);
  if (self->log_control != 0)
    g_dbus_connection_unregister_object (self->connection, self->log_control);
  if (g_dbus_interface_skeleton_get_connection (self->manager) != NULL)
    g_dbus_interface_skeleton_unexport (self->manager);
  g_dbus_object_manager_server_set_connection (self->objects, NULL);
  mtv_call_limit_remove (self->connection, self->limit);
  self->log_control = self->limit = 0;
  g_clear_object (&self->manager);
  g_clear_object (&self->objects);
  g_clear_object (&self->authority);
  g_clear_object (&self->connection);
}

static void
mtv_front_dispose (GObject *object)
{
  MtvFront *self = MTV_FRONT (object);

  mtv_front_unexport (self);
  g_clear_object (&self->engine);
  G_OBJECT_CLASS (mtv_front_parent_class)->dispose (object);
}

static void
mtv_front_finalize (GObject *object)
{
  g_free (MTV_FRONT (object)->version);
  G_OBJECT_CLASS (mtv_front_parent_class)->finalize (object);
}

static void
mtv_front_class_init (MtvFrontClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_front_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_front_finalize;
}

static void
mtv_front_init (MtvFront *self)
{
  (void) self;
}

MtvFront *
mtv_front_new (MtvEngine *engine, const char *version, MtvAuthorityMode mode)
{
  MtvFront *self = g_object_new (MTV_TYPE_FRONT, NULL);

  self->engine = g_object_ref (engine);
  self->version = g_strdup (version);
  self->mode = mode;
  return self;
}
