/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-domain.h"

#include "local-fixture.h"

#include <gio/gio.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <string.h>

/* HOSTILE on one line. */
#define HOSTILE_LINE "<&'\"]]> - a: {b} #    \346\227\245\\ ../x: \"%s\" &amp;"

typedef struct
{
  MtvTarget *target;      /* (owned) */
  char *xml;              /* (owned) */
  xmlDoc *doc;            /* (owned) */
  xmlXPathContext *xpath; /* (owned) */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  f->target = local_fixture_target ();
}

static void
clear (Fixture *f)
{
  g_clear_pointer (&f->xpath, xmlXPathFreeContext);
  g_clear_pointer (&f->doc, xmlFreeDoc);
  g_clear_pointer (&f->xml, g_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  clear (f);
  mtv_target_free (f->target);
}

/* By the schema that libvirt itself checks with, where that is installed; what the definition must
 * hold is asserted by XPath in any case. */
static void
check_schema (Fixture *f)
{
  g_autofree char *validator = g_find_program_in_path ("virt-xml-validate");
  g_autoptr (GError) error = NULL;
  g_autofree char *said = NULL;

  if (validator == NULL)
    return;
  g_autoptr (GSubprocess) child
      = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE
                              | G_SUBPROCESS_FLAGS_STDERR_MERGE,
                          &error, validator, "-", "domain", NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (child, f->xml, NULL, &said, NULL, &error);
  g_assert_no_error (error);
  if (!g_subprocess_get_successful (child))
    g_error ("%s\n%s", said, f->xml);
}

static void
make (Fixture *f, const char *folder, gboolean kvm)
{
  clear (f);
  f->xml = mtv_local_domain_to_xml (f->target, folder, kvm);
  f->doc = xmlReadMemory (f->xml, strlen (f->xml), "domain.xml", NULL, XML_PARSE_NONET);
  g_assert_nonnull (f->doc);
  f->xpath = xmlXPathNewContext (f->doc);
  xmlXPathRegisterNs (f->xpath, BAD_CAST "mtv", BAD_CAST "urn:org.mtv:migration:1");
}

static void
assert_xpath (Fixture *f, const char *expression, const char *expected)
{
  g_autofree char *string = g_strdup_printf ("string(%s)", expression);
  xmlXPathObject *object = xmlXPathEvalExpression (BAD_CAST string, f->xpath);

  g_assert_nonnull (object);
  if (g_strcmp0 ((char *) object->stringval, expected) != 0)
    g_error ("%s is '%s', not '%s'", expression, object->stringval, expected);
  xmlXPathFreeObject (object);
}

static void
test_compatible (Fixture *f, gconstpointer data)
{
  (void) data;
  make (f, "/srv/web", TRUE);
  check_schema (f);
  assert_xpath (f, "/domain/@type", "kvm");
  assert_xpath (f, "/domain/name", "web");
  assert_xpath (f, "/domain/uuid", "564d1234-0000-1111-2222-333344445555");
  assert_xpath (f, "/domain/memory[@unit='KiB']", "3146752");
  assert_xpath (f, "/domain/vcpu", "8");
  assert_xpath (f, "/domain/cpu/topology/@sockets", "2");
  assert_xpath (f, "/domain/cpu/topology/@cores", "2");
  assert_xpath (f, "/domain/cpu/topology/@threads", "2");
  assert_xpath (f, "/domain/cpu/@mode", "host-model");
  assert_xpath (f, "/domain/os/type/@machine", "q35");
  assert_xpath (f, "count(/domain/os/@firmware | /domain/os/loader | //smm)", "0");
  assert_xpath (f, "/domain/clock/@offset", "utc");
  assert_xpath (f, "count(//disk)", "2");
  assert_xpath (f, "//disk[1]/source/@file", "/srv/web/disk-0.raw");
  assert_xpath (f, "//disk[1]/driver/@type", "raw");
  assert_xpath (f, "//disk[1]/target/@dev", "sda");
  assert_xpath (f, "//disk[1]/boot/@order", "1");
  assert_xpath (f, "count(//boot)", "1");
  assert_xpath (f, "//disk[2]/target/@dev", "sdb");
  assert_xpath (f, "//disk[2]/target/@bus", "sata");
  assert_xpath (f, "//disk[2]/serial", "vmdisk2");
  assert_xpath (f, "//interface[1]/mac/@address", "52:54:00:00:00:01");
  assert_xpath (f, "//interface[1]/source/@network", "default");
  assert_xpath (f, "//interface[1]/model/@type", "e1000e");
  assert_xpath (f, "count(//interface[2]/mac)", "0");
  assert_xpath (f, "//input/@type", "tablet");
  assert_xpath (f, "//input/@bus", "usb");
  assert_xpath (f, "count(//tpm | //link)", "0");
  assert_xpath (f, "count(//*[@*[contains(., 'virtio')]])", "0");
}

static void
test_hostile (Fixture *f, gconstpointer data)
{
  (void) data;
  local_fixture_set (&f->target->name, "a <'&\"> b");
  make (f, "/srv/vm's & \"<more>\"", TRUE);
  assert_xpath (f, "//disk[1]/source/@file", "/srv/vm's & \"<more>\"/disk-0.raw");
  assert_xpath (f, "/domain/name", "a <'&\"> b");
  assert_xpath (f, "/domain/title", HOSTILE_LINE);
  assert_xpath (f, "//mtv:vm-id", HOSTILE_LINE);
  assert_xpath (f, "//mtv:plan", HOSTILE_LINE);
  assert_xpath (f, "//mtv:source", HOSTILE_LINE);
  assert_xpath (f, "//mtv:run", "0f3c-run");
  assert_xpath (f, "//mtv:number", "3");
  assert_xpath (f, "count(//mtv:migration/*)", "7");
  assert_xpath (f, "count(/domain/*)", "11");
}

static void
test_virtio_efi (Fixture *f, gconstpointer data)
{
  (void) data;
  MtvVmNic *nic = g_ptr_array_index (f->target->vm->nics, 1);

  local_fixture_set (&f->target->devices, "virtio");
  local_fixture_set (&f->target->format, "qcow2");
  local_fixture_set (&f->target->vm->firmware, "efi");
  local_fixture_set (&f->target->vm->os_id, "windows2019srv_64Guest");
  local_fixture_set (&nic->network, "lan");
  nic->disconnected = TRUE;
  f->target->networks
      = g_variant_ref_sink (g_variant_new_parsed ("{'lan': 'lan & more', '': 'other'}"));
  make (f, "/srv/web", FALSE);
  check_schema (f);
  assert_xpath (f, "/domain/@type", "qemu");
  assert_xpath (f, "/domain/os/@firmware", "efi");
  assert_xpath (f, "/domain/os/firmware/feature[@name='secure-boot']/@enabled", "no");
  assert_xpath (f, "/domain/clock/@offset", "localtime");
  assert_xpath (f, "//disk[1]/driver/@type", "qcow2");
  assert_xpath (f, "//disk[1]/target/@dev", "vda");
  assert_xpath (f, "//disk[1]/target/@bus", "virtio");
  assert_xpath (f, "//interface[1]/source/@network", "other");
  assert_xpath (f, "//interface[2]/source/@network", "lan & more");
  assert_xpath (f, "//interface[2]/model/@type", "virtio");
  assert_xpath (f, "//interface[2]/link/@state", "down");
  assert_xpath (f, "count(//smm | //loader)", "0");
}

static void
test_secure_boot (Fixture *f, gconstpointer data)
{
  (void) data;
  f->target->vm->secure_boot = TRUE;
  make (f, "/srv/web", TRUE);
  assert_xpath (f, "count(//smm)", "0"); /* a BIOS has no secure boot */

  local_fixture_set (&f->target->vm->firmware, "efi");
  f->target->vm->tpm = TRUE;
  make (f, "/srv/web", TRUE);
  check_schema (f);
  assert_xpath (f, "/domain/features/smm/@state", "on");
  assert_xpath (f, "/domain/os/firmware/feature[@name='enrolled-keys']/@enabled", "yes");
  assert_xpath (f, "/domain/os/firmware/feature[@name='secure-boot']/@enabled", "yes");
  assert_xpath (f, "//tpm/@model", "tpm-crb");
  assert_xpath (f, "//tpm/backend/@version", "2.0");
}

static void
test_many_disks (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (MtvVm) vm = mtv_vm_new ();

  vm->id = g_strdup ("1");
  vm->name = g_strdup ("");
  for (guint i = 0; i < 704; i++)
    mtv_vm_add_disk (vm)->id = g_strdup ("d");
  mtv_target_free (f->target);
  f->target = mtv_target_new (vm);
  f->target->name = g_strdup ("many");
  f->target->run_id = g_strdup ("r");
  f->target->devices = g_strdup ("virtio");
  f->target->format = g_strdup ("raw");
  make (f, "/srv/many", TRUE);
  check_schema (f);
  assert_xpath (f, "count(/domain/title)", "0");
  assert_xpath (f, "//disk[26]/target/@dev", "vdz");
  assert_xpath (f, "//disk[27]/target/@dev", "vdaa");
  assert_xpath (f, "//disk[702]/target/@dev", "vdzz");
  assert_xpath (f, "//disk[703]/target/@dev", "vdaaa");
}

#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/local-domain/compatible", test_compatible);
  ADD ("/local-domain/hostile", test_hostile);
  ADD ("/local-domain/virtio-efi", test_virtio_efi);
  ADD ("/local-domain/secure-boot", test_secure_boot);
  ADD ("/local-domain/many-disks", test_many_disks);
  int result = g_test_run ();
  xmlCleanupParser ();
  return result;
}
