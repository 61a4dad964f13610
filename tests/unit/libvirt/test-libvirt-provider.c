/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-address.h"
#include "provider/libvirt/mtv-libvirt-provider.h"

#include <string.h>

static void
assert_address (const char *uri, const char *user, const char *expected, const char *label,
                gboolean local, gboolean session)
{
  g_auto (MtvLibvirtAddress) address = { 0 };
  g_autoptr (GError) error = NULL;

  mtv_libvirt_address_parse (uri, user, FALSE, &address, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (address.uri, ==, expected);
  g_assert_cmpstr (address.label, ==, label);
  g_assert_cmpint (address.is_local, ==, local);
  g_assert_cmpint (address.is_session, ==, session);
}

static void
test_address (void)
{
  assert_address ("qemu:///system", NULL, "qemu:///system", "qemu:///system", TRUE, FALSE);
  assert_address ("qemu:///session?socket=/run/x%20y", "joe", "qemu:///session?socket=/run/x%20y",
                  "qemu:///session", TRUE, TRUE);
  assert_address ("qemu+ssh://kvm1/system", "joe", "qemu+ssh://joe@kvm1/system?no_tty=1",
                  "qemu+ssh://kvm1/system", FALSE, FALSE);
  assert_address ("qemu+ssh://ann@kvm1:2222/system?keyfile=/k", "joe",
                  "qemu+ssh://ann@kvm1:2222/system?keyfile=/k&no_tty=1",
                  "qemu+ssh://kvm1:2222/system", FALSE, FALSE);
  assert_address ("qemu+tls://kvm1/system", "joe", "qemu+tls://kvm1/system",
                  "qemu+tls://kvm1/system", FALSE, FALSE);
  assert_address ("qemu://kvm1/system", NULL, "qemu://kvm1/system", "qemu://kvm1/system", FALSE,
                  FALSE);
}

static void
assert_refused (const char *uri, const char *what)
{
  g_auto (MtvLibvirtAddress) address = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (mtv_libvirt_address_parse (uri, NULL, FALSE, &address, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, what));
  g_assert_null (strstr (error->message, "hunter2"));
}

/* Above all what would run a program. */
static void
test_refused (void)
{
  g_auto (MtvLibvirtAddress) address = { 0 };

  assert_refused (NULL, "qemu:///system");
  assert_refused ("", "qemu:///system");
  assert_refused ("/var/run/libvirt", "qemu:///system");
  assert_refused ("xen:///system", "'xen:///system'");
  assert_refused ("qemu+ext:///system?command=/bin/sh", "'qemu+ext:///system'");
  assert_refused ("qemu+ssh://h/system?command=/bin/sh", "'command'");
  assert_refused ("qemu+ssh://h/system?netcat=/bin/sh", "'netcat'");
  assert_refused ("qemu:///embed?root=/tmp", "/system or /session");
  assert_refused ("qemu+ssh:///system", "no host");
  assert_refused ("qemu+ssh://joe:hunter2@h/system", "password");
  assert_refused ("qemu+tcp://h/system", "not encrypted");
  assert_refused ("qemu+tls://h/system?no_verify=1", "no_verify");
  g_assert_true (mtv_libvirt_address_parse ("qemu+tcp://h/system", NULL, TRUE, &address, NULL));
}

static MtvProvider *
create (const char *url, GVariant *settings, int fd, GError **error)
{
  g_autoptr (MtvProviderConfig) config = g_new0 (MtvProviderConfig, 1);

  config->url = g_strdup (url);
  config->settings = settings != NULL ? g_variant_ref_sink (settings) : NULL;
  return mtv_libvirt_source_type.create (config, NULL, fd, error);
}

static void
test_create (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) concerns = mtv_concerns_new ();
  GVariantDict dict;

  g_autoptr (MtvProvider) plain = create ("qemu:///system", NULL, -1, &error);
  g_assert_no_error (error);
  mtv_provider_add_concerns (plain, concerns);
  g_assert_cmpuint (concerns->len, ==, 0);
  g_assert_cmpint (mtv_source_get_caps (MTV_SOURCE (plain)), ==,
                   MTV_SOURCE_HAS_POWER | MTV_SOURCE_CAN_WARM);

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "insecure", "b", TRUE);
  g_autoptr (MtvProvider) insecure
      = create ("qemu+tcp://h/system", g_variant_dict_end (&dict), -1, &error);
  g_assert_no_error (error);
  mtv_provider_add_concerns (insecure, concerns);
  g_assert_cmpuint (concerns->len, ==, 1);

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "folder", "s", "here");
  g_assert_null (create ("qemu:///system", g_variant_dict_end (&dict), -1, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "'here'"));
  g_clear_error (&error);
  g_assert_null (create ("qemu:///system", NULL, 0, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
}

/* Nobody listens there. */
static void
test_unreachable (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (MtvProvider) provider
      = create ("qemu:///session?socket=/nowhere/secret-socket", NULL, -1, &error);

  g_assert_no_error (error);
  g_assert_false (mtv_provider_test (provider, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_nonnull (strstr (error->message, "'qemu:///session'"));
  g_clear_error (&error);
  g_cancellable_cancel (cancellable);
  g_assert_null (mtv_source_list (MTV_SOURCE (provider), cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

/* What is on another host is refused with the reason, without asking it. */
static void
test_remote (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvProvider) provider = create ("qemu+tls://kvm1.invalid/system", NULL, -1, &error);
  g_autoptr (MtvVm) vm = mtv_vm_new ();

  vm->id = g_strdup ("0f3b1c1e-7f0e-4a8e-9a3b-3f1f6c2f8d11");
  vm->name = g_strdup ("web");
  g_assert_null (mtv_source_get_identity (MTV_SOURCE (provider), vm, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "'web'"));
  g_assert_nonnull (strstr (error->message, "kvm1.invalid"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/libvirt-provider/address", test_address);
  g_test_add_func ("/libvirt-provider/refused", test_refused);
  g_test_add_func ("/libvirt-provider/create", test_create);
  g_test_add_func ("/libvirt-provider/unreachable", test_unreachable);
  g_test_add_func ("/libvirt-provider/remote", test_remote);
  return g_test_run ();
}
