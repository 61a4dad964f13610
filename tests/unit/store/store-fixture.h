/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/mtv-store.h"

/* A store in a folder of its own. */
typedef struct
{
  char *directory; /* (owned) */
  MtvStore *store; /* (owned) (nullable) */
} Fixture;

void store_fixture_set_up (Fixture *f, gconstpointer data);
void store_fixture_tear_down (Fixture *f, gconstpointer data);

void store_fixture_open (Fixture *f);
void store_fixture_close (Fixture *f);

/* Has to succeed. */
void store_fixture_commit (Fixture *f, MtvStoreBatch *batch);
