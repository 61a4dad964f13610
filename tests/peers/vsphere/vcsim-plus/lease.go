// SPDX-License-Identifier: LGPL-2.1-or-later
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// An export. It is given up when nobody shows a sign of life for its timeout.
type lease struct {
	mo.HttpNfcLease
	peer   *peer
	vm     types.ManagedObjectReference
	files  map[string]func() (*os.File, int64, error)
	signed time.Time
}

const leaseTimeout = 6 // seconds

func (l *lease) live() bool {
	return time.Since(l.signed) < leaseTimeout*time.Second
}

func (p *peer) export(ctx *simulator.Context, vm *simulator.VirtualMachine,
	devices []types.BaseVirtualDevice, snap string) (*types.ManagedObjectReference, *soap.Fault) {
	p.Lock()
	defer p.Unlock()
	for _, other := range p.leases {
		if other.vm == vm.Self && other.live() {
			return nil, simulator.Fault("", &types.TaskInProgress{Task: other.Self})
		}
	}
	l := &lease{peer: p, vm: vm.Self, signed: time.Now(), files: map[string]func() (*os.File, int64, error){}}
	l.Self = types.ManagedObjectReference{Type: "HttpNfcLease", Value: fmt.Sprintf("nfclease-%d", p.calls["ExportVm"]+p.calls["ExportSnapshot"])}
	ctx.Session.Put(l)
	info := &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: vm.Self, LeaseTimeout: leaseTimeout}
	list := object.VirtualDeviceList(devices)
	for _, device := range list {
		d := p.diskOf(vm.Self, device.GetVirtualDevice().Key)
		if d == nil {
			continue
		}
		path := d.live()
		if snap != "" {
			path = d.truth(d.indexOf(snap))
		}
		name := fmt.Sprintf("disk-%d.vmdk", len(l.files))
		l.files[name] = func() (*os.File, int64, error) {
			file, err := os.Open(path)
			return file, d.size, err
		}
		controller := list.FindByKey(device.GetVirtualDevice().ControllerKey)
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key: fmt.Sprintf("/%s/%s%d:%d", vm.Self.Value, list.TypeName(controller),
				controller.(types.BaseVirtualController).GetVirtualController().BusNumber,
				*device.GetVirtualDevice().UnitNumber),
			Url: "https://*/nfc/" + l.Self.Value + "/" + name, Disk: types.NewBool(true), TargetId: name})
		info.TotalDiskCapacityInKB += d.size / 1024
	}
	l.State, l.Info = types.HttpNfcLeaseStateReady, info
	p.leases[l.Self.Value] = l
	return &l.Self, nil
}

func (m *machine) ExportVm(ctx *simulator.Context, req *types.ExportVm) soap.HasFault {
	body := &methods.ExportVmBody{}
	if m.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		body.Fault_ = simulator.Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: m.Runtime.PowerState})
		return body
	}
	ref, fault := m.peer.export(ctx, m.VirtualMachine, m.Config.Hardware.Device, "")
	if fault != nil {
		body.Fault_ = fault
		return body
	}
	body.Res = &types.ExportVmResponse{Returnval: *ref}
	return body
}

func (s *snapshot) ExportSnapshot(ctx *simulator.Context, req *types.ExportSnapshot) soap.HasFault {
	body := &methods.ExportSnapshotBody{}
	vm := ctx.Map.Get(s.Vm).(*simulator.VirtualMachine)
	ref, fault := s.peer.export(ctx, vm, s.Config.Hardware.Device, s.Self.Value)
	if fault != nil {
		body.Fault_ = fault
		return body
	}
	body.Res = &types.ExportSnapshotResponse{Returnval: *ref}
	return body
}

func (l *lease) HttpNfcLeaseProgress(ctx *simulator.Context, req *types.HttpNfcLeaseProgress) soap.HasFault {
	l.peer.Lock()
	defer l.peer.Unlock()
	body := &methods.HttpNfcLeaseProgressBody{}
	if !l.live() {
		body.Fault_ = simulator.Fault("", &types.Timedout{})
		return body
	}
	l.signed, l.TransferProgress = time.Now(), req.Percent
	body.Res = &types.HttpNfcLeaseProgressResponse{}
	return body
}

func (l *lease) end(ctx *simulator.Context, how string) {
	l.peer.Lock()
	defer l.peer.Unlock()
	delete(l.peer.leases, l.Self.Value)
	l.peer.ended[how]++
	l.State = types.HttpNfcLeaseStateDone
}

func (l *lease) HttpNfcLeaseComplete(ctx *simulator.Context, req *types.HttpNfcLeaseComplete) soap.HasFault {
	l.end(ctx, "complete")
	return &methods.HttpNfcLeaseCompleteBody{Res: &types.HttpNfcLeaseCompleteResponse{}}
}

func (l *lease) HttpNfcLeaseAbort(ctx *simulator.Context, req *types.HttpNfcLeaseAbort) soap.HasFault {
	l.end(ctx, "abort")
	return &methods.HttpNfcLeaseAbortBody{Res: &types.HttpNfcLeaseAbortResponse{}}
}

// serveNfc sends a disk, as long as the lease lives: neither a length nor ranges.
func (p *peer) serveNfc(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/") // "", "nfc", lease, file
	p.Lock()
	l := p.leases[parts[2]]
	live := l != nil && l.live()
	p.Unlock()
	if !live || len(parts) != 4 || l.files[parts[3]] == nil {
		http.NotFound(w, r)
		return
	}
	file, size, err := l.files[parts[3]]()
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	_ = writeStream(w, file, size)
}
