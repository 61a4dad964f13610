/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-transfer-options.h"

#include "base/mtv-error.h"
#include "dbus/mtv-options.h"

#define MAX_FILES 64

static const MtvOption copy_options[] = {
  { "source-file", "h" },
  { "source-format", "s" },
  { "bitmap", "s" },
  { "ca", "s" },
  { "insecure", "b" },
  { "destination-file", "h" },
  { "destination-direct", "h" },
  { "destination-format", "s" },
  { "fresh", "b" },
  { "preallocate", "b" },
  { "force", "b" },
  { "hash", "s" },
  { "verify", "s" },
  { "throttle", "t" },
  { "manifest", "h" },
  { "compare", "b" },
  { "manifest-in", "h" },
  { NULL, NULL },
};

static const MtvOption verify_options[] = {
  { "directory", "h" }, { "manifest", "h" }, { "files", "a{sh}" }, { "full", "b" }, { NULL, NULL },
};

/* TRUE also when it is not there: then @fd stays as it is. */
static gboolean
take_fd (GVariant *options, GUnixFDList *fds, const char *key, int *fd, GError **error)
{
  g_autoptr (GVariant) handle = g_variant_lookup_value (options, key, G_VARIANT_TYPE_HANDLE);

  if (handle == NULL)
    return TRUE;
  *fd = mtv_options_take_fd (fds, handle, key, error);
  return *fd >= 0;
}

static gboolean
refuse (GError **error, const char *key, const char *value, const char *known)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' may be %s, not '%s'", key, known,
               value);
  return FALSE;
}

static gboolean
parse_words (MtvCopyRequest *request, GVariant *options, GError **error)
{
  static const char *const verify[] = { "written", "full", "off" }; /* as MtvTransferVerify */
  const char *word;
  guint i = 0;

  if (g_variant_lookup (options, "verify", "&s", &word))
    {
      while (i < G_N_ELEMENTS (verify) && !g_str_equal (word, verify[i]))
        i++;
      if (i == G_N_ELEMENTS (verify))
        return refuse (error, "verify", word, "written, full or off");
      request->verify = i;
    }
  if (g_variant_lookup (options, "hash", "&s", &word)
      && !mtv_hash_from_string (word, &request->hash))
    return refuse (error, "hash", word, "xxh3-128 or sha256");
  if (g_variant_lookup (options, "destination-format", "&s", &word) && !g_str_equal (word, "raw"))
    return refuse (error, "destination-format", word, "raw");
  if (g_variant_lookup (options, "source-format", "&s", &word) && !g_str_equal (word, "auto"))
    request->ends->source_format = g_strdup (word);
  return TRUE;
}

MtvCopyRequest *
mtv_transfer_options_parse_copy (const char *source, const char *destination, GVariant *options,
                                 GUnixFDList *fds, GError **error)
{
  g_autoptr (MtvCopyRequest) request = mtv_copy_request_new (source, destination);
  MtvTransferEnds *ends = request->ends;

  if (!mtv_options_check (options, copy_options, error) || !parse_words (request, options, error)
      || !take_fd (options, fds, "source-file", &ends->source_fd, error)
      || !take_fd (options, fds, "destination-file", &ends->destination_fd, error)
      || !take_fd (options, fds, "destination-direct", &ends->destination_direct_fd, error)
      || !take_fd (options, fds, "manifest", &request->manifest_fd, error)
      || !take_fd (options, fds, "manifest-in", &request->manifest_in_fd, error))
    return NULL;
  g_variant_lookup (options, "bitmap", "s", &ends->bitmap);
  g_variant_lookup (options, "ca", "s", &ends->ca);
  g_variant_lookup (options, "insecure", "b", &ends->insecure);
  g_variant_lookup (options, "fresh", "b", &ends->fresh);
  g_variant_lookup (options, "preallocate", "b", &ends->preallocate);
  g_variant_lookup (options, "force", "b", &request->force);
  g_variant_lookup (options, "throttle", "t", &request->throttle);
  g_variant_lookup (options, "compare", "b", &request->compare);
  return g_steal_pointer (&request);
}

static gboolean
take_files (MtvVerifyRequest *request, GVariant *options, GUnixFDList *fds, GError **error)
{
  g_autoptr (GVariant) files = g_variant_lookup_value (options, "files", G_VARIANT_TYPE ("a{sh}"));

  if (files != NULL && g_variant_n_children (files) > MAX_FILES)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED, "'files' may be at most %d",
                   MAX_FILES);
      return FALSE;
    }
  for (gsize i = 0; files != NULL && i < g_variant_n_children (files); i++)
    {
      g_autoptr (GVariant) handle = NULL;
      const char *name;
      int fd;

      g_variant_get_child (files, i, "{&s@h}", &name, &handle);
      fd = mtv_options_take_fd (fds, handle, "files", error);
      if (fd < 0)
        return FALSE;
      g_hash_table_insert (request->files, g_strdup (name), GINT_TO_POINTER (fd));
    }
  return TRUE;
}

MtvVerifyRequest *
mtv_transfer_options_parse_verify (const char *name, GVariant *options, GUnixFDList *fds,
                                   GError **error)
{
  g_autoptr (MtvVerifyRequest) request = mtv_verify_request_new (name);

  if (!mtv_options_check (options, verify_options, error)
      || !take_fd (options, fds, "directory", &request->directory_fd, error)
      || !take_fd (options, fds, "manifest", &request->manifest_fd, error)
      || !take_files (request, options, fds, error))
    return NULL;
  g_variant_lookup (options, "full", "b", &request->full);
  return g_steal_pointer (&request);
}
