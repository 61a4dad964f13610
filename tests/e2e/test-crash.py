# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtvd is killed, anywhere: the next one ends with the same bytes and leaves nothing behind."""
import os
import random
import shutil
import signal
import sqlite3
import time
import unittest

import tap
from harness import ENDED, MIB, BusError, World, digest, disks_of, make_image, mkova, qemu_img

# How long the test of all places may take; where that is not enough they are sampled evenly.
BUDGET = int(os.environ.get('MTV_CRASH_SECONDS', 90))
STATES = ('queued', 'preparing', 'allocating', 'copying', 'verifying', 'defining')


class Crash(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.close)
        self.images = self.world.path('data', 'mtv', 'images')

    def close(self):
        self.world.close()

    def make_ova(self, name, size, disks=2):
        files, sums = [], []
        for i in range(disks):
            raw = make_image(self.world.path(f'{name}-{i}.img'), size, seed=i)
            vmdk = self.world.path(f'{name}-{i}.vmdk')
            qemu_img('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, vmdk)
            files.append(f'{vmdk},capacity={size}')
            sums.append(digest(raw))
        path = self.world.path(f'{name}.ova')
        mkova('--name', name, '--manifest', 'sha256', path, *files)
        return path, sums

    def states_on_disk(self):
        """The state of the job, as the database that was left has it."""
        copy = self.world.path('copy')
        shutil.rmtree(copy, ignore_errors=True)
        try:
            shutil.copytree(self.world.path('state', 'mtv'), copy)
            names = [n for n in os.listdir(copy) if n.endswith(('.db', '.sqlite', '.sqlite3'))]
            with sqlite3.connect(os.path.join(copy, names[0])) as db:
                return {row[0] for row in db.execute('SELECT state FROM job')}
        except (FileNotFoundError, IndexError, sqlite3.OperationalError):
            return set()  # not even that was made

    def clear(self):
        for kind in ('state', 'data'):
            shutil.rmtree(self.world.path(kind), ignore_errors=True)

    def finish(self, sums):
        """With a daemon that is not killed: the migration, begun or not, comes to its end."""
        world = self.world
        world.start()
        if not world.paths('Migration'):
            self.begin()
        job, = world.paths('Migration.VM')
        props = world.wait_job(job)
        self.assertEqual((props['State'], props['Error']), ('succeeded', ('', '')))
        self.assertEqual(props['Leftovers'], 0)
        self.assertEqual(props['BytesDone'], props['BytesTotal'])
        manifest, disks = disks_of(props['Location'])
        self.assertEqual([digest(d) for d in disks], sums)
        self.assertEqual([d['size'] for d in manifest['disks']], [os.path.getsize(d) for d in disks])
        self.assertEqual(os.listdir(self.images), ['web'])
        self.assertEqual(world.stop(), 0)
        world.daemon = None

    def begin(self):
        """As far as a daemon that may die at any moment lets it."""
        world = self.world
        name = {'Name': 'source'}
        source = next((p for p, i in world.objects().items()
                       if i.get('org.mtv.Provider', {}).get('Name') == 'source'), None) \
            or world.add(name['Name'], 'ova', self.ova)
        plan, = world.paths('Plan') or [world.plan('plan', source, ['web'])]
        return world.begin(plan)

    def run_until_killed(self, **env):
        """Starts and migrates; whether the daemon lived to the end."""
        world = self.world
        world.daemon = world.spawn(**env)
        try:
            world.wait(lambda: world.has_owner() or world.daemon.poll() is not None, 'mtvd to start')
            _, jobs = self.begin()
            world.wait(lambda: world.daemon.poll() is not None
                       or world.job(jobs[0])['State'] in ENDED, 'the end')
        except Exception:  # noqa: BLE001 the daemon died under a call
            if world.daemon.poll() is None and world.has_owner():
                raise
        if world.daemon.poll() is None:
            world.stop()
        self.assertIn(world.daemon.wait(), (0, -signal.SIGKILL), world.read_log())
        return world.daemon.returncode == 0

    def test_every_place(self):
        """Before each operation that changes or makes durable what is on disk."""
        self.ova, sums = self.make_ova('web', 3 * MIB)
        count = self.world.path('count')
        self.assertTrue(self.run_until_killed(CRASH_COUNT=count))
        with open(count, encoding='ascii') as f:
            total = int(f.read())
        places = list(range(1, total + 1))
        random.Random(1).shuffle(places)  # what there is time for is spread evenly
        end, tried, killed, seen = time.monotonic() + BUDGET, 0, 0, set()
        for place in places:
            if time.monotonic() > end:
                break
            self.clear()
            killed += not self.run_until_killed(CRASH_AT=str(place))
            states = self.states_on_disk()
            seen |= states
            tried += 1
            with self.subTest(place=place, of=total, states=states):
                self.finish(sums)
        print(f'# killed {killed} times, at {tried} of {total} places, in the states {sorted(seen)}')
        self.assertGreater(killed, tried * 3 // 4)
        self.assertLessEqual(set(STATES) - seen, set(), 'states in which it was never killed')

    def test_twice_while_copying(self):
        """What was copied is not copied again."""
        self.ova, sums = self.make_ova('web', 48 * MIB, disks=1)
        world = self.world
        world.start(SLOW_USEC='10000')
        _, (job,) = self.begin()
        done = []
        for _ in range(2):
            world.wait(lambda: world.job(job)['BytesDone'] > (done[-1] if done else 0)
                       or world.job(job)['State'] in ENDED, 'progress')
            world.kill()
            world.start(SLOW_USEC='10000')
            props = world.job(job)
            done.append(props['BytesDone'])
        self.assertGreaterEqual(done[1], done[0])
        world.stop()
        self.finish(sums)

    def test_terminate_while_copying(self):
        """SIGTERM with work in flight: a clean end, and it goes on."""
        self.ova, sums = self.make_ova('web', 48 * MIB, disks=2)
        world = self.world
        world.start(SLOW_USEC='10000')
        _, (job,) = self.begin()
        world.wait_job(job, ('running',))
        world.wait(lambda: world.job(job)['Phase'] == 'copying'
                   and world.job(job)['BytesDone'] > 0, 'copying')
        self.assertEqual(world.stop(), 0, world.read_log())
        self.assertIn('copying', self.states_on_disk())
        self.finish(sums)

    def test_cancel_in_each_phase(self):
        """Cancelled where it is, with nothing left; then tried again."""
        self.ova, sums = self.make_ova('web', 16 * MIB, disks=1)
        world = self.world
        world.start(SLOW_USEC='10000')
        _, (job,) = self.begin()
        hit = set()
        for phase in STATES:
            with self.subTest(phase):
                props = self.cancel_in(job, phase)
                hit.add(phase if props else None)
                if not props:
                    break  # it arrived before
                self.assertEqual(props['Leftovers'], 0)
                self.assertEqual(os.listdir(self.images), [])
                with self.assertRaises(BusError) as caught:
                    world.call(job, 'Migration.VM.Cancel')
                self.assertEqual(caught.exception.name, 'org.mtv.Error.WrongState')
                world.call(job, 'Migration.VM.Retry')
                world.wait(lambda: world.job(job)['State'] != 'cancelled', 'the retry')
        print(f'# cancelled in {hit}')
        self.assertLessEqual({'copying', 'verifying'}, hit)
        props = world.wait_job(job)
        self.assertEqual(props['State'], 'succeeded', props['Error'])
        self.assertEqual([digest(d) for d in disks_of(props['Location'])[1]], sums)

    def cancel_in(self, job, phase):
        """The job once it is cancelled; None if it was faster."""
        world = self.world

        def reached():
            props = world.job(job)
            return props if props['Phase'] == phase or props['State'] in ENDED else None

        world.wait(reached, phase)
        try:
            world.call(job, 'Migration.VM.Cancel')
        except BusError:
            return None
        props = world.wait_job(job)
        return props if props['State'] == 'cancelled' else None


if __name__ == '__main__':
    tap.main()
