/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtv-dbus-generated.h"
#include "mtvctl-output.h"

G_BEGIN_DECLS

/* Exit codes, documented in mtvctl(1). */
enum
{
  MTVCTL_ERROR = -1, /* not an exit code: the verb has set an error, which tells it */
  MTVCTL_OK = 0,
  MTVCTL_FAILURE = 1,
  MTVCTL_USAGE = 2,
  MTVCTL_MIGRATION_FAILED = 3,
  MTVCTL_MIGRATION_CANCELLED = 4,
  MTVCTL_UNREACHABLE = 5,
  MTVCTL_DENIED = 6,
  MTVCTL_SIGNALLED = 128, /* and the signal's number */
};

/* What the command line said, and the connection. */
typedef struct
{
  gboolean user, system;
  gboolean no_ask_password, no_legend, no_pager, quiet, wait, help, version;
  char *json_mode;
  gboolean json, json_pretty;

  char *filter, *from, *to, *name, *description, *devices, *format, *hash, *verify, *power;
  GPtrArray *target_names, *networks, *ignore; /* (nullable) */
  char *throttle, *bitmap, *manifest, *source_format, *ca_file;
  char *url, *username, *password_file, *thumbprint;
  GPtrArray *set, *secrets; /* (nullable) */
  char *interval, *max_downtime, *shutdown, *shutdown_timeout, *cutover_at, *at;
  gboolean all, start, compare, preallocate, insecure, force, no_wait, full, warm, cancel;

  MtvctlTerminal out;
  GDBusConnection *bus;        /* (owned) */
  GDBusObjectManager *objects; /* (owned) */
  int signal;                  /* that asked us to stop, or 0 */
} Mtvctl;

/* A command: @args without the command itself. */
typedef int (*MtvctlVerb) (Mtvctl *ctl, char **args, GError **error);

int mtvctl_provider_list (Mtvctl *ctl, char **args, GError **error);
int mtvctl_provider_show (Mtvctl *ctl, char **args, GError **error);
int mtvctl_provider_add (Mtvctl *ctl, char **args, GError **error);
int mtvctl_provider_configure (Mtvctl *ctl, char **args, GError **error);
int mtvctl_provider_test (Mtvctl *ctl, char **args, GError **error);
int mtvctl_provider_refresh (Mtvctl *ctl, char **args, GError **error);
int mtvctl_provider_remove (Mtvctl *ctl, char **args, GError **error);
int mtvctl_vm_list (Mtvctl *ctl, char **args, GError **error);
int mtvctl_vm_show (Mtvctl *ctl, char **args, GError **error);
int mtvctl_plan_list (Mtvctl *ctl, char **args, GError **error);
int mtvctl_plan_show (Mtvctl *ctl, char **args, GError **error);
int mtvctl_plan_create (Mtvctl *ctl, char **args, GError **error);
int mtvctl_plan_validate (Mtvctl *ctl, char **args, GError **error);
int mtvctl_plan_start (Mtvctl *ctl, char **args, GError **error);
int mtvctl_plan_archive (Mtvctl *ctl, char **args, GError **error);
int mtvctl_plan_remove (Mtvctl *ctl, char **args, GError **error);
int mtvctl_migration_list (Mtvctl *ctl, char **args, GError **error);
int mtvctl_migration_show (Mtvctl *ctl, char **args, GError **error);
int mtvctl_migration_watch (Mtvctl *ctl, char **args, GError **error);
int mtvctl_migration_cancel (Mtvctl *ctl, char **args, GError **error);
int mtvctl_migration_retry (Mtvctl *ctl, char **args, GError **error);
int mtvctl_migration_forget (Mtvctl *ctl, char **args, GError **error);
int mtvctl_migration_timeline (Mtvctl *ctl, char **args, GError **error);
int mtvctl_defaults_show (Mtvctl *ctl, char **args, GError **error);
int mtvctl_defaults_set (Mtvctl *ctl, char **args, GError **error);
int mtvctl_throttle (Mtvctl *ctl, char **args, GError **error);
int mtvctl_import (Mtvctl *ctl, char **args, GError **error);
int mtvctl_cutover (Mtvctl *ctl, char **args, GError **error);
int mtvctl_pause (Mtvctl *ctl, char **args, GError **error);
int mtvctl_resume (Mtvctl *ctl, char **args, GError **error);
int mtvctl_configure (Mtvctl *ctl, char **args, GError **error);
int mtvctl_rounds (Mtvctl *ctl, char **args, GError **error);
int mtvctl_snapshots (Mtvctl *ctl, char **args, GError **error);
int mtvctl_report (Mtvctl *ctl, char **args, GError **error);
int mtvctl_copy (Mtvctl *ctl, char **args, GError **error);
int mtvctl_verify (Mtvctl *ctl, char **args, GError **error);
int mtvctl_monitor (Mtvctl *ctl, char **args, GError **error);
int mtvctl_version (Mtvctl *ctl, char **args, GError **error);

/* Prints what a verb has to show: the pager if it is wanted. */
void mtvctl_print (Mtvctl *ctl, const char *text);
void mtvctl_print_json (Mtvctl *ctl, JsonNode *node); /* (transfer full) */

/* A sentence about what was done; not with --quiet or --json. */
void mtvctl_say (Mtvctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Prints @table, or what to say if it is empty, and the legend, as the options have it. */
struct _MtvctlTable;
void mtvctl_print_table (Mtvctl *ctl, struct _MtvctlTable *table, const char *legend,
                         const char *nothing);

G_END_DECLS
