#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots a migrated VM, as its domain.xml says, in QEMU without KVM, its disks left as they are.

domain.py boot DOMAIN.XML [--expect TEXT] [--timeout SECONDS]   shows what the guest says
domain.py list DOMAIN.XML                                       a line for each disk and NIC
"""
import argparse
import os
import re
import selectors
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

# Firmware of Debian's ovmf, by whether it is asked to check signatures.
OVMF = {False: '/usr/share/OVMF/OVMF_CODE_4M.fd', True: '/usr/share/OVMF/OVMF_CODE_4M.ms.fd'}
UNITS = {'b': 1, 'bytes': 1, 'KB': 10**3, 'k': 2**10, 'KiB': 2**10, 'M': 2**20, 'MiB': 2**20,
         'G': 2**30, 'GiB': 2**30}


class Domain:
    def __init__(self, path):
        self.root = ET.parse(path).getroot()
        self.folder = os.path.dirname(os.path.abspath(path))
        self.name = self.root.findtext('name')

    def disks(self):
        for disk in self.root.findall("devices/disk[@device='disk']"):
            yield {'file': os.path.join(self.folder, disk.find('source').get('file')),
                   'format': disk.find('driver').get('type'),
                   'bus': disk.find('target').get('bus'), 'name': disk.find('target').get('dev')}

    def nics(self):
        for nic in self.root.findall('devices/interface'):
            mac, model = nic.find('mac'), nic.find('model')
            yield {'mac': None if mac is None else mac.get('address'),
                   'model': 'e1000e' if model is None else model.get('type')}

    def memory(self):
        element = self.root.find('memory')
        return int(element.text) * UNITS[element.get('unit', 'KiB')]

    def machine(self):
        return 'q35' if 'q35' in self.root.find('os/type').get('machine', '') else 'pc'

    def qemu(self):
        """The command line; the guest's console is our standard output."""
        vcpu = self.root.findtext('vcpu')
        topology = self.root.find('cpu/topology')
        smp = vcpu if topology is None else ','.join(
            [vcpu] + [f'{k}={topology.get(k)}' for k in ('sockets', 'cores', 'threads')])
        args = ['qemu-system-x86_64', '-M', self.machine(), '-accel', 'tcg', '-cpu', 'max',
                '-m', str(self.memory() >> 20), '-smp', smp, '-nodefaults', '-no-user-config',
                '-display', 'none', '-serial', 'stdio', '-no-reboot']
        if self.root.find('os').get('firmware') == 'efi':
            secure = self.root.find("os/firmware/feature[@name='secure-boot']")
            code = OVMF[secure is not None and secure.get('enabled') == 'yes']
            args += ['-drive', f'if=pflash,unit=0,format=raw,readonly=on,file={code}',
                     '-drive', 'if=pflash,unit=1,format=raw,snapshot=on,file='
                     + code.replace('_CODE', '_VARS')]
        if self.machine() == 'pc':
            args += ['-device', 'ahci,id=ide']
        for i, disk in enumerate(self.disks()):
            args += ['-drive', f'file={disk["file"]},format={disk["format"]},if=none,id=d{i},'
                     'snapshot=on', '-device',
                     {'sata': f'ide-hd,bus=ide.{i},drive=d{i},bootindex={i + 1}',
                      'virtio': f'virtio-blk-pci,drive=d{i},bootindex={i + 1}'}[disk['bus']]]
        for i, nic in enumerate(self.nics()):
            model = 'virtio-net-pci' if nic['model'] == 'virtio' else nic['model']
            args += ['-netdev', f'user,id=n{i},restrict=on', '-device', f'{model},netdev=n{i}'
                     + (f',mac={nic["mac"]}' if nic['mac'] else '')]
        return args


def boot(domain, expect, timeout):
    """What the guest said; whether it was what was expected."""
    said, end = b'', time.monotonic() + timeout
    with subprocess.Popen(domain.qemu(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu, \
            selectors.DefaultSelector() as selector:
        selector.register(qemu.stdout, selectors.EVENT_READ)
        while selector.select(max(0, end - time.monotonic())):
            block = os.read(qemu.stdout.fileno(), 65536)
            if not block:
                break
            said += block
        qemu.kill()
    text = re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', said.decode(errors='replace')).replace('\r', '')
    return text, expect is None or expect in text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('verb', choices=['boot', 'list'])
    parser.add_argument('domain')
    parser.add_argument('--expect')
    parser.add_argument('--timeout', type=float, default=120)
    args = parser.parse_args()
    domain = Domain(args.domain)
    if args.verb == 'list':
        for disk in domain.disks():
            print(disk['name'], disk['bus'], disk['format'], disk['file'])
        for nic in domain.nics():
            print('nic', nic['model'], nic['mac'])
        return 0
    text, found = boot(domain, args.expect, args.timeout)
    print(text.strip() or 'The guest said nothing on its serial console.')
    return 0 if found else 1


if __name__ == '__main__':
    sys.exit(main())
