/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-scheduler.h"

#include <gio/gio.h>

typedef struct
{
  MtvScheduler *scheduler;
  GString *log; /* "+a" has a slot, "a2" is second in the queue */
} Fixture;

/* Someone who wants a slot, with a hook for what happens once it has it. */
typedef struct
{
  Fixture *f;
  char name;
  void (*then) (Fixture *f, gpointer owner);
} Owner;

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  f->scheduler = mtv_scheduler_new (1);
  f->log = g_string_new (NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_assert_finalize_object (f->scheduler);
  g_string_free (f->log, TRUE);
  g_assert_false (g_main_context_pending (NULL));
}

static void
granted (gpointer data)
{
  Owner *owner = data;

  g_assert_cmpuint (mtv_scheduler_get_place (owner->f->scheduler, owner), ==, 0);
  g_string_append_printf (owner->f->log, "+%c ", owner->name);
  if (owner->then != NULL)
    owner->then (owner->f, owner);
}

static void
moved (gpointer data)
{
  Owner *owner = data;

  g_string_append_printf (owner->f->log, "%c%u ", owner->name,
                          mtv_scheduler_get_place (owner->f->scheduler, owner));
}

static void
enter (Fixture *f, Owner *owner, const char *key, MtvScheduleClass klass)
{
  owner->f = f;
  mtv_scheduler_enter (f->scheduler, owner, key, klass, granted, moved, owner);
}

/* Lets the scheduler work, then compares what it told with @expected. */
static void
expect (Fixture *f, const char *expected)
{
  g_assert_cmpstr (f->log->str, ==, ""); /* never from inside a call */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (f->log->str, ==, expected);
  g_string_truncate (f->log, 0);
}

static void
test_order (Fixture *f, gconstpointer data)
{
  Owner a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' }, r = { .name = 'r' };
  Owner other = { .name = 'o' };

  (void) data;
  enter (f, &a, "esx", MTV_SCHEDULE_BEGIN);
  enter (f, &b, "esx", MTV_SCHEDULE_BEGIN);
  enter (f, &c, "esx", MTV_SCHEDULE_BEGIN);
  enter (f, &other, "rhv", MTV_SCHEDULE_BEGIN);
  expect (f, "+a b1 c2 +o ");
  enter (f, &r, "esx", MTV_SCHEDULE_RESUME);
  expect (f, "r1 b2 c3 ");
  g_assert_true (mtv_scheduler_has (f->scheduler, &c));
  g_assert_cmpuint (mtv_scheduler_get_place (f->scheduler, &c), ==, 3);

  mtv_scheduler_leave (f->scheduler, &b); /* while queued */
  mtv_scheduler_leave (f->scheduler, &b);
  g_assert_false (mtv_scheduler_has (f->scheduler, &b));
  expect (f, "c2 ");
  mtv_scheduler_leave (f->scheduler, &a); /* while running */
  expect (f, "+r c1 ");
  mtv_scheduler_leave (f->scheduler, &r);
  expect (f, "+c ");
  mtv_scheduler_leave (f->scheduler, &c);
  enter (f, &a, "esx", MTV_SCHEDULE_BEGIN);
  mtv_scheduler_leave (f->scheduler, &a); /* before it was told */
  expect (f, "");
}

static void
test_slots (Fixture *f, gconstpointer data)
{
  Owner a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };

  (void) data;
  enter (f, &a, "esx", MTV_SCHEDULE_BEGIN);
  enter (f, &b, "esx", MTV_SCHEDULE_BEGIN);
  enter (f, &c, "esx", MTV_SCHEDULE_BEGIN);
  expect (f, "+a b1 c2 ");
  mtv_scheduler_set_slots (f->scheduler, 3);
  expect (f, "+b +c ");
  mtv_scheduler_set_slots (f->scheduler, 1); /* who runs goes on */
  expect (f, "");
  mtv_scheduler_leave (f->scheduler, &b);
  enter (f, &b, "esx", MTV_SCHEDULE_BEGIN);
  mtv_scheduler_leave (f->scheduler, &c);
  expect (f, "b1 ");
  mtv_scheduler_leave (f->scheduler, &a);
  expect (f, "+b ");
}

static void
leave_at_once (Fixture *f, gpointer owner)
{
  mtv_scheduler_leave (f->scheduler, owner);
}

static void
leave_and_queue_again (Fixture *f, gpointer data)
{
  Owner *owner = data;

  owner->then = leave_at_once;
  mtv_scheduler_leave (f->scheduler, owner);
  enter (f, owner, "esx", MTV_SCHEDULE_RESUME);
}

static void
test_reentrance (Fixture *f, gconstpointer data)
{
  Owner a = { .name = 'a', .then = leave_and_queue_again }, b = { .name = 'b' };

  (void) data;
  enter (f, &a, "esx", MTV_SCHEDULE_BEGIN);
  enter (f, &b, "esx", MTV_SCHEDULE_BEGIN);
  expect (f, "+a b1 +a +b ");
  g_assert_false (mtv_scheduler_has (f->scheduler, &a));
}

static void
test_no_starvation (Fixture *f, gconstpointer data)
{
  Owner owners[100] = { 0 };
  const char *p;

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (owners); i++)
    {
      owners[i] = (Owner){ .name = (char) ('!' + i % 90), .then = leave_at_once };
      enter (f, &owners[i], "esx", MTV_SCHEDULE_BEGIN);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
  for (guint i = 0; i < G_N_ELEMENTS (owners); i++)
    g_assert_false (mtv_scheduler_has (f->scheduler, &owners[i]));
  p = f->log->str;
  for (guint i = 0; i < G_N_ELEMENTS (owners); i++) /* first come, first served */
    {
      const char wanted[] = { '+', owners[i].name, ' ', '\0' };

      p = strstr (p, wanted);
      g_assert_nonnull (p);
      p += 3;
    }
}

/* A slot is given back and asked for again at random, mostly for what goes before others: who waits
 * is served after those that were before it, and those few that may overtake it. */
static void
test_random_steps (Fixture *f, gconstpointer data)
{
  enum
  {
    N = 30,
    SLOTS = 3
  };
  Owner owners[N] = { 0 };
  guint waited[N] = { 0 }, most = 0;
  g_autoptr (GRand) random = g_rand_new_with_seed (20240607);

  (void) data;
  mtv_scheduler_set_slots (f->scheduler, SLOTS);
  for (guint step = 0; step < 10000; step++)
    {
      guint i = (guint) g_rand_int_range (random, 0, N);

      owners[i].name = 'x';
      if (!mtv_scheduler_has (f->scheduler, &owners[i]))
        {
          /* One in a hundred begins something; the others come back all the time. */
          MtvScheduleClass klass = i == 0                                 ? MTV_SCHEDULE_BEGIN
                                   : g_rand_int_range (random, 0, 2) == 0 ? MTV_SCHEDULE_CUTOVER
                                                                          : MTV_SCHEDULE_PRECOPY;
          enter (f, &owners[i], "esx", klass);
        }
      else if (mtv_scheduler_has_slot (f->scheduler, &owners[i]))
        {
          mtv_scheduler_leave (f->scheduler, &owners[i]);
          for (guint j = 0; j < N; j++)
            waited[j] += mtv_scheduler_has (f->scheduler, &owners[j])
                         && !mtv_scheduler_has_slot (f->scheduler, &owners[j]);
        }
      while (g_main_context_iteration (NULL, FALSE))
        ;
      for (guint j = 0; j < N; j++)
        {
          most = MAX (most, waited[j]);
          if (!mtv_scheduler_has (f->scheduler, &owners[j])
              || mtv_scheduler_has_slot (f->scheduler, &owners[j]))
            waited[j] = 0;
        }
      g_string_truncate (f->log, 0);
    }
  g_assert_cmpuint (most, >, 0);
  g_assert_cmpuint (most, <=, N + MTV_SCHEDULE_PATIENCE);
  for (guint i = 0; i < N; i++)
    mtv_scheduler_leave (f->scheduler, &owners[i]);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* Who has overtaken is before who was overtaken, but not for ever. */
static void
test_classes (Fixture *f, gconstpointer data)
{
  Owner running = { .name = 'r' }, first = { .name = 'f' }, precopy = { .name = 'p' };
  Owner cutovers[MTV_SCHEDULE_PATIENCE + 1];

  (void) data;
  enter (f, &running, "esx", MTV_SCHEDULE_BEGIN);
  expect (f, "+r ");
  enter (f, &first, "esx", MTV_SCHEDULE_BEGIN);
  enter (f, &precopy, "esx", MTV_SCHEDULE_PRECOPY);
  for (guint i = 0; i < G_N_ELEMENTS (cutovers); i++)
    {
      cutovers[i] = (Owner){ .name = (char) ('A' + i) };
      enter (f, &cutovers[i], "esx", MTV_SCHEDULE_CUTOVER);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
  /* The first copy has been overtaken by the precopy and all but two of the cutovers. */
  g_assert_cmpuint (mtv_scheduler_get_place (f->scheduler, &cutovers[0]), ==, 1);
  g_assert_cmpuint (mtv_scheduler_get_place (f->scheduler, &precopy), ==, MTV_SCHEDULE_PATIENCE);
  g_assert_cmpuint (mtv_scheduler_get_place (f->scheduler, &first), ==, MTV_SCHEDULE_PATIENCE + 1);
  g_assert_false (mtv_scheduler_has_slot (f->scheduler, &first));
  g_assert_true (mtv_scheduler_has_slot (f->scheduler, &running));
  mtv_scheduler_leave (f->scheduler, &running);
  mtv_scheduler_leave (f->scheduler, &first);
  mtv_scheduler_leave (f->scheduler, &precopy);
  for (guint i = 0; i < G_N_ELEMENTS (cutovers); i++)
    mtv_scheduler_leave (f->scheduler, &cutovers[i]);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/scheduler/order", Fixture, NULL, set_up, test_order, tear_down);
  g_test_add ("/scheduler/slots", Fixture, NULL, set_up, test_slots, tear_down);
  g_test_add ("/scheduler/reentrance", Fixture, NULL, set_up, test_reentrance, tear_down);
  g_test_add ("/scheduler/no-starvation", Fixture, NULL, set_up, test_no_starvation, tear_down);
  g_test_add ("/scheduler/classes", Fixture, NULL, set_up, test_classes, tear_down);
  g_test_add ("/scheduler/random-steps", Fixture, NULL, set_up, test_random_steps, tear_down);
  return g_test_run ();
}
