/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A bus of our own with a connection for each side, all in one process. */
typedef struct
{
  GTestDBus *bus;          /* (owned) */
  GDBusConnection *server; /* (owned) */
  GDBusConnection *client; /* (owned) */
} Bus;

void bus_up (Bus *bus);
void bus_down (Bus *bus);
GDBusConnection *bus_connect (Bus *bus); /* (transfer full) */

/* Runs the main loop until @condition is true; a test that never gets there is ended by its
 * time-out. */
#define bus_wait_for(condition) \
  while (!(condition))          \
  g_main_context_iteration (NULL, TRUE)

/* Calls the server and waits. @method: "interface.Method"; @args: (transfer floating). */
GVariant *bus_call (Bus *bus, const char *path, const char *method, GVariant *args, GError **error);
/* The same with no error to be expected. */
GVariant *bus_call_ok (Bus *bus, const char *path, const char *method, GVariant *args);
void bus_call_done (Bus *bus, const char *path, const char *method, GVariant *args);
/* The same with an error to be expected: its bus name must be @name and its text hold @text. */
void bus_call_fails (Bus *bus, const char *path, const char *method, GVariant *args,
                     const char *name, const char *text);

/* An a{sv} in text form: "{'wait': <true>}". (transfer floating) */
GVariant *bus_options (const char *text);

GVariant *bus_get (Bus *bus, const char *path, const char *interface, const char *property);

/* One call without waiting: its answer arrives in *@result. */
void bus_send (Bus *bus, const char *path, const char *method, GVariant *args, GDBusCallFlags flags,
               GAsyncResult **result);

/* A GAsyncReadyCallback: keeps the result in *@user_data, a GAsyncResult * that was NULL. */
void bus_keep_result (GObject *source, GAsyncResult *result, gpointer user_data);

G_END_DECLS
