/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The API server of fake-kube.h as a program: says its URL, then does what the lines on its
 * standard input say, with one line of an answer each, until their end. */
#include "fakes/fake-kube-private.h"

#include <stdio.h>

static char *
obey (FakeKube *kube, char **words)
{
  guint n = g_strv_length (words);

  if (n == 2 && g_str_equal (words[0], "get"))
    return fake_kube_get (kube, words[1]);
  if (n == 2 && g_str_equal (words[0], "count"))
    return g_strdup_printf ("%u", fake_kube_count (kube, words[1]));
  if (n == 3 && g_str_equal (words[0], "requests"))
    return g_strdup_printf ("%u", fake_kube_count_requests (kube, words[1], words[2]));
  if (n == 3 && g_str_equal (words[0], "volume"))
    return fake_kube_volume_path (kube, words[1], words[2]);
  if (n == 6 && g_str_equal (words[0], "fail"))
    fake_kube_fail (kube, words[1], words[2], (guint) g_ascii_strtoull (words[3], NULL, 10),
                    words[4], "as the test wants it",
                    (guint) g_ascii_strtoull (words[5], NULL, 10));
  else if (n == 3 && g_str_equal (words[0], "meddle"))
    fake_kube_meddle (kube, g_ascii_strtoull (words[1], NULL, 10), words[2]);
  else if (n == 1 && g_str_equal (words[0], "pending"))
    return g_strdup_printf ("%u", fake_kube_count_pending (kube));
  else if (n == 1 && g_str_equal (words[0], "go-on"))
    fake_kube_go_on (kube);
  else if (n == 1 && g_str_equal (words[0], "expire"))
    fake_kube_expire (kube);
  else if (n == 2 && g_str_equal (words[0], "remove"))
    fake_kube_remove (kube, words[1]);
  else
    g_error ("what is '%s'?", words[0]);
  return g_strdup ("done");
}

int
main (void)
{
  FakeKube *kube = fake_kube_new ();
  char line[4096];

  printf ("%s\n", fake_kube_get_url (kube));
  fflush (stdout);
  while (fgets (line, sizeof line, stdin) != NULL)
    {
      g_auto (GStrv) words = g_strsplit (g_strstrip (line), " ", -1);
      g_autofree char *answer = obey (kube, words);

      printf ("%s\n", answer != NULL ? answer : "null");
      fflush (stdout);
    }
  fake_kube_free (kube);
  return 0;
}
