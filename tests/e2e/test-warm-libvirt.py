# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest of a real libvirtd, which writes all the time, is migrated while it runs."""
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

import tap
from harness import ENDED, World, disks_of
from gi.repository import GLib

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'peers', 'libvirt')
MINUTE = 60 * 1000000  # the shortest interval there is
BLOCK, BLOCKS, HEAD, RECORDS = 4096, 4096, 8 * 512, 2048 * 512
STOPPED = 1 << 31


def qemu_img(*args):
    return subprocess.run(['qemu-img', *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def check_log(path):
    """What the guest wrote is all there, to where it was when it was asked to stop (writer.S)."""
    with open(path, 'rb') as f:
        disk = f.read()
    head, = struct.unpack_from('<I', disk, HEAD)
    assert head & STOPPED, 'the guest did not get to its end'
    last, at = [0] * BLOCKS, 1
    for n in range(1, (head ^ STOPPED) + 1):
        at = (at * 1664525 + 1013904223) % (1 << 32)
        last[at >> 12 & BLOCKS - 1] = n
    for i, n in enumerate(last):
        block = disk[RECORDS + i * BLOCK:][:BLOCK]
        assert block == struct.pack('<I', n) * (BLOCK // 4), f'block {i} is not record {n}'
    return head ^ STOPPED


class Warm(unittest.TestCase):
    def setUp(self):
        self.libvirt = tempfile.mkdtemp(prefix='mtv-lv-', dir='/tmp')
        os.chmod(self.libvirt, 0o755)
        self.addCleanup(shutil.rmtree, self.libvirt)
        up = subprocess.run([os.path.join(PEER, 'up.sh'), self.libvirt], stdout=subprocess.PIPE,
                            text=True, check=False)
        if up.returncode == 77:
            self.skipTest('libvirtd does not run here')
        self.assertEqual(up.returncode, 0)
        self.addCleanup(subprocess.run, [os.path.join(PEER, 'down.sh'), self.libvirt], check=True)
        self.uri = up.stdout.strip()
        self.world = World()
        self.addCleanup(self.world.close)
        self.make_socket_folder()
        self.world.start()

    def make_socket_folder(self):
        """The provider's own, but QEMU may run as nobody."""
        folder = self.world.path('mtv-libvirt')
        os.mkdir(folder)
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
            os.chmod(self.world.folder, 0o755)

    def virsh(self, *args, check=True):
        return subprocess.run(['virsh', '-q', '-c', self.uri, *args], check=check, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()

    def begin(self):
        self.virsh('start', 'writer')
        source = self.world.add('kvm', 'libvirt', self.uri)
        vm, = (v for v in self.world.call(source, 'Provider.ListVirtualMachines')[0]
               if v['name'] == 'writer')
        plan = self.world.plan('plan', source, [vm['id']],
                               options={'warm': GLib.Variant('b', True),
                                        'interval': GLib.Variant('t', MINUTE),
                                        'shutdown': 'guest'})
        _, (job,) = self.world.begin(plan)
        return job

    def wait_idle(self, job, rounds=1):
        def reached():
            props = self.world.job(job)
            if props['State'] in ENDED:
                raise AssertionError(f'{props["State"]}: {props["Error"]}\n{self.world.read_log()}')
            return props['Phase'] == 'idle' and props['Round'] >= rounds
        self.world.wait(reached, f'{rounds} rounds', timeout=60 + 75 * rounds)

    def assert_clean(self):
        """Nothing of ours is at the source."""
        self.assertEqual(self.virsh('checkpoint-list', '--name', 'writer'), '')
        self.assertEqual(self.virsh('backup-dumpxml', 'writer', check=False), '')
        self.assertEqual(os.listdir(self.world.path('mtv-libvirt')), [])
        images = os.path.join(self.libvirt, 'images')
        self.assertEqual(sorted(os.listdir(images)), ['data.qcow2', 'guest.qcow2'])
        for name in os.listdir(images):
            info = json.loads(qemu_img('info', '-U', '--output=json', os.path.join(images, name)))
            self.assertNotIn('bitmaps', info['format-specific']['data'])

    def assert_arrived(self, job):
        props = self.world.wait_job(job, timeout=240)
        self.assertEqual((props['State'], props['Error']), ('succeeded', ('', '')))
        self.assertEqual(props['Leftovers'], 0)
        self.assertEqual(self.virsh('domstate', 'writer'), 'shut off')
        self.assert_clean()
        _, disks = disks_of(props['Location'])
        for disk, name in zip(disks, ('guest', 'data'), strict=True):
            raw = self.world.path(f'{name}.raw')
            qemu_img('convert', '-O', 'raw', disk, raw)
            qemu_img('compare', '-F', 'qcow2', '-f', 'raw', raw,
                     os.path.join(self.libvirt, 'images', f'{name}.qcow2'))
        return check_log(self.world.path('guest.raw'))

    def test_rounds(self):
        """Two a minute apart while the guest writes, then the cutover."""
        job = self.begin()
        self.wait_idle(job, 2)
        self.assertEqual(self.virsh('backup-dumpxml', 'writer', check=False), '')
        self.assertEqual(len(self.virsh('checkpoint-list', '--name', 'writer').split()), 1)
        self.world.call(job, 'Migration.VM.Cutover')
        records = self.assert_arrived(job)
        rounds, = self.world.call(job, 'Migration.VM.GetRounds')
        self.assertGreaterEqual(len(rounds), 3)
        self.assertFalse(any(r.get('compared') for r in rounds[1:]), rounds)
        print(f'# {records} records; downtime {self.world.job(job)["Downtime"] / 1e6:.1f} s; changed:',
              [r['bytes-changed'] for r in rounds])

    def test_killed(self):
        """Again and again, in the first round and in the last."""
        r = random.Random(1)
        job = self.begin()
        seen = []

        def kill_until(phase, limit, longest):
            while (now := self.world.job(job)['Phase']) != phase and len(seen) < limit:
                seen.append(now)
                self.world.kill()
                self.world.start(SLOW_USEC='2000')
                end = time.monotonic() + r.uniform(0, longest)
                self.world.wait(lambda: time.monotonic() > end, 'a while')
            self.world.kill()
            self.world.start()

        kill_until('idle', 12, 0.5)
        self.wait_idle(job)
        self.world.call(job, 'Migration.VM.Cutover')
        kill_until('done', 30, 1.5)
        records = self.assert_arrived(job)
        print(f'# {records} records; killed in', *seen)

    def test_cancelled(self):
        """The guest goes on as if nothing had been."""
        job = self.begin()
        self.wait_idle(job)
        self.world.call(job, 'Migration.VM.Cancel')
        self.assertEqual(self.world.wait_job(job)['State'], 'cancelled')
        self.assertEqual(self.virsh('domstate', 'writer'), 'running')
        self.assert_clean()


if __name__ == '__main__':
    tap.main()
