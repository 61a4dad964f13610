/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef enum
{
  MTVCTL_PLAIN,
  MTVCTL_BOLD,
  MTVCTL_UNDERLINE,
  MTVCTL_GREY,
  MTVCTL_GREEN,
  MTVCTL_YELLOW,
  MTVCTL_RED,
  MTVCTL_N_STYLES
} MtvctlStyle;

/* What stands behind a file descriptor, and how it may be written to. */
typedef struct
{
  gboolean is_terminal; /* and not a dumb one */
  gboolean colour;
  gboolean utf8;
  guint width; /* 0: as wide as it takes */
  guint height;
} MtvctlTerminal;

MtvctlTerminal mtvctl_terminal_for_fd (int fd);

/* The escape sequence that begins @style (MTVCTL_PLAIN: that ends one), or "". */
const char *mtvctl_style (const MtvctlTerminal *terminal, MtvctlStyle style);

/* For people: a state, phase or category of the bus in their language, and its colour. A new
 * string; what is not known comes back as it is. */
char *mtvctl_state_label (const char *state, MtvctlStyle *style);

/* Prints @text; through a pager if @pager and it is longer than the terminal. */
void mtvctl_page (const char *text, gboolean pager);

/* All properties of @proxy, with "id" and "path" before them. (transfer full) */
JsonNode *mtvctl_json_for_proxy (GDBusProxy *proxy);
char *mtvctl_json_to_string (JsonNode *node, gboolean pretty);

G_END_DECLS
