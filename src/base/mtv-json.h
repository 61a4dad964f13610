/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Reads JSON (RFC 8259) of foreign hands piece by piece, in memory that does not depend on the size
 * of the document. Strings are at most 1 MiB, names of members 255 bytes, nesting 16 deep.
 * After the first mistake every answer is FALSE, NULL or 0: only mtv_json_end() need be asked
 * whether all was well. */
typedef struct _MtvJson MtvJson;

/* @what, for messages: "'manifest.json' of 'web'". The file is read from its beginning and stays
 * the caller's; the text must outlive the parser. */
MtvJson *mtv_json_new_for_file (int fd, const char *what);
MtvJson *mtv_json_new_for_text (const char *text, gsize length, const char *what);
void mtv_json_free (MtvJson *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvJson, mtv_json_free)

/* Enters what begins with @bracket, '{' or '['. */
gboolean mtv_json_begin (MtvJson *self, char bracket);
/* The name of the next member, whose value must be read then; NULL at the end of the object, which
 * is left by it. (transfer none), until the next one of this object. */
const char *mtv_json_next_member (MtvJson *self);
/* Is there another item, which must be read then? At the end the array is left. */
gboolean mtv_json_next_item (MtvJson *self);

/* Values. A string is NULL for null. (transfer none), until the next value is read. */
const char *mtv_json_get_string (MtvJson *self);
guint64 mtv_json_get_number (MtvJson *self); /* a whole one, not negative */
gboolean mtv_json_get_flag (MtvJson *self);  /* true or false */
void mtv_json_skip (MtvJson *self);          /* whatever it is */

/* Makes a mistake of what was read last: the message tells its line and its member as well. */
void mtv_json_refuse (MtvJson *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Nothing may follow. MTV_ERROR_BAD_DATA tells the first mistake. */
gboolean mtv_json_end (MtvJson *self, GError **error);

G_END_DECLS
