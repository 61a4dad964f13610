/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vsphere-fixture.h"

#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-source.h"

MtvVsphereSession *
fixture_connect (Fixture *f, const char *password)
{
  const MtvVsphereAccess access = {
    .url = fake_vcenter_get_url (f->vcenter),
    .label = "provider 'vc1'",
    .user = "user",
    .password = password,
  };
  g_autoptr (GError) error = NULL;
  MtvVsphereSession *session = mtv_vsphere_session_new (&access, &error);

  g_assert_no_error (error);
  return session;
}

MtvProvider *
fixture_create (const char *url, const char *settings, GError **error)
{
  g_autoptr (MtvProviderConfig) config = mtv_fields_new (&mtv_provider_config_fields);
  g_autoptr (GVariant) secrets
      = g_variant_ref_sink (g_variant_new_parsed ("{'password': 'pass & word'}"));

  config->id = g_strdup ("p1");
  config->name = g_strdup ("vc1");
  config->type = g_strdup ("vsphere");
  config->url = g_strdup (url);
  config->settings = g_variant_ref_sink (g_variant_new_parsed (settings));
  return mtv_vsphere_source_type.create (config, secrets, -1, error);
}

void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  f->vcenter = fake_vcenter_new ();
  f->session = fixture_connect (f, "pass & word");
  f->source = MTV_SOURCE (
      fixture_create (fake_vcenter_get_url (f->vcenter), "{'user': <'user'>}", &error));
  g_assert_no_error (error);
}

void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_clear_object (&f->source);
  g_clear_pointer (&f->session, mtv_vsphere_session_unref);
  g_assert_cmpuint (fake_vcenter_count_sessions (f->vcenter), ==, 0);
  fake_vcenter_free (f->vcenter);
}

MtvVm *
fixture_get_vm (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) vms = mtv_source_list (f->source, NULL, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < vms->len; i++)
    if (g_str_equal (((MtvVm *) vms->pdata[i])->id, FAKE_VM))
      return mtv_vm_ref (vms->pdata[i]);
  g_assert_not_reached ();
}

const MtvConcern *
fixture_find_concern (GPtrArray *concerns, const char *id)
{
  for (guint i = 0; i < concerns->len; i++)
    if (g_str_equal (((MtvConcern *) concerns->pdata[i])->id, id))
      return concerns->pdata[i];
  return NULL;
}
