/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-output.h"

#include "mtvctl-format.h"

#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const sequences[] = {
  [MTVCTL_PLAIN] = "\033[0m",       [MTVCTL_BOLD] = "\033[1m",     [MTVCTL_UNDERLINE] = "\033[4m",
  [MTVCTL_GREY] = "\033[38;5;245m", [MTVCTL_GREEN] = "\033[0;32m", [MTVCTL_YELLOW] = "\033[0;33m",
  [MTVCTL_RED] = "\033[0;31m",
};
G_STATIC_ASSERT (G_N_ELEMENTS (sequences) == MTVCTL_N_STYLES);

static const struct
{
  const char *name;
  MtvctlStyle style;
} states[] = {
  { N_ ("pending"), MTVCTL_GREY },
  { N_ ("queued"), MTVCTL_GREY },
  { N_ ("preparing"), MTVCTL_PLAIN },
  { N_ ("allocating"), MTVCTL_PLAIN },
  { N_ ("copying"), MTVCTL_PLAIN },
  { N_ ("copied"), MTVCTL_PLAIN },
  { N_ ("verifying"), MTVCTL_PLAIN },
  { N_ ("verified"), MTVCTL_GREEN },
  { N_ ("defining"), MTVCTL_PLAIN },
  { N_ ("cleaning-up"), MTVCTL_YELLOW },
  { N_ ("done"), MTVCTL_GREEN },
  { N_ ("completed"), MTVCTL_GREEN },
  { N_ ("skipped"), MTVCTL_GREY },
  { N_ ("running"), MTVCTL_BOLD },
  { N_ ("executing"), MTVCTL_BOLD },
  { N_ ("refreshing"), MTVCTL_BOLD },
  { N_ ("suspended"), MTVCTL_YELLOW },
  { N_ ("succeeded"), MTVCTL_GREEN },
  { N_ ("failed"), MTVCTL_RED },
  { N_ ("cancelled"), MTVCTL_YELLOW },
  { N_ ("ready"), MTVCTL_GREEN },
  { N_ ("archived"), MTVCTL_GREY },
  { N_ ("critical"), MTVCTL_RED },
  { N_ ("warning"), MTVCTL_YELLOW },
  { N_ ("information"), MTVCTL_PLAIN },
  { N_ ("source"), MTVCTL_PLAIN },
  { N_ ("destination"), MTVCTL_PLAIN },
  { N_ ("snapshotting"), MTVCTL_PLAIN },
  { N_ ("precopying"), MTVCTL_PLAIN },
  { N_ ("removing-snapshot"), MTVCTL_PLAIN },
  { N_ ("idle"), MTVCTL_PLAIN },
  { N_ ("powering-off"), MTVCTL_YELLOW },
  { N_ ("final-snapshotting"), MTVCTL_YELLOW },
  { N_ ("final-copying"), MTVCTL_YELLOW },
  { N_ ("final-removing"), MTVCTL_PLAIN },
  { N_ ("warm"), MTVCTL_PLAIN },
  { N_ ("cold"), MTVCTL_PLAIN },
};

static gboolean
want_colour (gboolean is_terminal)
{
  static const char *const no[] = { "0", "no", "n", "false", "f", "off", NULL };
  const char *wish = g_getenv ("SYSTEMD_COLORS");
  const char *no_color = g_getenv ("NO_COLOR");

  if (wish != NULL && *wish != '\0')
    return !g_strv_contains (no, wish);
  return is_terminal && (no_color == NULL || *no_color == '\0');
}

static guint
number_from_environment (const char *name)
{
  const char *value = g_getenv (name);
  guint64 number = 0;

  if (value == NULL || !g_ascii_string_to_unsigned (value, 10, 1, 10000, &number, NULL))
    return 0;
  return number;
}

MtvctlTerminal
mtvctl_terminal_for_fd (int fd)
{
  MtvctlTerminal terminal = { .utf8 = g_get_charset (NULL) };
  struct winsize size = { 0 };

  terminal.is_terminal = isatty (fd) && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
  terminal.colour = want_colour (terminal.is_terminal);
  if (!isatty (fd))
    return terminal;
  if (ioctl (fd, TIOCGWINSZ, &size) < 0)
    memset (&size, 0, sizeof size);
  terminal.width = number_from_environment ("COLUMNS");
  if (terminal.width == 0)
    terminal.width = size.ws_col > 0 ? size.ws_col : 80;
  terminal.height = number_from_environment ("LINES");
  if (terminal.height == 0)
    terminal.height = size.ws_row > 0 ? size.ws_row : 24;
  return terminal;
}

const char *
mtvctl_style (const MtvctlTerminal *terminal, MtvctlStyle style)
{
  return terminal->colour ? sequences[style] : "";
}

char *
mtvctl_state_label (const char *state, MtvctlStyle *style)
{
  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_str_equal (states[i].name, state))
      {
        if (style != NULL)
          *style = states[i].style;
        return g_strdup (_ (states[i].name));
      }
  if (style != NULL)
    *style = MTVCTL_PLAIN;
  return mtvctl_escape (state);
}

/* The wish for "cat" or "" means: no pager. */
static char **
pager_argv (void)
{
  const char *wish = g_getenv ("SYSTEMD_PAGER");
  char **argv = NULL;

  if (wish == NULL)
    wish = g_getenv ("PAGER");
  if (wish == NULL)
    wish = "less";
  if (*wish == '\0' || g_str_equal (wish, "cat") || !g_shell_parse_argv (wish, NULL, &argv, NULL))
    return NULL;
  return argv;
}

static gboolean
page_through (char **argv, const char *text)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE);
  const char *less = g_getenv ("SYSTEMD_LESS");

  g_subprocess_launcher_setenv (launcher, "LESS", less != NULL ? less : "FRSXMK", TRUE);
  /* Whoever got here through sudo may have been allowed mtvctl, but not a shell out of less. */
  if (g_getenv ("SUDO_UID") != NULL)
    g_subprocess_launcher_setenv (launcher, "LESSSECURE", "1", TRUE);
  g_autoptr (GSubprocess) pager
      = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv, NULL);
  if (pager == NULL)
    return FALSE;

  /* Ctrl-C is for the pager; one that is left early is no error. */
  signal (SIGINT, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
  GOutputStream *pipe = g_subprocess_get_stdin_pipe (pager);
  g_output_stream_write_all (pipe, text, strlen (text), NULL, NULL, NULL);
  g_output_stream_close (pipe, NULL, NULL);
  g_subprocess_wait (pager, NULL, NULL);
  return TRUE;
}

void
mtvctl_page (const char *text, gboolean pager)
{
  MtvctlTerminal terminal = mtvctl_terminal_for_fd (STDOUT_FILENO);
  guint lines = 0;

  for (const char *at = text; (at = strchr (at, '\n')) != NULL; at++)
    lines++;
  if (pager && terminal.is_terminal && lines >= terminal.height)
    {
      g_auto (GStrv) argv = pager_argv ();

      if (argv != NULL && page_through (argv, text))
        return;
    }
  fputs (text, stdout);
}

/* Of a warm migration: bytes, and the downtime as it may be. */
static JsonNode *
json_for_prediction (GVariant *value)
{
  static const char *const keys[] = { "bytes", "low", "likely", "high" };
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      guint64 number;

      g_variant_get_child (value, i, "t", &number);
      json_object_set_int_member (object, keys[i], number);
    }
  json_node_take_object (node, object);
  return node;
}

static JsonNode *
json_for_value (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE ("(tttt)")))
    return json_for_prediction (value);
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("(ss)")))
    return json_gvariant_serialize (value);

  const char *name, *text;
  g_variant_get (value, "(&s&s)", &name, &text);
  if (*name == '\0')
    return json_node_new (JSON_NODE_NULL);
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "name", name);
  json_object_set_string_member (object, "text", text);
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  return node;
}

JsonNode *
mtvctl_json_for_proxy (GDBusProxy *proxy)
{
  g_autoptr (JsonObject) object = json_object_new ();
  const char *path = g_dbus_proxy_get_object_path (proxy);
  GDBusInterfaceInfo *info = g_dbus_proxy_get_interface_info (proxy);

  json_object_set_string_member (object, "id", strrchr (path, '/') + 1);
  json_object_set_string_member (object, "path", path);
  for (guint i = 0; info->properties[i] != NULL; i++)
    {
      const char *name = info->properties[i]->name;
      g_autoptr (GVariant) value = g_dbus_proxy_get_cached_property (proxy, name);
      g_autofree char *key = mtvctl_kebab (name);

      if (value != NULL)
        json_object_set_member (object, key, json_for_value (value));
    }
  return json_node_init_object (json_node_alloc (), object);
}

char *
mtvctl_json_to_string (JsonNode *node, gboolean pretty)
{
  g_autofree char *text = json_to_string (node, pretty);

  return g_strconcat (text, "\n", NULL);
}
