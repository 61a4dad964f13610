/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ova-manifest.h"

#include <string.h>

#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void
assert_entry (const char *text, const char *name, const char *algorithm, const char *hex)
{
  g_autoptr (MtvOvaManifest) manifest = mtv_ova_manifest_parse (text, strlen (text));
  const char *found = NULL;

  g_assert_cmpstr (mtv_ova_manifest_find (manifest, name, &found), ==, hex);
  g_assert_cmpstr (found, ==, algorithm);
}

static void
test_spellings (void)
{
  g_autofree char *sha512 = g_compute_checksum_for_string (G_CHECKSUM_SHA512, "", 0);
  g_autofree char *line = g_strconcat ("SHA512(a.vmdk)=", sha512, NULL);

  assert_entry ("SHA1(a.vmdk)= " SHA1 "\n", "a.vmdk", "sha1", SHA1);
  assert_entry ("SHA256(a.vmdk)= " SHA256 "\r\n", "a.vmdk", "sha256", SHA256);
  assert_entry ("sha256 (a.vmdk) = " SHA256, "a.vmdk", "sha256", SHA256);
  assert_entry ("SHA2-256(./a.vmdk)=" SHA256 "  ", "a.vmdk", "sha256", SHA256);
  assert_entry ("SHA1(a (1).vmdk)= DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "a (1).vmdk", "sha1",
                SHA1);
  assert_entry (line, "a.vmdk", "sha512", sha512);
}

static void
test_several (void)
{
  const char *text = "SHA256(a)= " SHA256 "\nSHA1(a)= " SHA1 "\n\nSHA1(b)= " SHA1 "\n";

  assert_entry (text, "a", "sha256", SHA256); /* the stronger one */
  assert_entry (text, "b", "sha1", SHA1);
  assert_entry (text, "c", NULL, NULL);
}

static void
test_passed_over (void)
{
  assert_entry ("MD5(a)= d41d8cd98f00b204e9800998ecf8427e\n", "a", NULL, NULL);
  assert_entry ("SHA256(a)= " SHA1 "\n", "a", NULL, NULL);
  assert_entry ("SHA1(a)= zz39a3ee5e6b4b0d3255bfef95601890afd80709\n", "a", NULL, NULL);
  assert_entry ("SHA1 a = " SHA1 "\n=)(\n(\n)\n=\n", "a", NULL, NULL);
  assert_entry ("", "a", NULL, NULL);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/ova-manifest/spellings", test_spellings);
  g_test_add_func ("/ova-manifest/several", test_several);
  g_test_add_func ("/ova-manifest/passed-over", test_passed_over);

  return g_test_run ();
}
