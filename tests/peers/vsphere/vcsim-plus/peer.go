// SPDX-License-Identifier: LGPL-2.1-or-later
package main

import (
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// What is added to the simulator. The lock is for all of it.
type peer struct {
	sync.Mutex
	model    *simulator.Model
	disks    []*disk
	sessions map[string]bool // logged in
	expired  map[string]bool // forgotten, though the simulator knows them
	tickets  map[string]string
	leases   map[string]*lease
	faults   map[string]*injection
	calls    map[string]int
	status   int // of HTTP, for the next statuses calls
	statuses int
	ended    map[string]int // leases, by how
}

type injection struct {
	name  string
	times int
}

func (p *peer) diskOf(vm types.ManagedObjectReference, key int32) *disk {
	i := slices.IndexFunc(p.disks, func(d *disk) bool { return d.vm == vm && d.key == key })
	if i < 0 {
		return nil
	}
	return p.disks[i]
}

func newFault(name string) types.BaseMethodFault {
	kind, ok := types.TypeFunc()(name)
	if !ok {
		return &types.RuntimeFault{}
	}
	fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return &types.RuntimeFault{}
	}
	return fault
}

// handle is asked before every call, and may say who answers it.
func (p *peer) handle(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	p.Lock()
	defer p.Unlock()
	p.calls[method.Name]++
	if ctx.Session != nil && p.expired[ctx.Session.Key] && method.Name != "Login" {
		return nil, &types.NotAuthenticated{NoPermission: types.NoPermission{
			Object: &method.This, PrivilegeId: "System.View"}}
	}
	if rule := p.faults[method.Name]; rule != nil && rule.times > 0 {
		rule.times--
		return nil, newFault(rule.name)
	}
	object := p.wrap(ctx, method)
	if object == nil {
		return nil, nil
	}
	if ctx.Session != nil { // which has its own view of objects, before anything else
		ctx.Session.Registry.Put(object)
	}
	return object, nil
}

// wrap gives the object that knows better than the simulator's.
func (p *peer) wrap(ctx *simulator.Context, method *simulator.Method) mo.Reference {
	switch method.Name {
	case "CreateSnapshot_Task", "QueryChangedDiskAreas", "ConsolidateVMDisks_Task", "ExportVm":
		if vm, ok := ctx.Map.Get(method.This).(*simulator.VirtualMachine); ok {
			return &machine{vm, p}
		}
	case "RemoveSnapshot_Task", "ExportSnapshot":
		if snap, ok := ctx.Map.Get(method.This).(*simulator.VirtualMachineSnapshot); ok {
			return &snapshot{snap, p}
		}
	case "Login", "Logout", "AcquireGenericServiceTicket":
		if manager, ok := ctx.Map.Get(method.This).(*simulator.SessionManager); ok {
			return &sessions{manager, p}
		}
	}
	return nil
}

// The sessions, which are counted, and the tickets.
type sessions struct {
	*simulator.SessionManager
	peer *peer
}

func (s *sessions) Login(ctx *simulator.Context, req *types.Login) soap.HasFault {
	if ctx.Session != nil && s.peer.expired[ctx.Session.Key] {
		ctx.Session = nil
	}
	res := s.SessionManager.Login(ctx, req)
	if res.Fault() == nil {
		s.peer.Lock()
		s.peer.sessions[ctx.Session.Key] = true
		s.peer.Unlock()
	}
	return res
}

func (s *sessions) Logout(ctx *simulator.Context, req *types.Logout) soap.HasFault {
	s.peer.Lock()
	delete(s.peer.sessions, ctx.Session.Key)
	s.peer.Unlock()
	return s.SessionManager.Logout(ctx, req)
}

func (s *sessions) AcquireGenericServiceTicket(ctx *simulator.Context, req *types.AcquireGenericServiceTicket) soap.HasFault {
	res := s.SessionManager.AcquireGenericServiceTicket(req)
	ticket := &res.(*methods.AcquireGenericServiceTicketBody).Res.Returnval
	if spec, ok := req.Spec.(*types.SessionManagerHttpServiceRequestSpec); ok {
		s.peer.Lock()
		s.peer.tickets[ticket.Id] = spec.Url
		s.peer.Unlock()
	}
	return res
}

// A virtual machine whose snapshots freeze files.
type machine struct {
	*simulator.VirtualMachine
	peer *peer
}

// wait is for the simulator's own task, inside one of ours.
func wait(ctx *simulator.Context, ref types.ManagedObjectReference) types.TaskInfo {
	task := ctx.Map.Get(ref).(*simulator.Task)
	task.Wait()
	return task.Info
}

func fault(info types.TaskInfo) types.BaseMethodFault {
	if info.Error == nil {
		return nil
	}
	return info.Error.Fault
}

func (m *machine) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	task := simulator.CreateTask(m.VirtualMachine, "createSnapshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			res := m.VirtualMachine.CreateSnapshotTask(ctx, req).(*methods.CreateSnapshot_TaskBody)
			info := wait(ctx, res.Res.Returnval)
			if info.Error != nil {
				return nil, fault(info)
			}
			ref := info.Result.(types.ManagedObjectReference)
			return ref, m.peer.snapshotted(ctx, m.VirtualMachine, ref)
		})
	return &methods.CreateSnapshot_TaskBody{
		Res: &types.CreateSnapshot_TaskResponse{Returnval: task.Run(ctx)}}
}

// setBackings makes the devices of the VM, or of a snapshot, name the links up to @last.
func (p *peer) setBacking(device types.BaseVirtualDevice, d *disk, last int, changeId string) {
	var parent *types.VirtualDiskFlatVer2BackingInfo
	old := device.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	for i := 0; i <= last; i++ {
		backing := *old
		backing.FileName, backing.Parent, backing.ChangeId = d.links[i].file, parent, ""
		if i > 0 {
			backing.DeltaDiskFormat = "redoLogFormat"
			if d.links[i].sparse {
				backing.DeltaDiskFormat = "seSparseFormat"
			}
		}
		parent = &backing
	}
	parent.ChangeId = changeId
	device.GetVirtualDevice().Backing = parent
}

// copyDevices is for lists that a reader may hold.
func copyDevices(devices []types.BaseVirtualDevice) []types.BaseVirtualDevice {
	all := slices.Clone(devices)
	for i, device := range all {
		if d, ok := device.(*types.VirtualDisk); ok {
			other := *d
			all[i] = &other
		}
	}
	return all
}

func (p *peer) renameDisks(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	devices := copyDevices(vm.Config.Hardware.Device)
	for _, device := range devices {
		if d := p.diskOf(vm.Self, device.GetVirtualDevice().Key); d != nil {
			p.setBacking(device, d, len(d.links)-1, "")
		}
	}
	ctx.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
}

func (p *peer) snapshotted(ctx *simulator.Context, vm *simulator.VirtualMachine,
	ref types.ManagedObjectReference) types.BaseMethodFault {
	p.Lock()
	defer p.Unlock()
	tracked := vm.Config.ChangeTrackingEnabled != nil && *vm.Config.ChangeTrackingEnabled
	snap := ctx.Map.Get(ref).(*simulator.VirtualMachineSnapshot)
	devices := copyDevices(snap.Config.Hardware.Device)
	for _, device := range devices {
		d := p.diskOf(vm.Self, device.GetVirtualDevice().Key)
		if d == nil {
			continue
		}
		id, err := d.freeze(ref.Value, tracked)
		if err != nil {
			return &types.SystemError{Reason: err.Error()}
		}
		p.setBacking(device, d, len(d.links)-2, id)
	}
	snap.Config.Hardware.Device = devices
	p.renameDisks(ctx, vm)
	return nil
}

type snapshot struct {
	*simulator.VirtualMachineSnapshot
	peer *peer
}

func (s *snapshot) RemoveSnapshotTask(ctx *simulator.Context, req *types.RemoveSnapshot_Task) soap.HasFault {
	vm := ctx.Map.Get(s.Vm).(*simulator.VirtualMachine)
	task := simulator.CreateTask(s.Vm, "removeSnapshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			res := s.VirtualMachineSnapshot.RemoveSnapshotTask(ctx, req).(*methods.RemoveSnapshot_TaskBody)
			info := wait(ctx, res.Res.Returnval)
			if info.Error != nil {
				return nil, fault(info)
			}
			s.peer.Lock()
			defer s.peer.Unlock()
			for _, d := range s.peer.disks {
				if d.vm == s.Vm {
					if err := d.thaw(req.This.Value); err != nil {
						return nil, &types.SystemError{Reason: err.Error()}
					}
				}
			}
			s.peer.renameDisks(ctx, vm)
			ctx.Session.Registry.Remove(ctx, req.This)
			return nil, nil
		})
	return &methods.RemoveSnapshot_TaskBody{
		Res: &types.RemoveSnapshot_TaskResponse{Returnval: task.Run(ctx)}}
}

func (m *machine) ConsolidateVMDisksTask(ctx *simulator.Context, req *types.ConsolidateVMDisks_Task) soap.HasFault {
	task := simulator.CreateTask(m.VirtualMachine, "consolidateDisks",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			ctx.Update(m.VirtualMachine, []types.PropertyChange{
				{Name: "runtime.consolidationNeeded", Val: types.NewBool(false)}})
			return nil, nil
		})
	return &methods.ConsolidateVMDisks_TaskBody{
		Res: &types.ConsolidateVMDisks_TaskResponse{Returnval: task.Run(ctx)}}
}

// slow makes the tasks of a method take their time; others go on meanwhile.
func slow(method string, delay time.Duration) {
	simulator.TaskDelay = simulator.DelayConfig{MethodDelay: map[string]int{
		method: int(delay.Milliseconds()), "LockHandoff": 0}}
}
