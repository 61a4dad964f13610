/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-backup.h"

#include <string.h>

static void
test_write (void)
{
  g_autoptr (MtvLibvirtBackup) backup = mtv_libvirt_backup_new ("/run/a 'b'/k.sock", NULL);
  g_autoptr (MtvLibvirtBackup) next = mtv_libvirt_backup_new ("/run/k2.sock", "k1");

  mtv_libvirt_backup_add_disk (backup, "vdb", "/srv/b<1>");
  mtv_libvirt_backup_add_disk (backup, "vda", "/srv/a");
  g_autofree char *xml = mtv_libvirt_backup_to_xml (backup);
  g_assert_cmpstr (
      xml, ==,
      "<domainbackup mode='pull'><server transport='unix' socket='/run/a &apos;b&apos;/k.sock'/>"
      "<disks><disk name='vda' backup='yes' type='file' exportname='vda'><driver type='qcow2'/>"
      "<scratch file='/srv/a'/></disk><disk name='vdb' backup='yes' type='file' exportname='vdb'>"
      "<driver type='qcow2'/><scratch file='/srv/b&lt;1&gt;'/></disk></disks></domainbackup>");
  g_autofree char *checkpoint = mtv_libvirt_backup_checkpoint_to_xml (backup, "k1");
  g_assert_cmpstr (checkpoint, ==,
                   "<domaincheckpoint><name>k1</name><disks>"
                   "<disk name='vda' checkpoint='bitmap' bitmap='k1'/>"
                   "<disk name='vdb' checkpoint='bitmap' bitmap='k1'/></disks></domaincheckpoint>");

  mtv_libvirt_backup_add_disk (next, "vda", "/srv/a");
  g_autofree char *incremental = mtv_libvirt_backup_to_xml (next);
  g_assert_nonnull (strstr (incremental, "<incremental>k1</incremental>"));
  g_assert_nonnull (strstr (incremental, "exportbitmap='backup-vda'"));
}

static void
test_uri (void)
{
  g_autoptr (MtvLibvirtBackup) backup = mtv_libvirt_backup_new ("/run/a b&c/k.sock", NULL);
  g_autofree char *uri = mtv_libvirt_backup_uri (backup, "vda");

  g_assert_cmpstr (uri, ==, "nbd+unix:///vda?socket=/run/a%20b%26c/k.sock");
}

static void
test_parse (void)
{
  g_autofree char *xml = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_get_contents (DATA "/running-backup.xml", &xml, NULL, NULL));
  g_autoptr (MtvLibvirtBackup) job = mtv_libvirt_backup_parse (xml, strlen (xml), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (job->socket, ==, "/run/mtv-libvirt/mtv-r-1-2.sock");
  g_assert_cmpstr (job->since, ==, "mtv-r-1-1");
  g_assert_cmpuint (g_hash_table_size (job->disks), ==, 1);
  g_assert_cmpstr (g_hash_table_lookup (job->disks, "vda"), ==,
                   "/var/lib/libvirt/images/mtv-r-1-2-vda.scratch");

  const char *push = "<domainbackup mode='push'><disks/></domainbackup>";
  g_autoptr (MtvLibvirtBackup) foreign = mtv_libvirt_backup_parse (push, strlen (push), &error);
  g_assert_no_error (error);
  g_assert_null (foreign->socket);
  g_assert_null (mtv_libvirt_backup_parse ("<domain/>", 9, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
}

static void
test_reduce (void)
{
  const char *xml = "<domaincheckpoint><name>k</name><disks>"
                    "<disk name='vda' checkpoint='bitmap' bitmap='k'/>"
                    "<disk name='vdb' checkpoint='bitmap' bitmap='k'/>"
                    "<disk name='vdc' checkpoint='no'/></disks></domaincheckpoint>";
  g_autofree char *reduced = mtv_libvirt_backup_reduce_checkpoint (xml, "vdb");

  g_assert_nonnull (strstr (reduced, "<disk name=\"vda\" checkpoint=\"no\"/>"));
  g_assert_nonnull (strstr (reduced, "<disk name=\"vdb\" checkpoint=\"bitmap\" bitmap=\"k\"/>"));
  g_assert_null (mtv_libvirt_backup_reduce_checkpoint (xml, "vdc"));
  g_assert_null (mtv_libvirt_backup_reduce_checkpoint (xml, "vdd"));
  g_assert_null (mtv_libvirt_backup_reduce_checkpoint ("<no", "vda"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/libvirt-backup/write", test_write);
  g_test_add_func ("/libvirt-backup/uri", test_uri);
  g_test_add_func ("/libvirt-backup/parse", test_parse);
  g_test_add_func ("/libvirt-backup/reduce", test_reduce);
  return g_test_run ();
}
