# SPDX-License-Identifier: LGPL-2.1-or-later
"""OVAs land in the volumes of a cluster, bit for bit, and nothing else stays there."""
import json
import os
import subprocess
import unittest

from gi.repository import GLib

import tap
from harness import ENDED, MIB, ROOT, World, digest, make_image, mkova, qemu_img

PHASES = ('preparing', 'allocating', 'copying', 'verifying', 'defining')
GROUP = '/apis/kubevirt.io/v1/namespaces/vms/virtualmachines'
# Real volumes, unlike the disks of the source, end with a whole MiB.
SIZE = 12 * MIB


class Cluster:
    def __init__(self):
        self.process = subprocess.Popen([os.environ['FAKE_KUBE']], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def ask(self, *words):
        self.process.stdin.write(' '.join(map(str, words)) + '\n')
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def get(self, path):
        return json.loads(self.ask('get', path))

    def counts(self):
        """Of volumes, claims and pods."""
        return tuple(int(self.ask('count', f'/{kind}/'))
                     for kind in ('datavolumes', 'persistentvolumeclaims', 'pods'))

    def close(self):
        self.ask('go-on')
        self.process.stdin.close()
        status = self.process.wait(60)
        self.process.stdout.close()
        assert status == 0, status


class KubeVirt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = World()
        raws = [make_image(cls.files.path(f'{i}.img'), SIZE, seed=i) for i in range(2)]
        cls.sums = [digest(raw) for raw in raws]
        disks = []
        for raw in raws:
            qemu_img('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, raw + '.vmdk')
            disks.append(f'{raw}.vmdk,capacity={SIZE}')
        cls.ova = cls.files.path('web.ova')
        mkova('--name', 'web', cls.ova, *disks)

    @classmethod
    def tearDownClass(cls):
        cls.files.close()

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.world = World()
        self.addCleanup(self.world.close)
        self.world.start()
        self.world.call(ROOT, 'Manager.SetDefaults', '(a{sv})',
                        {'retry-interval': GLib.Variant('t', 1000000)}, {})

    def begin(self):
        """The path of the job."""
        world = self.world
        source = world.add('source', 'ova', self.ova)
        lab, = world.call(ROOT, 'Manager.AddProvider', '(sss)', 'lab', 'kubevirt', self.cluster.url,
                          {'settings': GLib.Variant('a{sv}', {'namespace': GLib.Variant('s', 'vms')}),
                           'secrets': GLib.Variant('a{ss}', {'token': 'secret-token'})})
        world.wait(lambda: world.props(lab, 'Provider')['State'] == 'ready', 'the cluster')
        vms, _ = world.call(source, 'Provider.ListVirtualMachines')
        plan = world.plan('to the cluster', source, [vms[0]['id']], lab,
                          {'networks': GLib.Variant('a{ss}', {'': 'pod'})})
        _, (job,) = world.begin(plan)
        return job

    def check(self, job):
        self.assertEqual((job['State'], job['Error']), ('succeeded', ('', '')))
        self.assertEqual((job['Location'], job['Leftovers']), ('vms/web', 0))
        self.assertEqual(self.cluster.counts(), (2, 2, 0))
        volumes = [self.cluster.ask('volume', 'vms', f'web-disk-{i}') for i in range(2)]
        self.assertEqual([digest(v) for v in volumes], self.sums)
        vm = self.cluster.get(f'{GROUP}/web')
        self.assertEqual(vm['metadata']['labels']['mtv.org/number'], '1')
        self.assertEqual([v['dataVolume']['name'] for v in vm['spec']['template']['spec']['volumes']],
                         ['web-disk-0', 'web-disk-1'])
        self.assertNotIn('secret-token', self.world.read_log())
        # They are the VM's.
        self.cluster.ask('remove', f'{GROUP}/web')
        self.assertEqual(self.cluster.counts(), (0, 0, 0))

    def test_import(self):
        self.check(self.world.wait_job(self.begin()))

    def test_trouble(self):
        """Busy servers, conflicts, forgotten versions, webhooks that fail."""
        ask = self.cluster.ask
        ask('fail', 'POST', 'datavolumes?fieldManager=mtvd', 429, 'TooManyRequests', 3)
        ask('fail', 'POST', '/pods', 500, 'InternalError', 3)
        ask('fail', 'PATCH', 'datavolumes', 409, 'Conflict', 4)
        ask('fail', 'DELETE', '/pods', 409, 'Conflict', 2)
        ask('fail', 'GET', 'watch=1', 410, 'Expired', 4)
        ask('fail', 'POST', 'virtualmachines?fieldManager=mtvd', 503, 'ServiceUnavailable', 2)
        job = self.begin()
        ask('expire')
        self.check(self.world.wait_job(job))

    def test_lost(self):
        """Tunnels are cut, servers die, pods fail; what was copied stays copied."""
        for what in ('cut', 'kill', 'cut', 'fail'):
            self.cluster.ask('meddle', MIB, what)
        job = self.world.wait_job(self.begin())
        self.assertEqual(self.cluster.ask('pending'), '0')
        self.check(job)

    def test_killed(self):
        """Amid the copy, and in every state that lasts long enough to be seen."""
        world, left = self.world, set(PHASES)
        self.cluster.ask('meddle', 2 * MIB, 'stop')
        job = self.begin()
        world.wait(lambda: self.cluster.ask('pending') == '0', 'the copy')
        self.assertEqual(world.job(job)['Phase'], 'copying')
        world.kill()
        self.cluster.ask('go-on')
        world.start()

        def interfere():
            phase = world.job(job)['Phase']
            if phase in left:
                left.discard(phase)
                world.kill()
                world.start()
            return world.job(job)['State'] in ENDED
        world.wait(interfere, 'the end')
        self.check(world.job(job))

    def test_cancelled(self):
        for phase in ('allocating', 'copying', 'defining'):
            with self.subTest(phase):
                self.doCleanups()
                self.setUp()
                if phase == 'copying':
                    self.cluster.ask('meddle', 2 * MIB, 'stop')
                job = self.begin()
                if phase == 'copying':
                    self.world.wait(lambda: self.cluster.ask('pending') == '0', 'the copy')
                    self.world.call(job, 'Migration.VM.Cancel')
                    self.cluster.ask('go-on')
                    self.assertEqual(self.world.wait_job(job)['State'], 'cancelled')
                self.world.wait(lambda: self.world.job(job)['Phase'] == phase
                                or self.world.job(job)['State'] in ENDED, phase)
                if self.world.job(job)['State'] not in ENDED:
                    self.world.call(job, 'Migration.VM.Cancel')
                if self.world.wait_job(job)['State'] == 'cancelled':
                    self.assertEqual(self.cluster.counts(), (0, 0, 0))
                    self.assertEqual(self.cluster.ask('count', f'{GROUP}/'), '0')


if __name__ == '__main__':
    tap.main()
