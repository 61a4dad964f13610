/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-table.h"

#include "mtvctl-format.h"

#include <glib/gi18n.h>

typedef struct
{
  char *text; /* (owned), escaped */
  guint width;
  MtvctlStyle style;
} Cell;

struct _MtvctlTable
{
  const MtvctlColumn *columns;
  guint n_columns;
  GArray *cells; /* (owned) of Cell, row by row */
};

struct _MtvctlFields
{
  GPtrArray *labels; /* (owned) */
  GArray *values;    /* (owned) of Cell */
};

static void
cell_clear (gpointer cell)
{
  g_free (((Cell *) cell)->text);
}

static GArray *
cells_new (void)
{
  GArray *cells = g_array_new (FALSE, FALSE, sizeof (Cell));

  g_array_set_clear_func (cells, cell_clear);
  return cells;
}

static void
cells_add (GArray *cells, char *text, MtvctlStyle style)
{
  Cell cell = { text, mtvctl_width (text), style };

  g_array_append_val (cells, cell);
}

MtvctlTable *
mtvctl_table_new (const MtvctlColumn *columns, guint n_columns)
{
  MtvctlTable *table = g_new0 (MtvctlTable, 1);

  table->columns = columns;
  table->n_columns = n_columns;
  table->cells = cells_new ();
  return table;
}

void
mtvctl_table_free (MtvctlTable *table)
{
  g_array_unref (table->cells);
  g_free (table);
}

void
mtvctl_table_add (MtvctlTable *table, const char *text)
{
  if (text == NULL || *text == '\0')
    cells_add (table->cells, g_strdup ("-"), MTVCTL_GREY);
  else
    cells_add (table->cells, mtvctl_escape (text), MTVCTL_PLAIN);
}

void
mtvctl_table_take (MtvctlTable *table, char *text)
{
  mtvctl_table_add (table, text);
  g_free (text);
}

void
mtvctl_table_add_number (MtvctlTable *table, guint64 number)
{
  mtvctl_table_take (table, g_strdup_printf ("%" G_GUINT64_FORMAT, number));
}

void
mtvctl_table_add_state (MtvctlTable *table, const char *state)
{
  MtvctlStyle style;
  char *label = mtvctl_state_label (state, &style);

  cells_add (table->cells, label, style);
}

guint
mtvctl_table_get_n_rows (MtvctlTable *table)
{
  return table->cells->len / table->n_columns;
}

static void
measure (MtvctlTable *table, gboolean header, guint *widths)
{
  for (guint c = 0; c < table->n_columns; c++)
    widths[c] = header ? mtvctl_width (_ (table->columns[c].title)) : 1;
  for (guint i = 0; i < table->cells->len; i++)
    {
      guint *width = &widths[i % table->n_columns];

      *width = MAX (*width, g_array_index (table->cells, Cell, i).width);
    }
}

/* Takes @excess away from the widest columns that may be cut; FALSE if that is not enough. */
static gboolean
shrink (const MtvctlColumn *columns, guint n, guint *widths, guint excess)
{
  while (excess > 0)
    {
      guint widest = n;

      for (guint c = 0; c < n; c++)
        if (columns[c].min > 0 && widths[c] > columns[c].min
            && (widest == n || widths[c] > widths[widest]))
          widest = c;
      if (widest == n)
        return FALSE;
      widths[widest]--;
      excess--;
    }
  return TRUE;
}

/* The column to leave out next, or @n when only those that must stay are left. */
static guint
least_important (const MtvctlColumn *columns, guint n, const guint *natural)
{
  guint least = n;

  for (guint c = 0; c < n; c++)
    if (natural[c] > 0 && columns[c].rank > 0
        && (least == n || columns[c].rank > columns[least].rank))
      least = c;
  return least;
}

/* Leaves in @widths how wide each column gets; 0 is left out. */
static void
fit (const MtvctlColumn *columns, guint n, guint *widths, guint width)
{
  g_autofree guint *natural = g_memdup2 (widths, n * sizeof *widths);

  while (width > 0)
    {
      guint sum = 0, shown = 0;

      for (guint c = 0; c < n; c++)
        if ((widths[c] = natural[c]) > 0)
          {
            sum += widths[c];
            shown++;
          }
      sum += shown - 1;
      if (sum <= width || shrink (columns, n, widths, sum - width))
        return;
      guint least = least_important (columns, n, natural);
      if (least == n)
        return;
      natural[least] = 0;
    }
}

static void
pad (GString *out, guint n)
{
  while (n-- > 0)
    g_string_append_c (out, ' ');
}

static void
render_cell (const MtvctlTerminal *terminal, const MtvctlColumn *column, const Cell *cell,
             guint width, gboolean last, GString *out)
{
  gboolean right = column->flags & MTVCTL_COLUMN_RIGHT;
  g_autofree char *cut
      = cell->width > width
            ? mtvctl_ellipsize (cell->text, width, column->flags & MTVCTL_COLUMN_MIDDLE)
            : NULL;
  guint rest = width - MIN (width, cut != NULL ? mtvctl_width (cut) : cell->width);

  if (right)
    pad (out, rest);
  if (cell->style != MTVCTL_PLAIN)
    g_string_append (out, mtvctl_style (terminal, cell->style));
  g_string_append (out, cut != NULL ? cut : cell->text);
  if (cell->style != MTVCTL_PLAIN)
    g_string_append (out, mtvctl_style (terminal, MTVCTL_PLAIN));
  if (!right && !last)
    pad (out, rest);
}

static void
render_row (MtvctlTable *table, const MtvctlTerminal *terminal, const Cell *row,
            const guint *widths, GString *out)
{
  guint last = table->n_columns - 1;

  while (last > 0 && widths[last] == 0)
    last--;
  for (guint c = 0; c <= last; c++)
    if (widths[c] > 0)
      {
        render_cell (terminal, &table->columns[c], &row[c], widths[c], c == last, out);
        if (c < last)
          g_string_append_c (out, ' ');
      }
  g_string_append_c (out, '\n');
}

void
mtvctl_table_render (MtvctlTable *table, const MtvctlTerminal *terminal, gboolean header,
                     GString *out)
{
  g_autofree guint *widths = g_new0 (guint, table->n_columns);
  g_autofree Cell *titles = g_new0 (Cell, table->n_columns);

  measure (table, header, widths);
  fit (table->columns, table->n_columns, widths, terminal->width);
  for (guint c = 0; c < table->n_columns; c++)
    titles[c] = (Cell){ (char *) _ (table->columns[c].title),
                        mtvctl_width (_ (table->columns[c].title)), MTVCTL_PLAIN };
  if (header)
    {
      g_string_append (out, mtvctl_style (terminal, MTVCTL_UNDERLINE));
      render_row (table, terminal, titles, widths, out);
      if (terminal->colour)
        g_string_insert (out, out->len - 1, mtvctl_style (terminal, MTVCTL_PLAIN));
    }
  for (guint i = 0; i < table->cells->len; i += table->n_columns)
    render_row (table, terminal, &g_array_index (table->cells, Cell, i), widths, out);
}

MtvctlFields *
mtvctl_fields_new (void)
{
  MtvctlFields *fields = g_new0 (MtvctlFields, 1);

  fields->labels = g_ptr_array_new_with_free_func (g_free);
  fields->values = cells_new ();
  return fields;
}

void
mtvctl_fields_free (MtvctlFields *fields)
{
  g_ptr_array_unref (fields->labels);
  g_array_unref (fields->values);
  g_free (fields);
}

void
mtvctl_fields_add (MtvctlFields *fields, const char *label, const char *value)
{
  if (value == NULL || *value == '\0')
    return;
  g_ptr_array_add (fields->labels, g_strdup (label));
  cells_add (fields->values, mtvctl_escape (value), MTVCTL_PLAIN);
}

void
mtvctl_fields_take (MtvctlFields *fields, const char *label, char *value)
{
  mtvctl_fields_add (fields, label, value);
  g_free (value);
}

void
mtvctl_fields_add_state (MtvctlFields *fields, const char *label, const char *state)
{
  MtvctlStyle style;
  char *text = mtvctl_state_label (state, &style);

  g_ptr_array_add (fields->labels, g_strdup (label));
  cells_add (fields->values, text, style);
}

void
mtvctl_fields_render (MtvctlFields *fields, const MtvctlTerminal *terminal, GString *out)
{
  guint widest = 0;

  for (guint i = 0; i < fields->labels->len; i++)
    widest = MAX (widest, mtvctl_width (g_ptr_array_index (fields->labels, i)));
  for (guint i = 0; i < fields->labels->len; i++)
    {
      const char *label = g_ptr_array_index (fields->labels, i);
      const Cell *value = &g_array_index (fields->values, Cell, i);

      pad (out, widest - mtvctl_width (label));
      g_string_append_printf (out, "%s: ", label);
      if (value->style != MTVCTL_PLAIN)
        g_string_append (out, mtvctl_style (terminal, value->style));
      g_string_append (out, value->text);
      if (value->style != MTVCTL_PLAIN)
        g_string_append (out, mtvctl_style (terminal, MTVCTL_PLAIN));
      g_string_append_c (out, '\n');
    }
}
