/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-plan.h"

#include "base/mtv-error.h"

static const MtvField vm_fields[] = {
  MTV_FIELD (MtvPlanVm, id, "id", 's'),
  MTV_FIELD (MtvPlanVm, name, "name", 's'),
  MTV_FIELD (MtvPlanVm, target_name, "target-name", 's'),
};

static const MtvFields plan_vm_fields
    = { vm_fields, G_N_ELEMENTS (vm_fields), sizeof (MtvPlanVm), NULL };

static const MtvField fields[] = {
  MTV_FIELD (MtvPlan, id, "id", 's'),
  MTV_FIELD (MtvPlan, name, "name", 's'),
  MTV_FIELD (MtvPlan, description, "description", 's'),
  MTV_FIELD (MtvPlan, source, "source", 's'),
  MTV_FIELD (MtvPlan, destination, "destination", 's'),
  MTV_FIELD_ARRAY (MtvPlan, vms, "vms", plan_vm_fields),
  MTV_FIELD (MtvPlan, devices, "devices", 's'),
  MTV_FIELD (MtvPlan, format, "format", 's'),
  MTV_FIELD (MtvPlan, hash, "hash", 's'),
  MTV_FIELD (MtvPlan, verify, "verify", 's'),
  MTV_FIELD (MtvPlan, target_power_state, "target-power-state", 's'),
  MTV_SCHEDULE_FIELDS (MtvPlan, schedule),
  MTV_FIELD (MtvPlan, networks, "networks", 'v'),
  MTV_FIELD (MtvPlan, ignore, "ignore", 'v'),
  MTV_FIELD (MtvPlan, archived, "archived", 'b'),
  MTV_FIELD (MtvPlan, created, "created", 't'),
};

const MtvFields mtv_plan_fields = { fields, G_N_ELEMENTS (fields), sizeof (MtvPlan), NULL };

static const struct
{
  const char *key;
  gsize offset;
  const char *const values[5]; /* the first is the default */
} choices[] = {
  { "devices", G_STRUCT_OFFSET (MtvPlan, devices), { "auto", "compatible", "virtio" } },
  { "format", G_STRUCT_OFFSET (MtvPlan, format), { "raw", "qcow2" } },
  { "hash", G_STRUCT_OFFSET (MtvPlan, hash), { "xxh3-128", "sha256" } },
  { "verify", G_STRUCT_OFFSET (MtvPlan, verify), { "written", "full", "off" } },
  { "target-power-state", G_STRUCT_OFFSET (MtvPlan, target_power_state), { "auto", "on", "off" } },
  { "shutdown",
    G_STRUCT_OFFSET (MtvPlan, schedule.shutdown),
    { "guest", "guest-then-force", "force", "manual" } },
};

static void
fill_defaults (MtvPlan *self)
{
  for (gsize i = 0; i < G_N_ELEMENTS (choices); i++)
    {
      char **choice = G_STRUCT_MEMBER_P (self, choices[i].offset);

      if (*choice == NULL)
        *choice = g_strdup (choices[i].values[0]);
    }
}

MtvPlan *
mtv_plan_new (void)
{
  MtvPlan *self = mtv_fields_new (&mtv_plan_fields);

  fill_defaults (self);
  return self;
}

void
mtv_plan_free (MtvPlan *self)
{
  mtv_fields_free (&mtv_plan_fields, self);
}

MtvPlanVm *
mtv_plan_add_vm (MtvPlan *self)
{
  MtvPlanVm *vm = mtv_fields_new (&plan_vm_fields);

  g_ptr_array_add (self->vms, vm);
  return vm;
}

GVariant *
mtv_plan_to_variant (const MtvPlan *self)
{
  return mtv_fields_to_variant (&mtv_plan_fields, self);
}

gboolean
mtv_plan_validate_option (const char *key, const char *value, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (choices); i++)
    {
      if (!g_str_equal (choices[i].key, key))
        continue;
      if (g_strv_contains (choices[i].values, value))
        return TRUE;

      g_autofree char *known = g_strjoinv ("', '", (char **) choices[i].values);
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' cannot be '%s', only '%s'",
                   key, value, known);
      return FALSE;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "A plan has no choice '%s'", key);
  return FALSE;
}

static gboolean
is_whole (const MtvPlan *self)
{
  gboolean whole
      = self->id != NULL && self->name != NULL && self->source != NULL && self->destination != NULL;

  for (guint i = 0; whole && i < self->vms->len; i++)
    {
      const MtvPlanVm *vm = g_ptr_array_index (self->vms, i);
      whole = vm->id != NULL && vm->name != NULL;
    }
  if (whole && self->networks != NULL)
    whole = g_variant_is_of_type (self->networks, G_VARIANT_TYPE ("a{ss}"));
  if (whole && self->ignore != NULL)
    whole = g_variant_is_of_type (self->ignore, G_VARIANT_TYPE_STRING_ARRAY);
  return whole;
}

static gboolean
check_choices (const MtvPlan *self, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (choices); i++)
    {
      const char *value = G_STRUCT_MEMBER (char *, self, choices[i].offset);

      if (!mtv_plan_validate_option (choices[i].key, value, error))
        return FALSE;
    }
  return TRUE;
}

MtvPlan *
mtv_plan_from_variant (GVariant *variant, GError **error)
{
  g_autoptr (MtvPlan) self = mtv_fields_from_variant (&mtv_plan_fields, variant, error);

  if (self == NULL)
    return NULL;
  fill_defaults (self);
  if (!is_whole (self))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "Plan '%s' lacks something, or has it in another form",
                   self->name != NULL ? self->name : "");
      return NULL;
    }
  return check_choices (self, error) ? g_steal_pointer (&self) : NULL;
}
