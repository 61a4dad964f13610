/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-json.h"

#include "base/mtv-error.h"
#include "base/mtv-text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (64 * 1024)
#define MAX_STRING (1024 * 1024)
#define MAX_NAME 255
#define MAX_NUMBER 64
#define MAX_DEPTH 16

/* An object or array that was entered and not left. */
typedef struct
{
  char bracket;  /* that it ends with */
  guint n;       /* values begun */
  GString *name; /* (owned) (nullable) of the member that is read */
} Level;

struct _MtvJson
{
  char *what;     /* (owned) */
  int fd;         /* -1: the window is all there is */
  char *buffer;   /* (owned) (nullable) */
  guint64 offset; /* of what follows the window */
  const char *at; /* the window */
  const char *end;
  guint line;
  GString *text; /* (owned) the last string or number */
  Level levels[MAX_DEPTH];
  guint depth;
  GError *error; /* (owned) (nullable) the first */
};

MtvJson *
mtv_json_new_for_text (const char *text, gsize length, const char *what)
{
  g_return_val_if_fail (text != NULL || length == 0, NULL);
  g_return_val_if_fail (what != NULL, NULL);

  MtvJson *self = g_new0 (MtvJson, 1);

  self->what = g_strdup (what);
  self->fd = -1;
  self->at = text;
  self->end = text + length;
  self->line = 1;
  self->text = g_string_new (NULL);
  return self;
}

MtvJson *
mtv_json_new_for_file (int fd, const char *what)
{
  g_return_val_if_fail (fd >= 0, NULL);

  MtvJson *self = mtv_json_new_for_text ("", 0, what);

  self->fd = fd;
  self->buffer = g_malloc (CHUNK);
  return self;
}

void
mtv_json_free (MtvJson *self)
{
  for (guint i = 0; i < MAX_DEPTH; i++)
    if (self->levels[i].name != NULL)
      g_string_free (self->levels[i].name, TRUE);
  g_string_free (self->text, TRUE);
  g_clear_error (&self->error);
  g_free (self->buffer);
  g_free (self->what);
  g_free (self);
}

/* Like "disks[0].size". (transfer full) */
static char *
get_path (MtvJson *self)
{
  g_autoptr (GString) path = g_string_new (NULL);

  for (guint i = 0; i < self->depth; i++)
    {
      const Level *level = &self->levels[i];

      if (level->n == 0)
        continue;
      if (level->bracket == ']')
        g_string_append_printf (path, "[%u]", level->n - 1);
      else if (level->name != NULL)
        g_string_append_printf (path, "%s%s", path->len > 0 ? "." : "", level->name->str);
    }
  return g_string_free (g_steal_pointer (&path), FALSE);
}

void
mtv_json_refuse (MtvJson *self, const char *format, ...)
{
  va_list args;

  if (self->error != NULL)
    return;
  va_start (args, format);
  g_autofree char *mistake = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *path = get_path (self);
  g_autofree char *raw
      = *path == '\0'
            ? g_strdup_printf ("%s, line %u: %s", self->what, self->line, mistake)
            : g_strdup_printf ("%s, line %u, '%s': %s", self->what, self->line, path, mistake);
  g_autofree char *message = mtv_text_one_line (raw);
  g_set_error_literal (&self->error, MTV_ERROR, MTV_ERROR_BAD_DATA, message);
}

static gboolean
refill (MtvJson *self)
{
  gssize n;

  if (self->fd < 0 || self->error != NULL)
    return FALSE;
  do
    n = pread (self->fd, self->buffer, CHUNK, self->offset);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    {
      mtv_error_set_errno (&self->error, errno, "Cannot read %s", self->what);
      return FALSE;
    }
  self->offset += n;
  self->at = self->buffer;
  self->end = self->buffer + n;
  return n > 0;
}

/* The next byte, or -1 at the end. */
static int
peek (MtvJson *self)
{
  return self->at < self->end || refill (self) ? (guchar) *self->at : -1;
}

static int
take (MtvJson *self)
{
  int c = peek (self);

  if (c >= 0)
    self->at++;
  if (c == '\n')
    self->line++;
  return c;
}

static int
peek_token (MtvJson *self)
{
  int c;

  while ((c = peek (self)) == ' ' || c == '\n' || c == '\t' || c == '\r')
    take (self);
  return c;
}

static gboolean
take_literal (MtvJson *self, const char *literal)
{
  for (const char *p = literal; *p != '\0'; p++)
    if (take (self) != *p)
      {
        mtv_json_refuse (self, "no value");
        return FALSE;
      }
  return TRUE;
}

gboolean
mtv_json_begin (MtvJson *self, char bracket)
{
  g_return_val_if_fail (bracket == '{' || bracket == '[', FALSE);

  if (self->error != NULL)
    return FALSE;
  if (peek_token (self) != bracket)
    mtv_json_refuse (self, bracket == '{' ? "not an object" : "not an array");
  else if (self->depth == MAX_DEPTH)
    mtv_json_refuse (self, "nested too deeply");
  else
    {
      Level *level = &self->levels[self->depth++];

      take (self);
      level->bracket = bracket == '{' ? '}' : ']';
      level->n = 0;
      if (level->name != NULL)
        g_string_truncate (level->name, 0);
    }
  return self->error == NULL;
}

/* Comes to the next member or item of the level, or leaves it. */
static gboolean
next_value (MtvJson *self, char bracket)
{
  g_return_val_if_fail (self->error != NULL || self->depth > 0, FALSE);

  if (self->error != NULL)
    return FALSE;
  Level *level = &self->levels[self->depth - 1];
  g_return_val_if_fail (level->bracket == bracket, FALSE);
  int c = peek_token (self);

  if (c == bracket)
    {
      take (self);
      self->depth--;
      return FALSE;
    }
  if (level->n > 0)
    {
      if (c != ',')
        {
          mtv_json_refuse (self, "neither ',' nor '%c' follows", bracket);
          return FALSE;
        }
      take (self);
    }
  level->n++;
  return TRUE;
}

/* Four hexadecimal digits, or G_MAXUINT. */
static guint
take_unit (MtvJson *self)
{
  guint unit = 0;

  for (guint i = 0; i < 4; i++)
    {
      int c = take (self);
      int digit = c < 0 ? -1 : g_ascii_xdigit_value (c);

      if (digit < 0)
        return G_MAXUINT;
      unit = unit << 4 | digit;
    }
  return unit;
}

/* What follows "\u": of a pair of surrogates the second, too. 0 when it is no character. */
static gunichar
take_code (MtvJson *self)
{
  guint code = take_unit (self);

  if (code < 0xd800 || code > 0xdfff)
    return code == G_MAXUINT ? 0 : code;
  if (code > 0xdbff || take (self) != '\\' || take (self) != 'u')
    return 0;
  guint low = take_unit (self);
  if (low < 0xdc00 || low > 0xdfff)
    return 0;
  return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

static gboolean
take_escape (MtvJson *self, GString *into)
{
  static const char escapes[] = "\"\\/bfnrt";
  int c = take (self);
  const char *found = c > 0 ? strchr (escapes, c) : NULL;
  gunichar code = found != NULL ? (guchar) "\"\\/\b\f\n\r\t"[found - escapes]
                                : (c == 'u' ? take_code (self) : 0);

  if (code != 0)
    g_string_append_unichar (into, code);
  return code != 0;
}

static gboolean
take_string (MtvJson *self, GString *into, gsize max)
{
  g_string_truncate (into, 0);
  if (peek_token (self) != '"')
    {
      mtv_json_refuse (self, "not a string");
      return FALSE;
    }
  take (self);
  for (int c = take (self); c != '"'; c = take (self))
    {
      if (c < 0x20)
        mtv_json_refuse (self, "a string does not end");
      else if (into->len >= max)
        mtv_json_refuse (self, "a string is longer than %" G_GSIZE_FORMAT " bytes", max);
      else if (c != '\\')
        g_string_append_c (into, c);
      else if (!take_escape (self, into))
        mtv_json_refuse (self, "a string has an escape that means nothing");
      if (self->error != NULL)
        return FALSE;
    }
  if (!g_utf8_validate (into->str, into->len, NULL))
    mtv_json_refuse (self, "a string is not UTF-8");
  return self->error == NULL;
}

const char *
mtv_json_next_member (MtvJson *self)
{
  if (!next_value (self, '}'))
    return NULL;

  Level *level = &self->levels[self->depth - 1];
  if (level->name == NULL)
    level->name = g_string_new (NULL);
  if (!take_string (self, level->name, MAX_NAME))
    return NULL;
  if (peek_token (self) == ':')
    {
      take (self);
      return level->name->str;
    }
  mtv_json_refuse (self, "no ':' follows");
  return NULL;
}

gboolean
mtv_json_next_item (MtvJson *self)
{
  return next_value (self, ']');
}

const char *
mtv_json_get_string (MtvJson *self)
{
  if (self->error != NULL)
    return NULL;
  if (peek_token (self) == 'n')
    {
      take_literal (self, "null");
      return NULL;
    }
  return take_string (self, self->text, MAX_STRING) ? self->text->str : NULL;
}

static const char *
skip_digits (const char *p)
{
  while (g_ascii_isdigit (*p))
    p++;
  return p;
}

static gboolean
is_number (const char *p)
{
  p += *p == '-';
  if (!g_ascii_isdigit (*p))
    return FALSE;
  p = *p == '0' ? p + 1 : skip_digits (p);
  if (*p == '.')
    {
      if (!g_ascii_isdigit (*++p))
        return FALSE;
      p = skip_digits (p);
    }
  if (*p == 'e' || *p == 'E')
    {
      p++;
      p += *p == '+' || *p == '-';
      if (!g_ascii_isdigit (*p))
        return FALSE;
      p = skip_digits (p);
    }
  return *p == '\0';
}

/* Any number, into the text. */
static gboolean
take_number (MtvJson *self)
{
  g_string_truncate (self->text, 0);
  for (int c = peek_token (self); c > 0 && self->text->len <= MAX_NUMBER; c = peek (self))
    {
      if (!g_ascii_isdigit (c) && strchr ("+-.eE", c) == NULL)
        break;
      g_string_append_c (self->text, take (self));
    }
  if (self->text->len <= MAX_NUMBER && is_number (self->text->str))
    return TRUE;
  mtv_json_refuse (self, "no value");
  return FALSE;
}

guint64
mtv_json_get_number (MtvJson *self)
{
  guint64 number = 0;

  if (self->error == NULL && take_number (self)
      && !g_ascii_string_to_unsigned (self->text->str, 10, 0, G_MAXUINT64, &number, NULL))
    mtv_json_refuse (self, "not a whole number below 2^64");
  return number;
}

gboolean
mtv_json_get_flag (MtvJson *self)
{
  gboolean yes = self->error == NULL && peek_token (self) == 't';

  return self->error == NULL && take_literal (self, yes ? "true" : "false") && yes;
}

void
mtv_json_skip (MtvJson *self)
{
  int c = self->error == NULL ? peek_token (self) : -1;

  if (self->error != NULL)
    return;
  if (c == '{' && mtv_json_begin (self, '{'))
    while (mtv_json_next_member (self) != NULL)
      mtv_json_skip (self);
  else if (c == '[' && mtv_json_begin (self, '['))
    while (mtv_json_next_item (self))
      mtv_json_skip (self);
  else if (c == '"' || c == 'n')
    mtv_json_get_string (self);
  else if (c == 't' || c == 'f')
    take_literal (self, c == 't' ? "true" : "false");
  else
    take_number (self);
}

gboolean
mtv_json_end (MtvJson *self, GError **error)
{
  if (self->error == NULL && peek_token (self) >= 0)
    mtv_json_refuse (self, "more follows the end");
  if (self->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->error));
  return FALSE;
}
