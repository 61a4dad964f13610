/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl-output.h"

G_BEGIN_DECLS

typedef enum
{
  MTVCTL_COLUMN_LEFT = 0,
  MTVCTL_COLUMN_RIGHT = 1 << 0,  /* numbers */
  MTVCTL_COLUMN_MIDDLE = 1 << 1, /* a path or address: loses its middle, not its end */
} MtvctlColumnFlags;

typedef struct
{
  const char *title; /* to be translated */
  MtvctlColumnFlags flags;
  guint min;  /* may be cut down to this many columns; 0: never cut */
  guint rank; /* where it is too narrow for all, the highest rank is left out first; 0: never */
} MtvctlColumn;

typedef struct _MtvctlTable MtvctlTable;

/* @columns: static. */
MtvctlTable *mtvctl_table_new (const MtvctlColumn *columns, guint n_columns);
void mtvctl_table_free (MtvctlTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvctlTable, mtvctl_table_free)

/* Cells come row by row; NULL and "" show as "-". Text from elsewhere is escaped here. */
void mtvctl_table_add (MtvctlTable *table, const char *text);
void mtvctl_table_take (MtvctlTable *table, char *text);
void mtvctl_table_add_number (MtvctlTable *table, guint64 number);
void mtvctl_table_add_state (MtvctlTable *table, const char *state);

guint mtvctl_table_get_n_rows (MtvctlTable *table);

/* Appends the table, cut to the terminal's width. */
void mtvctl_table_render (MtvctlTable *table, const MtvctlTerminal *terminal, gboolean header,
                          GString *out);

/* "   Label: value" lines, labels aligned to the right as in `systemctl show`'s relatives. */
typedef struct _MtvctlFields MtvctlFields;

MtvctlFields *mtvctl_fields_new (void);
void mtvctl_fields_free (MtvctlFields *fields);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvctlFields, mtvctl_fields_free)

/* @label: translated. What has no value is left out. */
void mtvctl_fields_add (MtvctlFields *fields, const char *label, const char *value);
void mtvctl_fields_take (MtvctlFields *fields, const char *label, char *value);
void mtvctl_fields_add_state (MtvctlFields *fields, const char *label, const char *state);
void mtvctl_fields_render (MtvctlFields *fields, const MtvctlTerminal *terminal, GString *out);

G_END_DECLS
