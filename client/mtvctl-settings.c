/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-settings.h"

#include "base/mtv-error.h"
#include "mtvctl-bus.h"
#include "mtvctl-format.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define MAX_SECRET (1024 * 1024)
#define INTERRUPT 3 /* what Ctrl-C is, as a character */
#define END_OF_FILE 4

typedef struct
{
  Mtvctl *ctl;
  const char *type;          /* of the provider */
  GVariant *known;           /* (unowned) a(sssb) */
  GVariantBuilder *settings; /* a{sv} */
  GVariantBuilder *secrets;  /* a{ss} */
  char *user;                /* (owned) (nullable) */
  gboolean has_password;
} Words;

/* The D-Bus type of the values of @key; NULL: there is none. */
static const char *
find_type (Words *self, const char *key, gboolean secret)
{
  GVariantIter iter;
  const char *type, *name, *value_type;
  gboolean is_secret;

  g_variant_iter_init (&iter, self->known);
  while (g_variant_iter_next (&iter, "(&s&s&sb)", &type, &name, &value_type, &is_secret))
    if (is_secret == secret && g_str_equal (type, self->type) && g_str_equal (name, key))
      return value_type;
  return NULL;
}

static gboolean
fail_unknown (Words *self, const char *key, gboolean secret, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  GVariantIter iter;
  const char *type, *name;
  gboolean is_secret;

  g_variant_iter_init (&iter, self->known);
  while (g_variant_iter_next (&iter, "(&s&s&sb)", &type, &name, NULL, &is_secret))
    if (is_secret == secret && g_str_equal (type, self->type))
      g_string_append_printf (names, "%s%s", names->len == 0 ? "" : ", ", name);
  if (names->len == 0)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 secret ? _ ("A provider of type '%s' has no secrets, and so no '%s'.")
                        : _ ("A provider of type '%s' has no settings, and so no '%s'."),
                 self->type, key);
  else
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 secret ? _ ("A provider of type '%s' has no secret '%s', only: %s.")
                        : _ ("A provider of type '%s' has no setting '%s', only: %s."),
                 self->type, key, names->str);
  return FALSE;
}

static GVariant *
parse_value (const char *type, const char *text)
{
  guint64 number;

  if (g_str_equal (type, "s") && g_utf8_validate (text, -1, NULL))
    return g_variant_new_string (text);
  if (g_str_equal (type, "b") && (g_str_equal (text, "yes") || g_str_equal (text, "true")))
    return g_variant_new_boolean (TRUE);
  if (g_str_equal (type, "b") && (g_str_equal (text, "no") || g_str_equal (text, "false")))
    return g_variant_new_boolean (FALSE);
  if (g_str_equal (type, "u")
      && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &number, NULL))
    return g_variant_new_uint32 ((guint32) number);
  if (g_str_equal (type, "as") && g_utf8_validate (text, -1, NULL))
    {
      g_auto (GStrv) words = g_strsplit (text, ",", -1);

      return g_variant_new_strv ((const char *const *) words, -1);
    }
  return NULL;
}

static gboolean
add_setting (Words *self, const char *key, const char *text, GError **error)
{
  const char *type = find_type (self, key, FALSE);

  if (type == NULL)
    return fail_unknown (self, key, FALSE, error);
  GVariant *value = parse_value (type, text);
  if (value == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _ ("'%s' is not a value for %s."), text, key);
      return FALSE;
    }
  g_variant_builder_add (self->settings, "{sv}", key, value);
  if (g_str_equal (key, "user"))
    {
      g_free (self->user);
      self->user = g_strdup (text);
    }
  return TRUE;
}

static gboolean
add_secret (Words *self, const char *key, const char *value, GError **error)
{
  if (find_type (self, key, TRUE) == NULL)
    return fail_unknown (self, key, TRUE, error);
  g_variant_builder_add (self->secrets, "{ss}", key, value);
  self->has_password = self->has_password || g_str_equal (key, "password");
  return TRUE;
}

/* Without the end of its last line. "-": standard input. (transfer full) */
static char *
read_text (const char *path, GError **error)
{
  gboolean standard = g_str_equal (path, "-");
  g_autoptr (GString) text = g_string_new (NULL);
  FILE *file = standard ? stdin : fopen (path, "re");
  char buffer[4096];
  gsize n;

  if (file == NULL)
    {
      mtv_error_set_errno (error, errno, _ ("Cannot open '%s'"), path);
      return NULL;
    }
  while (text->len <= MAX_SECRET && (n = fread (buffer, 1, sizeof buffer, file)) > 0)
    g_string_append_len (text, buffer, (gssize) n);
  if (!standard)
    fclose (file);
  while (text->len > 0 && strchr ("\r\n", text->str[text->len - 1]) != NULL)
    g_string_truncate (text, text->len - 1);
  if (text->len > 0 && text->len <= MAX_SECRET && g_utf8_validate_len (text->str, text->len, NULL))
    return g_string_free (g_steal_pointer (&text), FALSE);
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               _ ("'%s' is empty, larger than a megabyte, or no text."), path);
  return NULL;
}

/* KEY=VALUE, of which the key comes back. (transfer full) */
static char *
split (const char *arg, const char **value, GError **error)
{
  const char *sign = strchr (arg, '=');

  if (sign != NULL && sign != arg)
    {
      *value = sign + 1;
      return g_strndup (arg, sign - arg);
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               _ ("'%s' is not of the form KEY=VALUE."), arg);
  return NULL;
}

static gboolean
add_list (Words *self, GPtrArray *list, gboolean secret, GError **error)
{
  for (guint i = 0; list != NULL && i < list->len; i++)
    {
      const char *value;
      g_autofree char *key = split (g_ptr_array_index (list, i), &value, error);
      g_autofree char *text = NULL;

      if (key == NULL)
        return FALSE;
      if (!secret && !add_setting (self, key, value, error))
        return FALSE;
      if (secret
          && ((text = read_text (value, error)) == NULL || !add_secret (self, key, text, error)))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_short_forms (Words *self, GError **error)
{
  Mtvctl *ctl = self->ctl;
  g_autofree char *ca = ctl->ca_file == NULL ? NULL : read_text (ctl->ca_file, error);
  g_autofree char *password
      = ctl->password_file == NULL ? NULL : read_text (ctl->password_file, error);

  if ((ctl->ca_file != NULL && ca == NULL) || (ctl->password_file != NULL && password == NULL))
    return FALSE;
  return (ctl->username == NULL || add_setting (self, "user", ctl->username, error))
         && (ca == NULL || add_setting (self, "ca", ca, error))
         && (ctl->thumbprint == NULL || add_setting (self, "thumbprint", ctl->thumbprint, error))
         && (!ctl->insecure || add_setting (self, "insecure", "yes", error))
         && (password == NULL || add_secret (self, "password", password, error));
}

/* A line from the terminal that is not shown; NULL: none came. Ctrl-C is a character meanwhile, so
 * that the terminal is put back in any case. (transfer full) */
static char *
ask (const char *question)
{
  g_autoptr (GString) line = g_string_new (NULL);
  struct termios before, quiet;
  char c = 0;
  gboolean good = FALSE;

  if (tcgetattr (STDIN_FILENO, &before) < 0)
    return NULL;
  quiet = before;
  quiet.c_lflag &= ~(tcflag_t) (ECHO | ISIG | ICANON);
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &quiet); /* first: who answers quickly is not to be seen */
  fputs (question, stderr);
  while (!good && read (STDIN_FILENO, &c, 1) == 1 && c != INTERRUPT && c != END_OF_FILE)
    if (c == '\n' || c == '\r')
      good = TRUE;
    else if (c == (char) before.c_cc[VERASE])
      g_string_truncate (line, line->len > 0 ? line->len - 1 : 0);
    else
      g_string_append_c (line, c);
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
  fputc ('\n', stderr);
  return good && g_utf8_validate_len (line->str, line->len, NULL)
             ? g_string_free (g_steal_pointer (&line), FALSE)
             : NULL;
}

static gboolean
ask_password (Words *self, const char *name, GError **error)
{
  if (name == NULL || self->user == NULL || self->has_password || self->ctl->no_ask_password
      || find_type (self, "password", TRUE) == NULL || !isatty (STDIN_FILENO))
    return TRUE;

  g_autofree char *question = g_strdup_printf (_ ("Password of '%s' at '%s': "), self->user, name);
  g_autofree char *password = ask (question);
  if (password != NULL)
    return add_secret (self, "password", password, error);
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_CANCELLED, _ ("No password was given."));
  return FALSE;
}

gboolean
mtvctl_add_settings (Mtvctl *ctl, const char *type, const char *asking_for,
                     GVariantBuilder *options, GError **error)
{
  g_auto (GVariantBuilder) settings = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_auto (GVariantBuilder) secrets = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{ss}"));
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);

  if (manager == NULL)
    return FALSE;
  Words words = { .ctl = ctl,
                  .type = type,
                  .known = mtv_dbus_manager_get_provider_settings (manager),
                  .settings = &settings,
                  .secrets = &secrets };
  gboolean good = add_short_forms (&words, error) && add_list (&words, ctl->set, FALSE, error)
                  && add_list (&words, ctl->secrets, TRUE, error)
                  && ask_password (&words, asking_for, error);
  g_free (words.user);
  if (!good)
    return FALSE;

  g_autoptr (GVariant) all = g_variant_ref_sink (g_variant_builder_end (&settings));
  g_autoptr (GVariant) hidden = g_variant_ref_sink (g_variant_builder_end (&secrets));
  if (g_variant_n_children (all) > 0)
    g_variant_builder_add (options, "{sv}", "settings", all);
  if (g_variant_n_children (hidden) > 0)
    g_variant_builder_add (options, "{sv}", "secrets", hidden);
  return TRUE;
}
