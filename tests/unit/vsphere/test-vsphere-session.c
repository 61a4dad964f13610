/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "vsphere-fixture.h"

#include <string.h>

/* CurrentTime, which anybody who is logged in may ask for. */
static gboolean
ask (MtvVsphereSession *session, char **fault, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("CurrentTime", "ServiceInstance", "ServiceInstance");
  g_autoptr (xmlDoc) document
      = mtv_vsphere_session_call (session, call, NULL, fault, cancellable, error);

  return document != NULL;
}

static void
assert_asks (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (ask (f->session, NULL, NULL, &error));
  g_assert_no_error (error);
}

static void
assert_fails (Fixture *f, int code, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (ask (f->session, NULL, NULL, &error));
  assert_says (error, code, text);
  assert_says (error, code, "provider 'vc1': ");
}

static void
test_life (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_cmpuint (fake_vcenter_count_sessions (f->vcenter), ==, 0);
  assert_asks (f);
  assert_asks (f);
  g_assert_cmpuint (fake_vcenter_count_sessions (f->vcenter), ==, 1);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "Login"), ==, 1);
  g_clear_pointer (&f->session, mtv_vsphere_session_unref);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "Logout"), ==, 1);
}

static void
test_cookie (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *cookie = mtv_vsphere_session_get_cookie (f->session, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (cookie, "vmware_soap_session=key-"));
  fake_vcenter_expire (f->vcenter);
  mtv_vsphere_session_expire (f->session, cookie);
  g_autofree char *other = mtv_vsphere_session_get_cookie (f->session, NULL, &error);
  g_assert_cmpstr (other, !=, cookie);
  mtv_vsphere_session_expire (f->session, cookie); /* that of a session before */
  g_autofree char *same = mtv_vsphere_session_get_cookie (f->session, NULL, &error);
  g_assert_cmpstr (same, ==, other);
}

static void
test_login_again (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  assert_asks (f);
  fake_vcenter_expire (f->vcenter);
  assert_asks (f);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "Login"), ==, 2);

  /* One that always says so is not asked for ever. */
  fake_vcenter_fault (f->vcenter, "CurrentTime", "NotAuthenticated", 2);
  fake_vcenter_fault (f->vcenter, "Login", "NoPermission", 1);
  fake_vcenter_expire (f->vcenter);
  assert_fails (f, MTV_ERROR_PERMISSION_DENIED, "Login of SessionManager: NoPermission");
}

static gpointer
ask_in_thread (gpointer data)
{
  for (guint i = 0; i < 25; i++)
    g_assert_true (ask (data, NULL, NULL, NULL));
  return NULL;
}

static void
test_threads (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[6];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("ask", ask_in_thread, f->session);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "Login"), ==, 1);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "RetrieveServiceContent"), ==, 1);
}

static void
test_wrong_password (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_pointer (&f->session, mtv_vsphere_session_unref);
  f->session = fixture_connect (f, "not-that");
  assert_fails (f, MTV_ERROR_AUTH_REQUIRED, "InvalidLogin");
  assert_fails (f, MTV_ERROR_AUTH_REQUIRED, "InvalidLogin");
  /* Not tried over and over, so that the account is not locked. */
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "Login"), ==, 1);

  g_autoptr (GError) error = NULL;
  g_assert_false (ask (f->session, NULL, NULL, &error));
  g_assert_null (strstr (error->message, "not-that"));
}

static void
test_faults (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *fault;
    MtvError code;
  } faults[] = {
    { "NoPermission", MTV_ERROR_PERMISSION_DENIED },
    { "ManagedObjectNotFound", MTV_ERROR_NOT_FOUND },
    { "TaskInProgress", MTV_ERROR_IN_USE },
    { "RestrictedVersion", MTV_ERROR_UNSUPPORTED },
    { "SomethingNew", MTV_ERROR_FAILED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *fault = NULL;

      fake_vcenter_fault (f->vcenter, "CurrentTime", faults[i].fault, 1);
      g_assert_false (ask (f->session, &fault, NULL, &error));
      g_assert_cmpstr (fault, ==, faults[i].fault);
      assert_says (error, (int) faults[i].code, faults[i].fault);
      assert_says (error, (int) faults[i].code, "privilegeId System.Fake");
    }
  assert_asks (f);
}

static char *
repeat (const char *text, guint n)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append (all, text);
  return g_string_free (all, FALSE);
}

#define BEGIN "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body>"

static void
test_bad_answers (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char html[]
      = "<!DOCTYPE html>\n<html><head><title>Router</title></head><body>Hi<br></body></html>";
  static const char laughs[] = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"aaa\"><!ENTITY b "
                               "\"&a;&a;\">]>" BEGIN "&b;</Body></Envelope>";
  g_autofree char *elements = repeat ("<a/>", MTV_VSPHERE_XML_MAX_ELEMENTS + 10);
  g_autofree char *many = g_strconcat (BEGIN, elements, "</Body></Envelope>", NULL);
  g_autofree char *attributes = repeat (" aaaaaa=''", 20000);
  g_autofree char *wide = g_strconcat (BEGIN "<x", attributes, "/></Body></Envelope>", NULL);
  g_autofree char *depths = repeat ("<a>", 3000);
  g_autofree char *deep = g_strconcat (BEGIN, depths, NULL);
  g_autofree char *long_text = g_strnfill (MTV_VSPHERE_XML_MAX_SIZE + 1, 'x');
  g_autofree char *big = g_strconcat (BEGIN, long_text, "</Body></Envelope>", NULL);
  const struct
  {
    guint status;
    const char *body;
    MtvError code;
    const char *text;
  } answers[] = {
    { 200, html, MTV_ERROR_BAD_DATA, "HTML" },
    { 500, "Internal error", MTV_ERROR_BAD_DATA, "HTTP status 500" },
    { 200, "<html><body>ok</body></html>", MTV_ERROR_BAD_DATA, "<html>" },
    { 200, BEGIN "<PageResponse/></Body></Envelope>", MTV_ERROR_BAD_DATA, "<PageResponse>" },
    { 200, BEGIN "</Body></Envelope>", MTV_ERROR_BAD_DATA, "is this the URL" },
    { 200, "", MTV_ERROR_UNREACHABLE, "ended in the middle" },
    { 200, BEGIN "<CurrentTimeResp", MTV_ERROR_UNREACHABLE, "ended in the middle" },
    { 200, laughs, MTV_ERROR_BAD_DATA, "document type" },
    { 200, many, MTV_ERROR_BAD_DATA, "more elements" },
    { 200, wide, MTV_ERROR_BAD_DATA, "more attributes" },
    { 200, deep, MTV_ERROR_BAD_DATA, "not XML" },
    { 200, big, MTV_ERROR_BAD_DATA, "more bytes" },
    { 503, "Service Unavailable", MTV_ERROR_UNREACHABLE, "503" },
    { 404, "no", MTV_ERROR_NOT_FOUND, "404" },
    { 403, "no", MTV_ERROR_PERMISSION_DENIED, "403" },
    { 0, "", MTV_ERROR_UNREACHABLE, "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      fake_vcenter_http (f->vcenter, "CurrentTime", answers[i].status, answers[i].body, 1);
      assert_fails (f, (int) answers[i].code, answers[i].text);
      assert_asks (f);
    }
}

static void
test_other_product (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  fake_vcenter_answer (f->vcenter, "RetrieveServiceContent",
                       "<returnval><about><fullName>VMware Workstation 17</fullName>"
                       "<apiType>Workstation</apiType></about></returnval>",
                       1);
  assert_fails (f, MTV_ERROR_UNSUPPORTED, "VMware Workstation 17");
  assert_asks (f);
}

static gpointer
cancel_soon (gpointer data)
{
  g_usleep (50 * 1000);
  g_cancellable_cancel (data);
  return NULL;
}

/* A port that is listened on, but where nobody answers. */
static void
test_cancel (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);
  const MtvVsphereAccess access
      = { .url = url, .label = "provider 'vc1'", .user = "u", .password = "p" };
  g_autoptr (MtvVsphereSession) session = mtv_vsphere_session_new (&access, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_soon, cancellable);
  gint64 began = g_get_monotonic_time ();

  g_assert_false (ask (session, NULL, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - began, <, 5 * G_USEC_PER_SEC);
  g_thread_join (thread);
}

static void
test_settings (void)
{
  static const struct
  {
    const char *url;
    const char *settings;
    const char *text; /* NULL: good */
  } cases[] = {
    { "https://vc.example.com", "{'user': <'u'>}", NULL },
    { "https://vc.example.com:8443/sdk", "{'user': <'u'>, 'insecure': <true>}", NULL },
    { "vc.example.com", "{'user': <'u'>, 'transport': <'auto'>}", NULL },
    { "https://[2001:db8::1]/", "{'user': <'u'>}", NULL },
    { "https://vc.example.com", "@a{sv} {}", "'user'" },
    { "https://admin:secret@vc.example.com", "{'user': <'u'>}", "without a user" },
    { "https://vc.example.com/ui/", "{'user': <'u'>}", "URL of a vCenter" },
    { "ftp://vc.example.com", "{'user': <'u'>}", "URL of a vCenter" },
    { "https://vc.example.com", "{'user': <'u'>, 'transport': <'pigeon'>}", "'pigeon'" },
    { "https://vc.example.com", "{'user': <'u'>, 'thumbprint': <'abcd'>}", "'abcd'" },
    { NULL, "{'user': <'u'>}", "URL of a vCenter" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvProvider) provider = fixture_create (cases[i].url, cases[i].settings, &error);

      g_assert_true ((provider != NULL) == (cases[i].text == NULL));
      if (cases[i].text == NULL)
        g_assert_no_error (error);
      else
        assert_says (error, MTV_ERROR_INVALID_ARGUMENT, cases[i].text);
      g_assert_true (error == NULL || strstr (error->message, "secret@") == NULL);
    }
}

static void
test_provider (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) concerns = mtv_concerns_new ();

  g_assert_true (mtv_provider_test (MTV_PROVIDER (f->source), NULL, &error));
  g_assert_no_error (error);
  mtv_provider_add_concerns (MTV_PROVIDER (f->source), concerns); /* http */
  g_assert_nonnull (fixture_find_concern (concerns, "provider.insecure"));
  fake_vcenter_http (f->vcenter, "*", 503, "", 1);
  g_assert_false (mtv_provider_test (MTV_PROVIDER (f->source), NULL, &error));
  g_assert_true (mtv_provider_error_is_transient (error));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mtv_error_quark ();

#define ADD(name, func) \
  g_test_add ("/vsphere-session/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("life", test_life);
  ADD ("cookie", test_cookie);
  ADD ("login-again", test_login_again);
  ADD ("threads", test_threads);
  ADD ("wrong-password", test_wrong_password);
  ADD ("faults", test_faults);
  ADD ("bad-answers", test_bad_answers);
  ADD ("other-product", test_other_product);
  ADD ("provider", test_provider);
  g_test_add_func ("/vsphere-session/cancel", test_cancel);
  g_test_add_func ("/vsphere-session/settings", test_settings);
  return g_test_run ();
}
