/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-table.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Which verbs take an option. */
enum
{
  FOR_ALL = 0,
  FOR_FILTER = 1 << 0,
  FOR_PLAN = 1 << 1,   /* what becomes an option of the plan */
  FOR_CREATE = 1 << 2, /* plan create alone */
  FOR_IMPORT = 1 << 3,
  FOR_WAIT = 1 << 4,
  FOR_COPY = 1 << 5,
  FOR_VERIFY = 1 << 6,
  FOR_PROVIDER = 1 << 7,
  FOR_CONFIGURE = 1 << 8,
  FOR_SCHEDULE = 1 << 9, /* what can be changed while a migration runs */
  FOR_CUTOVER = 1 << 10,
};

typedef enum
{
  FLAG,
  STRING,
  LIST
} OptionKind;

static const struct
{
  const char *name;
  char letter;
  OptionKind kind;
  const char *arg;
  gsize offset;
  guint verbs;
  const char *help;
} options[] = {
#define AT(member) G_STRUCT_OFFSET (Mtvctl, member)
  { "help", 'h', FLAG, NULL, AT (help), FOR_ALL, N_ ("Show this help, or that of a command") },
  { "version", 0, FLAG, NULL, AT (version), FOR_ALL, N_ ("Show the version of mtvctl") },
  { "system", 0, FLAG, NULL, AT (system), FOR_ALL, N_ ("Talk to the system's mtvd (default)") },
  { "user", 0, FLAG, NULL, AT (user), FOR_ALL, N_ ("Talk to an mtvd on the session bus") },
  { "json", 0, STRING, "MODE", AT (json_mode), FOR_ALL,
    N_ ("Output as JSON: short, pretty or off") },
  { "no-legend", 0, FLAG, NULL, AT (no_legend), FOR_ALL, N_ ("Do not show headers and footers") },
  { "no-pager", 0, FLAG, NULL, AT (no_pager), FOR_ALL, N_ ("Do not pipe output into a pager") },
  { "no-ask-password", 0, FLAG, NULL, AT (no_ask_password), FOR_ALL,
    N_ ("Do not ask for authorization") },
  { "quiet", 'q', FLAG, NULL, AT (quiet), FOR_ALL, N_ ("Print results and errors only") },
  { "wait", 0, FLAG, NULL, AT (wait), FOR_WAIT, N_ ("Wait until what was started has ended") },
  { "filter", 0, STRING, "PATTERN", AT (filter), FOR_FILTER,
    N_ ("Only virtual machines that contain or match this") },
  { "from", 0, STRING, "PROVIDER", AT (from), FOR_CREATE,
    N_ ("Where the virtual machines come from") },
  { "to", 0, STRING, "PROVIDER|DIR", AT (to), FOR_CREATE | FOR_IMPORT,
    N_ ("Where they go to (default: local); for import a folder") },
  { "all", 0, FLAG, NULL, AT (all), FOR_CREATE, N_ ("All virtual machines of the provider") },
  { "start", 0, FLAG, NULL, AT (start), FOR_CREATE, N_ ("Start the plan at once") },
  { "description", 0, STRING, "TEXT", AT (description), FOR_CREATE, N_ ("What the plan is for") },
  { "target-name", 0, LIST, "VM=NAME", AT (target_names), FOR_CREATE,
    N_ ("What a virtual machine is called at the destination") },
  { "name", 0, STRING, "NAME", AT (name), FOR_IMPORT,
    N_ ("Name of the provider and the plan (default: the file's)") },
  { "devices", 0, STRING, "KIND", AT (devices), FOR_PLAN,
    N_ ("Virtual hardware: auto, compatible or virtio") },
  { "format", 0, STRING, "FORMAT", AT (format), FOR_PLAN, N_ ("Disk images: raw or qcow2") },
  { "hash", 0, STRING, "HASH", AT (hash), FOR_PLAN | FOR_COPY,
    N_ ("Hash in the manifest: xxh3-128 or sha256") },
  { "verify", 0, STRING, "MODE", AT (verify), FOR_PLAN | FOR_COPY,
    N_ ("What is read back and compared: written, full or off") },
  { "power", 0, STRING, "STATE", AT (power), FOR_PLAN,
    N_ ("State at the destination: auto, on or off") },
  { "network", 0, LIST, "[SRC=]DST", AT (networks), FOR_PLAN,
    N_ ("Network at the destination, for one or all others") },
  { "ignore", 0, LIST, "ID", AT (ignore), FOR_PLAN, N_ ("A concern that shall not block") },
  { "warm", 0, FLAG, NULL, AT (warm), FOR_CREATE,
    N_ ("Copy while they run, in rounds, until the cutover") },
  { "cutover-at", 0, STRING, "TIME", AT (cutover_at), FOR_CREATE,
    N_ ("When the cutover is to be, such as 'tomorrow 02:00'") },
  { "interval", 0, STRING, "SPAN|auto", AT (interval), FOR_SCHEDULE,
    N_ ("From the end of a round to the next") },
  { "max-downtime", 0, STRING, "SPAN", AT (max_downtime), FOR_SCHEDULE,
    N_ ("The downtime that is wanted at most") },
  { "shutdown", 0, STRING, "POLICY", AT (shutdown), FOR_SCHEDULE,
    N_ ("guest, guest-then-force, force or manual") },
  { "shutdown-timeout", 0, STRING, "SPAN", AT (shutdown_timeout), FOR_SCHEDULE,
    N_ ("How long the shutdown may take") },
  { "at", 0, STRING, "TIME", AT (at), FOR_CUTOVER, N_ ("Not now, but then") },
  { "cancel", 0, FLAG, NULL, AT (cancel), FOR_CUTOVER, N_ ("Withdraw the request") },
  { "throttle", 0, STRING, "RATE", AT (throttle), FOR_COPY | FOR_SCHEDULE,
    N_ ("At most this many bytes a second, such as 200M") },
  { "bitmap", 0, STRING, "NAME", AT (bitmap), FOR_COPY,
    N_ ("Copy only what this dirty bitmap of the NBD server tells") },
  { "compare", 0, FLAG, NULL, AT (compare), FOR_COPY,
    N_ ("Write only what differs from the manifest") },
  { "manifest", 0, STRING, "FILE", AT (manifest), FOR_COPY,
    N_ ("Where the hashes of the blocks are kept") },
  { "preallocate", 0, FLAG, NULL, AT (preallocate), FOR_COPY,
    N_ ("Take all the space of the disk at once") },
  { "source-format", 0, STRING, "FORMAT", AT (source_format), FOR_COPY,
    N_ ("Format of the source: auto, raw, vmdk, qcow2, vpc or vhdx") },
  { "ca-file", 0, STRING, "FILE", AT (ca_file), FOR_COPY | FOR_PROVIDER,
    N_ ("Certificates that https is verified with") },
  { "insecure", 0, FLAG, NULL, AT (insecure), FOR_COPY | FOR_PROVIDER, N_ ("Do not verify https") },
  { "thumbprint", 0, STRING, "HEX", AT (thumbprint), FOR_PROVIDER,
    N_ ("SHA-256 or SHA-1 of the certificate that is accepted") },
  { "url", 0, STRING, "URL", AT (url), FOR_CONFIGURE, N_ ("Where the provider is now") },
  { "username", 0, STRING, "NAME", AT (username), FOR_PROVIDER,
    N_ ("Whom the provider knows; the password is asked for") },
  { "password-file", 0, STRING, "FILE", AT (password_file), FOR_PROVIDER,
    N_ ("Where the password is, - for standard input") },
  { "set", 0, LIST, "KEY=VALUE", AT (set), FOR_PROVIDER, N_ ("A setting of the provider") },
  { "secret", 0, LIST, "KEY=FILE", AT (secrets), FOR_PROVIDER,
    N_ ("A file with a secret of the provider") },
  { "force", 0, FLAG, NULL, AT (force), FOR_COPY,
    N_ ("Write over a file that is not empty, or a device") },
  { "no-wait", 0, FLAG, NULL, AT (no_wait), FOR_COPY, N_ ("Do not wait for the end") },
  { "full", 0, FLAG, NULL, AT (full), FOR_VERIFY, N_ ("Read what the files call holes as well") },
};

typedef struct
{
  const char *noun, *verb; /* verb: NULL for a command of one word */
  guint min, max;
  const char *args;
  const char *help;
  MtvctlVerb run;
  guint options;
  gboolean offline;
} Command;

#define ANY G_MAXUINT
static int show_help (Mtvctl *ctl, char **args, GError **error);

/* The first verb of a noun is the one that it means when it stands alone. */
static const Command commands[] = {
  { "provider", "list", 0, 0, "", N_ ("List providers"), mtvctl_provider_list, 0, FALSE },
  { "provider", "show", 1, ANY, "PROVIDER...", N_ ("Show one or more providers"),
    mtvctl_provider_show, 0, FALSE },
  { "provider", "add", 3, 3, "NAME TYPE URL|FILE", N_ ("Add a provider"), mtvctl_provider_add,
    FOR_WAIT | FOR_PROVIDER, FALSE },
  { "provider", "configure", 1, 1, "PROVIDER", N_ ("Change the address, settings or secrets"),
    mtvctl_provider_configure, FOR_PROVIDER | FOR_CONFIGURE, FALSE },
  { "provider", "test", 1, ANY, "PROVIDER...", N_ ("Try whether a provider can be used"),
    mtvctl_provider_test, 0, FALSE },
  { "provider", "refresh", 1, ANY, "PROVIDER...", N_ ("Read the inventory again"),
    mtvctl_provider_refresh, FOR_WAIT, FALSE },
  { "provider", "remove", 1, ANY, "PROVIDER...", N_ ("Forget a provider"), mtvctl_provider_remove,
    0, FALSE },
  { "vm", "list", 0, ANY, "[PROVIDER...]", N_ ("List virtual machines of sources"), mtvctl_vm_list,
    FOR_FILTER, FALSE },
  { "vm", "show", 2, ANY, "PROVIDER VM...", N_ ("Show one or more virtual machines"),
    mtvctl_vm_show, 0, FALSE },
  { "plan", "list", 0, 0, "", N_ ("List plans"), mtvctl_plan_list, 0, FALSE },
  { "plan", "show", 1, ANY, "PLAN...", N_ ("Show one or more plans"), mtvctl_plan_show, 0, FALSE },
  { "plan", "create", 1, ANY, "NAME VM...", N_ ("Create a plan"), mtvctl_plan_create,
    FOR_CREATE | FOR_PLAN | FOR_SCHEDULE | FOR_WAIT, FALSE },
  { "plan", "validate", 1, 1, "PLAN", N_ ("Try a plan without effect, show concerns"),
    mtvctl_plan_validate, 0, FALSE },
  { "plan", "start", 1, 1, "PLAN", N_ ("Start a migration"), mtvctl_plan_start, FOR_WAIT, FALSE },
  { "plan", "archive", 1, ANY, "PLAN...", N_ ("Close a plan for good"), mtvctl_plan_archive, 0,
    FALSE },
  { "plan", "remove", 1, ANY, "PLAN...", N_ ("Forget a plan and its migrations"),
    mtvctl_plan_remove, 0, FALSE },
  { "migration", "list", 0, 0, "", N_ ("List migrations"), mtvctl_migration_list, 0, FALSE },
  { "migration", "show", 1, ANY, "MIGRATION...", N_ ("Show one or more migrations"),
    mtvctl_migration_show, 0, FALSE },
  { "migration", "watch", 0, 1, "[MIGRATION]", N_ ("Follow a migration until it ends"),
    mtvctl_migration_watch, 0, FALSE },
  { "migration", "timeline", 1, 2, "MIGRATION [VM]", N_ ("Show what happened, and when"),
    mtvctl_migration_timeline, 0, FALSE },
  { "migration", "cancel", 1, ANY, "MIGRATION [VM...]", N_ ("Stop it, or some of its machines"),
    mtvctl_migration_cancel, FOR_WAIT, FALSE },
  { "migration", "retry", 1, ANY, "MIGRATION [VM...]", N_ ("Start again what did not succeed"),
    mtvctl_migration_retry, FOR_WAIT, FALSE },
  { "migration", "forget", 1, ANY, "MIGRATION...", N_ ("Remove the record of a migration"),
    mtvctl_migration_forget, 0, FALSE },
  { "cutover", NULL, 1, ANY, "MIGRATION|PLAN|VM", N_ ("Shut down, copy the rest, define it there"),
    mtvctl_cutover, FOR_CUTOVER, FALSE },
  { "pause", NULL, 1, ANY, "MIGRATION|PLAN|VM", N_ ("Begin no new round"), mtvctl_pause, 0, FALSE },
  { "resume", NULL, 1, ANY, "MIGRATION|PLAN|VM", N_ ("Go on with rounds"), mtvctl_resume, 0,
    FALSE },
  { "configure", NULL, 1, ANY, "MIGRATION|PLAN|VM", N_ ("Change how it goes on"), mtvctl_configure,
    FOR_SCHEDULE, FALSE },
  { "rounds", NULL, 1, ANY, "MIGRATION|PLAN|VM", N_ ("Show rounds that were"), mtvctl_rounds, 0,
    FALSE },
  { "report", NULL, 1, ANY, "MIGRATION|PLAN|VM", N_ ("Show all there is to say of a migration"),
    mtvctl_report, 0, FALSE },
  { "snapshots", NULL, 0, 0, "", N_ ("Show what of ours is at sources and destinations"),
    mtvctl_snapshots, 0, FALSE },
  { "defaults", "show", 0, 0, "", N_ ("Show the daemon's settings"), mtvctl_defaults_show, 0,
    FALSE },
  { "defaults", "set", 1, ANY, "KEY=VALUE...", N_ ("Change settings, at once and for good"),
    mtvctl_defaults_set, 0, FALSE },
  { "throttle", NULL, 0, ANY, "[TARGET [RULE...]]", N_ ("Show or set what copies may read"),
    mtvctl_throttle, 0, FALSE },
  { "import", NULL, 1, 1, "FILE.ova", N_ ("Bring over what an OVA file holds"), mtvctl_import,
    FOR_IMPORT | FOR_PLAN, FALSE },
  { "copy", NULL, 2, 2, "SOURCE DESTINATION", N_ ("Copy one disk, or go on with a copy"),
    mtvctl_copy, FOR_COPY, FALSE },
  { "verify", NULL, 1, 1, "VM|DIR|MANIFEST", N_ ("Compare disks with the hashes in a manifest"),
    mtvctl_verify, FOR_VERIFY, FALSE },
  { "monitor", NULL, 0, 0, "", N_ ("Print changes as they come"), mtvctl_monitor, 0, FALSE },
  { "version", NULL, 0, 0, "", N_ ("Show versions of mtvctl and mtvd"), mtvctl_version, 0, TRUE },
  { "help", NULL, 0, 1, "[COMMAND]", N_ ("Show help"), show_help, 0, TRUE },
};

static const struct
{
  const char *noun;
  const char *title;
} groups[] = {
  { "provider", N_ ("Provider Commands:") },
  { "vm", N_ ("Virtual Machine Commands:") },
  { "plan", N_ ("Plan Commands:") },
  { "migration", N_ ("Migration Commands:") },
  { "cutover", N_ ("Warm Migration Commands:") },
  { "defaults", N_ ("Settings Commands:") },
  { "import", N_ ("Other Commands:") },
};

static gboolean
option_cb (const char *name, const char *value, gpointer user_data, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      if (g_str_has_prefix (name, "--") ? strcmp (name + 2, options[i].name) != 0
                                        : name[1] != options[i].letter)
        continue;
      gpointer at = (char *) user_data + options[i].offset;
      if (options[i].kind == FLAG)
        *(gboolean *) at = TRUE;
      else if (options[i].kind == STRING)
        {
          g_free (*(char **) at);
          *(char **) at = g_strdup (value);
        }
      else
        {
          GPtrArray **list = at;

          if (*list == NULL)
            *list = g_ptr_array_new_with_free_func (g_free);
          g_ptr_array_add (*list, g_strdup (value));
        }
    }
  return TRUE;
}

static gboolean
parse_options (Mtvctl *ctl, char ***argv, GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  GOptionGroup *group = g_option_group_new ("mtvctl", NULL, NULL, ctl, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      GOptionEntry entry[2] = { { .long_name = options[i].name,
                                  .short_name = options[i].letter,
                                  .flags = options[i].kind == FLAG ? G_OPTION_FLAG_NO_ARG : 0,
                                  .arg = G_OPTION_ARG_CALLBACK,
                                  .arg_data = (gpointer) option_cb } };

      g_option_group_add_entries (group, entry);
    }
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_main_group (context, group);
  return g_option_context_parse_strv (context, argv, error);
}

static gboolean
is_given (Mtvctl *ctl, guint i)
{
  gpointer at = (char *) ctl + options[i].offset;

  return options[i].kind == FLAG ? *(gboolean *) at : *(gpointer *) at != NULL;
}

static gboolean
check_options (Mtvctl *ctl, const Command *command, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (options[i].verbs != FOR_ALL && !(options[i].verbs & command->options) && is_given (ctl, i))
      {
        g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                     _ ("'mtvctl %s%s%s' takes no option --%s."), command->noun,
                     command->verb ? " " : "", command->verb ? command->verb : "", options[i].name);
        return FALSE;
      }
  if (ctl->user && ctl->system)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _ ("--user and --system exclude each other."));
      return FALSE;
    }
  ctl->json_pretty = g_strcmp0 (ctl->json_mode, "pretty") == 0;
  ctl->json = ctl->json_pretty || g_strcmp0 (ctl->json_mode, "short") == 0;
  if (ctl->json || ctl->json_mode == NULL || g_str_equal (ctl->json_mode, "off"))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               _ ("--json=%s is not known; it may be short, pretty or off."), ctl->json_mode);
  return FALSE;
}

static const Command *
find_command (const char *noun, const char *verb)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].noun, noun)
        && (verb == NULL || commands[i].verb == NULL || g_str_equal (commands[i].verb, verb)))
      return &commands[i];
  return NULL;
}

static void
set_unknown (const char *noun, const char *word, GError **error)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (noun == NULL)
      g_ptr_array_add (words, (gpointer) commands[i].noun);
    else if (g_str_equal (commands[i].noun, noun))
      g_ptr_array_add (words, (gpointer) commands[i].verb);
  g_ptr_array_add (words, NULL);

  const char *close = mtvctl_closest (word, (const char *const *) words->pdata);
  g_autofree char *what = g_strconcat (noun ? noun : "", noun ? " " : "", word, NULL);
  if (close == NULL)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, _ ("Unknown command '%s'."), what);
  else
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                 _ ("Unknown command '%s'. Did you mean '%s%s%s'?"), what, noun ? noun : "",
                 noun ? " " : "", close);
}

/* Takes the command's words off @args. */
static const Command *
parse_command (char ***args, GError **error)
{
  const char *noun = (*args)[0] != NULL ? *(*args)++ : "migration";
  const Command *command = find_command (noun, NULL);

  if (command == NULL)
    {
      set_unknown (NULL, noun, error);
      return NULL;
    }
  if (command->verb == NULL || (*args)[0] == NULL)
    return command;
  const char *verb = *(*args)++;
  command = find_command (noun, verb);
  if (command == NULL)
    set_unknown (noun, verb, error);
  return command;
}

static gboolean
check_args (const Command *command, char **args, GError **error)
{
  guint n = g_strv_length (args);

  if (n >= command->min && n <= command->max)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
               n < command->min ? _ ("Too few arguments. Usage: mtvctl %s%s%s %s")
                                : _ ("Too many arguments. Usage: mtvctl %s%s%s %s"),
               command->noun, command->verb ? " " : "", command->verb ? command->verb : "",
               command->args);
  return FALSE;
}

/* One line of help; what does not fit before the text gets a line of its own. */
static void
append_help (GString *out, const char *what, const char *help)
{
  guint width = mtvctl_width (what);

  if (width > 29)
    g_string_append_printf (out, "  %s\n%32s%s\n", what, "", help);
  else
    g_string_append_printf (out, "  %s%*s%s\n", what, 30 - (int) width, "", help);
}

/* The first command of the group that @command is in: groups follow one another. */
static const char *
get_group (const Command *command)
{
  for (; command > commands; command--)
    for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
      if (g_str_equal (groups[i].noun, command->noun))
        return groups[i].noun;
  return groups[0].noun;
}

static guint
append_commands (GString *out, const char *group)
{
  guint taken = 0;

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      if (!g_str_equal (get_group (&commands[i]), group))
        continue;
      g_autofree char *what = g_strconcat (commands[i].noun, commands[i].verb ? " " : "",
                                           commands[i].verb ? commands[i].verb : "",
                                           *commands[i].args ? " " : "", commands[i].args, NULL);
      append_help (out, what, _ (commands[i].help));
      taken |= commands[i].options;
    }
  return taken;
}

static void
append_options (GString *out, guint verbs)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      if (options[i].verbs != FOR_ALL && !(options[i].verbs & verbs))
        continue;
      g_autofree char *what
          = g_strdup_printf ("%c%c --%s%s%s", options[i].letter ? '-' : ' ',
                             options[i].letter ? options[i].letter : ' ', options[i].name,
                             options[i].arg ? "=" : "", options[i].arg ? options[i].arg : "");
      append_help (out, what, _ (options[i].help));
    }
}

static int
show_help (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *bold = mtvctl_style (&ctl->out, MTVCTL_BOLD);
  const char *plain = mtvctl_style (&ctl->out, MTVCTL_PLAIN);
  const Command *only = args[0] != NULL ? find_command (args[0], NULL) : NULL;
  guint verbs = 0;

  if (args[0] != NULL && only == NULL)
    {
      set_unknown (NULL, args[0], error);
      return MTVCTL_ERROR;
    }
  if (only == NULL)
    g_string_append_printf (out, "mtvctl %s\n\n%s%s%s\n", _ ("[OPTIONS...] COMMAND ..."), bold,
                            _ ("Migrate virtual machines."), plain);
  else if (only->verb != NULL)
    g_string_append_printf (out, "mtvctl %s\n", _ ("[OPTIONS...] COMMAND ..."));
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      if (only != NULL && !g_str_equal (get_group (only), groups[i].noun))
        continue;
      g_string_append_printf (out, "\n%s%s%s\n", bold, _ (groups[i].title), plain);
      if (only != NULL && only->verb == NULL)
        append_help (out, only->args, _ (only->help));
      verbs |= only != NULL && only->verb == NULL ? only->options
                                                  : append_commands (out, groups[i].noun);
    }
  g_string_append_printf (out, "\n%s%s%s\n", bold, _ ("Options:"), plain);
  append_options (out, verbs);
  if (!ctl->no_legend)
    g_string_append_printf (out, "\n%s\n", _ ("See mtvctl(1) for details."));
  mtvctl_print (ctl, out->str);
  return MTVCTL_OK;
}

void
mtvctl_print (Mtvctl *ctl, const char *text)
{
  mtvctl_page (text, !ctl->no_pager);
}

void
mtvctl_print_json (Mtvctl *ctl, JsonNode *node)
{
  g_autofree char *text = mtvctl_json_to_string (node, ctl->json_pretty);

  json_node_unref (node);
  mtvctl_print (ctl, text);
}

void
mtvctl_say (Mtvctl *ctl, const char *format, ...)
{
  va_list args;

  if (ctl->quiet || ctl->json)
    return;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *escaped = mtvctl_escape (text);
  puts (escaped);
  fflush (stdout);
}

void
mtvctl_print_table (Mtvctl *ctl, MtvctlTable *table, const char *legend, const char *nothing)
{
  g_autoptr (GString) out = g_string_new (NULL);
  gboolean with_legend = !ctl->no_legend && !ctl->quiet;

  if (mtvctl_table_get_n_rows (table) == 0)
    {
      if (with_legend)
        puts (nothing);
      return;
    }
  mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
  if (with_legend && legend != NULL)
    g_string_append_printf (out, "\n%s\n", legend);
  mtvctl_print (ctl, out->str);
}

int
mtvctl_version (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (MtvDBusManager) manager = NULL;

  /* --version tells about this program alone; the verb asks the daemon as well. */
  if (!ctl->version
      && (!mtvctl_connect (ctl, error) || !(manager = mtvctl_get_manager (ctl, error))))
    return MTVCTL_ERROR;
  if (ctl->json)
    {
      JsonObject *object = json_object_new ();

      json_object_set_string_member (object, "mtvctl", PACKAGE_VERSION);
      if (manager != NULL)
        json_object_set_string_member (object, "mtvd", mtv_dbus_manager_get_version (manager));
      mtvctl_print_json (ctl, json_node_init_object (json_node_alloc (), object));
      json_object_unref (object);
      return MTVCTL_OK;
    }
  printf ("mtvctl %s\n", PACKAGE_VERSION);
  if (manager != NULL)
    {
      g_autofree char *version = mtvctl_escape (mtv_dbus_manager_get_version (manager));

      printf ("mtvd %s\n", version);
    }
  return MTVCTL_OK;
}

static int
run (Mtvctl *ctl, char **argv, GError **error)
{
  char **args = argv + 1;

  /* What follows "--" is never an option; GLib leaves the sign where an option could follow. */
  for (char **at = args; *at != NULL; at++)
    if (g_str_equal (*at, "--"))
      {
        g_free (*at);
        memmove (at, at + 1, g_strv_length (at + 1) * sizeof *at + sizeof *at);
        break;
      }
  if (ctl->version)
    return mtvctl_version (ctl, args, error);
  if (ctl->help)
    return show_help (ctl, args, error);
  const Command *command = parse_command (&args, error);
  if (command == NULL || !check_options (ctl, command, error) || !check_args (command, args, error)
      || (!command->offline && !mtvctl_connect (ctl, error)))
    return MTVCTL_ERROR;
  return command->run (ctl, args, error);
}

static void
clear (Mtvctl *ctl)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      gpointer at = (char *) ctl + options[i].offset;

      if (options[i].kind == STRING)
        g_free (*(char **) at);
      else if (options[i].kind == LIST)
        g_clear_pointer ((GPtrArray **) at, g_ptr_array_unref);
    }
  g_clear_object (&ctl->objects);
  g_clear_object (&ctl->bus);
}

int
main (int argc, char **argv)
{
  const char *locale_dir = g_getenv ("MTVCTL_LOCALE_DIR");
  Mtvctl ctl = { 0 };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) args = g_strdupv (argv);

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, locale_dir != NULL ? locale_dir : LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("mtvctl");

  ctl.out = mtvctl_terminal_for_fd (STDOUT_FILENO);
  int code = parse_options (&ctl, &args, &error) ? run (&ctl, args, &error) : MTVCTL_ERROR;
  if (code == MTVCTL_ERROR)
    {
      mtvctl_print_error (error);
      code = mtvctl_exit_code (&ctl, error);
    }
  clear (&ctl);
  if (fflush (stdout) != 0 && code == MTVCTL_OK)
    code = MTVCTL_FAILURE;
  return code;
}
