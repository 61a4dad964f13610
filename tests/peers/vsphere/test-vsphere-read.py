#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The readers of disks against a vCenter with bytes in it: what they read is what the guest has.

READ_DISK, MTV_PEERS and FAKE_VDDK in the environment are programs and folders of the build.
"""
import filecmp
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', '..', 'e2e')]
import tap  # noqa: E402
from vsphere_peer import Peer, build  # noqa: E402

VM = 'DC0_H0_VM0'
STORE = 'ds %41+ä (x) [y'


class Base(unittest.TestCase):
    options = {}

    @classmethod
    def setUpClass(cls):
        if why := build():
            raise unittest.SkipTest(why)

    def setUp(self):
        self.peer = Peer(vms=1, **self.options)
        self.addCleanup(self.peer.close)
        self.peer.log_in()
        self.disk = self.peer.disk(VM)
        self.moref = self.disk['moref']

    def read(self, way, snapshot=None, file=None, check=True, password='pass', env=None, **more):
        """Standard output and error of read-disk, what it read is in the file 'out'."""
        args = {'way': way, 'to': self.peer.path('out'), 'url': self.peer.url,
                'thumbprint': self.peer.sha256, 'vm': self.moref, 'datacenter': 'DC0',
                'file': file or self.peer.disk(VM)['file'], 'capacity': self.disk['size']} | more
        if snapshot:
            args['snapshot'] = snapshot
        words = [f'--{k}' if v is True else f'--{k}={v}' for k, v in args.items() if v is not None]
        result = subprocess.run([os.environ['READ_DISK'], *words], capture_output=True, text=True,
                                env=os.environ | {'MTV_PASSWORD': password} | (env or {}),
                                timeout=60, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f'{words}: {result.stderr}')
        return result.stdout, result.stderr

    def assert_read(self, path):
        self.assertTrue(filecmp.cmp(self.peer.path('out'), path, shallow=False))

    def three_links(self):
        """Two snapshots of theirs and one that is to be read; the VM writes on. Its moref."""
        for i in range(2):
            self.peer.create_snapshot(self.moref)
            self.peer.write(VM, 200, i)
        snapshot = self.peer.create_snapshot(self.moref, 'ours')
        self.peer.write(VM, 100, 9)
        return snapshot


class Https(Base):
    def test_vm_that_is_off(self):
        self.peer.power_off(self.moref)
        out, _ = self.read('https')
        self.assertEqual(out.split('\n')[0], 'https')
        self.assertIn(f"the files of '{self.disk['file']}' can be read from vCenter", out)
        self.assert_read(self.disk['truth'])

    def test_snapshot_of_a_vm_that_runs(self):
        snapshot = self.peer.create_snapshot(self.moref)
        self.peer.write(VM, 300, 1)
        disk = self.peer.disk(VM)
        self.read('https', snapshot, disk['files'][snapshot])
        self.assert_read(disk['frozen'][snapshot])
        self.assertFalse(filecmp.cmp(disk['frozen'][snapshot], disk['truth'], shallow=False))

    def test_running_file(self):
        _, err = self.read('https', check=False)
        self.assertIn('org.mtv.Error.Unreachable', err)
        self.assertIn('500', err)
        self.assertIn('may be in use by a running VM', err)

    def test_three_links(self):
        snapshot = self.three_links()
        disk = self.peer.disk(VM)
        self.assertEqual(len(disk['frozen']), 3)
        self.read('https', snapshot, disk['files'][snapshot])
        self.assert_read(disk['frozen'][snapshot])
        # And as it is, once it is off: four links.
        self.peer.power_off(self.moref)
        self.read('https', file=disk['file'], backwards=True)
        self.assert_read(disk['truth'])

    def test_consolidated(self):
        first = self.peer.create_snapshot(self.moref)
        self.peer.write(VM, 100, 1)
        second = self.peer.create_snapshot(self.moref)
        self.peer.write(VM, 100, 2)
        self.peer.remove_snapshot(first)
        disk = self.peer.disk(VM)
        self.read('https', second, disk['files'][second])
        self.assert_read(disk['frozen'][second])
        self.peer.remove_snapshot(second)
        self.peer.power_off(self.moref)
        self.assertEqual(self.peer.disk(VM)['file'], self.disk['file'])
        self.read('https')
        self.assert_read(disk['truth'])

    def test_tickets_of_the_host(self):
        self.peer.power_off(self.moref)
        url = self.peer.url.replace('127.0.0.1', 'localhost')
        out, _ = self.read('https', **{'host-url': url})
        self.assertIn('can be read from host localhost', out)
        self.assert_read(self.disk['truth'])
        self.assertGreaterEqual(self.peer.counts()['calls']['AcquireGenericServiceTicket'], 4)

    def test_host_out_of_reach(self):
        self.peer.power_off(self.moref)
        self.read('https', **{'host-url': 'https://127.0.0.1:1'})
        self.assert_read(self.disk['truth'])

    def test_no_session_is_left(self):
        self.peer.power_off(self.moref)
        self.peer.log_out()
        self.read('https')
        self.assertEqual(self.peer.counts()['sessions'], 0)


class OddNames(Base):
    options = {'datastore': STORE}

    def test_datastore(self):
        self.peer.power_off(self.moref)
        self.assertTrue(self.disk['file'].startswith(f'[{STORE}] '))
        self.read('https')
        self.assert_read(self.disk['truth'])


class Export(Base):
    options = {'disks': 2}

    def test_vm_that_is_off(self):
        self.peer.power_off(self.moref)
        for disk in self.peer.disks(VM):
            out, _ = self.read('export', index=disk['key'] - 2000)
            self.assertEqual(out.split('\n')[0], 'export')
            self.assert_read(disk['truth'])
        counts = self.peer.counts()
        self.assertEqual(counts['leases'], 0)
        self.assertEqual(counts['ended'], {'complete': 2})

    def test_snapshot_of_a_vm_that_runs(self):
        snapshot = self.three_links()
        disk = self.peer.disk(VM)
        self.read('export', snapshot)
        self.assert_read(disk['frozen'][snapshot])

    def test_running_vm(self):
        _, err = self.read('export', check=False)
        self.assertIn('InvalidPowerState', err)

    def test_not_for_parts(self):
        _, err = self.read('export', check=False, parts=True)
        self.assertIn('org.mtv.Error.Unsupported', err)
        self.assertIn('an export is of whole disks', err)


class Vddk(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.environ.get('FAKE_VDDK', '')):
            self.skipTest('the stand-in for VMware\'s library was not built')
        os.mkdir(self.peer.path('vddk'))
        os.mkdir(self.peer.path('vddk', 'lib64'))

    def read_vddk(self, snapshot=None, file=None, way='vddk', **more):
        disk = self.peer.disk(VM)
        with open(self.peer.path('map'), 'w', encoding='utf-8') as out:
            out.write(f'-\t{disk["file"]}\t{os.path.abspath(disk["truth"])}\n')
            for name, frozen in disk['frozen'].items():
                out.write(f'{name}\t{disk["files"][name]}\t{os.path.abspath(frozen)}\n')
        env = {'MTV_FAKE_VDDK_MAP': self.peer.path('map'), 'MTV_FAKE_VDDK_PASSWORD': 'pass',
               'MTV_FAKE_VDDK_THUMBPRINT': self.peer.sha1} | more.pop('env', {})
        return self.read(way, snapshot, file, library=self.peer.path('vddk'),
                         plugin=os.environ['FAKE_VDDK'], env=env, **more)

    def test_vm_that_is_off(self):
        self.peer.power_off(self.moref)
        out, _ = self.read_vddk(way='auto')
        self.assertEqual(out.split('\n')[0], 'vddk')
        self.assertIn('VMware\'s library is in', out)
        self.assert_read(self.disk['truth'])

    def test_snapshot_of_a_vm_that_runs(self):
        snapshot = self.three_links()
        disk = self.peer.disk(VM)
        self.read_vddk(snapshot, disk['files'][snapshot], parts=True)
        self.assert_read(disk['frozen'][snapshot])

    def test_refused(self):
        _, err = self.read_vddk(check=False, env={'MTV_FAKE_VDDK_PASSWORD': 'other'})
        self.assertIn('incorrect user name or password', err)
        self.assertNotIn('other', err)

    def test_not_installed(self):
        out, _ = self.read('auto', choose=True, library='/nonexistent', plugin=os.environ['FAKE_VDDK'])
        self.assertEqual(out.split('\n')[0], 'https')
        self.assertIn("vddk: VMware's library is not in '/nonexistent'; https: the files", out)


if __name__ == '__main__':
    tap.main()
