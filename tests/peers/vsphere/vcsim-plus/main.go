// SPDX-License-Identifier: LGPL-2.1-or-later

// vcsim-plus is the vSphere simulator of govmomi with what a migration needs and it lacks: disks
// with bytes in them, snapshots that freeze files, changed block tracking, exports, and files that
// can be read by who is logged in and that nobody else holds.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// certificate makes one for the loopback, and leaves it in @path.
func certificate(path string) (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{CommonName: "vcsim-plus"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	check(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, der
}

func thumbprint(sum []byte) string {
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// rename gives the datastore, and all paths on it, another name.
func rename(model *simulator.Model, ds *simulator.Datastore, to string) {
	from := "[" + ds.Name + "]"
	for _, object := range model.Map().All("VirtualMachine") {
		vm := object.(*simulator.VirtualMachine)
		data, err := json.Marshal(vm.Config.Files)
		check(err)
		quoted, err := json.Marshal("[" + to + "]")
		check(err)
		text := strings.ReplaceAll(string(data), from, strings.Trim(string(quoted), "\""))
		check(json.Unmarshal([]byte(text), &vm.Config.Files))
		vm.Summary.Config.VmPathName = vm.Config.Files.VmPathName
		for _, device := range vm.Config.Hardware.Device {
			if file, ok := device.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
				info := file.GetVirtualDeviceFileBackingInfo()
				info.FileName = strings.ReplaceAll(info.FileName, from, "["+to+"]")
			}
		}
	}
	ds.Name, ds.Summary.Name, ds.Info.GetDatastoreInfo().Name = to, to, to
}

// addDisks gives every VM as many disks of that size, with bytes in them.
func (p *peer) addDisks(root string, size int64, n int, formats string) {
	for _, object := range p.model.Map().All("VirtualMachine") {
		vm := object.(*simulator.VirtualMachine)
		var all []types.BaseVirtualDevice
		for _, device := range vm.Config.Hardware.Device {
			all = append(all, device)
			first, ok := device.(*types.VirtualDisk)
			if !ok {
				continue
			}
			for i := 0; i < n; i++ {
				other := *first
				backing := *first.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
				other.Key, other.Backing = int32(2000+i), &backing
				other.UnitNumber = types.NewInt32(int32(i))
				other.CapacityInBytes, other.CapacityInKB = size, size/1024
				other.DiskObjectId = fmt.Sprintf("%s-%d", vm.Self.Value, other.Key)
				other.DeviceInfo = &types.Description{Label: fmt.Sprintf("Hard disk %d", i+1)}
				if i > 0 {
					backing.FileName = strings.Replace(backing.FileName, "disk1", fmt.Sprintf("disk%d", i+1), 1)
					backing.Uuid = fmt.Sprintf("6000C29%d-0000-0000-0000-%012x", i, time.Now().UnixNano()&0xffffffffffff)
					all = append(all, &other)
				} else {
					all[len(all)-1] = &other
				}
				ds := p.model.Map().Get(*backing.Datastore).(*simulator.Datastore)
				d, err := newDisk(root, ds.Summary.Url, formats, vm.Self, other.Key, backing.FileName, size)
				check(err)
				p.disks = append(p.disks, d)
			}
		}
		vm.Config.Hardware.Device = all
		vm.Capability.ChangeTrackingSupported = true
	}
}

// entrance is before all that the simulator serves.
func (p *peer) entrance(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Lock()
		status := 0
		if p.statuses > 0 {
			p.statuses--
			status = p.status
		}
		p.Unlock()
		switch {
		case status != 0:
			http.Error(w, "", status)
		case strings.HasPrefix(r.URL.Path, "/folder/"):
			p.serveFolder(w, r)
		case strings.HasPrefix(r.URL.Path, "/nfc/"):
			p.serveNfc(w, r)
		default:
			inner.ServeHTTP(w, r)
		}
	})
}

func main() {
	root := flag.String("root", "", "folder for what the disks hold; must exist")
	user := flag.String("username", "user", "")
	password := flag.String("password", "pass", "")
	esx := flag.Bool("esx", false, "an ESXi, not a vCenter")
	machines := flag.Int("vms", 2, "in the resource pool of each host and cluster")
	hosts := flag.Int("hosts", 1, "beside those of the cluster")
	size := flag.Int64("size", 64<<20, "bytes of a disk")
	disks := flag.Int("disks", 1, "of a VM")
	formats := flag.String("links", "mixed", "mixed, seSparse or vmfsSparse")
	store := flag.String("datastore", "", "name that the first datastore gets")
	flag.Parse()
	log.SetOutput(os.Stderr)

	model := simulator.VPX()
	if *esx {
		model = simulator.ESX()
	} else {
		model.Host = *hosts
	}
	model.Machine = *machines
	check(model.Create())
	defer model.Remove()
	p := &peer{model: model, sessions: map[string]bool{}, expired: map[string]bool{},
		tickets: map[string]string{}, leases: map[string]*lease{}, faults: map[string]*injection{},
		calls: map[string]int{}, ended: map[string]int{}}
	if *store != "" {
		rename(model, model.Map().Any("Datastore").(*simulator.Datastore), *store)
	}
	p.addDisks(*root, *size, *disks, *formats)
	model.Map().Handler = p.handle

	ca := filepath.Join(*root, "ca.pem")
	pair, der := certificate(ca)
	sha1Sum, sha256Sum := sha1.Sum(der), sha256.Sum256(der)
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(*user, *password)}
	server := model.Service.NewServer()
	defer server.Close()
	server.Config.Handler = p.entrance(server.Config.Handler)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { _ = http.Serve(listener, p.control()) }()
	check(json.NewEncoder(os.Stdout).Encode(map[string]string{
		"url": "https://" + server.URL.Host, "control": "http://" + listener.Addr().String(), "ca": ca,
		"sha1": thumbprint(sha1Sum[:]), "sha256": thumbprint(sha256Sum[:])}))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}
