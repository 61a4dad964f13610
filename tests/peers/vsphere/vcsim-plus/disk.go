// SPDX-License-Identifier: LGPL-2.1-or-later
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// A link of a disk's chain of files. The first is the flat one, the last what the VM writes to.
type link struct {
	file   string // "[ds] dir/name.vmdk"
	cid    string
	sparse bool           // seSparse; else a redo log
	stale  bool           // its files are not as it is
	grains map[int64]bool // what was written since the snapshot; not of the flat one
	truth  string         // path of the disk's bytes when a snapshot froze this link
	snap   string         // that snapshot's moref
}

type write struct{ start, length, epoch int64 }

// A disk of a VM: files on a datastore, and beside them what the guest really has in it.
type disk struct {
	vm      types.ManagedObjectReference
	key     int32
	size    int64
	root    string // folder of the truth
	store   string // folder that the datastore is
	links   []*link
	nLinks  int
	formats string
	uuid    string
	epoch   int64
	epochs  map[string]int64 // of snapshots
	writes  []write
}

func newUuid() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw)
	text := fmt.Sprintf("% x", raw)
	return text[:23] + "-" + text[24:]
}

func newDisk(root, store, formats string, vm types.ManagedObjectReference, key int32, file string,
	size int64) (*disk, error) {
	d := &disk{vm: vm, key: key, size: size, root: filepath.Join(root, fmt.Sprintf("%s-%d", vm.Value, key)),
		store: store, formats: formats, uuid: newUuid(), epoch: 1, epochs: map[string]int64{}}
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return nil, err
	}
	d.links = []*link{{file: file, cid: "10000000"}}
	if err := d.fill(mathrand.New(mathrand.NewSource(int64(key) + int64(len(vm.Value))))); err != nil {
		return nil, err
	}
	d.writes = append(d.writes, write{0, size, 0})
	return d, os.WriteFile(d.path(file), []byte(descriptor("vmfs", "VMFS",
		filepath.Base(flat(file)), "10000000", "ffffffff", "", size)), 0o600)
}

// Every other 64 KiB of the first half, and the last sector.
func (d *disk) fill(random *mathrand.Rand) error {
	for _, path := range []string{d.live(), d.path(flat(d.links[0].file))} {
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		_ = file.Close()
		if err := os.Truncate(path, d.size); err != nil {
			return err
		}
	}
	data := make([]byte, 64<<10)
	for at := int64(0); at+128<<10 <= d.size/2; at += 128 << 10 {
		_, _ = random.Read(data)
		if err := d.put(at, data); err != nil {
			return err
		}
	}
	return d.put(d.size-sector, data[:sector])
}

func (d *disk) live() string { return filepath.Join(d.root, "live.raw") }
func (d *disk) top() *link   { return d.links[len(d.links)-1] }

func flat(file string) string { return strings.TrimSuffix(file, ".vmdk") + "-flat.vmdk" }

func (l *link) data(first bool) string {
	if first {
		return flat(l.file)
	}
	if l.sparse {
		return strings.TrimSuffix(l.file, ".vmdk") + "-sesparse.vmdk"
	}
	return strings.TrimSuffix(l.file, ".vmdk") + "-delta.vmdk"
}

// The file in this machine that "[ds] dir/name" is.
func (d *disk) path(file string) string {
	return filepath.Join(d.store, strings.TrimSpace(file[strings.Index(file, "]")+1:]))
}

func writeAt(path string, at int64, data []byte) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt(data, at)
	return err
}

// What the guest has, and where it goes: the flat file, or the grains of the running link.
func (d *disk) put(at int64, data []byte) error {
	if err := writeAt(d.live(), at, data); err != nil {
		return err
	}
	if len(d.links) == 1 {
		return writeAt(d.path(flat(d.links[0].file)), at, data)
	}
	for grain := at / grainSize; grain*grainSize < at+int64(len(data)); grain++ {
		d.top().grains[grain] = true
	}
	d.top().stale = true
	return nil
}

func (d *disk) write(at int64, data []byte) error {
	d.writes = append(d.writes, write{at, int64(len(data)), d.epoch})
	return d.put(at, data)
}

func copySparse(from, to string) error {
	return exec.Command("cp", "--sparse=always", "--reflink=auto", from, to).Run()
}

// freeze is what a snapshot does to the disk: the running link ends, and another begins.
func (d *disk) freeze(snap string, tracked bool) (string, error) {
	top := d.top()
	top.snap, top.truth = snap, filepath.Join(d.root, snap+".raw")
	if err := copySparse(d.live(), top.truth); err != nil {
		return "", err
	}
	if err := d.encode(len(d.links) - 1); err != nil {
		return "", err
	}
	d.nLinks++
	d.links = append(d.links, &link{
		file:   fmt.Sprintf("%s-%06d.vmdk", strings.TrimSuffix(d.links[0].file, ".vmdk"), d.nLinks),
		cid:    fmt.Sprintf("%08x", 0x10000000+d.nLinks),
		sparse: d.formats == "seSparse" || d.formats == "mixed" && d.nLinks%2 == 0,
		grains: map[int64]bool{},
	})
	id := ""
	if tracked {
		id = fmt.Sprintf("%s/%d", d.uuid, d.epoch)
		d.epochs[snap] = d.epoch
		d.epoch++
	}
	return id, d.encode(len(d.links) - 1)
}

// encode writes the files of a link that is not the flat one.
func (d *disk) encode(i int) error {
	l := d.links[i]
	if i == 0 {
		return nil
	}
	truth, err := os.Open(d.truth(i))
	if err != nil {
		return err
	}
	defer truth.Close()
	grains := make([]int64, 0, len(l.grains))
	for grain := range l.grains {
		grains = append(grains, grain)
	}
	slices.Sort(grains)
	l.stale = false
	write, createType, extentType := writeRedoLog, "vmfsSparse", "VMFSSPARSE"
	if l.sparse {
		write, createType, extentType = writeSparse, "seSparse", "SESPARSE"
	}
	if err := write(d.path(l.data(false)), truth, d.size, grains); err != nil {
		return err
	}
	return os.WriteFile(d.path(l.file), []byte(descriptor(createType, extentType,
		filepath.Base(l.data(false)), l.cid, d.links[i-1].cid, filepath.Base(d.links[i-1].file), d.size)), 0o600)
}

func (d *disk) truth(i int) string {
	if d.links[i].truth != "" {
		return d.links[i].truth
	}
	return d.live()
}

func (d *disk) indexOf(snap string) int {
	return slices.IndexFunc(d.links, func(l *link) bool { return l.snap == snap })
}

// thaw is what the removal of a snapshot does: the link that it froze takes in the one above.
func (d *disk) thaw(snap string) error {
	i := d.indexOf(snap)
	if i < 0 {
		return nil
	}
	lower, upper := d.links[i], d.links[i+1]
	if i == 0 {
		if err := d.merge(upper, d.truth(i+1)); err != nil {
			return err
		}
	} else {
		for grain := range upper.grains {
			lower.grains[grain] = true
		}
	}
	for _, path := range []string{lower.truth, d.path(upper.file), d.path(upper.data(false))} {
		_ = os.Remove(path)
	}
	lower.truth, lower.snap = upper.truth, upper.snap
	d.links = slices.Delete(d.links, i+1, i+2)
	delete(d.epochs, snap)
	for k := i; k < len(d.links); k++ { // the one above has another parent now
		if err := d.encode(k); err != nil {
			return err
		}
	}
	return nil
}

// merge writes the grains of a link into the flat file.
func (d *disk) merge(l *link, truth string) error {
	from, err := os.Open(truth)
	if err != nil {
		return err
	}
	defer from.Close()
	for grain := range l.grains {
		data := make([]byte, min(grainSize, d.size-grain*grainSize))
		if _, err := from.ReadAt(data, grain*grainSize); err != nil && err != io.EOF {
			return err
		}
		if err := writeAt(d.path(flat(d.links[0].file)), grain*grainSize, data); err != nil {
			return err
		}
	}
	return nil
}
