// SPDX-License-Identifier: LGPL-2.1-or-later
package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// Small, so that who does not go on as documented is found out.
const (
	granule  = 64 << 10
	window   = 16 << 20
	maxAreas = 8
)

func badArgument(name string) *soap.Fault {
	return simulator.Fault("A specified parameter was not correct: "+name,
		&types.InvalidArgument{InvalidProperty: name})
}

// since is the epoch that a change id means, or false if that is not known any more.
func (d *disk) since(changeId string, to int64) (int64, bool) {
	if changeId == "*" {
		return -1, true
	}
	uuid, number, found := strings.Cut(changeId, "/")
	epoch, err := strconv.ParseInt(number, 10, 64)
	return epoch, found && err == nil && uuid == d.uuid && epoch <= to
}

func (d *disk) changed(from, to, start, end int64) []int64 {
	set := map[int64]bool{}
	for _, w := range d.writes {
		if w.epoch <= from || w.epoch > to {
			continue
		}
		for at := w.start / granule * granule; at < w.start+w.length; at += granule {
			if at+granule > start && at < end {
				set[at] = true
			}
		}
	}
	all := make([]int64, 0, len(set))
	for at := range set {
		all = append(all, at)
	}
	slices.Sort(all)
	return all
}

// areas are those of one answer: not all that there are, and it may be none.
func (d *disk) areas(from, to, start int64) types.DiskChangeInfo {
	end := min(start+window, d.size)
	info := types.DiskChangeInfo{StartOffset: start}
	for _, at := range d.changed(from, to, start, end) {
		first, last := max(at, start), min(at+granule, end)
		n := len(info.ChangedArea)
		if n > 0 && info.ChangedArea[n-1].Start+info.ChangedArea[n-1].Length == first {
			info.ChangedArea[n-1].Length += last - first
			continue
		}
		if n == maxAreas {
			end = info.ChangedArea[n-1].Start + info.ChangedArea[n-1].Length
			break
		}
		info.ChangedArea = append(info.ChangedArea,
			types.DiskChangeExtent{Start: first, Length: last - first})
	}
	info.Length = end - start
	return info
}

func (m *machine) QueryChangedDiskAreas(ctx *simulator.Context, req *types.QueryChangedDiskAreas) soap.HasFault {
	body := &methods.QueryChangedDiskAreasBody{}
	m.peer.Lock()
	defer m.peer.Unlock()
	d := m.peer.diskOf(m.Self, req.DeviceKey)
	if d == nil {
		body.Fault_ = badArgument("deviceKey")
		return body
	}
	if req.StartOffset < 0 || req.StartOffset >= d.size {
		body.Fault_ = badArgument("startOffset")
		return body
	}
	to := d.epoch
	if req.Snapshot != nil {
		epoch, ok := d.epochs[req.Snapshot.Value]
		if !ok {
			body.Fault_ = simulator.Fault("", &types.ManagedObjectNotFound{Obj: *req.Snapshot})
			return body
		}
		to = epoch
	}
	from, ok := d.since(req.ChangeId, to)
	if !ok {
		file := d.top().file
		body.Fault_ = simulator.Fault("Error caused by file "+file, &types.FileFault{File: file})
		return body
	}
	body.Res = &types.QueryChangedDiskAreasResponse{Returnval: d.areas(from, to, req.StartOffset)}
	return body
}
