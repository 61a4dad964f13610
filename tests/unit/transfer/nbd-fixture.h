/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer-fixture.h"
#include "transfer/mtv-nbd-disk.h"

/* A server in a folder of its own, that can be killed and started again. */
typedef struct
{
  char *folder; /* (owned) */
  char *file;   /* (owned) for whatever the server serves */
  char *log;    /* (owned) for nbdkit's log filter */
  char *socket; /* (owned) */
  char *uri;    /* (owned) of it */
  char *ready;  /* (owned) where the server writes its pid when it listens */
  GPid pid;     /* 0: none */
} NbdFixture;

void nbd_fixture_init (NbdFixture *f);
void nbd_fixture_clear (NbdFixture *f);

/* Starts @program, "nbdkit" or "qemu-nbd", with further arguments. (NULL-terminated) */
void nbd_fixture_serve (NbdFixture *f, const char *program, ...) G_GNUC_NULL_TERMINATED;
void nbd_fixture_kill (NbdFixture *f);
void nbd_fixture_signal (NbdFixture *f, int signum);

/* What the server's disk is called is "disk 'a'". */
MtvNbdDisk *nbd_fixture_open (NbdFixture *f, gboolean writable);

/* How many requests of @kind, as "Read", are in the log; all are checked to be in blocks of @min
 * and of at most @max bytes. */
guint nbd_fixture_count (NbdFixture *f, const char *kind, guint64 min, guint64 max);

/* Skips the test when nbdkit is not installed. */
gboolean has_nbdkit (void);

/* Requests on one channel, and the loop that its owner has. */
typedef struct
{
  MtvChannel *channel; /* (owned) */
  guint n_pending;
} Loop;

typedef struct
{
  MtvIo io;
  gboolean is_done;
  GError *error; /* (owned) (nullable) */
} Request;

void loop_init (Loop *loop, MtvNbdDisk *disk, gboolean writable);
void loop_clear (Loop *loop);
/* @request has to stay until it is done. */
void loop_submit (Loop *loop, Request *request, MtvIoKind kind, guint64 offset, guint64 length,
                  gpointer buffer);
/* Until no more than @n_pending are under way. */
void loop_run (Loop *loop, guint n_pending);
/* The two for one request; its error. (transfer full) (nullable) */
GError *loop_do (Loop *loop, MtvIoKind kind, guint64 offset, guint64 length, gpointer buffer);

/* Bytes that are the same for the same seed. */
guint8 *random_bytes (gsize length, guint32 seed);
