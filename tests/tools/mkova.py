#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes an OVA (or, with --folder, a folder with an OVF) out of disk images, or a bad one.

mkova.py [--format ustar|gnu|pax] [--manifest sha1|sha256|sha512] [--name NAME] [--prefix P]
         [--fault NAME] [--folder] OUT DISK...

DISK is FILE[,KEY=VALUE...] with the keys capacity (bytes; default: the size of FILE), href (name in
the package), compress (gzip), chunk (bytes), extra (a file that goes along, not in the OVF), and
empty (no file at all; FILE is a mere name).
"""
import argparse
import gzip
import hashlib
import io
import os
import sys
import tarfile
import urllib.parse
from xml.sax.saxutils import quoteattr

FAULTS = {
    'truncated': 'the last 40 % of the archive are missing',
    'no-end': 'the two zero blocks at the end are missing',
    'missing-member': 'the first disk is not in the archive',
    'bad-manifest': 'the manifest has another checksum for the first disk',
    'bad-ovf-sum': 'the manifest has another checksum for the OVF',
    'two-members': 'the first disk is there twice',
    'dot-dot': 'the OVF names ../ of the first disk, which the archive has under that name',
    'absolute': 'the OVF names /etc/passwd, which the archive has under that name',
    'http': 'the OVF names a disk on a web server',
    'link': 'the first disk is a symbolic link to /etc/passwd',
    'sparse': 'the first disk is stored sparse as GNU tar does it',
    'two-ovfs': 'there are two OVFs',
    'no-ovf': 'there is no OVF',
    'not-xml': 'the OVF is no XML',
    'huge-xml': 'the OVF has 100 MB',
    'entity-bomb': 'the OVF has entities that grow',
    'external-entity': 'the OVF has an entity that names /etc/hostname',
    'no-capacity': 'the disks have no capacity',
    'zero-capacity': 'the disks have the capacity 0',
    'absurd-capacity': 'the disks have the capacity 2^70',
}

ENVELOPE = '''<?xml version="1.0" encoding="UTF-8"?>
{doctype}<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
{files}  </References>
  <DiskSection><Info>Disks</Info>
{disks}  </DiskSection>
  <NetworkSection><Info>Networks</Info><Network ovf:name="VM Network"/></NetworkSection>
  <VirtualSystem ovf:id={name}><Info>A machine</Info><Name>{title}</Name>
    <VirtualHardwareSection><Info>Hardware</Info>
      <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType></Item>
{items}      <Item><rasd:Connection>VM Network</rasd:Connection>
        <rasd:InstanceID>9</rasd:InstanceID><rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
'''
BOMB = '<!DOCTYPE Envelope [<!ENTITY a "aaaaaaaaaa">' + ''.join(
    '<!ENTITY %s "%s">' % (chr(98 + i), ('&%s;' % chr(97 + i)) * 20) for i in range(8)) + ']>\n'
EXTERNAL = '<!DOCTYPE Envelope [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n'


class Disk:
    def __init__(self, spec):
        self.file, *rest = spec.split(',')
        options = dict(item.partition('=')[::2] for item in rest)
        self.empty = 'empty' in options
        self.href = options.get('href', os.path.basename(self.file))
        size = 0 if self.empty else os.path.getsize(self.file)
        self.capacity = options.get('capacity', str(size))
        self.compress = options.get('compress')
        self.chunk = int(options.get('chunk', 0))
        self.extra = options.get('extra')

    def files(self):
        """Pairs of name and bytes, as stored."""
        if self.empty:
            return
        with open(self.file, 'rb') as file:
            data = file.read()
        if self.compress == 'gzip':
            data = gzip.compress(data, 6, mtime=0)
        self.size = len(data)
        name = urllib.parse.unquote(self.href)
        if self.chunk:
            for i, at in enumerate(range(0, len(data), self.chunk)):
                yield '%s.%09d' % (name, i), data[at:at + self.chunk]
        else:
            yield name, data
        if self.extra:
            with open(self.extra, 'rb') as file:
                yield os.path.join(os.path.dirname(name), os.path.basename(self.extra)), file.read()


def make_ovf(args, disks):
    files = descriptions = items = ''
    for i, disk in enumerate(disks):
        reference = ''
        capacity = {'no-capacity': '', 'zero-capacity': 'ovf:capacity="0" ',
                    'absurd-capacity': 'ovf:capacity="%d" ' % 2**70}.get(
            args.fault, 'ovf:capacity="%s" ' % disk.capacity)
        if not disk.empty:
            reference = 'ovf:fileRef="file%d" ' % i
            files += '    <File ovf:id="file%d" ovf:href=%s ovf:size="%d"%s%s/>\n' % (
                i, quoteattr(disk.href), disk.size,
                ' ovf:compression="%s"' % disk.compress if disk.compress else '',
                ' ovf:chunkSize="%d"' % disk.chunk if disk.chunk else '')
        descriptions += '    <Disk ovf:diskId="vmdisk%d" %s%s/>\n' % (i, reference, capacity)
        items += ('      <Item><rasd:AddressOnParent>%d</rasd:AddressOnParent>\n'
                  '        <rasd:HostResource>ovf:/disk/vmdisk%d</rasd:HostResource>\n'
                  '        <rasd:InstanceID>%d</rasd:InstanceID><rasd:Parent>3</rasd:Parent>\n'
                  '        <rasd:ResourceType>17</rasd:ResourceType></Item>\n' % (i, i, 100 + i))
    title = {'entity-bomb': '&i;', 'external-entity': '&x;'}.get(args.fault, args.name)
    doctype = {'entity-bomb': BOMB, 'external-entity': EXTERNAL}.get(args.fault, '')
    if args.fault == 'not-xml':
        return b'This is not XML, it is a letter.\n'
    ovf = ENVELOPE.format(files=files, disks=descriptions, items=items, doctype=doctype,
                          name=quoteattr(args.name), title=title).encode()
    return ovf.ljust(100 * 1000 * 1000) if args.fault == 'huge-xml' else ovf


def make_members(args):
    """Pairs of name and bytes, or of name and None for a link, in the order of the archive."""
    disks = [Disk(spec) for spec in args.disk]
    stored = [pair for disk in disks for pair in disk.files()]
    if args.fault == 'dot-dot':
        disks[0].href = '../' + disks[0].href
        stored[0] = (disks[0].href, stored[0][1])
    elif args.fault == 'absolute':
        disks[0].href = '/etc/passwd'
        stored[0] = (disks[0].href, stored[0][1])
    elif args.fault == 'http':
        disks[0].href = 'http://127.0.0.1:9/disk.vmdk'
    elif args.fault == 'link':
        stored[0] = (stored[0][0], None)

    members = [(args.name + '.ovf', make_ovf(args, disks))]
    if args.manifest:
        lines = ''
        for name, data in members + stored:
            if args.fault == 'bad-manifest' and name == stored[0][0] \
                    or args.fault == 'bad-ovf-sum' and name.endswith('.ovf'):
                data = b'something else'
            lines += '%s(%s)= %s\n' % (args.manifest.upper(), name,
                                       hashlib.new(args.manifest, data or b'').hexdigest())
        members.append((args.name + '.mf', lines.encode()))
    members += stored
    if args.fault == 'missing-member':
        members.remove(stored[0])
    elif args.fault == 'two-members':
        members.append(stored[0])
    elif args.fault == 'two-ovfs':
        members.append(('other.ovf', members[0][1]))
    elif args.fault == 'no-ovf':
        del members[0]
    return [(args.prefix + name, data) for name, data in members]


def write_tar(args, members):
    out = io.BytesIO()
    formats = {'ustar': tarfile.USTAR_FORMAT, 'gnu': tarfile.GNU_FORMAT, 'pax': tarfile.PAX_FORMAT}
    with tarfile.open(fileobj=out, mode='w', format=formats[args.format]) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data or b'')
            if data is None:
                info.type = tarfile.SYMTYPE
                info.linkname = '/etc/passwd'
            elif args.fault == 'sparse' and name == members[-1][0]:
                info.type = tarfile.GNUTYPE_SPARSE
            tar.addfile(info, io.BytesIO(data or b''))
        end = tar.offset
    data = out.getvalue()
    if args.fault == 'no-end':
        data = data[:end]
    elif args.fault == 'truncated':
        data = data[:len(data) * 6 // 10]
    with open(args.out, 'wb') as file:
        file.write(data)


def write_folder(args, members):
    for name, data in members:
        path = os.path.normpath(os.path.join(args.out, name))
        if not path.startswith(os.path.abspath(args.out) + '/'):
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if data is None:
            os.symlink('/etc/passwd', path)
            continue
        with open(path, 'wb') as file:
            file.write(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--format', choices=('ustar', 'gnu', 'pax'), default='ustar')
    parser.add_argument('--manifest', choices=('sha1', 'sha256', 'sha512'))
    parser.add_argument('--name', default='web', help='of the machine and of its OVF')
    parser.add_argument('--prefix', default='', help='before every name, such as ./')
    parser.add_argument('--fault', choices=FAULTS)
    parser.add_argument('--folder', action='store_true')
    parser.add_argument('out')
    parser.add_argument('disk', nargs='*')
    args = parser.parse_args()
    args.out = os.path.abspath(args.out)
    members = make_members(args)
    (write_folder if args.folder else write_tar)(args, members)
    return 0


if __name__ == '__main__':
    sys.exit(main())
