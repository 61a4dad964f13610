#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""compare.py FILE.ova FOLDER...: what arrived in each VM's folder, compared, byte for byte, with
what qemu-img reads out of the OVA. The exit status is 1 if a disk differs."""
import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET

OVF = '{http://schemas.dmtf.org/ovf/envelope/1}'


def hrefs(tar):
    """Disk files in the order in which the OVF's disks name them, each with its compression."""
    ovf = next(m for m in tar if m.name.endswith('.ovf'))
    root = ET.parse(tar.extractfile(ovf)).getroot()
    files = {f.get(OVF + 'id'): f for f in root.iter(OVF + 'File')}
    for disk in root.iter(OVF + 'Disk'):
        file = files.get(disk.get(OVF + 'fileRef'))
        if file is not None:
            yield file.get(OVF + 'href'), file.get(OVF + 'compression')


def source(ova, tar, href, compression, scratch):
    """What qemu-img is told to read."""
    member = tar.getmember(href)
    if compression == 'gzip':
        path = os.path.join(scratch, 'unpacked')
        with gzip.open(tar.extractfile(member)) as packed, open(path, 'wb') as f:
            shutil.copyfileobj(packed, f)
        base = {'driver': 'file', 'filename': path}
    else:
        base = {'driver': 'raw', 'offset': member.offset_data, 'size': member.size,
                'file': {'driver': 'file', 'filename': ova}}
    driver = 'vmdk' if href.endswith('.vmdk') else 'raw'
    return 'json:' + json.dumps({'driver': driver, 'file': base})


def main():
    ova, folders = sys.argv[1], sys.argv[2:]
    rows, bad = [('SOURCE', 'ARRIVED AS', 'SIZE', 'ON DISK', 'BYTES')], False
    arrived = [os.path.join(folder, name) for folder in folders
               for name in sorted(os.listdir(folder)) if name.startswith('disk-')]
    with tarfile.open(ova) as tar, tempfile.TemporaryDirectory() as scratch:
        members = list(hrefs(tar))
        for (href, compression), path in zip(members, arrived):
            form = 'qcow2' if path.endswith('.qcow2') else 'raw'
            result = subprocess.run(
                ['qemu-img', 'compare', source(ova, tar, href, compression, scratch),
                 'json:' + json.dumps({'driver': form, 'file': {'driver': 'file',
                                                                'filename': path}})],
                capture_output=True, text=True, check=False)
            bad |= result.returncode != 0
            stat = os.stat(path)
            rows.append((href, os.path.join(*path.split('/')[-2:]),
                         f'{stat.st_size / (1 << 20):.1f} MiB',
                         f'{stat.st_blocks * 512 / (1 << 20):.1f} MiB',
                         'identical' if result.returncode == 0 else
                         (result.stdout + result.stderr).strip()))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print('  '.join(f'{c:>{w}}' if i in (2, 3) else f'{c:<{w}}'
                        for i, (c, w) in enumerate(zip(row, widths))).rstrip())
    for folder in folders:
        others = [n for n in sorted(os.listdir(folder)) if not n.startswith('disk-')]
        print(f'{os.path.basename(folder.rstrip("/"))} also has: {", ".join(others)}')
    if len(members) != len(arrived):
        print(f'The OVA has {len(members)} disks, {len(arrived)} arrived.')
    return 1 if bad or len(members) != len(arrived) else 0


if __name__ == '__main__':
    sys.exit(main())
