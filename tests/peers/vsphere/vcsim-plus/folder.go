// SPDX-License-Identifier: LGPL-2.1-or-later
package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const probe = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><CurrentTime xmlns="urn:vim25">` +
	`<_this type="ServiceInstance">ServiceInstance</_this></CurrentTime></Body></Envelope>`

// loggedIn asks the simulator itself.
func (p *peer) loggedIn(r *http.Request) bool {
	request := httptest.NewRequest(http.MethodPost, "/sdk", strings.NewReader(probe))
	for _, cookie := range r.Cookies() {
		request.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	p.model.Service.ServeMux.ServeHTTP(answer, request)
	return answer.Code == http.StatusOK
}

// hasTicket is true once for a ticket, and for its URL.
func (p *peer) hasTicket(r *http.Request) bool {
	cookie, err := r.Cookie("vmware_cgi_ticket")
	if err != nil {
		return false
	}
	p.Lock()
	defer p.Unlock()
	wanted, err := url.Parse(p.tickets[cookie.Value])
	delete(p.tickets, cookie.Value)
	return err == nil && wanted.Path == r.URL.Path && wanted.RawQuery == r.URL.RawQuery
}

// name takes what stands in the query, which is unescaped once more, as a vCenter does.
func name(r *http.Request, key string) (string, bool) {
	text, err := url.PathUnescape(r.URL.Query().Get(key))
	return text, err == nil
}

func (p *peer) datastore(name string) *simulator.Datastore {
	for _, object := range p.model.Map().All("Datastore") {
		if ds := object.(*simulator.Datastore); ds.Name == name {
			return ds
		}
	}
	return nil
}

// inUse tells whether a running VM, or an export, holds the file.
func (p *peer) inUse(path string) bool {
	p.Lock()
	defer p.Unlock()
	for _, d := range p.disks {
		vm := p.model.Map().Get(d.vm).(*simulator.VirtualMachine)
		runs := vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
		for i, l := range d.links {
			if path != d.path(l.data(i == 0)) && path != d.path(l.file) {
				continue
			}
			for _, lease := range p.leases {
				if lease.vm == d.vm && lease.live() && path != d.path(l.file) {
					return true
				}
			}
			if i == len(d.links)-1 && runs {
				return path != d.path(l.file)
			}
			if l.stale {
				_ = d.encode(i)
			}
		}
	}
	return false
}

func (p *peer) serveFolder(w http.ResponseWriter, r *http.Request) {
	if !p.hasTicket(r) && !p.loggedIn(r) {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	storeName, good := name(r, "dsName")
	center, alsoGood := name(r, "dcPath")
	ds := p.datastore(storeName)
	if !good || !alsoGood || ds == nil || r.URL.Query().Has("dcPath") && center != "DC0" ||
		strings.Contains(r.URL.Path, "..") {
		http.NotFound(w, r)
		return
	}
	path := filepath.Join(ds.Summary.Url, strings.TrimPrefix(r.URL.Path, "/folder/"))
	file, err := os.Open(path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	if p.inUse(path) {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", info.ModTime(), file)
}
