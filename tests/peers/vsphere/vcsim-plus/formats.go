// SPDX-License-Identifier: LGPL-2.1-or-later
package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
)

// The formats that ESXi keeps and sends disks in, as small as they can be and still be read.

const (
	sector    = 512
	grainSize = 4096
)

func descriptor(createType, extentType, file, cid, parentCid, parent string, size int64) string {
	hint := ""
	if parent != "" {
		hint = fmt.Sprintf("parentFileNameHint=%q\n", parent)
	}
	return fmt.Sprintf("# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=%s\nparentCID=%s\n"+
		"createType=%q\n%s# Extent description\nRW %d %s \"%s\"\n\n# The Disk Data Base\n#DDB\n\n"+
		"ddb.adapterType = \"lsilogic\"\n", cid, parentCid, createType, hint, size/sector, extentType, file)
}

func little(values ...any) []byte {
	var out bytes.Buffer
	for _, value := range values {
		_ = binary.Write(&out, binary.LittleEndian, value)
	}
	return out.Bytes()
}

func pad(data []byte) []byte {
	return append(data, make([]byte, (sector-len(data)%sector)%sector)...)
}

// writeRedoLog writes the grains as a "COWD" file, grains of one sector, tables where they come.
func writeRedoLog(path string, truth io.ReaderAt, size int64, grains []int64) error {
	n := int((size/sector + 4095) / 4096)
	directory := make([]uint32, n)
	place := uint32(4 + (n*4+sector-1)/sector)
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	tables := map[int][]uint32{}
	for _, grain := range grains {
		for at := grain * grainSize; at < min((grain+1)*grainSize, size); at += sector {
			number := int(at / sector / 4096)
			if tables[number] == nil {
				tables[number] = make([]uint32, 4096)
				directory[number] = place
				place += 32
			}
			data := make([]byte, sector)
			if _, err := truth.ReadAt(data, at); err != nil && err != io.EOF {
				return err
			}
			tables[number][at/sector%4096] = place
			if _, err := out.WriteAt(data, int64(place)*sector); err != nil {
				return err
			}
			place++
		}
	}
	for number, table := range tables {
		if _, err := out.WriteAt(little(table), int64(directory[number])*sector); err != nil {
			return err
		}
	}
	if _, err := out.WriteAt(little(directory), 4*sector); err != nil {
		return err
	}
	header := append([]byte("COWD"), little(uint32(1), uint32(3), uint32(size/sector), uint32(1),
		uint32(4), uint32(n), place)...)
	if _, err := out.WriteAt(header, 0); err != nil {
		return err
	}
	return out.Truncate(int64(place) * sector)
}

// writeSparse writes them as seSparse; grains of zeroes are marked as such.
func writeSparse(path string, truth io.ReaderAt, size int64, grains []int64) error {
	n := (size/sector + 8*4096 - 1) / (8 * 4096)
	const directoryAt, firstGrain = 4096, 4096 - 3
	directorySize := (n*8 + sector - 1) / sector
	tablesAt := (directoryAt + directorySize + 63) / 64 * 64
	grainsAt := tablesAt + n*64 + 128
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	next, slots := int64(firstGrain), map[int64]int64{}
	for _, grain := range grains {
		table := grain / 4096
		if _, ok := slots[table]; !ok {
			slots[table] = int64(len(slots))
			entry := little(uint64(1)<<60 | uint64(slots[table]))
			if _, err := out.WriteAt(entry, directoryAt*sector+table*8); err != nil {
				return err
			}
		}
		data := make([]byte, grainSize)
		if _, err := truth.ReadAt(data, grain*grainSize); err != nil && err != io.EOF {
			return err
		}
		entry := uint64(2) << 60
		if slices.ContainsFunc(data, func(b byte) bool { return b != 0 }) {
			entry = 3<<60 | uint64(next&0xfff)<<48 | uint64(next>>12)
			if _, err := out.WriteAt(data, grainsAt*sector+next*grainSize); err != nil {
				return err
			}
			next++
		}
		at := (tablesAt+slots[table]*64)*sector + grain%4096*8
		if _, err := out.WriteAt(little(entry), at); err != nil {
			return err
		}
	}
	header := []uint64{0xcafebabe, 0x0000000200000001, uint64(size / sector), 8, 64, 0, 0, 0, 0, 0,
		1, 1, 2, 2, 2048, 2048, directoryAt, uint64(directorySize), uint64(tablesAt), uint64(n * 64),
		uint64(tablesAt + n*64), 64, uint64(tablesAt + n*64 + 64), 64, uint64(grainsAt), uint64(next * 8)}
	if _, err := out.WriteAt(little(header), 0); err != nil {
		return err
	}
	if _, err := out.WriteAt(little([]uint64{0xcafecafe, 0, 1, 0}), sector); err != nil {
		return err
	}
	return out.Truncate(grainsAt*sector + next*grainSize)
}

const streamGrain = 128 * sector

func streamHeader(size int64, directory uint64) []byte {
	header := append([]byte("KDMV"), little(uint32(3), uint32(0x30001), uint64(size/sector),
		uint64(128), uint64(1), uint64(20), uint32(512), uint64(0), directory, uint64(128), uint8(0))...)
	return pad(append(append(header, "\n \r\n"...), little(uint16(1))...))
}

func streamMarker(sectors uint64, kind uint32) []byte {
	return pad(little(sectors, uint32(0), kind))
}

// writeStream sends a disk as an export does: a streamOptimized VMDK, with tables and footer.
func writeStream(out io.Writer, truth io.ReaderAt, size int64) error {
	place, tables := int64(128), []uint32{}
	text := descriptor("streamOptimized", "SPARSE", "call-me-stream.vmdk", "7b8a1f01", "ffffffff", "", size)
	head := append(streamHeader(size, ^uint64(0)), pad([]byte(text))...)
	send := func(data []byte) error {
		place += int64(len(data)) / sector
		_, err := out.Write(data)
		return err
	}
	if _, err := out.Write(append(head, make([]byte, 128*sector-len(head))...)); err != nil {
		return err
	}
	for first := int64(0); first < size; first += 512 * streamGrain {
		entries, used := make([]uint32, 512), false
		for i := range entries {
			at := first + int64(i)*streamGrain
			if at >= size {
				break
			}
			data := make([]byte, min(streamGrain, size-at))
			if _, err := truth.ReadAt(data, at); err != nil && err != io.EOF {
				return err
			}
			if !slices.ContainsFunc(data, func(b byte) bool { return b != 0 }) {
				continue
			}
			var packed bytes.Buffer
			writer, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
			_, _ = writer.Write(append(data, make([]byte, streamGrain-len(data))...))
			_ = writer.Close()
			entries[i], used = uint32(place), true
			record := append(little(uint64(at/sector), uint32(packed.Len())), packed.Bytes()...)
			if err := send(pad(record)); err != nil {
				return err
			}
		}
		table := uint32(0)
		if used {
			if err := send(streamMarker(4, 1)); err != nil {
				return err
			}
			table = uint32(place)
			if err := send(little(entries)); err != nil {
				return err
			}
		}
		tables = append(tables, table)
	}
	directory := pad(little(tables))
	if err := send(streamMarker(uint64(len(directory)/sector), 2)); err != nil {
		return err
	}
	at := place
	end := append(append(directory, streamMarker(1, 3)...), streamHeader(size, uint64(at))...)
	return send(append(end, streamMarker(0, 0)...))
}
