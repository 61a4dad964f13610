/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakes/fake-vcenter-private.h"

#include <libxml/parser.h>
#include <string.h>

#define UUID "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63"

static void
object_free (gpointer data)
{
  FakeObject *object = data;

  g_free (object->type);
  g_free (object->id);
  g_hash_table_unref (object->types);
  g_hash_table_unref (object->props);
  g_free (object);
}

static void
snapshot_free (gpointer data)
{
  g_free (((FakeSnapshot *) data)->id);
  g_free (((FakeSnapshot *) data)->name);
  g_free (data);
}

static void
collector_free (gpointer data)
{
  g_free (((FakeCollector *) data)->object);
  g_free (((FakeCollector *) data)->path);
  g_free (data);
}

/* Objects. With the lock held. */

FakeObject *
fake_world_get (FakeVcenter *self, const char *type, const char *id)
{
  FakeObject *object = g_hash_table_lookup (self->by_id, id);

  if (object != NULL || type == NULL)
    return object;
  object = g_new0 (FakeObject, 1);
  object->type = g_strdup (type);
  object->id = g_strdup (id);
  object->types = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  object->props = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_ptr_array_add (self->objects, object);
  g_hash_table_insert (self->by_id, object->id, object);
  return object;
}

void
fake_world_put (FakeObject *object, const char *path, const char *type, const char *inside)
{
  if (inside == NULL)
    {
      g_hash_table_remove (object->props, path);
      return;
    }
  g_hash_table_insert (object->types, g_strdup (path), g_strdup (type));
  g_hash_table_insert (object->props, g_strdup (path), g_strdup (inside));
}

static void
add_place (FakeVcenter *self, const char *type, const char *id, const char *name,
           const char *parent_type, const char *parent)
{
  FakeObject *object = fake_world_get (self, type, id);
  g_autofree char *ref = g_strconcat ("ref:", parent_type, NULL);

  fake_world_put (object, "name", "xsd:string", name);
  fake_world_put (object, "parent", ref, parent);
}

static char *
devices (const char *file, const char *change_id)
{
  g_autofree char *id
      = change_id == NULL ? g_strdup ("") : g_strdup_printf ("<changeId>%s</changeId>", change_id);

  return g_strdup_printf (
      "<VirtualDevice XMLSchema-instance:type=\"ParaVirtualSCSIController\"><key>1000</key>"
      "<busNumber>0</busNumber><sharedBus>noSharing</sharedBus></VirtualDevice>"
      "<VirtualDevice XMLSchema-instance:type=\"VirtualDisk\"><key>" FAKE_DISK "</key>"
      "<deviceInfo XMLSchema-instance:type=\"Description\"><label>Hard disk 1</label></deviceInfo>"
      "<backing XMLSchema-instance:type=\"VirtualDiskFlatVer2BackingInfo\">"
      "<fileName>%s</fileName><datastore type=\"Datastore\">datastore-1</datastore>"
      "<diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned>"
      "<uuid>6000C29a-1</uuid>%s<sharing>sharingNone</sharing></backing>"
      "<controllerKey>1000</controllerKey><unitNumber>0</unitNumber>"
      "<capacityInKB>%d</capacityInKB><capacityInBytes>%d</capacityInBytes></VirtualDevice>"
      "<VirtualDevice XMLSchema-instance:type=\"VirtualVmxnet3\"><key>4000</key>"
      "<deviceInfo><label>Network adapter 1</label></deviceInfo>"
      "<backing XMLSchema-instance:type=\"VirtualEthernetCardDistributedVirtualPortBackingInfo\">"
      "<port><switchUuid>u</switchUuid><portgroupKey>dvportgroup-1</portgroupKey></port></backing>"
      "<connectable><startConnected>true</startConnected><connected>true</connected></connectable>"
      "<macAddress>00:50:56:AA:bb:01</macAddress></VirtualDevice>",
      file, id, FAKE_CAPACITY / 1024, FAKE_CAPACITY);
}

void
fake_world_add_vm (FakeVcenter *self, const char *id, const char *name)
{
  FakeObject *vm = fake_world_get (self, "VirtualMachine", id);
  g_autofree char *hardware = devices ("[LocalDS_0] web/web.vmdk", NULL);

  fake_world_put (vm, "name", "xsd:string", name);
  fake_world_put (vm, "parent", "ref:Folder", "group-3");
  fake_world_put (vm, "config.uuid", "xsd:string", "420a0000-0000-4000-8000-000000000001");
  fake_world_put (vm, "config.firmware", "xsd:string", "efi");
  fake_world_put (vm, "config.bootOptions", "VirtualMachineBootOptions",
                  "<efiSecureBootEnabled>true</efiSecureBootEnabled>");
  fake_world_put (vm, "config.guestId", "xsd:string", "rhel8_64Guest");
  fake_world_put (vm, "config.guestFullName", "xsd:string", "Red Hat Enterprise Linux 8 (64-bit)");
  fake_world_put (vm, "config.changeTrackingEnabled", "xsd:boolean", "false");
  fake_world_put (vm, "config.changeVersion", "xsd:string", "2026-11-23T01:00:31Z");
  fake_world_put (vm, "config.hardware.numCPU", "xsd:int", "4");
  fake_world_put (vm, "config.hardware.numCoresPerSocket", "xsd:int", "2");
  fake_world_put (vm, "config.hardware.memoryMB", "xsd:int", "2048");
  fake_world_put (vm, "config.hardware.device", "ArrayOfVirtualDevice", hardware);
  fake_world_put (vm, "runtime.powerState", "VirtualMachinePowerState", "poweredOn");
  fake_world_put (vm, "runtime.connectionState", "VirtualMachineConnectionState", "connected");
  fake_world_put (vm, "runtime.consolidationNeeded", "xsd:boolean", "false");
  fake_world_put (vm, "runtime.host", "ref:HostSystem", "host-1");
  fake_world_put (vm, "guest.toolsRunningStatus", "xsd:string", "guestToolsRunning");
  fake_world_put (vm, "guest.hostName", "xsd:string", "web.example.com");
  fake_world_put (
      vm, "guest.net", "ArrayOfGuestNicInfo",
      "<GuestNicInfo><macAddress>00:50:56:aa:bb:01</macAddress><ipConfig><ipAddress>"
      "<ipAddress>192.0.2.7</ipAddress></ipAddress><ipAddress><ipAddress>fe80::1</ipAddress>"
      "</ipAddress></ipConfig></GuestNicInfo>");
}

static void
add_world (FakeVcenter *self)
{
  fake_world_put (fake_world_get (self, "Folder", "group-d1"), "name", "xsd:string", "Datacenters");
  add_place (self, "Datacenter", "datacenter-2", "DC0", "Folder", "group-d1");
  add_place (self, "Folder", "group-3", "vm", "Datacenter", "datacenter-2");
  add_place (self, "Folder", "group-4", "host", "Datacenter", "datacenter-2");
  add_place (self, "ClusterComputeResource", "domain-c1", "DC0_C0", "Folder", "group-4");
  add_place (self, "HostSystem", "host-1", "esx1.example.com", "ClusterComputeResource",
             "domain-c1");
  add_place (self, "Datastore", "datastore-1", "LocalDS_0", "Datacenter", "datacenter-2");
  add_place (self, "Network", "network-7", "VM Network", "Datacenter", "datacenter-2");
  add_place (self, "DistributedVirtualPortgroup", "dvportgroup-1", "DC0_DVPG0", "Datacenter",
             "datacenter-2");
  fake_world_put (fake_world_get (self, NULL, "dvportgroup-1"), "key", "xsd:string",
                  "dvportgroup-1");
  fake_world_put (fake_world_get (self, NULL, "datastore-1"), "summary.accessible", "xsd:boolean",
                  "true");
  fake_world_put (fake_world_get (self, NULL, "datastore-1"), "summary.type", "xsd:string", "VMFS");
  fake_world_put (fake_world_get (self, NULL, "host-1"), "summary.config.product", "AboutInfo",
                  "<version>8.0.1</version><build>21495797</build>");
  fake_world_add_vm (self, FAKE_VM, "web");
}

static void
write_snapshots (FakeVcenter *self)
{
  g_autoptr (GString) tree = g_string_new (NULL);

  for (guint i = 0; i < self->snapshots->len; i++)
    {
      const FakeSnapshot *at = g_ptr_array_index (self->snapshots, i);

      g_string_append_printf (tree,
                              "<%s><snapshot type=\"VirtualMachineSnapshot\">%s</snapshot>"
                              "<name>%s</name><id>%u</id>",
                              i == 0 ? "rootSnapshotList" : "childSnapshotList", at->id, at->name,
                              i + 1);
    }
  for (guint i = self->snapshots->len; i > 0; i--)
    g_string_append_printf (tree, "</%s>", i == 1 ? "rootSnapshotList" : "childSnapshotList");
  FakeObject *vm = fake_world_get (self, NULL, FAKE_VM);
  if (vm != NULL)
    fake_world_put (vm, "snapshot", "VirtualMachineSnapshotInfo",
                    self->snapshots->len > 0 ? tree->str : NULL);
}

/* Answers. */

static xmlNode *
param (const xmlNode *method, const char *name)
{
  return mtv_vsphere_xml_child (method, name);
}

static void
append_val (GString *out, const char *type, const char *inside)
{
  static const char xsi[]
      = "xmlns:XMLSchema-instance=\"http://www.w3.org/2001/XMLSchema-instance\"";

  if (g_str_has_prefix (type, "ref:"))
    g_string_append_printf (out,
                            "<val %s XMLSchema-instance:type=\"ManagedObjectReference\" "
                            "type=\"%s\">%s</val>",
                            xsi, type + 4, inside);
  else
    g_string_append_printf (out, "<val %s XMLSchema-instance:type=\"%s\">%s</val>", xsi, type,
                            inside);
}

static void
append_object (GString *out, const FakeObject *object, const xmlNode *spec)
{
  g_string_append_printf (out, "<objects><obj type=\"%s\">%s</obj>", object->type, object->id);
  for (xmlNode *set = param (spec, "propSet"); set != NULL; set = mtv_vsphere_xml_next (set))
    {
      const char *type = mtv_vsphere_xml_text (set, "type");

      if (g_strcmp0 (type, object->type) != 0 && g_strcmp0 (type, "ManagedEntity") != 0)
        continue;
      for (xmlNode *path = param (set, "pathSet"); path != NULL; path = mtv_vsphere_xml_next (path))
        {
          const char *name = mtv_vsphere_xml_text (path, NULL);
          const char *inside = g_hash_table_lookup (object->props, name);

          if (inside == NULL)
            continue;
          g_string_append_printf (out, "<propSet><name>%s</name>", name);
          append_val (out, g_hash_table_lookup (object->types, name), inside);
          g_string_append (out, "</propSet>");
        }
    }
  g_string_append (out, "<unknownElement xmlns=\"urn:other\"><x/></unknownElement></objects>");
}

static GPtrArray *
list_of_types (FakeVcenter *self, const char *types)
{
  g_auto (GStrv) wanted = g_strsplit (types, ",", -1);
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < self->objects->len; i++)
    {
      FakeObject *object = g_ptr_array_index (self->objects, i);

      if (g_strv_contains ((const char *const *) wanted, object->type))
        g_ptr_array_add (found, object);
    }
  return found;
}

/* The first @limit of @list, and a token for the others. */
static void
append_page (FakeVcenter *self, GString *out, GPtrArray *list, guint limit, const char *spec_text)
{
  g_autoptr (xmlDoc) doc
      = xmlReadMemory (spec_text, strlen (spec_text), NULL, NULL, XML_PARSE_NOERROR);
  const xmlNode *spec = xmlDocGetRootElement (doc);

  if (list->len > limit)
    {
      g_autofree char *token = g_strdup_printf ("token-%u", ++self->serial);
      GPtrArray *rest = g_ptr_array_new ();

      g_string_append_printf (out, "<token>%s</token>", token);
      for (guint i = limit; i < list->len; i++)
        g_ptr_array_add (rest, list->pdata[i]);
      g_object_set_data_full (G_OBJECT (self->server), token, g_strdup (spec_text), g_free);
      g_hash_table_insert (self->pages, g_steal_pointer (&token), rest);
    }
  for (guint i = 0; i < MIN (list->len, limit); i++)
    append_object (out, g_ptr_array_index (list, i), spec);
}

char *
fake_world_dump (xmlNode *node)
{
  xmlBuffer *buffer = xmlBufferCreate ();

  xmlNodeDump (buffer, node->doc, node, 0, 0);
  char *text = g_strdup ((const char *) xmlBufferContent (buffer));
  xmlBufferFree (buffer);
  return text;
}

/* The object, or with a traversal what its property "recentTask" names, or what it lies in. */
static void
add_selected (FakeVcenter *self, GPtrArray *list, const xmlNode *set, FakeObject *object)
{
  const xmlNode *select = param (set, "selectSet");
  const char *path = mtv_vsphere_xml_text (select, "path");

  if (object != NULL && g_strcmp0 (path, "recentTask") == 0)
    {
      const char *task = g_hash_table_lookup (object->props, "recentTask");
      object = task == NULL ? NULL : fake_world_get (self, NULL, task);
      select = NULL;
    }
  while (object != NULL)
    {
      const char *parent = g_hash_table_lookup (object->props, "parent");

      g_ptr_array_add (list, object);
      object = select != NULL && parent != NULL ? fake_world_get (self, NULL, parent) : NULL;
    }
}

/* FALSE: @out is the name of a fault. */
static gboolean
retrieve (FakeVcenter *self, const xmlNode *method, GString *out)
{
  xmlNode *spec = param (method, "specSet");
  const char *id = mtv_vsphere_xml_text (spec, "objectSet/obj");
  const char *types = g_hash_table_lookup (self->views, id);
  FakeObject *object = fake_world_get (self, NULL, id);
  guint limit = (guint) mtv_vsphere_xml_number (method, "options/maxObjects");
  g_autofree char *text = fake_world_dump (spec);

  if (types == NULL && object == NULL)
    {
      g_string_assign (out, "ManagedObjectNotFound");
      return FALSE;
    }
  g_autoptr (GPtrArray) list = types != NULL ? list_of_types (self, types) : g_ptr_array_new ();
  add_selected (self, list, param (spec, "objectSet"), types != NULL ? NULL : object);
  g_string_append (out, "<returnval>");
  append_page (self, out, list, limit > 0 ? limit : G_MAXUINT, text);
  g_string_append (out, "</returnval>");
  return TRUE;
}

static gboolean
retrieve_more (FakeVcenter *self, const xmlNode *method, GString *out)
{
  const char *token = mtv_vsphere_xml_text (method, "token");
  GPtrArray *list = g_hash_table_lookup (self->pages, token);
  const char *spec = token == NULL ? NULL : g_object_get_data (G_OBJECT (self->server), token);

  if (list == NULL)
    {
      g_string_assign (out, "InvalidArgument");
      return FALSE;
    }
  g_string_append (out, "<returnval>");
  append_page (self, out, list, 100, spec);
  g_string_append (out, "</returnval>");
  g_hash_table_remove (self->pages, token);
  return TRUE;
}

static void
create_view (FakeVcenter *self, const xmlNode *method, GString *out)
{
  char *id = g_strdup_printf ("session[%u]view", ++self->serial);
  g_autoptr (GString) types = g_string_new (NULL);

  for (xmlNode *type = param (method, "type"); type != NULL; type = mtv_vsphere_xml_next (type))
    g_string_append_printf (types, "%s,", mtv_vsphere_xml_text (type, NULL));
  g_string_append_printf (out, "<returnval type=\"ContainerView\">%s</returnval>", id);
  g_hash_table_insert (self->views, id, g_strdup (types->str));
}

static void
create_collector (FakeVcenter *self, GString *out)
{
  char *id = g_strdup_printf ("session[%u]pc", ++self->serial);

  g_string_append_printf (out, "<returnval type=\"PropertyCollector\">%s</returnval>", id);
  g_hash_table_insert (self->collectors, id, g_new0 (FakeCollector, 1));
}

static gboolean
create_filter (FakeVcenter *self, const xmlNode *method, GString *out)
{
  FakeCollector *collector
      = g_hash_table_lookup (self->collectors, mtv_vsphere_xml_text (method, "_this"));
  const char *id = mtv_vsphere_xml_text (method, "spec/objectSet/obj");

  if (collector == NULL || fake_world_get (self, NULL, id) == NULL)
    {
      g_string_assign (out, "ManagedObjectNotFound");
      return FALSE;
    }
  collector->object = g_strdup (id);
  collector->path = g_strdup (mtv_vsphere_xml_text (method, "spec/propSet/pathSet"));
  g_string_append (out, "<returnval type=\"PropertyFilter\">f</returnval>");
  return TRUE;
}

static gboolean
wait_for_updates (FakeVcenter *self, const xmlNode *method, GString *out)
{
  const FakeCollector *collector
      = g_hash_table_lookup (self->collectors, mtv_vsphere_xml_text (method, "_this"));
  FakeObject *object = collector == NULL ? NULL : fake_world_get (self, NULL, collector->object);

  if (object == NULL)
    {
      g_string_assign (out, "ManagedObjectNotFound");
      return FALSE;
    }
  g_string_append_printf (out,
                          "<returnval><version>%u</version><filterSet><objectSet>"
                          "<kind>modify</kind><obj type=\"%s\">%s</obj><changeSet><name>%s</name>"
                          "<op>assign</op>",
                          ++self->serial, object->type, object->id, collector->path);
  if (g_str_equal (object->type, "Task") && self->steps_left > 0)
    {
      self->steps_left--;
      append_val (out, "TaskInfo", "<state>running</state>");
    }
  else
    append_val (out, g_hash_table_lookup (object->types, collector->path),
                g_hash_table_lookup (object->props, collector->path));
  g_string_append (out, "</changeSet></objectSet></filterSet></returnval>");
  return TRUE;
}

/* What methods do. */

static void
set_disk (FakeVcenter *self, const char *object, const char *type, const char *file,
          const char *change_id)
{
  g_autofree char *hardware = devices (file, change_id);

  fake_world_put (fake_world_get (self, type, object), "config.hardware.device",
                  "ArrayOfVirtualDevice", hardware);
}

/* (transfer full) its id */
char *
fake_world_add_snapshot (FakeVcenter *self, const char *id, const char *name)
{
  FakeSnapshot *snapshot = g_new0 (FakeSnapshot, 1);
  const char *tracking = g_hash_table_lookup (fake_world_get (self, NULL, FAKE_VM)->props,
                                              "config.changeTrackingEnabled");
  g_autofree char *change_id = g_strdup_printf (UUID "/%u", ++self->epoch);
  g_autofree char *leaf
      = g_strdup_printf ("[LocalDS_0] web/web-%06u.vmdk", self->snapshots->len + 1);

  snapshot->id = id != NULL ? g_strdup (id) : g_strdup_printf ("snapshot-%u", ++self->serial);
  snapshot->name = g_strdup (name);
  set_disk (self, snapshot->id, "VirtualMachineSnapshot", "[LocalDS_0] web/web.vmdk",
            g_strcmp0 (tracking, "true") == 0 ? change_id : NULL);
  set_disk (self, FAKE_VM, NULL, leaf, NULL);
  g_ptr_array_add (self->snapshots, snapshot);
  write_snapshots (self);
  return g_strdup (snapshot->id);
}

static const char *
remove_snapshot (FakeVcenter *self, const char *id)
{
  for (guint i = 0; i < self->snapshots->len; i++)
    if (g_strcmp0 (((FakeSnapshot *) self->snapshots->pdata[i])->id, id) == 0)
      {
        g_ptr_array_remove_index (self->snapshots, i);
        write_snapshots (self);
        return NULL;
      }
  return "ManagedObjectNotFound";
}

static const char *
set_power (FakeVcenter *self, const char *state)
{
  FakeObject *vm = fake_world_get (self, NULL, FAKE_VM);

  if (g_strcmp0 (g_hash_table_lookup (vm->props, "runtime.powerState"), state) == 0)
    return "InvalidPowerState";
  fake_world_put (vm, "runtime.powerState", "VirtualMachinePowerState", state);
  return NULL;
}

/* @result: (out) (nullable) (transfer full). Returns the task's fault. */
static const char *
do_task (FakeVcenter *self, const xmlNode *method, const char *subject, char **result)
{
  const char *name = (const char *) method->name;

  if (fake_world_get (self, NULL, subject) == NULL)
    return "ManagedObjectNotFound";
  if (g_str_equal (name, "CreateSnapshot_Task"))
    *result = fake_world_add_snapshot (self, NULL, mtv_vsphere_xml_text (method, "name"));
  else if (g_str_equal (name, "RemoveSnapshot_Task"))
    return remove_snapshot (self, subject);
  else if (g_str_equal (name, "ConsolidateVMDisks_Task"))
    fake_world_put (fake_world_get (self, NULL, subject), "runtime.consolidationNeeded",
                    "xsd:boolean", "false");
  else if (g_str_equal (name, "ReconfigVM_Task"))
    fake_world_put (fake_world_get (self, NULL, subject), "config.changeTrackingEnabled",
                    "xsd:boolean", mtv_vsphere_xml_text (method, "spec/changeTrackingEnabled"));
  else if (g_str_equal (name, "PowerOffVM_Task"))
    return set_power (self, "poweredOff");
  else if (g_str_equal (name, "PowerOnVM_Task"))
    return set_power (self, "poweredOn");
  return NULL;
}

void
fake_world_run_task (FakeVcenter *self, const xmlNode *method, const char *scripted, GString *out)
{
  g_autofree char *id = g_strdup_printf ("task-%u", ++self->serial);
  g_autofree char *result = NULL;
  const char *fault = scripted != NULL
                          ? scripted
                          : do_task (self, method, mtv_vsphere_xml_text (method, "_this"), &result);
  g_autofree char *info
      = fault != NULL
            ? g_strdup_printf ("<state>error</state><error><fault "
                               "XMLSchema-instance:type=\"%s\"/><localizedMessage>fake "
                               "%s</localizedMessage></error>",
                               fault, fault)
            : g_strdup_printf ("<state>success</state>%s%s%s",
                               result != NULL ? "<result type=\"x\">" : "",
                               result != NULL ? result : "", result != NULL ? "</result>" : "");

  fake_world_put (fake_world_get (self, "Task", id), "info", "TaskInfo", info);
  self->steps_left = self->task_steps;
  g_string_append_printf (out, "<returnval type=\"Task\">%s</returnval>", id);
}

static gboolean
query_changes (FakeVcenter *self, const xmlNode *method, GString *out)
{
  (void) self;
  if (mtv_vsphere_xml_number (method, "startOffset") >= FAKE_CAPACITY)
    {
      g_string_assign (out, "InvalidArgument");
      return FALSE;
    }
  g_string_append_printf (out,
                          "<returnval><startOffset>0</startOffset><length>%d</length>"
                          "<changedArea><start>65536</start><length>131072</length></changedArea>"
                          "</returnval>",
                          FAKE_CAPACITY);
  return TRUE;
}

static void
service_content (GString *out)
{
  g_string_append (
      out, "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>"
           "<propertyCollector type=\"PropertyCollector\">propertyCollector</propertyCollector>"
           "<viewManager type=\"ViewManager\">ViewManager</viewManager><about><name>VMware vCenter "
           "Server</name><fullName>VMware vCenter Server 8.0.1 (fake)</fullName>"
           "<apiType>VirtualCenter</apiType><apiVersion>8.0.1.0</apiVersion><instanceUuid>u</"
           "instanceUuid>"
           "</about><sessionManager type=\"SessionManager\">SessionManager</sessionManager>"
           "<authorizationManager type=\"AuthorizationManager\">AuthorizationManager"
           "</authorizationManager><searchIndex type=\"SearchIndex\">SearchIndex</searchIndex>"
           "</returnval>");
}

static void
tell_privileges (const xmlNode *method, GString *out)
{
  g_string_append (out, "<returnval><entity type=\"VirtualMachine\">" FAKE_VM "</entity>");
  for (xmlNode *at = param (method, "privId"); at != NULL; at = mtv_vsphere_xml_next (at))
    g_string_append_printf (out,
                            "<privAvailability><privId>%s</privId><isGranted>true</isGranted>"
                            "</privAvailability>",
                            mtv_vsphere_xml_text (at, NULL));
  g_string_append (out, "</returnval>");
}

static gboolean
log_in (FakeVcenter *self, const xmlNode *method, const char *session, SoupServerMessage *message,
        GString *out)
{
  if (session != NULL || g_strcmp0 (mtv_vsphere_xml_text (method, "userName"), "user") != 0
      || g_strcmp0 (mtv_vsphere_xml_text (method, "password"), "pass & word") != 0)
    {
      g_string_assign (out, "InvalidLogin");
      return FALSE;
    }
  char *key = g_strdup_printf ("key-%u", ++self->serial);
  g_autofree char *cookie = g_strdup_printf ("vmware_soap_session=%s; Path=/; HttpOnly", key);
  soup_message_headers_append (soup_server_message_get_response_headers (message), "Set-Cookie",
                               cookie);
  g_string_append_printf (out, "<returnval><key>%s</key><userName>user</userName></returnval>",
                          key);
  g_hash_table_add (self->sessions, key);
  return TRUE;
}

void
fake_world_forget_sessions (FakeVcenter *self)
{
  g_hash_table_remove_all (self->sessions);
  g_hash_table_remove_all (self->collectors);
  g_hash_table_remove_all (self->views);
  g_hash_table_remove_all (self->pages);
}

gboolean
fake_world_call (FakeVcenter *self, const xmlNode *method, const char *session,
                 SoupServerMessage *message, GString *out)
{
  const char *name = (const char *) method->name;

  if (g_str_equal (name, "RetrieveServiceContent"))
    service_content (out);
  else if (g_str_equal (name, "Login"))
    return log_in (self, method, session, message, out);
  else if (session == NULL)
    {
      g_string_assign (out, "NotAuthenticated");
      return FALSE;
    }
  else if (g_str_equal (name, "Logout"))
    g_hash_table_remove (self->sessions, session);
  else if (g_str_equal (name, "CreateContainerView"))
    create_view (self, method, out);
  else if (g_str_equal (name, "RetrievePropertiesEx"))
    return retrieve (self, method, out);
  else if (g_str_equal (name, "ContinueRetrievePropertiesEx"))
    return retrieve_more (self, method, out);
  else if (g_str_equal (name, "CreatePropertyCollector"))
    create_collector (self, out);
  else if (g_str_equal (name, "CreateFilter"))
    return create_filter (self, method, out);
  else if (g_str_equal (name, "WaitForUpdatesEx"))
    return wait_for_updates (self, method, out);
  else if (g_str_equal (name, "QueryChangedDiskAreas"))
    return query_changes (self, method, out);
  else if (g_str_equal (name, "HasPrivilegeOnEntities"))
    tell_privileges (method, out);
  else if (g_str_equal (name, "ShutdownGuest") && set_power (self, "poweredOff") != NULL)
    {
      g_string_assign (out, "InvalidPowerState");
      return FALSE;
    }
  else if (g_str_has_suffix (name, "_Task"))
    fake_world_run_task (self, method, NULL, out);
  return TRUE;
}

void
fake_world_init (FakeVcenter *self)
{
  self->objects = g_ptr_array_new_with_free_func (object_free);
  self->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  self->snapshots = g_ptr_array_new_with_free_func (snapshot_free);
  self->sessions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->collectors = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, collector_free);
  self->views = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->pages
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  add_world (self);
}

void
fake_world_clear (FakeVcenter *self)
{
  g_hash_table_unref (self->pages);
  g_hash_table_unref (self->views);
  g_hash_table_unref (self->collectors);
  g_hash_table_unref (self->sessions);
  g_ptr_array_unref (self->snapshots);
  g_hash_table_unref (self->by_id);
  g_ptr_array_unref (self->objects);
}
