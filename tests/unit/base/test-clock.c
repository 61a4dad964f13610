/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-clock-system.h"
#include "fakes/fake-clock.h"

#include <string.h>

#define HOUR (G_GUINT64_CONSTANT (3600) * G_USEC_PER_SEC)

/* Declared first, as the clock frees what points at it. */
typedef struct
{
  MtvClock *clock; /* (unowned) */
  GString *calls;  /* (owned) */
  guint n_freed;
} Fixture;

typedef struct
{
  Fixture *fixture;
  char name;
  guint64 again_usec; /* 0: not again; 1: at a time that is past */
} Call;

static guint add (Fixture *f, char name, guint64 at_usec, guint64 again_usec);

static void
alarm_cb (gpointer data)
{
  Call *call = data;

  g_string_append_c (call->fixture->calls, call->name);
  if (call->again_usec == 1)
    add (call->fixture, call->name, 1, 1);
  else if (call->again_usec != 0)
    add (call->fixture, call->name, mtv_clock_now (call->fixture->clock) + call->again_usec,
         call->again_usec);
}

static void
call_free (gpointer data)
{
  Call *call = data;

  call->fixture->n_freed++;
  g_free (call);
}

static guint
add (Fixture *f, char name, guint64 at_usec, guint64 again_usec)
{
  Call *call = g_new (Call, 1);

  *call = (Call){ f, name, again_usec };
  return mtv_clock_add_alarm (f->clock, at_usec, alarm_cb, call, call_free);
}

static void
test_fake (void)
{
  Fixture f;
  g_autoptr (FakeClock) clock = fake_clock_new (1000);
  g_autoptr (GString) calls = g_string_new (NULL);
  f = (Fixture){ MTV_CLOCK (clock), calls, 0 };

  add (&f, 'c', 1300, 0);
  add (&f, 'a', 1100, 0);
  guint gone = add (&f, 'x', 1150, 0);
  add (&f, 'b', 1100, 0);
  add (&f, 'p', 10, 0); /* what is past is due */
  g_assert_cmpstr (calls->str, ==, "");
  g_assert_cmpuint (fake_clock_get_next (clock), ==, 10);

  mtv_clock_remove_alarm (f.clock, gone);
  g_assert_cmpuint (f.n_freed, ==, 1);
  fake_clock_advance (clock, 100);
  g_assert_cmpstr (calls->str, ==, "pab");
  g_assert_cmpuint (mtv_clock_now (f.clock), ==, 1100);
  fake_clock_advance (clock, 199);
  g_assert_cmpstr (calls->str, ==, "pab");
  fake_clock_advance (clock, 1);
  g_assert_cmpstr (calls->str, ==, "pabc");
  g_assert_cmpuint (f.n_freed, ==, 5);
  g_assert_cmpuint (fake_clock_get_next (clock), ==, G_MAXUINT64);
}

/* 28 hourly alarms, each set by the one before, interleaved with one of its own time. */
static void
test_fake_chain (void)
{
  Fixture f;
  g_autoptr (FakeClock) clock = fake_clock_new (0);
  g_autoptr (GString) calls = g_string_new (NULL);
  f = (Fixture){ MTV_CLOCK (clock), calls, 0 };

  add (&f, 'h', HOUR, HOUR);
  add (&f, '!', 2 * HOUR + 1, 0);
  fake_clock_advance (clock, 28 * HOUR);
  g_assert_cmpuint (calls->len, ==, 29);
  g_assert_true (g_str_has_prefix (calls->str, "hh!h"));
  g_assert_cmpuint (fake_clock_get_next (clock), ==, 29 * HOUR);
}

static void
test_system (void)
{
  Fixture f;
  g_autoptr (MtvClock) clock = mtv_clock_system_new ();
  g_autoptr (GString) calls = g_string_new (NULL);
  f = (Fixture){ clock, calls, 0 };
  guint64 start = mtv_clock_now (clock);

  g_assert_cmpuint (start, >, G_GUINT64_CONSTANT (1600000000) * G_USEC_PER_SEC);
  guint far = add (&f, 'f', start + HOUR, 0);
  add (&f, 'b', start + 40000, 0);
  add (&f, 'a', start + 20000, 0);
  add (&f, 'p', 1, 0);
  g_assert_cmpstr (calls->str, ==, "");
  while (calls->len < 3)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (calls->str, ==, "pab");
  g_assert_cmpuint (mtv_clock_now (clock), >=, start + 40000);

  mtv_clock_remove_alarm (clock, far);
  g_assert_cmpuint (f.n_freed, ==, 4);
}

/* One that sets itself for a time that is past does not keep the others from their turn. */
static void
test_system_fair (void)
{
  Fixture f;
  g_autoptr (GString) calls = g_string_new (NULL);
  MtvClock *clock = mtv_clock_system_new ();
  f = (Fixture){ clock, calls, 0 };

  add (&f, 'i', 1, 1);
  add (&f, 'b', 2, 0);
  while (calls->len < 4)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (calls->str, ==, "ibii");

  g_object_unref (clock);
  g_assert_cmpuint (f.n_freed, ==, 5);
}

/* Is a timer set, the kernel tells it: the fields of timerfd in proc(5). */
static gboolean
is_any_timer_set (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fdinfo", 0, NULL);
  gboolean set = FALSE, seen = FALSE;

  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    {
      g_autofree char *path = g_build_filename ("/proc/self/fdinfo", name, NULL);
      g_autofree char *text = NULL;

      if (!g_file_get_contents (path, &text, NULL, NULL) || strstr (text, "it_value") == NULL)
        continue;
      seen = TRUE;
      set = set || strstr (text, "it_value: (0, 0)") == NULL;
    }
  g_assert_true (seen);
  return set;
}

static void
test_system_idle (void)
{
  Fixture f;
  g_autoptr (MtvClock) clock = mtv_clock_system_new ();
  g_autoptr (GString) calls = g_string_new (NULL);
  f = (Fixture){ clock, calls, 0 };

  g_assert_false (is_any_timer_set ());
  guint id = add (&f, 'x', mtv_clock_now (clock) + HOUR, 0);
  g_assert_true (is_any_timer_set ());
  mtv_clock_remove_alarm (clock, id);
  g_assert_false (is_any_timer_set ());

  add (&f, 'a', 1, 0);
  while (calls->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (is_any_timer_set ());
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/clock/fake", test_fake);
  g_test_add_func ("/clock/fake-chain", test_fake_chain);
  g_test_add_func ("/clock/system", test_system);
  g_test_add_func ("/clock/system-fair", test_system_fair);
  g_test_add_func ("/clock/system-idle", test_system_idle);
  return g_test_run ();
}
