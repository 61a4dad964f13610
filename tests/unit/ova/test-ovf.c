/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/ova/mtv-ovf-units.h"
#include "provider/ova/mtv-ovf-xml.h"
#include "provider/ova/mtv-ovf.h"

#include <libxml/parser.h>
#include <string.h>

#define GIB (G_GUINT64_CONSTANT (1) << 30)
#define MIB (G_GUINT64_CONSTANT (1) << 20)

static MtvOvf *
load (const char *name)
{
  g_autofree char *path = g_build_filename (DATA, name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  g_file_get_contents (path, &text, &length, &error);
  g_assert_no_error (error);
  MtvOvf *ovf = mtv_ovf_parse (text, length, name, &error);
  g_assert_no_error (error);
  return ovf;
}

static MtvVm *
machine (MtvOvf *ovf, guint index)
{
  g_assert_cmpuint (index, <, ovf->vms->len);
  return g_ptr_array_index (ovf->vms, index);
}

/* "id bus controller bus:unit capacity" */
static void
assert_disk (MtvVm *vm, guint index, const char *expected)
{
  g_assert_cmpuint (index, <, vm->disks->len);
  MtvVmDisk *disk = g_ptr_array_index (vm->disks, index);
  g_autofree char *found = g_strdup_printf (
      "%s %s %s %u:%u %" G_GUINT64_FORMAT, disk->id, disk->bus ? disk->bus : "-",
      disk->controller ? disk->controller : "-", disk->bus_number, disk->unit, disk->capacity);

  g_assert_cmpstr (found, ==, expected);
}

static void
assert_nic (MtvVm *vm, guint index, const char *expected)
{
  g_assert_cmpuint (index, <, vm->nics->len);
  MtvVmNic *nic = g_ptr_array_index (vm->nics, index);
  g_autofree char *found = g_strdup_printf (
      "%s %s %s %s %s", nic->id, nic->mac ? nic->mac : "-", nic->network ? nic->network : "-",
      nic->model ? nic->model : "-", nic->disconnected ? "down" : "up");

  g_assert_cmpstr (found, ==, expected);
}

static void
test_vmware (void)
{
  g_autoptr (MtvOvf) ovf = load ("vmware.ovf");
  MtvVm *vm = machine (ovf, 0);

  g_assert_cmpuint (ovf->vms->len, ==, 1);
  g_assert_cmpstr (vm->id, ==, "web-id");
  g_assert_cmpstr (vm->name, ==, "web");
  g_assert_cmpstr (vm->producer, ==, "vmware");
  g_assert_cmpstr (vm->power_state, ==, "off");
  g_assert_cmpstr (vm->os_id, ==, "rhel8_64Guest");
  g_assert_cmpstr (vm->os_name, ==, "Red Hat Enterprise Linux 8 (64-bit)");
  g_assert_cmpstr (vm->firmware, ==, "efi");
  g_assert_null (vm->problem);
  g_assert_true (vm->secure_boot);
  g_assert_true (vm->tpm);
  g_assert_true (vm->cpu_hot_add);
  g_assert_false (vm->memory_hot_add);
  g_assert_cmpuint (vm->cpus, ==, 8); /* of the default configuration */
  g_assert_cmpuint (vm->cores_per_socket, ==, 4);
  g_assert_cmpuint (vm->memory, ==, 16 * GIB); /* neither of the bounds */

  /* AHCI has no disk, then SCSI 0, SCSI 1, NVMe; the ISO is no disk. */
  g_assert_cmpuint (vm->disks->len, ==, 4);
  assert_disk (vm, 0, "vmdisk1 scsi pvscsi 0:0 17179869184");
  assert_disk (vm, 1, "vmdisk2 scsi pvscsi 0:1 2147483648");
  assert_disk (vm, 2, "vmdisk3 scsi lsilogic 1:0 209715200");
  assert_disk (vm, 3, "vmdisk4 nvme nvme 0:0 1073741824");
  g_assert_cmpstr (((MtvVmDisk *) vm->disks->pdata[0])->name, ==, "web-disk1.vmdk");
  g_assert_cmpuint (((MtvVmDisk *) vm->disks->pdata[0])->allocated, ==, GIB);

  g_assert_cmpuint (vm->nics->len, ==, 2);
  assert_nic (vm, 0, "50 00:50:56:aa:bb:01 VM Network vmxnet3 up");
  assert_nic (vm, 1, "51 - VM Network e1000e down");

  const MtvOvfDisk *disk = mtv_ovf_find_disk (ovf, "vmdisk2");
  g_assert_cmpstr (disk->href, ==, "web-disk2.vmdk.gz");
  g_assert_true (disk->gzip);
  g_assert_cmpuint (disk->chunk_size, ==, 1024);
  g_assert_cmpuint (disk->file_size, ==, 2048);
  g_assert_null (mtv_ovf_find_disk (ovf, "vmdisk3")->href);
  g_assert_null (mtv_ovf_find_disk (ovf, "vmdisk9"));
}

static void
test_virtualbox (void)
{
  g_autoptr (MtvOvf) ovf = load ("virtualbox.ovf");
  MtvVm *vm = machine (ovf, 0);

  g_assert_cmpstr (vm->id, ==, "box");
  g_assert_cmpstr (vm->name, ==, "box"); /* has no Name */
  g_assert_cmpstr (vm->producer, ==, "virtualbox");
  g_assert_cmpstr (vm->uuid, ==, "5b5a0d7c-2f3e-4b6a-8c1d-0123456789ab");
  g_assert_cmpstr (vm->os_id, ==, "Debian_64");
  g_assert_cmpstr (vm->firmware, ==, "efi");
  g_assert_false (vm->tpm);
  g_assert_cmpuint (vm->cpus, ==, 3);
  g_assert_cmpuint (vm->memory, ==, 768 * MIB);
  g_assert_cmpuint (vm->disks->len, ==, 1);
  assert_disk (vm, 0, "vmdisk1 sata ahci 0:0 8589934592");
  g_assert_cmpuint (vm->nics->len, ==, 1);
  assert_nic (vm, 0, "6 08:00:27:a1:b2:c3 NAT e1000 up");
}

static void
test_ovirt (void)
{
  g_autoptr (MtvOvf) ovf = load ("ovirt.ovf");
  MtvVm *vm = machine (ovf, 0);

  g_assert_cmpstr (vm->id, ==, "out");
  g_assert_cmpstr (vm->name, ==, "guest");
  g_assert_cmpstr (vm->producer, ==, "ovirt");
  g_assert_cmpstr (vm->os_name, ==, "rhel_8x64");
  g_assert_cmpstr (vm->firmware, ==, "efi");
  g_assert_true (vm->secure_boot);
  g_assert_cmpuint (vm->cpus, ==, 8);
  g_assert_cmpuint (vm->cores_per_socket, ==, 2);
  g_assert_cmpuint (vm->threads_per_core, ==, 2);
  g_assert_cmpuint (vm->memory, ==, 2048 * MIB);

  /* The one marked for booting is first; found by the file's id and by the end of a path. */
  g_assert_cmpuint (vm->disks->len, ==, 2);
  assert_disk (vm, 0, "aaaaaaaa-0000-4000-8000-000000000001 scsi virtio-scsi 0:0 10737418240");
  assert_disk (vm, 1, "aaaaaaaa-0000-4000-8000-000000000002 virtio - 0:0 5368709120");
  g_assert_null (((MtvVmDisk *) vm->disks->pdata[1])->problem);
  g_assert_cmpuint (vm->nics->len, ==, 1);
  assert_nic (vm, 0,
              "33333333-0000-4000-8000-000000000003 56:6f:00:11:22:33 ovirtmgmt virtio down");
}

static void
test_xen (void)
{
  g_autoptr (MtvOvf) ovf = load ("xen.ovf");
  MtvVm *vm = machine (ovf, 0);

  g_assert_cmpstr (vm->id, ==, "c0ffee00-1111-4222-8333-444455556666");
  g_assert_cmpstr (vm->uuid, ==, "c0ffee00-1111-4222-8333-444455556666");
  g_assert_cmpstr (vm->name, ==, "xen guest");
  g_assert_cmpstr (vm->producer, ==, "xen");
  g_assert_cmpstr (vm->os_id, ==, "105");
  g_assert_cmpstr (vm->firmware, ==, "efi");
  g_assert_true (vm->secure_boot);
  g_assert_cmpuint (vm->cpus, ==, 4);
  g_assert_cmpuint (vm->memory, ==, 4 * GIB);
  g_assert_cmpuint (vm->disks->len, ==, 1);
  assert_disk (vm, 0, "d1 - - 0:0 26843545600");
  g_assert_cmpuint (vm->nics->len, ==, 1);
  assert_nic (vm, 0, "i-nic fe:ed:00:00:00:01 Network 0 - up");
}

static void
assert_problem (MtvVm *vm, guint index, const char *problem)
{
  g_assert_cmpuint (index, <, vm->disks->len);
  g_assert_cmpstr (((MtvVmDisk *) vm->disks->pdata[index])->problem, ==, problem);
}

static void
test_collection (void)
{
  g_autoptr (MtvOvf) ovf = load ("collection.ovf");

  g_assert_cmpuint (ovf->vms->len, ==, 3);
  MtvVm *first = machine (ovf, 0);
  g_assert_cmpstr (first->id, ==, "first");
  g_assert_cmpstr (first->producer, ==, "unknown");
  g_assert_cmpuint (first->disks->len, ==, 1);
  assert_disk (first, 0, "d1 - - 0:0 4000256");
  assert_nic (first, 0, "2 00:50:56:aa:bb:cc net - up");

  MtvVm *second = machine (ovf, 1);
  g_assert_cmpstr (second->id, ==, "second");
  g_assert_null (second->problem);
  g_assert_cmpuint (second->disks->len, ==, 8); /* one of them is named twice */
  assert_problem (second, 0,
                  "Disk 'd2' holds only the changes to disk 'd1': export the machine without "
                  "snapshots");
  assert_problem (second, 1,
                  "Disk 'd3': file 'three.bz2' is compressed by 'bzip2', only gzip can be read");
  assert_problem (second, 2, "Disk 'd4' is in file 'f4', which the OVF's references do not list");
  assert_problem (second, 3,
                  "Disk 'd5' has the capacity '5 parsecs', which is not a number of bytes");
  assert_problem (second, 4, "Disk 'd6' has the capacity '${nothing}', which no property tells");
  assert_problem (second, 5,
                  "Disk 'd7' has the capacity '9223372036854775807 byte * 2^30', which is not a "
                  "number of bytes");
  assert_problem (second, 6,
                  "Disk 'd8' has the capacity 70368744177665 bytes, more than the 64 TiB that a "
                  "disk can have");
  assert_problem (second, 7, "Disk 'd9' is used but not described by the OVF");

  MtvVm *third = machine (ovf, 2);
  g_assert_cmpstr (third->problem, ==, "The OVF does not describe the hardware of 'third'");
  g_assert_cmpuint (third->disks->len, ==, 0);
}

static void
test_unlinked_disks (void)
{
  const char *text = "<Envelope><References><File id='f' href='a.vmdk'/></References><DiskSection>"
                     "<Disk diskId='a' fileRef='f' capacity='1024'/><Disk diskId='b'/>"
                     "</DiskSection><VirtualSystem id='vm'><VirtualHardwareSection/>"
                     "</VirtualSystem></Envelope>";
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvOvf) ovf = mtv_ovf_parse (text, strlen (text), "web.ovf", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (machine (ovf, 0)->disks->len, ==, 2);
  assert_disk (machine (ovf, 0), 0, "a - - 0:0 1024");
  assert_problem (machine (ovf, 0), 1, "Disk 'b' has no capacity in the OVF");
}

static void
assert_refused (const char *text, gsize length, const char *pattern)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvOvf) ovf = mtv_ovf_parse (text, length, "web.ovf", &error);

  g_assert_null (ovf);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  if (!g_pattern_match_simple (pattern, error->message))
    g_error ("'%s' is not like '%s'", error->message, pattern);
}

static void
test_refused (void)
{
  static const struct
  {
    const char *text;
    const char *pattern;
  } cases[] = {
    { "", "'web.ovf' is not XML*" },
    { "A letter.", "'web.ovf' is not XML: line 1: Start tag expected*" },
    { "<Envelope>", "'web.ovf' is not XML: line 1:*" },
    { "<Envelope>&nothing;</Envelope>", "'web.ovf' is not XML: line 1:*" },
    { "<html/>", "'web.ovf' is not an OVF: it begins with <html>, not with <Envelope>" },
    { "<Envelope/>", "'web.ovf' describes no virtual machine" },
    { "<Envelope><DiskSection><Disk diskId='a'/><Disk diskId='a'/></DiskSection></Envelope>",
      "'web.ovf' describes two disks of the id 'a'" },
    { "<!DOCTYPE Envelope SYSTEM 'http://127.0.0.1:9/x.dtd'><Envelope/>",
      "'web.ovf' has a document type declaration*" },
    { "<!DOCTYPE e [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><Envelope>&b;</Envelope>",
      "'web.ovf' has a document type declaration*" },
    { "<!DOCTYPE e [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><Envelope>&x;</Envelope>",
      "'web.ovf' has a document type declaration*" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused (cases[i].text, strlen (cases[i].text), cases[i].pattern);
}

/* Documents that would take libxml2 hours or all memory. */
static void
test_bounded (void)
{
  g_autoptr (GString) attributes = g_string_new ("<Envelope");
  g_autoptr (GString) elements = g_string_new ("<Envelope>");
  g_autoptr (GString) deep = g_string_new (NULL);
  g_autofree char *huge = g_strnfill (MTV_OVF_MAX_SIZE + 1, ' ');

  for (guint i = 0; i < 500000; i++)
    g_string_append_printf (attributes, " a%u='>\"'", i);
  g_string_append (attributes, "/>");
  for (guint i = 0; i < 300000; i++)
    g_string_append (elements, "<Item/>");
  g_string_append (elements, "</Envelope>");
  for (guint i = 0; i < 100000; i++)
    g_string_append (deep, "<a>");

  assert_refused (attributes->str, attributes->len,
                  "'web.ovf', * bytes, has an element with more*");
  assert_refused (elements->str, elements->len, "'web.ovf' has more than 200000 elements");
  assert_refused (deep->str, deep->len, "'web.ovf' is not XML: line 1: Excessive depth*");
  assert_refused (huge, MTV_OVF_MAX_SIZE + 1, "'web.ovf' is 16777217 bytes long*");
}

/* What merely looks like many attributes is let through. */
static void
test_equals_in_text (void)
{
  g_autofree char *many = g_strnfill (1000, '=');
  g_autofree char *text = g_strdup_printf (
      "<?x %s?><Envelope><!-- don't %s > -->%s<![CDATA[<a %s]]><VirtualSystem id=\"a%s\">"
      "<VirtualHardwareSection/></VirtualSystem></Envelope>",
      many, many, many, many, many);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvOvf) ovf = mtv_ovf_parse (text, strlen (text), "web.ovf", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (ovf->vms->len, ==, 1);
}

static void
test_units (void)
{
  static const struct
  {
    const char *number;
    const char *unit;
    gboolean ok;
    guint64 bytes;
  } cases[] = {
    { "3", NULL, TRUE, 21 },
    { "3", "byte", TRUE, 3 },
    { "3", "byte * 2^10", TRUE, 3072 },
    { "3", "byte*10^3", TRUE, 3000 },
    { "3", "Byte * 1024", TRUE, 3072 },
    { "3", "MegaBytes", TRUE, 3 * MIB },
    { "3", "GB", TRUE, 3 * GIB },
    { "0", "byte", TRUE, 0 },
    { "", "byte", FALSE, 0 },
    { "-1", "byte", FALSE, 0 },
    { "1.5", "byte", FALSE, 0 },
    { "3", "byte * 2^63", FALSE, 0 },
    { "3", "byte * 10^60", FALSE, 0 },
    { "3", "byte * ", FALSE, 0 },
    { "8589934592", "byte * 2^30", FALSE, 0 },
    { "18446744073709551616", "byte", FALSE, 0 },
    { "3", "furlongs", FALSE, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint64 bytes = 0;

      g_assert_cmpint (mtv_ovf_units_parse (cases[i].number, cases[i].unit, 7, &bytes), ==,
                       cases[i].ok);
      g_assert_cmpuint (bytes, ==, cases[i].bytes);
    }
}

static void
test_mac (void)
{
  static const char *const bad[]
      = { "", "00:50:56:aa:bb", "00:50:56:aa:bb:cc:dd", "1", "any", "00:50:56:aa:bb:cg" };
  static const char *const good[]
      = { "00:50:56:aa:bb:cc", "00-50-56-AA-BB-CC", "005056AABBCC", "0050.56aa.bbcc" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (mtv_ovf_units_normalize_mac (bad[i]));
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *mac = mtv_ovf_units_normalize_mac (good[i]);
      g_assert_cmpstr (mac, ==, "00:50:56:aa:bb:cc");
    }
}

/* Whatever a document says, nothing else is opened. */
static xmlParserInput *
no_entities (const char *url, const char *id, xmlParserCtxt *context)
{
  (void) id;
  (void) context;
  g_assert_cmpstr (url, ==, NULL);
  return NULL;
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  xmlSetExternalEntityLoader (no_entities);

  g_test_add_func ("/ovf/vmware", test_vmware);
  g_test_add_func ("/ovf/virtualbox", test_virtualbox);
  g_test_add_func ("/ovf/ovirt", test_ovirt);
  g_test_add_func ("/ovf/xen", test_xen);
  g_test_add_func ("/ovf/collection", test_collection);
  g_test_add_func ("/ovf/unlinked-disks", test_unlinked_disks);
  g_test_add_func ("/ovf/refused", test_refused);
  g_test_add_func ("/ovf/bounded", test_bounded);
  g_test_add_func ("/ovf/equals-in-text", test_equals_in_text);
  g_test_add_func ("/ovf/units", test_units);
  g_test_add_func ("/ovf/mac", test_mac);

  return g_test_run ();
}
