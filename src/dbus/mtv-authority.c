/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-authority.h"

#include "base/mtv-error.h"

#include <unistd.h>

#define LOOK "org.mtv.look"
#define MANAGE_PROVIDERS "org.mtv.manage-providers"
#define PLAN "org.mtv.plan"
#define RUN "org.mtv.run"
#define COPY "org.mtv.copy"
#define CUTOVER "org.mtv.cutover"

/* The bus lets a connection have 128 calls open and fails the next, which must not be taken for a
 * refusal: so many questions at most are asked at a time, the others wait. A dialog lasts as long
 * as a user lets it; it does not count here, but no user can have more than a few. */
#define MAX_QUESTIONS 32
#define MAX_DIALOGS_PER_USER 8
#define DIALOG_TIMEOUT_MS (120 * 1000)
#define CHECK_TIMEOUT_MS (25 * 1000)

/* What makes the daemon talk to a provider is "look" even where nothing is changed. What shows what
 * the daemon knows already is free: there are no secrets in it. */
static const struct
{
  const char *interface;
  const char *method;
  const char *action;
} rules[] = {
  { "org.mtv.Manager", "AddProvider", MANAGE_PROVIDERS },
  { "org.mtv.Manager", "AddProviderFile", MANAGE_PROVIDERS },
  { "org.mtv.Manager", "RemoveProvider", MANAGE_PROVIDERS },
  { "org.mtv.Manager", "SetDefaults", MANAGE_PROVIDERS },
  { "org.mtv.Manager", "SetThrottle", MANAGE_PROVIDERS },
  { "org.mtv.Manager", "CreatePlan", PLAN },
  { "org.mtv.Manager", "RemovePlan", PLAN },
  { "org.mtv.Manager", "Copy", COPY },
  { "org.mtv.Manager", "Verify", COPY },
  { "org.mtv.Manager", "GetLedger", "" },
  { "org.mtv.Transfer", "Cancel", COPY },
  { "org.mtv.Transfer", "Forget", COPY },
  { "org.mtv.Provider", "Configure", MANAGE_PROVIDERS },
  { "org.mtv.Provider", "Refresh", LOOK },
  { "org.mtv.Provider", "Test", LOOK },
  { "org.mtv.Provider", "ListVirtualMachines", "" },
  { "org.mtv.Provider", "DescribeVirtualMachine", "" },
  { "org.mtv.Plan", "Validate", LOOK },
  { "org.mtv.Plan", "Start", RUN },
  { "org.mtv.Plan", "Archive", PLAN },
  { "org.mtv.Migration", "Cancel", RUN },
  { "org.mtv.Migration", "Retry", RUN },
  { "org.mtv.Migration", "Forget", RUN },
  { "org.mtv.Migration", "Cutover", CUTOVER },
  { "org.mtv.Migration", "WithdrawCutover", CUTOVER },
  { "org.mtv.Migration", "Pause", RUN },
  { "org.mtv.Migration", "Resume", RUN },
  { "org.mtv.Migration", "Configure", RUN },
  { "org.mtv.Migration", "GetTimeline", "" },
  { "org.mtv.Migration.VM", "Cancel", RUN },
  { "org.mtv.Migration.VM", "Retry", RUN },
  { "org.mtv.Migration.VM", "Cutover", CUTOVER },
  { "org.mtv.Migration.VM", "WithdrawCutover", CUTOVER },
  { "org.mtv.Migration.VM", "Pause", RUN },
  { "org.mtv.Migration.VM", "Resume", RUN },
  { "org.mtv.Migration.VM", "Configure", RUN },
  { "org.mtv.Migration.VM", "GetRounds", "" },
};

struct _MtvAuthority
{
  GObject parent;

  GDBusConnection *connection; /* (owned) */
  MtvAuthorityMode mode;
  GHashTable *dialogs; /* (owned) uid to how many dialogs are open for it */
  GQueue waiting;      /* (element-type GTask) that have asked nothing yet */
  guint questions;     /* being asked now */
};

G_DEFINE_FINAL_TYPE (MtvAuthority, mtv_authority, G_TYPE_OBJECT)

/* One question: the data of its GTask. */
typedef struct
{
  GDBusMethodInvocation *invocation; /* (owned) */
  const char *action;                /* (nullable) static */
  guint32 uid;
  gboolean interactive;
} Check;

static void
check_free (gpointer data)
{
  Check *check = data;

  g_object_unref (check->invocation);
  g_free (check);
}

static GQuark
uid_quark (void)
{
  return g_quark_from_static_string ("mtv-authority-uid");
}

guint32
mtv_authority_get_uid (GDBusMethodInvocation *invocation)
{
  guint32 *uid = g_object_get_qdata (G_OBJECT (invocation), uid_quark ());

  return uid == NULL ? G_MAXUINT32 : *uid;
}

const char *
mtv_authority_get_action (const char *interface, const char *method)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    if (g_strcmp0 (rules[i].interface, interface) == 0 && g_strcmp0 (rules[i].method, method) == 0)
      return rules[i].action;
  return NULL;
}

void
mtv_authority_get_rule (guint row, const char **interface, const char **method)
{
  *interface = row < G_N_ELEMENTS (rules) ? rules[row].interface : NULL;
  *method = row < G_N_ELEMENTS (rules) ? rules[row].method : NULL;
}

static gboolean
is_trusted (MtvAuthority *self, guint32 uid)
{
  switch (self->mode)
    {
    case MTV_AUTHORITY_SYSTEM:
      return uid == 0 || uid == geteuid ();
    case MTV_AUTHORITY_SESSION:
      return uid == geteuid ();
    case MTV_AUTHORITY_STRICT:
    default:
      return FALSE;
    }
}

static void
deny (GTask *task, const char *why)
{
  Check *check = g_task_get_task_data (task);

  g_task_return_new_error (task, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "Not allowed: %s: %s",
                           check->action == NULL
                               ? g_dbus_method_invocation_get_method_name (check->invocation)
                               : check->action,
                           why);
}

static void ask_bus (MtvAuthority *self, GTask *task);

static void
question_answered (MtvAuthority *self)
{
  self->questions--;
  while (self->questions < MAX_QUESTIONS && !g_queue_is_empty (&self->waiting))
    {
      g_autoptr (GTask) task = g_queue_pop_head (&self->waiting);
      ask_bus (self, task);
    }
}

static guint
count_dialogs (MtvAuthority *self, guint32 uid, int change)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->dialogs, GUINT_TO_POINTER (uid)));

  count += change;
  if (count == 0)
    g_hash_table_remove (self->dialogs, GUINT_TO_POINTER (uid));
  else
    g_hash_table_insert (self->dialogs, GUINT_TO_POINTER (uid), GUINT_TO_POINTER (count));
  return count;
}

static void
polkit_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  MtvAuthority *self = g_task_get_source_object (task);
  Check *check = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gboolean authorized, challenge;

  if (check->interactive)
    count_dialogs (self, check->uid, -1);
  else
    question_answered (self);

  g_autoptr (GVariant) answer
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (answer == NULL)
    {
      g_dbus_error_strip_remote_error (error);
      g_autofree char *why
          = g_strdup_printf ("polkit cannot be asked, so only root may: %s", error->message);
      deny (task, why);
      return;
    }

  g_variant_get (answer, "((bba{ss}))", &authorized, &challenge, NULL);
  if (authorized)
    g_task_return_boolean (task, TRUE);
  else if (challenge && !check->interactive)
    g_task_return_new_error (task, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED,
                             "Authentication is needed for %s", check->action);
  else
    deny (task, "polkit refused it");
}

/* org.freedesktop.PolicyKit1.Authority.CheckAuthorization(), in the polkit reference manual:
 * subject, action, details, flags (1: with a dialog), cancellation id. */
static void
ask_polkit (MtvAuthority *self, GTask *task)
{
  Check *check = g_task_get_task_data (task);
  GVariantBuilder subject = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (check->interactive && count_dialogs (self, check->uid, 1) > MAX_DIALOGS_PER_USER)
    {
      count_dialogs (self, check->uid, -1);
      g_task_return_new_error (task, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
                               "User %u has %d authentication dialogs open already", check->uid,
                               MAX_DIALOGS_PER_USER);
      return;
    }

  if (!check->interactive)
    self->questions++;
  g_variant_builder_add (
      &subject, "{sv}", "name",
      g_variant_new_string (g_dbus_method_invocation_get_sender (check->invocation)));
  g_dbus_connection_call (self->connection, "org.freedesktop.PolicyKit1",
                          "/org/freedesktop/PolicyKit1/Authority",
                          "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization",
                          g_variant_new ("((sa{sv})sa{ss}us)", "system-bus-name", &subject,
                                         check->action, NULL, check->interactive ? 1 : 0, ""),
                          G_VARIANT_TYPE ("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE,
                          check->interactive ? DIALOG_TIMEOUT_MS : CHECK_TIMEOUT_MS, NULL,
                          polkit_cb, g_object_ref (task));
}

static void
decide (MtvAuthority *self, GTask *task)
{
  Check *check = g_task_get_task_data (task);

  if (is_trusted (self, check->uid))
    g_task_return_boolean (task, TRUE);
  else if (self->mode == MTV_AUTHORITY_SESSION)
    deny (task, "this daemon works for another user");
  else if (check->action == NULL)
    deny (task, "only root may");
  else
    ask_polkit (self, task);
}

static void
uid_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  MtvAuthority *self = g_task_get_source_object (task);
  Check *check = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (answer == NULL)
    {
      g_dbus_error_strip_remote_error (error);
      deny (task, error->message);
    }
  else
    {
      g_variant_get (answer, "(u)", &check->uid);
      g_object_set_qdata_full (G_OBJECT (check->invocation), uid_quark (),
                               g_memdup2 (&check->uid, sizeof check->uid), g_free);
      decide (self, task);
    }
  question_answered (self);
}

static void
ask_bus (MtvAuthority *self, GTask *task)
{
  Check *check = g_task_get_task_data (task);

  self->questions++;
  g_dbus_connection_call (
      self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
      "GetConnectionUnixUser",
      g_variant_new ("(s)", g_dbus_method_invocation_get_sender (check->invocation)),
      G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, CHECK_TIMEOUT_MS, NULL, uid_cb,
      g_object_ref (task));
}

void
mtv_authority_check_async (MtvAuthority *self, GDBusMethodInvocation *invocation,
                           const char *action, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Check *check = g_new0 (Check, 1);
  GDBusMessage *message = g_dbus_method_invocation_get_message (invocation);

  check->invocation = g_object_ref (invocation);
  check->action = action;
  check->interactive
      = (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION)
        != 0;
  g_task_set_source_tag (task, mtv_authority_check_async);
  g_task_set_task_data (task, check, check_free);
  if (self->questions < MAX_QUESTIONS)
    ask_bus (self, task);
  else
    g_queue_push_tail (&self->waiting, g_steal_pointer (&task));
}

gboolean
mtv_authority_check_finish (MtvAuthority *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* A call that waits for its decision. */
typedef struct
{
  MtvAuthority *authority;           /* (owned) */
  GDBusInterfaceSkeleton *skeleton;  /* (owned) */
  GDBusMethodInvocation *invocation; /* goes to whoever answers it */
  const char *action;                /* static */
} Call;

static void
call_free (Call *call)
{
  g_object_unref (call->authority);
  g_object_unref (call->skeleton);
  g_free (call);
}

/* The call goes on where GDBus would have gone on at once. */
static void
decided_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  GDBusMethodInvocation *invocation = call->invocation;
  GError *error = NULL;

  if (!mtv_authority_check_finish (MTV_AUTHORITY (source), result, &error))
    g_dbus_method_invocation_take_error (invocation, error);
  else if (g_dbus_interface_skeleton_get_connection (call->skeleton) == NULL)
    g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT,
                                           "'%s' has been removed meanwhile",
                                           g_dbus_method_invocation_get_object_path (invocation));
  else
    g_dbus_interface_skeleton_get_vtable (call->skeleton)
        ->method_call (g_dbus_method_invocation_get_connection (invocation),
                       g_dbus_method_invocation_get_sender (invocation),
                       g_dbus_method_invocation_get_object_path (invocation),
                       g_dbus_method_invocation_get_interface_name (invocation),
                       g_dbus_method_invocation_get_method_name (invocation),
                       g_dbus_method_invocation_get_parameters (invocation), invocation,
                       call->skeleton);
  call_free (call);
}

static gboolean
decide_call (gpointer user_data)
{
  Call *call = user_data;

  mtv_authority_check_async (call->authority, call->invocation, call->action, decided_cb, call);
  return G_SOURCE_REMOVE;
}

/* GDBus emits this on a thread of a pool that all GTasks share, so it must not wait for anybody:
 * FALSE means that the call is in our hands now. */
static gboolean
authorize_cb (GDBusInterfaceSkeleton *skeleton, GDBusMethodInvocation *invocation,
              MtvAuthority *self)
{
  const char *interface = g_dbus_interface_skeleton_get_info (skeleton)->name;
  const char *method = g_dbus_method_invocation_get_method_name (invocation);
  const char *action = mtv_authority_get_action (interface, method);

  if (g_strcmp0 (action, "") == 0)
    return TRUE;

  if (action == NULL)
    {
      g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                                             "Not allowed: %s.%s has no rule", interface, method);
      return FALSE;
    }

  Call *call = g_new0 (Call, 1);
  call->authority = g_object_ref (self);
  call->skeleton = g_object_ref (skeleton);
  call->invocation = invocation;
  call->action = action;
  g_main_context_invoke (NULL, decide_call, call);
  return FALSE;
}

void
mtv_authority_guard (MtvAuthority *self, GDBusInterfaceSkeleton *skeleton)
{
  g_return_if_fail (MTV_IS_AUTHORITY (self));
  g_return_if_fail (G_IS_DBUS_INTERFACE_SKELETON (skeleton));

  g_signal_connect_data (skeleton, "g-authorize-method", G_CALLBACK (authorize_cb),
                         g_object_ref (self), (GClosureNotify) (void (*) (void)) g_object_unref, 0);
}

static void
mtv_authority_finalize (GObject *object)
{
  MtvAuthority *self = MTV_AUTHORITY (object);

  g_assert (g_queue_is_empty (&self->waiting)); /* each would hold a reference */
  g_clear_object (&self->connection);
  g_clear_pointer (&self->dialogs, g_hash_table_unref);
  G_OBJECT_CLASS (mtv_authority_parent_class)->finalize (object);
}

static void
mtv_authority_class_init (MtvAuthorityClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_authority_finalize;
}

static void
mtv_authority_init (MtvAuthority *self)
{
  self->dialogs = g_hash_table_new (NULL, NULL);
  g_queue_init (&self->waiting);
}

MtvAuthority *
mtv_authority_new (GDBusConnection *connection, MtvAuthorityMode mode)
{
  MtvAuthority *self = g_object_new (MTV_TYPE_AUTHORITY, NULL);

  self->connection = g_object_ref (connection);
  self->mode = mode;
  return self;
}
