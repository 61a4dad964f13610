/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-check.h"

#include "base/mtv-error.h"
#include "model/mtv-concern.h"
#include "model/mtv-name.h"
#include "provider/kubevirt/mtv-kube-define.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/mtv-kube-vm.h"

#include <string.h>

/* What we do in the namespace. */
static const struct
{
  const char *verb;
  const char *group;
  const char *resource;
} rights[] = {
  { "get", "kubevirt.io", "virtualmachines" },
  { "list", "kubevirt.io", "virtualmachines" },
  { "watch", "kubevirt.io", "virtualmachines" },
  { "create", "kubevirt.io", "virtualmachines" },
  { "get", "cdi.kubevirt.io", "datavolumes" },
  { "list", "cdi.kubevirt.io", "datavolumes" },
  { "watch", "cdi.kubevirt.io", "datavolumes" },
  { "create", "cdi.kubevirt.io", "datavolumes" },
  { "patch", "cdi.kubevirt.io", "datavolumes" },
  { "delete", "cdi.kubevirt.io", "datavolumes" },
  { "get", "", "persistentvolumeclaims" },
  { "get", "", "pods" },
  { "list", "", "pods" },
  { "watch", "", "pods" },
  { "create", "", "pods" },
  { "delete", "", "pods" },
  { "get", "", "pods/portforward" },
  { "create", "", "pods/portforward" },
};

/* Whether API group @version is served; @error only when that cannot be told. */
static gboolean
has_api (const MtvKubeSite *site, const char *version, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strconcat ("/apis/", version, NULL);
  g_autoptr (JsonObject) found = mtv_kube_site_find (site, path, cancellable, error);

  return found != NULL;
}

gboolean
mtv_kube_check_cluster (const MtvKubeSite *site, GCancellable *cancellable, GError **error)
{
  static const char *const needed[][2]
      = { { MTV_KUBE_VM_VERSION, "KubeVirt" }, { MTV_KUBE_CDI_VERSION, "CDI" } };

  for (gsize i = 0; i < G_N_ELEMENTS (needed); i++)
    {
      g_autoptr (GError) failed = NULL;

      if (has_api (site, needed[i][0], cancellable, &failed))
        continue;
      if (failed != NULL)
        g_propagate_error (error, g_steal_pointer (&failed));
      else
        g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                     "%s: %s is not installed (the API has no %s)",
                     mtv_kube_client_get_label (site->client), needed[i][1], needed[i][0]);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_namespace (const MtvKubeSite *site, const MtvTarget *target, GPtrArray *concerns,
                 GCancellable *cancellable)
{
  g_autofree char *path = mtv_kube_path ("v1", NULL, "namespaces", site->name_space);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) found = mtv_kube_site_find (site, path, cancellable, &error);
  const char *phase = mtv_kube_json_string (found, "status", "phase", NULL);

  /* Who may not look at namespaces may still work in one. */
  if (found == NULL && error == NULL)
    mtv_concerns_add (concerns, "cluster.namespace", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The namespace is missing", "The cluster has no namespace '%s'; create it.",
                      site->name_space);
  else if (g_strcmp0 (phase, "Terminating") == 0)
    mtv_concerns_add (concerns, "cluster.namespace", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The namespace is being deleted",
                      "Namespace '%s' is being deleted; wait until it is gone and make it again, "
                      "or choose another one.",
                      site->name_space);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_rights (const MtvKubeSite *site, const MtvTarget *target, GPtrArray *concerns,
              GCancellable *cancellable)
{
  g_autoptr (GString) missing = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rights); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean allowed;

      if (!mtv_kube_client_can (site->client, site->name_space, rights[i].verb, rights[i].group,
                                rights[i].resource, &allowed, cancellable, &error))
        {
          mtv_concerns_add (concerns, "destination.not.writable", MTV_CONCERN_CRITICAL,
                            target->vm->name, "The destination cannot be used", "%s.",
                            error->message);
          return FALSE;
        }
      if (!allowed)
        g_string_append_printf (missing, "%s%s %s%s%s", missing->len > 0 ? ", " : "",
                                rights[i].verb, rights[i].resource,
                                *rights[i].group != '\0' ? "." : "", rights[i].group);
    }
  if (missing->len == 0)
    return TRUE;
  mtv_concerns_add (concerns, "cluster.rights", MTV_CONCERN_CRITICAL, target->vm->name,
                    "Rights are missing",
                    "In namespace '%s' our account may not: %s. Give it a role with these.",
                    site->name_space, missing->str);
  return FALSE;
}

static void
check_placement (const MtvKubeSite *site, const MtvTarget *target, GPtrArray *concerns,
                 GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *image = mtv_kube_site_find_image (site, cancellable, &error);

  if (image == NULL)
    mtv_concerns_add (concerns, "writer.image", MTV_CONCERN_CRITICAL, target->vm->name,
                      "There is nothing to write the disks with", "%s.", error->message);
  g_clear_error (&error);
  g_autoptr (MtvKubePlacement) placement = mtv_kube_site_place (site, cancellable, &error);
  if (placement == NULL)
    {
      mtv_concerns_add (concerns, "storage.profile", MTV_CONCERN_CRITICAL, target->vm->name,
                        "No storage for the disks", "%s.", error->message);
      return;
    }
  for (guint i = 0; i < target->disks->len; i++)
    {
      g_autofree char *path = mtv_kube_site_volumes (site, NULL);
      g_autoptr (JsonObject) volume = mtv_kube_volume_new (target, i, placement);
      g_autoptr (GError) refused = NULL;
      g_autoptr (JsonObject) tried
          = mtv_kube_client_create (site->client, path, volume, TRUE, cancellable, &refused);

      if (tried == NULL)
        mtv_concerns_add (concerns, "target.refused", MTV_CONCERN_CRITICAL, target->vm->name,
                          "The cluster refuses a volume", "%s.", refused->message);
    }
}

static void
check_networks (const MtvKubeSite *site, const MtvTarget *target, GPtrArray *concerns,
                GCancellable *cancellable)
{
  for (guint i = 0; i < target->vm->nics->len; i++)
    {
      g_autofree char *network
          = mtv_kube_vm_is_ignored (target, i) ? NULL : mtv_kube_vm_network (target, i);
      const char *slash = network == NULL ? NULL : strchr (network, '/');
      g_autofree char *space
          = slash == NULL ? g_strdup (site->name_space) : g_strndup (network, slash - network);
      g_autoptr (GError) error = NULL;

      if (network == NULL)
        continue;
      g_autofree char *path
          = mtv_kube_path ("k8s.cni.cncf.io/v1", space, "network-attachment-definitions",
                           slash == NULL ? network : slash + 1);
      g_autoptr (JsonObject) found = mtv_kube_site_find (site, path, cancellable, &error);
      if (found == NULL && error == NULL)
        mtv_concerns_add (concerns, "network.missing", MTV_CONCERN_CRITICAL, target->vm->name,
                          "A network is missing",
                          "Network card %u is to be on '%s', but the cluster has no "
                          "NetworkAttachmentDefinition of that name in namespace '%s'; map its "
                          "network to another one, to 'pod' or to 'ignored'.",
                          i + 1, network, space);
    }
}

static void
check_vm (const MtvKubeSite *site, const MtvTarget *target, GPtrArray *concerns,
          GCancellable *cancellable)
{
  g_autofree char *name = mtv_kube_vm_name (target);
  g_autofree char *path = mtv_kube_site_vms (site, name);
  g_autoptr (JsonObject) found = mtv_kube_site_find (site, path, cancellable, NULL);
  g_autoptr (GError) error = NULL;
  const char *preference;

  if (found != NULL)
    mtv_concerns_add (concerns, "target.exists",
                      target->name_given ? MTV_CONCERN_CRITICAL : MTV_CONCERN_WARNING,
                      target->vm->name, "The target name is taken",
                      "'%s' is there already in '%s'; %s.", name, site->name_space,
                      target->name_given ? "give the VM another target name, or delete that"
                                         : "the VM will get this name with a dash and four more "
                                           "characters");
  else if (!mtv_kube_define_try (site, target, &preference, cancellable, &error))
    mtv_concerns_add (concerns, "target.refused", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The cluster refuses the virtual machine", "%s.", error->message);
}

void
mtv_kube_check (const MtvKubeSite *site, const MtvTarget *target, GPtrArray *concerns,
                GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;

  if (!mtv_name_is_dns (target->name))
    mtv_concerns_add (concerns, "target.name.invalid", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The target name cannot be used",
                      "'%s' is no name that Kubernetes takes: lower-case letters, digits and "
                      "dashes, 63 at most.",
                      target->name);
  if (!mtv_kube_check_cluster (site, cancellable, &error))
    {
      if (g_error_matches (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED))
        mtv_concerns_add (concerns, "cluster.component", MTV_CONCERN_CRITICAL, target->vm->name,
                          "Something is not installed", "%s.", error->message);
      else
        mtv_concerns_add (concerns, "destination.not.writable", MTV_CONCERN_CRITICAL,
                          target->vm->name, "The destination cannot be used", "%s.",
                          error->message);
      return;
    }
  /* What is asked for below would only be refused for the same reason. */
  if (!check_namespace (site, target, concerns, cancellable)
      || !check_rights (site, target, concerns, cancellable))
    return;
  check_placement (site, target, concerns, cancellable);
  check_networks (site, target, concerns, cancellable);
  check_vm (site, target, concerns, cancellable);
}
