/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-status.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-json.h"

#include <string.h>

static JsonObject *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonObject *object = mtv_kube_json_parse (text, strlen (text), "it", &error);

  g_assert_no_error (error);
  return object;
}

static void
test_errors (void)
{
  static const struct
  {
    guint http;
    const char *status;
    MtvError code;
    const char *message;
  } cases[] = {
    { 404, "{\"reason\":\"NotFound\",\"message\":\"pods \\\"x\\\" not found\"}",
      MTV_ERROR_NOT_FOUND, "cluster: cannot read x: pods \"x\" not found (NotFound)" },
    { 409, "{\"reason\":\"AlreadyExists\",\"message\":\"m\"}", MTV_ERROR_EXISTS,
      "(AlreadyExists)" },
    { 409, "{\"reason\":\"Conflict\",\"message\":\"m\"}", MTV_ERROR_IN_USE, "(Conflict)" },
    { 403, "{\"reason\":\"Forbidden\",\"message\":\"cannot get pods\"}",
      MTV_ERROR_PERMISSION_DENIED, "cannot get pods" },
    { 403, "{\"reason\":\"Forbidden\",\"message\":\"x is forbidden: exceeded quota: q\"}",
      MTV_ERROR_NO_SPACE, "exceeded quota: q" },
    { 422,
      "{\"reason\":\"Invalid\",\"message\":\"VM is invalid\",\"details\":{\"causes\":[{\"field\":"
      "\"spec.x\",\"message\":\"too many\"},7,{}]}}",
      MTV_ERROR_INVALID_ARGUMENT, "VM is invalid; spec.x: too many (Invalid)" },
    { 401, "{}", MTV_ERROR_AUTH_REQUIRED, "status 401" },
    { 410, "{\"reason\":\"Expired\"}", MTV_ERROR_SOURCE_CHANGED, "status 410 (Expired)" },
    { 500, "{\"message\":\"failed calling webhook\"}", MTV_ERROR_UNREACHABLE, "webhook" },
    { 503, NULL, MTV_ERROR_UNREACHABLE, "status 503" },
    { 418, "{\"message\":7,\"reason\":[]}", MTV_ERROR_FAILED, "status 418" },
    { 400, "{\"message\":\"a\\nb\"}", MTV_ERROR_INVALID_ARGUMENT, "a b" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (JsonObject) status = cases[i].status == NULL ? NULL : parse (cases[i].status);
      g_autoptr (GError) error = NULL;

      mtv_kube_status_fail (cases[i].http, status, "cluster", "read x", &error);
      g_assert_error (error, MTV_ERROR, (gint) cases[i].code);
      if (strstr (error->message, cases[i].message) == NULL)
        g_error ("case %zu says: %s", i, error->message);
    }
}

static void
test_retry (void)
{
  g_autoptr (JsonObject) status = parse ("{\"details\":{\"retryAfterSeconds\":7}}");

  g_assert_cmpuint (mtv_kube_status_retry_after (NULL, NULL), ==, 0);
  g_assert_cmpuint (mtv_kube_status_retry_after (NULL, status), ==, 7);
  g_assert_cmpuint (mtv_kube_status_retry_after ("3", status), ==, 3);
  g_assert_cmpuint (mtv_kube_status_retry_after ("86400", status), ==, 60);
  g_assert_cmpuint (mtv_kube_status_retry_after ("soon", NULL), ==, 0);
  g_assert_true (mtv_kube_status_is_transient (429, NULL));
  g_assert_true (mtv_kube_status_is_transient (500, NULL));
  g_assert_false (mtv_kube_status_is_transient (403, NULL));
  g_assert_false (mtv_kube_status_is_transient (409, NULL));
}

static void
test_json (void)
{
  g_autoptr (JsonObject) object
      = parse ("{\"a\":{\"b/c\":\"x\",\"n\":5,\"t\":true,\"l\":[1,{\"y\":\"z\"}]}}");
  JsonArray *list = mtv_kube_json_array (object, "a", "l", NULL);
  g_autoptr (GString) deep = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (mtv_kube_json_string (object, "a", "b/c", NULL), ==, "x");
  g_assert_null (mtv_kube_json_string (object, "a", NULL));
  g_assert_null (mtv_kube_json_string (object, "a", "n", "m", NULL));
  g_assert_null (mtv_kube_json_string (NULL, "a", NULL));
  g_assert_cmpint (mtv_kube_json_int (object, "a", "n", NULL), ==, 5);
  g_assert_true (mtv_kube_json_boolean (object, "a", "t", NULL));
  g_assert_false (mtv_kube_json_boolean (object, "a", "n", NULL));
  g_assert_null (mtv_kube_json_item (list, 0));
  g_assert_cmpstr (mtv_kube_json_string (mtv_kube_json_item (list, 1), "y", NULL), ==, "z");
  g_assert_null (mtv_kube_json_item (list, 2));
  g_assert_null (mtv_kube_json_item (NULL, 0));

  for (guint i = 0; i < 1000000; i++)
    g_string_append (deep, "{\"a\":");
  g_assert_null (mtv_kube_json_parse (deep->str, deep->len, "the answer", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "the answer"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kube-status/errors", test_errors);
  g_test_add_func ("/kube-status/retry", test_retry);
  g_test_add_func ("/kube-status/json", test_json);
  return g_test_run ();
}
