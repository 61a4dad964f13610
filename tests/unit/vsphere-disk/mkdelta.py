#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a chain of disks as ESXi keeps them: a flat base, a redo log on it, a seSparse link on that.

mkdelta.py FOLDER
  base.vmdk base-flat.vmdk, d1.vmdk d1-delta.vmdk, d2.vmdk d2-sesparse.vmdk, and what d1 and d2
  read as: d1.raw, d2.raw.
"""
import random
import struct
import sys

SECTOR = 512
CAPACITY = 40 * 1024 * 1024 // SECTOR + 24  # ends within a table, not within a grain of 8
FIRST_GRAIN = 0x1000 - 3  # so that both parts of an entry count


def descriptor(folder, name, create_type, extent, cid, parent_cid, parent=None):
    hint = f'parentFileNameHint="{parent}"\n' if parent else ''
    with open(f'{folder}/{name}', 'w', encoding='utf-8') as out:
        out.write('# Disk DescriptorFile\nversion=1\nencoding="UTF-8"\n'
                  f'CID={cid}\nparentCID={parent_cid}\ncreateType="{create_type}"\n{hint}'
                  f'# Extent description\n{extent}\n\n# The Disk Data Base\n#DDB\n\n'
                  'ddb.adapterType = "lsilogic"\n')


def redo_log(path, changes):
    """changes: sector to its bytes. Tables lie between the grains, as they come to be."""
    tables = (CAPACITY + 4095) // 4096
    directory, place, out = [0] * tables, 4 + (tables * 4 + SECTOR - 1) // SECTOR, {}
    filled = {}
    for sector, data in sorted(changes.items(), key=lambda item: item[1]):
        number = sector // 4096
        if number not in filled:
            filled[number], directory[number] = [0] * 4096, place
            place += 4096 * 4 // SECTOR
        filled[number][sector % 4096] = place
        out[place] = data
        place += 1
    with open(path, 'wb') as file:
        file.truncate(place * SECTOR)
        file.write(struct.pack('<4s7I', b'COWD', 1, 3, CAPACITY, 1, 4, tables, place))
        file.seek(4 * SECTOR)
        file.write(struct.pack(f'<{tables}I', *directory))
        for number, entries in filled.items():
            file.seek(directory[number] * SECTOR)
            file.write(struct.pack('<4096I', *entries))
        for at, data in out.items():
            file.seek(at * SECTOR)
            file.write(data)


def se_sparse(path, changes):
    """changes: grain of 8 sectors to its bytes, or 'zero', or 'unmapped'."""
    tables = (CAPACITY + 8 * 4096 - 1) // (8 * 4096)
    directory_at, tables_at, tables_size = 4096, 4160, tables * 64
    bitmap_at = tables_at + tables_size
    grains_at = bitmap_at + 128
    grain, entries, out = FIRST_GRAIN, {}, {}
    for number, change in sorted(changes.items()):
        if change == 'zero':
            entries[number] = 2 << 60
        elif change == 'unmapped':
            entries[number] = 1 << 60 | 0x123 << 48 | 5
        else:
            entries[number] = 3 << 60 | (grain & 0xfff) << 48 | grain >> 12
            out[grain] = change
            grain += 1
    used = sorted({number // 4096 for number in entries}, reverse=True)
    with open(path, 'wb') as file:
        file.truncate((grains_at + grain * 8) * SECTOR)
        file.write(struct.pack('<26Q', 0xcafebabe, 0x0000000200000001, CAPACITY, 8, 64, 0, 0, 0, 0,
                               0, 1, 1, 2, 2, 2048, 2048, directory_at, 64, tables_at, tables_size,
                               bitmap_at, 64, bitmap_at + 64, 64, grains_at, grain * 8))
        file.seek(SECTOR)
        file.write(struct.pack('<4Q', 0xcafecafe, 0, 1, 0))
        for slot, table in enumerate(used):
            file.seek(directory_at * SECTOR + table * 8)
            file.write(struct.pack('<Q', 1 << 60 | slot))
            for number, entry in entries.items():
                if number // 4096 == table:
                    file.seek((tables_at + slot * 64) * SECTOR + number % 4096 * 8)
                    file.write(struct.pack('<Q', entry))
        for number, data in out.items():
            file.seek((grains_at + number * 8) * SECTOR)
            file.write(data)


def main():
    folder = sys.argv[1]
    random.seed(7)
    disk = bytearray(random.randbytes(1 << 20) * 40 + random.randbytes(24 * SECTOR))
    with open(f'{folder}/base-flat.vmdk', 'wb') as file:
        file.write(disk)
    descriptor(folder, 'base.vmdk', 'vmfs', f'RW {CAPACITY} VMFS "base-flat.vmdk"', '11111111',
               'ffffffff')

    sectors = {random.randrange(8000, CAPACITY // 2): random.randbytes(SECTOR) for _ in range(200)}
    sectors.update({sector: random.randbytes(SECTOR) for sector in range(30000, 30700)})
    sectors[CAPACITY - 1] = random.randbytes(SECTOR)
    redo_log(f'{folder}/d1-delta.vmdk', sectors)
    descriptor(folder, 'd1.vmdk', 'vmfsSparse', f'RW {CAPACITY} VMFSSPARSE "d1-delta.vmdk"',
               '22222222', '11111111', 'base.vmdk')
    for sector, data in sectors.items():
        disk[sector * SECTOR:(sector + 1) * SECTOR] = data
    with open(f'{folder}/d1.raw', 'wb') as file:
        file.write(disk)

    grains = {random.randrange(CAPACITY // 8): random.choice(['zero', 'unmapped',
                                                              random.randbytes(4096)])
              for _ in range(300)}
    grains.update({3750 + i: random.randbytes(4096) for i in range(100)})
    grains.update({6000 + i: 'zero' for i in range(1000)})
    se_sparse(f'{folder}/d2-sesparse.vmdk', grains)
    descriptor(folder, 'd2.vmdk', 'seSparse', f'RW {CAPACITY} SESPARSE "d2-sesparse.vmdk"',
               '33333333', '22222222', 'd1.vmdk')
    for grain, change in grains.items():
        disk[grain * 4096:(grain + 1) * 4096] = bytes(4096) if isinstance(change, str) else change
    with open(f'{folder}/d2.raw', 'wb') as file:
        file.write(disk)


main()
