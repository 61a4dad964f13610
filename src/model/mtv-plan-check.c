/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-plan-check.h"

#include "model/mtv-name.h"

/* What one check of a whole plan remembers from VM to VM. */
typedef struct
{
  const MtvPlan *plan;
  GPtrArray *concerns;
  GHashTable *ids;   /* (element-type utf8) of VMs; (unowned) keys */
  GHashTable *names; /* target name (owned) to MtvPlanVm */
  GHashTable *macs;  /* MAC (unowned) to VM name (unowned) */
} Check;

static void
check_disks (Check *self, const MtvVm *vm)
{
  if (vm->disks->len == 0)
    mtv_concerns_add (self->concerns, "vm.no.disks", MTV_CONCERN_WARNING, vm->name, "No disks",
                      "The VM has no disk: there will be nothing for it to boot from.");
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (vm->disks, i);

      if (disk->problem != NULL)
        mtv_concerns_add (self->concerns, "disk.problem", MTV_CONCERN_CRITICAL, vm->name,
                          "A disk cannot be copied", "Disk '%s': %s", disk->name, disk->problem);
      else if (disk->capacity == 0)
        mtv_concerns_add (self->concerns, "disk.capacity.invalid", MTV_CONCERN_CRITICAL, vm->name,
                          "A disk has no size",
                          "Disk '%s' has a size of 0 bytes; give it a size at the source.",
                          disk->name);
    }
}

static void
check_firmware (Check *self, const MtvVm *vm)
{
  if (g_str_equal (vm->firmware, "efi"))
    mtv_concerns_add (self->concerns, "firmware.nvram", MTV_CONCERN_INFORMATION, vm->name,
                      "Boot entries are not carried",
                      "The firmware's variables stay at the source: the VM boots by the fallback "
                      "loader (\\EFI\\BOOT) of its first disk.");
  if (vm->secure_boot)
    mtv_concerns_add (self->concerns, "secure.boot", MTV_CONCERN_WARNING, vm->name, "Secure boot",
                      "The VM uses secure boot: it will start with the default keys, keys of its "
                      "own are not carried.");
  if (vm->tpm)
    mtv_concerns_add (self->concerns, "tpm", MTV_CONCERN_WARNING, vm->name, "TPM",
                      "The VM has a TPM: it will get a new, empty one. Have the recovery keys of "
                      "disks that are encrypted with it at hand.");
}

static void
check_hardware (Check *self, const MtvVm *vm)
{
  if (g_strcmp0 (vm->producer, "unknown") == 0)
    mtv_concerns_add (self->concerns, "source.unsupported", MTV_CONCERN_WARNING, vm->name,
                      "Unknown producer",
                      "It cannot be told which software made this VM's description; compare the "
                      "hardware that mtvd understood with what the VM had.");
  if (vm->cpus == 0 || vm->memory == 0)
    mtv_concerns_add (self->concerns, "vm.hardware.unknown", MTV_CONCERN_WARNING, vm->name,
                      "Hardware not told",
                      "The source does not tell the VM's %s: it will get %s; change that "
                      "afterwards if it is not enough.",
                      vm->cpus != 0     ? "memory"
                      : vm->memory != 0 ? "number of CPUs"
                                        : "number of CPUs and memory",
                      vm->cpus != 0     ? "1 GiB"
                      : vm->memory != 0 ? "1 CPU"
                                        : "1 CPU and 1 GiB");
}

static void
check_nics (Check *self, const MtvVm *vm)
{
  for (guint i = 0; i < vm->nics->len; i++)
    {
      const MtvVmNic *nic = g_ptr_array_index (vm->nics, i);

      if (nic->mac == NULL)
        continue;
      const char *other = g_hash_table_lookup (self->macs, nic->mac);
      if (other != NULL)
        mtv_concerns_add (self->concerns, "mac.duplicate", MTV_CONCERN_CRITICAL, vm->name,
                          "A MAC address is there twice",
                          "MAC address %s is that of a network card of '%s', too; change one of "
                          "them at the source.",
                          nic->mac, other);
      g_hash_table_insert (self->macs, nic->mac, vm->name);
    }
}

static void
check_devices (Check *self, const MtvVm *vm)
{
  gboolean asked = !g_str_equal (self->plan->devices, "auto");
  gboolean virtio = g_str_equal (mtv_plan_devices_for (self->plan, vm), "virtio");

  mtv_concerns_add (self->concerns, "guest.unconverted", MTV_CONCERN_INFORMATION, vm->name,
                    "The guest is not converted",
                    "Nothing is changed inside the guest. It gets %s, %s.",
                    virtio ? "virtio disks and network cards, for which it needs drivers"
                           : "SATA disks and e1000e network cards, which every system knows",
                    asked    ? "because the plan says so"
                    : virtio ? "because it uses virtio already"
                             : "because it does not use virtio now");
}

static void
check_name (Check *self, const MtvPlanVm *planned, const MtvVm *vm)
{
  g_autofree char *name
      = planned->target_name != NULL ? g_strdup (planned->target_name) : mtv_name_to_dns (vm->name);
  const MtvPlanVm *other = g_hash_table_lookup (self->names, name);

  if (planned->target_name == NULL && !g_str_equal (name, vm->name))
    mtv_concerns_add (self->concerns, "vm.name.invalid", MTV_CONCERN_WARNING, vm->name,
                      "The name cannot stay",
                      "'%s' is no name that Kubernetes takes: the VM will be called '%s', unless "
                      "the plan gives it a target name.",
                      vm->name, name);
  if (other == NULL)
    {
      g_hash_table_insert (self->names, g_steal_pointer (&name), (gpointer) planned);
      return;
    }

  /* A name that was made up gives way to the other; a given one never changes. */
  gboolean both_given = planned->target_name != NULL && other->target_name != NULL;
  mtv_concerns_add (
      self->concerns, "target.name.duplicate",
      both_given ? MTV_CONCERN_CRITICAL : MTV_CONCERN_WARNING, vm->name, "Two VMs of one name",
      "'%s' is the target name of '%s', too; give one of them another target name%s.", name,
      other->name, both_given ? "" : ", or it will get one that ends in random characters");
}

/* What the source itself has to say, in the VM's name. */
static void
take_concerns (Check *self, const MtvVm *vm)
{
  for (guint i = 0; i < vm->concerns->len; i++)
    {
      const MtvConcern *concern = g_ptr_array_index (vm->concerns, i);

      mtv_concerns_add (self->concerns, concern->id, concern->category, vm->name, concern->label,
                        "%s", concern->assessment);
    }
}

static void
check_vm (Check *self, const MtvPlanVm *planned, const MtvVm *vm)
{
  if (!g_hash_table_add (self->ids, planned->id))
    {
      mtv_concerns_add (self->concerns, "vm.duplicate", MTV_CONCERN_CRITICAL, planned->name,
                        "The VM is there twice", "The plan has VM '%s' more than once.",
                        planned->name);
      return;
    }
  if (vm == NULL)
    {
      mtv_concerns_add (self->concerns, "vm.not.found", MTV_CONCERN_CRITICAL, planned->name,
                        "The VM is not there",
                        "The source has no VM '%s' (%s) any more; refresh it, or take the VM out "
                        "of the plan.",
                        planned->name, planned->id);
      return;
    }
  if (vm->problem != NULL)
    mtv_concerns_add (self->concerns, "vm.problem", MTV_CONCERN_CRITICAL, vm->name,
                      "The VM cannot be migrated", "%s", vm->problem);
  check_disks (self, vm);
  check_name (self, planned, vm);
  check_hardware (self, vm);
  check_firmware (self, vm);
  check_nics (self, vm);
  check_devices (self, vm);
  take_concerns (self, vm);
}

void
mtv_plan_check (const MtvPlan *plan, GPtrArray *vms, GPtrArray *concerns)
{
  g_return_if_fail (vms->len == plan->vms->len);

  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) macs = g_hash_table_new (g_str_hash, g_str_equal);
  Check check = { plan, concerns, ids, names, macs };

  for (guint i = 0; i < vms->len; i++)
    check_vm (&check, g_ptr_array_index (plan->vms, i), g_ptr_array_index (vms, i));
  mtv_plan_ignore_concerns (plan, concerns);
}

void
mtv_plan_ignore_concerns (const MtvPlan *plan, GPtrArray *concerns)
{
  if (plan->ignore == NULL)
    return;

  g_autofree const char **ignore = g_variant_get_strv (plan->ignore, NULL);

  for (guint i = 0; i < concerns->len; i++)
    {
      MtvConcern *concern = g_ptr_array_index (concerns, i);

      if (g_str_equal (concern->category, MTV_CONCERN_INFORMATION)
          || !g_strv_contains (ignore, concern->id))
        continue;

      g_autofree char *assessment = g_steal_pointer (&concern->assessment);
      concern->assessment = g_strdup_printf ("%s (ignored by the plan)", assessment);
      g_free (concern->category);
      concern->category = g_strdup (MTV_CONCERN_INFORMATION);
    }
}

static gboolean
uses_virtio (const MtvVm *vm)
{
  for (guint i = 0; i < vm->disks->len; i++)
    if (g_strcmp0 (((MtvVmDisk *) g_ptr_array_index (vm->disks, i))->bus, "virtio") != 0)
      return FALSE;
  for (guint i = 0; vm->disks->len == 0 && i < vm->nics->len; i++)
    if (g_strcmp0 (((MtvVmNic *) g_ptr_array_index (vm->nics, i))->model, "virtio") != 0)
      return FALSE;
  return vm->disks->len > 0 || vm->nics->len > 0;
}

const char *
mtv_plan_devices_for (const MtvPlan *plan, const MtvVm *vm)
{
  if (g_str_equal (plan->devices, "auto"))
    return uses_virtio (vm) ? "virtio" : "compatible";
  return g_str_equal (plan->devices, "virtio") ? "virtio" : "compatible";
}
