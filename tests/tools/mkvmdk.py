#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a VMDK out of a raw image, as VMware lays it out or broken in one chosen way.

mkvmdk.py [--kind stream|sparse] [--grain SECTORS] [--create-type T] [--parent CID] [--zeroed]
          [--fault NAME] RAW OUT

Also a module: make (raw, kind='stream', ...) returns the bytes.
"""
import argparse
import struct
import zlib

SECTOR = 512
ENTRIES = 512
AT_END = 2**64 - 1
HEADER = struct.Struct('<4sIIQQQQIQQQB4sH433x')
EOS, TABLE, DIRECTORY, FOOTER = range(4)

FAULTS = {
    'no-footer': 'stream: grain directory and footer are missing',
    'no-eos': 'stream: the end-of-stream marker is missing as well',
    'bad-footer-gd': 'stream: the footer has the directory outside of the file',
    'truncated': 'the last half is missing',
    'duplicate': 'two grain table entries name one grain',
    'duplicate-record': 'stream without footer: one grain is there twice',
    'past-end': 'a grain table entry points past the end of the file',
    'into-header': 'a grain table entry points into the header',
    'bad-deflate': 'stream: a byte of a compressed grain is flipped',
    'bad-size': 'stream: a record says that it is longer than the file',
    'short-grain': 'stream: a grain inflates to less than a grain',
    'bad-lba': 'stream: a record says that it is another grain',
    'bad-marker': 'stream without footer: a marker of unknown type',
    'long-marker': 'stream without footer: a marker with a payload past the end',
    'bad-gd': 'the primary grain directory is nonsense',
    'bad-gt': 'an entry in a table of the primary directory is nonsense',
    'table-tail': 'harmless: nonsense in table entries past the end of the disk',
    'bad-gds': 'both grain directories are nonsense',
    'huge-capacity': 'the header claims 2^60 sectors',
    'large-capacity': 'the header claims 2^36 sectors',
    'huge-grain': 'the header claims grains of 2^40 sectors',
    'huge-tables': 'the header claims 2^31 entries a table',
    'huge-descriptor': 'the header claims a descriptor of 2^40 sectors',
    'no-capacity': 'the header claims no sectors',
    'version': 'the header has version 9',
    'text-mode': 'every line feed was turned into CR LF, as FTP in text mode does',
}


def pad(data):
    return data + bytes(-len(data) % SECTOR)


def descriptor(create_type, parent, sectors):
    text = ('# Disk DescriptorFile\nversion=1\nCID=12345678\n'
            f'parentCID={parent}\ncreateType="{create_type}"\n')
    if parent != 'ffffffff':
        text += 'parentFileNameHint="base.vmdk"\n'
    text += (f'\n# Extent description\nRW {sectors} SPARSE "call-me-stream.vmdk"\n'
             '\n# The Disk Data Base\n#DDB\n\nddb.adapterType = "lsilogic"\n')
    return pad(text.encode())


class Maker:
    def __init__(self, raw, kind, grain, create_type, parent, zeroed, fault):
        self.raw = raw
        self.grain = grain
        self.stream = kind == 'stream'
        self.zeroed = zeroed
        self.fault = fault
        self.capacity = -(-len(raw) // SECTOR)
        self.n_grains = -(-self.capacity // grain)
        self.n_tables = -(-self.n_grains // ENTRIES)
        self.descriptor = descriptor(
            create_type or ('streamOptimized' if self.stream else 'monolithicSparse'),
            parent, self.capacity)
        self.out = bytearray()

    def header(self, gd, rgd=0):
        fault = self.fault
        flags = 0x1 | (4 if self.zeroed else 0) | (0x30000 if self.stream else 0) | (2 if rgd else 0)
        capacity = {'huge-capacity': 2**60, 'large-capacity': 2**36, 'no-capacity': 0}.get(
            fault, self.capacity)
        return HEADER.pack(
            b'KDMV', 9 if fault == 'version' else 3 if self.stream else 1, flags, capacity,
            2**40 if fault == 'huge-grain' else self.grain, 1,
            2**40 if fault == 'huge-descriptor' else len(self.descriptor) // SECTOR,
            2**31 if fault == 'huge-tables' else ENTRIES, rgd, gd, self.overhead, 0, b'\n \r\n',
            1 if self.stream else 0)

    def sector(self):
        assert len(self.out) % SECTOR == 0
        return len(self.out) // SECTOR

    def grains(self):
        size = self.grain * SECTOR
        for i in range(self.n_grains):
            data = self.raw[i * size:(i + 1) * size]
            yield i, data + bytes(size - len(data)), not any(data)

    def break_table(self, entries):
        if self.fault == 'table-tail':
            for i in range((self.n_grains - 1) % ENTRIES + 1 - ENTRIES, 0):
                entries[i] = 0xfffffff0 + i % 8
        used = [i for i, entry in enumerate(entries) if entry > 1]
        if not used:
            return
        if self.fault == 'duplicate' and len(used) > 1:
            entries[used[1]] = entries[used[0]]
        elif self.fault == 'past-end':
            entries[used[-1]] = 0x7fffffff
        elif self.fault == 'into-header':
            entries[used[-1]] = 2

    def marker(self, kind, payload=b''):
        sectors = len(payload) // SECTOR
        self.out += pad(struct.pack('<QII', sectors, 0, kind)) + payload

    def record(self, i, data):
        data = zlib.compress(data[:100] if self.fault == 'short-grain' else data, 6)
        lba = i * self.grain + (self.grain if self.fault == 'bad-lba' else 0)
        size = len(data)
        if self.fault == 'bad-size':
            size = 0x7fffffff
        if self.fault == 'bad-deflate':
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1:]
        self.out += pad(struct.pack('<QI', lba, size) + data)

    def make_stream(self):
        self.overhead = 1 + len(self.descriptor) // SECTOR
        self.out += self.header(AT_END) + self.descriptor
        tables = []
        entries = [0] * ENTRIES
        for i, data, zero in self.grains():
            if zero:
                entries[i % ENTRIES] = 1 if self.zeroed else 0
            else:
                entries[i % ENTRIES] = self.sector()
                self.record(i, data)
                if self.fault == 'duplicate-record':
                    self.record(i, data)
            if i % ENTRIES == ENTRIES - 1 or i == self.n_grains - 1:
                self.break_table(entries)
                tables.append(self.sector() + 1 if any(entries) else 0)
                if any(entries):
                    self.marker(TABLE, struct.pack(f'<{ENTRIES}I', *entries))
                entries = [0] * ENTRIES
        if self.fault == 'bad-marker':
            self.marker(77)
        elif self.fault == 'long-marker':
            self.out += pad(struct.pack('<QII', 2**50, 0, TABLE))
        if self.fault not in ('no-footer', 'no-eos', 'duplicate-record', 'bad-marker',
                              'long-marker'):
            gd = self.sector() + 1
            self.marker(DIRECTORY, pad(struct.pack(f'<{len(tables)}I', *tables)))
            self.marker(FOOTER, self.header(2**33 if self.fault == 'bad-footer-gd' else gd))
        if self.fault != 'no-eos':
            self.marker(EOS)

    def make_sparse(self):
        gd_size = -(-self.n_tables * 4 // SECTOR)
        table_size = ENTRIES * 4 // SECTOR
        rgd = 1 + len(self.descriptor) // SECTOR
        gd = rgd + gd_size + self.n_tables * table_size
        used = gd + gd_size + self.n_tables * table_size
        self.overhead = -(-used // self.grain) * self.grain

        entries = [0] * (self.n_tables * ENTRIES)
        data_out = bytearray()
        for i, data, zero in self.grains():
            if zero:
                entries[i] = 1 if self.zeroed else 0
            else:
                entries[i] = self.overhead + len(data_out) // SECTOR
                data_out += data
        self.break_table(entries)
        self.out += self.header(gd, rgd) + self.descriptor
        for start, faults in ((rgd, ('bad-gds',)), (gd, ('bad-gd', 'bad-gds'))):
            tables = [start + gd_size + t * table_size for t in range(self.n_tables)]
            if self.fault in faults:
                tables = [0xfffffff0] * self.n_tables
            self.out += pad(struct.pack(f'<{self.n_tables}I', *tables))
            broken = list(entries)
            if self.fault == 'bad-gt' and start == gd:
                broken[0] = 0xfffffff0
            self.out += struct.pack(f'<{len(broken)}I', *broken)
        self.out += bytes(self.overhead * SECTOR - len(self.out)) + data_out

    def make(self):
        if self.stream:
            self.make_stream()
        else:
            self.make_sparse()
        if self.fault == 'truncated':
            return bytes(self.out[:len(self.out) // 2])
        if self.fault == 'text-mode':
            return bytes(self.out).replace(b'\n', b'\r\n')
        return bytes(self.out)


def make(raw, kind='stream', grain=128, create_type=None, parent='ffffffff', zeroed=False,
         fault=None):
    if fault is not None and fault not in FAULTS:
        raise ValueError(f'no fault is called {fault}')
    return Maker(raw, kind, grain, create_type, parent, zeroed, fault).make()


def main():
    parser = argparse.ArgumentParser(
        description='Make a VMDK out of a raw image.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='faults:\n' + '\n'.join(f'  {name:18}{text}' for name, text in FAULTS.items()))
    parser.add_argument('--kind', choices=('stream', 'sparse'), default='stream')
    parser.add_argument('--grain', type=int, default=128, metavar='SECTORS')
    parser.add_argument('--create-type')
    parser.add_argument('--parent', default='ffffffff', metavar='CID')
    parser.add_argument('--zeroed', action='store_true', help='mark zero grains by entries of 1')
    parser.add_argument('--fault', choices=FAULTS)
    parser.add_argument('raw')
    parser.add_argument('out')
    args = parser.parse_args()
    with open(args.raw, 'rb') as raw, open(args.out, 'wb') as out:
        out.write(make(raw.read(), args.kind, args.grain, args.create_type, args.parent,
                       args.zeroed, args.fault))


if __name__ == '__main__':
    main()
