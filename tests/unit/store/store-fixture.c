/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-fixture.h"

#include "base/mtv-io.h"

#include <fcntl.h>

void
store_fixture_open (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->store = mtv_store_open (f->directory, &error);
  g_assert_no_error (error);
}

void
store_fixture_close (Fixture *f)
{
  mtv_store_close (f->store);
  g_clear_object (&f->store);
}

void
store_fixture_set_up (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->directory = g_dir_make_tmp ("mtv-store-XXXXXX", NULL);
  store_fixture_open (f);
}

void
store_fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  store_fixture_close (f);
  mtv_io_remove_tree (AT_FDCWD, f->directory, NULL);
  g_free (f->directory);
}

void
store_fixture_commit (Fixture *f, MtvStoreBatch *batch)
{
  g_autoptr (GError) error = NULL;

  mtv_store_commit (f->store, batch, &error);
  g_assert_no_error (error);
}
