/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-error.h"
#include "provider/ova/mtv-ova-provider.h"

#define MIB (1024 * 1024)
#define RAW_SIZE (3 * MIB + 512 * 5)

#define MKOVA "python3 '" TOOLS "/mkova.py' "
#define MKVMDK "python3 '" TOOLS "/mkvmdk.py' "

/* A folder of its own with "disk.raw": data, holes and an odd end. */
typedef struct
{
  char *folder;
  char *raw;
} Fixture;

void fixture_set_up (Fixture *f, gconstpointer data);
void fixture_tear_down (Fixture *f, gconstpointer data);

char *fixture_path (Fixture *f, const char *name);

/* A shell command in the folder, which must succeed. */
void fixture_run (Fixture *f, const char *format, ...) G_GNUC_PRINTF (2, 3);

MtvSource *fixture_open (Fixture *f, const char *name);
GPtrArray *fixture_list (MtvSource *source);

void assert_pattern (const char *pattern, const char *text);
MtvVmDisk *disk_of (MtvVm *vm, guint index);

/* The reader has @size bytes: @raw, then zeroes. */
void assert_reads (MtvReader *reader, const char *raw, gsize raw_size, guint64 size);

/* Lists the one machine of @name, opens and checks its disks; all hold the raw image. */
void fixture_assert_whole (Fixture *f, const char *name, const char *format, guint64 capacity);

/* Adds a test with a fixture of its own. */
void fixture_add_test (const char *path, void (*test) (Fixture *f, gconstpointer data));
