# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages of many virtual machines or of large files, which ../tools/mkova.py does not make."""
import dataclasses
import hashlib
import io
import os
import tarfile
from xml.sax.saxutils import quoteattr, escape

STREAM = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized'
SATA = 20


@dataclasses.dataclass
class Disk:
    """href: the member's name. size: the member's, None: not said. capacity: in bytes, or text."""
    href: str
    capacity: object
    size: int = None
    format: str = STREAM
    compression: str = None
    chunk_size: int = None


@dataclasses.dataclass
class Vm:
    name: str
    disks: list
    cpus: int = 1
    memory: int = 256
    macs: tuple = ()
    system: str = 'vmx-15'


def item(**fields):
    """In the order of their names, as the schema of CIM has them."""
    return '<Item>' + ''.join(f'<rasd:{k}>{escape(str(v))}</rasd:{k}>'
                              for k, v in sorted(fields.items())) + '</Item>\n'


def hardware(vm, first):
    rows = [item(InstanceID=1, ResourceType=3, VirtualQuantity=vm.cpus, ElementName='CPU'),
            item(InstanceID=2, ResourceType=4, VirtualQuantity=vm.memory, ElementName='Memory',
                 AllocationUnits='byte * 2^20'),
            item(InstanceID=3, ResourceType=SATA, ResourceSubType='AHCI', Address=0,
                 ElementName='SATA controller')]
    for i, _ in enumerate(vm.disks):
        rows.append(item(InstanceID=10 + i, ResourceType=17, Parent=3, AddressOnParent=i,
                         ElementName=f'Hard disk {i + 1}', HostResource=f'ovf:/disk/vmdisk{first + i}'))
    for i, mac in enumerate(vm.macs):
        rows.append(item(InstanceID=50 + i, ResourceType=10, ResourceSubType='E1000', Address=mac,
                         ElementName=f'Network adapter {i + 1}', Connection='VM Network'))
    return ''.join(rows)


def system(vm, first):
    return f'''<VirtualSystem ovf:id={quoteattr(vm.name)}>
<Info>A virtual machine</Info><Name>{escape(vm.name)}</Name>
<OperatingSystemSection ovf:id="96"><Info>OS</Info><Description>Debian</Description></OperatingSystemSection>
<VirtualHardwareSection><Info>Hardware</Info>
<System><vssd:ElementName>Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
<vssd:VirtualSystemType>{vm.system}</vssd:VirtualSystemType></System>
{hardware(vm, first)}</VirtualHardwareSection>
</VirtualSystem>
'''


def attributes(**fields):
    return ''.join(f' ovf:{k}={quoteattr(str(v))}' for k, v in fields.items() if v is not None)


def envelope(*vms):
    """The OVF of VMs, as bytes."""
    files, disks, systems, n = '', '', '', 0
    for vm in vms:
        systems += system(vm, n)
        for disk in vm.disks:
            files += '<File' + attributes(id=f'file{n}', href=disk.href, size=disk.size,
                                          compression=disk.compression,
                                          chunkSize=disk.chunk_size) + '/>\n'
            disks += '<Disk' + attributes(diskId=f'vmdisk{n}', fileRef=f'file{n}',
                                          capacity=disk.capacity, format=disk.format) + '/>\n'
            n += 1
    if len(vms) > 1:
        systems = ('<VirtualSystemCollection ovf:id="all"><Info>All</Info>\n' + systems
                   + '</VirtualSystemCollection>')
    return f'''<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
<References>{files}</References>
<DiskSection><Info>Disks</Info>{disks}</DiskSection>
<NetworkSection><Info>Networks</Info><Network ovf:name="VM Network"><Description/></Network></NetworkSection>
{systems}
</Envelope>
'''.encode()


def open_member(content):
    return open(content, 'rb') if isinstance(content, str) else io.BytesIO(content)


def manifest(members, algorithm='sha256'):
    """The text of a .mf over (name, bytes or path of a file) pairs."""
    lines = ''
    for name, content in members:
        digest = hashlib.new(algorithm)
        with open_member(content) as f:
            while block := f.read(1 << 20):
                digest.update(block)
        lines += f'{algorithm.upper()}({name})= {digest.hexdigest()}\n'
    return lines.encode()


def pack(path, members, tar_format=tarfile.USTAR_FORMAT):
    """Writes a tar of (name, bytes or path of a file) pairs."""
    with tarfile.open(path, 'w', format=tar_format) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            with open_member(content) as f:
                info.size = f.seek(0, os.SEEK_END)
                f.seek(0)
                tar.addfile(info, f)
