/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Events an administrator may act on; each has an entry in data/systemd/mtv.catalog. */
#define MTV_MESSAGE_STARTED "5aa283c8e8ee48ccaba6442ea9d32e5a"
#define MTV_MESSAGE_JOB_STARTED "218c783c7afa44878d423cde6540e549"
#define MTV_MESSAGE_JOB_SUCCEEDED "9d9fbfe8140b49c6b91760e2e77b6882"
#define MTV_MESSAGE_JOB_FAILED "4d17d39c31964036bf57081c3b859736"
#define MTV_MESSAGE_JOB_CANCELLED "5c9e7b8370f744d8bceb8d77ba0d6717"
#define MTV_MESSAGE_JOB_SUSPENDED "f3d01764878d464c8e82f7e197a3704d"
#define MTV_MESSAGE_JOB_RESUMED "fc24b1fbd6a74fbe8b6aec7b6fcde826"

typedef struct
{
  const char *provider; /* (nullable), as all: name or id, MTV_PROVIDER= in the journal */
  const char *run;      /* MTV_JOB= */
  const char *vm;       /* MTV_VM= */
  const char *disk;     /* MTV_DISK= */
} MtvLogFields;

/* Sends everything to the journal when stderr goes there, else as text to stderr; from then on
 * messages above the level are dropped. Once, at start-up. */
void mtv_log_init (void);

/* A level by its name in LogControl1: "emerg" … "debug". Any thread. */
gboolean mtv_log_set_level (const char *level);
const char *mtv_log_get_level (void);
/* "journal" or "console". */
const char *mtv_log_get_target (void);

/* A structured message; @message_id and @fields may be NULL. */
void mtv_log (GLogLevelFlags level, const char *message_id, const MtvLogFields *fields,
              const char *format, ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
