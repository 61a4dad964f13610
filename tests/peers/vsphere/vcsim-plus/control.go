// SPDX-License-Identifier: LGPL-2.1-or-later
package main

import (
	"encoding/json"
	"fmt"
	mathrand "math/rand"
	"net/http"
	"strconv"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The other entrance, for the tests: what happens at the source, and what it looks like there.
func (p *peer) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/disks", p.listDisks)
	mux.HandleFunc("/counts", p.count)
	mux.HandleFunc("/write", p.guestWrites)
	mux.HandleFunc("/resetcbt", p.resetTracking)
	mux.HandleFunc("/expire", p.expire)
	mux.HandleFunc("/fault", p.injectFault)
	mux.HandleFunc("/status", p.injectStatus)
	mux.HandleFunc("/slow", p.slow)
	return mux
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func number(r *http.Request, key string) int64 {
	value, _ := strconv.ParseInt(r.URL.Query().Get(key), 10, 64)
	return value
}

type diskView struct {
	Vm     string            `json:"vm"`
	Moref  string            `json:"moref"`
	Key    int32             `json:"key"`
	Size   int64             `json:"size"`
	File   string            `json:"file"`
	Truth  string            `json:"truth"`  // path of a raw file
	Frozen map[string]string `json:"frozen"` // the same for each snapshot
	Files  map[string]string `json:"files"`  // and the descriptor that it is read by
}

func (p *peer) vm(ref types.ManagedObjectReference) *simulator.VirtualMachine {
	vm, _ := p.model.Map().Get(ref).(*simulator.VirtualMachine)
	return vm
}

func (p *peer) listDisks(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	all := []diskView{}
	for _, d := range p.disks {
		view := diskView{Moref: d.vm.Value, Key: d.key, Size: d.size, File: d.top().file,
			Truth: d.live(), Frozen: map[string]string{}, Files: map[string]string{}}
		if vm := p.vm(d.vm); vm != nil {
			view.Vm = vm.Name
		}
		for _, l := range d.links[:len(d.links)-1] {
			view.Frozen[l.snap], view.Files[l.snap] = l.truth, l.file
		}
		all = append(all, view)
	}
	reply(w, all)
}

func (p *peer) count(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	snapshots := 0
	for _, d := range p.disks {
		snapshots = max(snapshots, len(d.links)-1)
	}
	reply(w, map[string]any{"sessions": len(p.sessions), "snapshots": snapshots,
		"leases": len(p.leases), "ended": p.ended, "calls": p.calls})
}

// guestWrites writes random blocks of 4 KiB, most of them somewhere, some in a row.
func (p *peer) guestWrites(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	random := mathrand.New(mathrand.NewSource(number(r, "seed")))
	done := 0
	for _, d := range p.disks {
		vm := p.vm(d.vm)
		if vm == nil || vm.Name != r.URL.Query().Get("vm") {
			continue
		}
		for range number(r, "count") {
			data := make([]byte, grainSize*(1+random.Intn(4)))
			_, _ = random.Read(data)
			at := random.Int63n((d.size-int64(len(data)))/sector) * sector
			if err := d.write(at, data); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			done++
		}
	}
	reply(w, map[string]int{"written": done})
}

func (p *peer) resetTracking(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	for _, d := range p.disks {
		if vm := p.vm(d.vm); vm != nil && vm.Name == r.URL.Query().Get("vm") {
			d.uuid = newUuid()
			d.writes = append(d.writes[:0], write{0, d.size, d.epoch})
		}
	}
	reply(w, true)
}

// expire forgets all sessions, as a server does after half an hour, or when it restarts.
func (p *peer) expire(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	for key := range p.sessions {
		p.expired[key] = true
		delete(p.sessions, key)
	}
	reply(w, true)
}

func (p *peer) injectFault(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	p.faults[r.URL.Query().Get("method")] = &injection{r.URL.Query().Get("name"), int(number(r, "times"))}
	reply(w, true)
}

func (p *peer) injectStatus(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	p.status, p.statuses = int(number(r, "status")), int(number(r, "times"))
	reply(w, true)
}

func (p *peer) slow(w http.ResponseWriter, r *http.Request) {
	slow(r.URL.Query().Get("method"), time.Duration(number(r, "msec"))*time.Millisecond)
	reply(w, fmt.Sprint(number(r, "msec")))
}
