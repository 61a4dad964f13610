#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtvd and a vCenter: from 'mtvctl provider add' to images that are what the guests had."""
import filecmp
import json
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'peers', 'vsphere')]
import tap  # noqa: E402
from harness import World, disks_of  # noqa: E402
from vsphere_peer import Peer, build  # noqa: E402

VM = 'DC0_H0_VM0'
MIB = 1 << 20


class Vsphere(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why := build():
            raise unittest.SkipTest(why)

    def begin(self, settings=(), env=None, **options):
        self.peer = Peer(**options)
        self.addCleanup(self.peer.close)
        self.world = World()
        self.addCleanup(self.world.close)
        with open(self.world.path('password'), 'w', encoding='utf-8') as out:
            out.write('pass\n')
        self.world.env.update(env or {})
        self.world.start()
        words = [word for setting in settings for word in ('--set', setting)]
        self.world.ctl('provider', 'add', '--wait', 'vc', 'vsphere', self.peer.url,
                       '--set', 'user=user', '--secret', f'password={self.world.path("password")}',
                       '--set', f'thumbprint={self.peer.sha256}', *words)
        self.provider = next(p for p in self.world.paths('Provider') if not p.endswith('/local'))
        self.world.wait(lambda: self.world.props(self.provider, 'Provider')['State'] != 'refreshing',
                        'the inventory')

    def finish(self):
        """The daemon ends, and nothing of it is left there."""
        self.assertEqual(self.world.stop(), 0)
        counts = self.peer.counts()
        self.assertEqual((counts['sessions'], counts['snapshots'], counts['leases']), (0, 0, 0))

    def migrate(self, name, vms, **options):
        plan = self.world.plan(name, self.provider, vms, options=options)
        _, jobs = self.world.begin(plan)
        return [self.world.wait_job(job) for job in jobs]

    def assert_same(self, disks):
        """The one machine that there is at the destination."""
        name, = os.listdir(self.world.path('data', 'mtv', 'images'))
        _, images = disks_of(self.world.folder_of(name))
        self.assertEqual(len(images), len(disks))
        for image, disk in zip(images, disks):
            self.assertTrue(filecmp.cmp(image, disk['truth'], shallow=False), image)

    def cold(self, *settings):
        self.begin(settings, vms=1, disks=2, size=24 * MIB)
        self.peer.log_in()
        self.peer.write(VM, 100, 1)
        moref = self.peer.disk(VM)['moref']
        job, = self.migrate('cold', [VM], format='raw')
        self.assertEqual(job['State'], 'succeeded', job['Error'])
        self.assert_same(self.peer.disks(VM))
        self.assertEqual(self.peer.power(moref), 'poweredOff')
        self.peer.log_out()
        self.finish()

    def test_cold_by_https(self):
        self.cold('transport=https')

    def test_cold_by_export(self):
        self.cold('transport=export')
        self.assertNotIn('abort', self.peer.counts()['ended'])

    def test_cold_by_vddk(self):
        if not os.path.exists(os.environ.get('FAKE_VDDK', '')):
            self.skipTest("the stand-in for VMware's library was not built")
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, 'lib64'))
            where = os.path.join(folder, 'map')
            self.begin(['transport=vddk', f'vddk-library={folder}',
                        f'vddk-plugin={os.environ["FAKE_VDDK"]}'],
                       {'MTV_FAKE_VDDK_MAP': where, 'MTV_FAKE_VDDK_PASSWORD': 'pass'},
                       vms=1, size=24 * MIB)
            disk = self.peer.disk(VM)
            with open(where, 'w', encoding='utf-8') as out:
                out.write(f'-\t{disk["file"]}\t{disk["truth"]}\n')
            job, = self.migrate('cold', [VM], format='raw')
            self.assertEqual(job['State'], 'succeeded', job['Error'])
            self.assert_same(self.peer.disks(VM))
            self.finish()

    def test_killed_while_it_copies(self):
        self.begin(vms=1, size=24 * MIB)
        plan = self.world.plan('killed', self.provider, [VM], options={'format': 'raw'})
        self.world.begin(plan)
        self.world.wait(lambda: self.peer.counts()['calls'].get('PowerOffVM_Task', 0)
                        + self.peer.counts()['calls'].get('ShutdownGuest', 0), 'the VM to go down')
        self.world.kill()
        self.world.start()
        job = self.world.wait_job(self.world.paths('Migration.VM')[0])
        self.assertEqual(job['State'], 'succeeded', job['Error'])
        self.assert_same(self.peer.disks(VM))
        self.assertEqual(self.world.stop(), 0)
        self.assertEqual(self.peer.counts()['snapshots'], 0)

    def test_cold_with_snapshots_of_theirs(self):
        self.begin(vms=1, size=24 * MIB)
        self.peer.log_in()
        moref = self.peer.disk(VM)['moref']
        for i in range(3):
            self.peer.create_snapshot(moref)
            self.peer.write(VM, 50, i)
        job, = self.migrate('chain', [VM], format='raw')
        self.assertEqual(job['State'], 'succeeded', job['Error'])
        self.assert_same(self.peer.disks(VM))
        self.peer.log_out()
        self.assertEqual(self.world.stop(), 0)
        counts = self.peer.counts()
        self.assertEqual((counts['sessions'], counts['snapshots']), (0, 3))  # theirs

    def test_session_is_forgotten(self):
        self.begin(vms=1, size=24 * MIB)
        self.peer.control('expire')
        job, = self.migrate('again', [VM], format='raw')
        self.assertEqual(job['State'], 'succeeded', job['Error'])
        self.assert_same(self.peer.disks(VM))
        self.finish()

    def test_wrong_password(self):
        self.peer = Peer(vms=1, size=MIB, password='another')
        self.addCleanup(self.peer.close)
        self.world = World()
        self.addCleanup(self.world.close)
        with open(self.world.path('password'), 'w', encoding='utf-8') as out:
            out.write('sesame\n')
        self.world.start()
        result = self.world.ctl('provider', 'add', '--wait', 'vc', 'vsphere', self.peer.url,
                                '--set', 'user=user', '--secret',
                                f'password={self.world.path("password")}', '--set',
                                f'thumbprint={self.peer.sha256}', check=False)
        provider = next(p for p in self.world.paths('Provider') if not p.endswith('/local'))
        props = self.world.wait(
            lambda: (p := self.world.props(provider, 'Provider'))['State'] != 'refreshing' and p,
            'the answer')
        self.assertIn('InvalidLogin', str(props['Error']))
        self.assertNotIn('sesame', self.world.read_log() + result.stderr + str(props))

    def test_inventory_is_what_govc_sees(self):
        self.begin(vms=250, size=MIB)
        page, total = self.world.call(self.provider, 'Provider.ListVirtualMachines')
        self.assertEqual((len(page), total), (500, 500))
        ours = {vm['id']: self.world.call(self.provider, 'Provider.DescribeVirtualMachine', '(s)',
                                          vm['id'])[0] for vm in page}
        theirs = json.loads(self.peer.govc('vm.info', '-json', '*'))['virtualMachines']
        self.assertEqual(len(theirs), 500)
        for vm in theirs:
            mine = ours[vm['self']['value']]
            devices = vm['config']['hardware']['device']
            self.assertEqual(mine['name'], vm['name'])
            self.assertEqual([d['capacity'] for d in mine['disks']],
                             [d['capacityInBytes'] for d in devices if 'capacityInBytes' in d])
            self.assertEqual([n['mac'].lower() for n in mine['nics']],
                             [d['macAddress'].lower() for d in devices if 'macAddress' in d])
        self.finish()


if __name__ == '__main__':
    tap.main()
