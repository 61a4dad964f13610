# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is wrong is refused with an error that names it; nothing half-made stays, and mtvd lives."""
import os
import subprocess
import unittest

from gi.repository import GLib

import tap
from harness import ENDED, MIB, ROOT, BusError, World, digest, disks_of, make_image, mkova, qemu_img
import mkvmdk

SIZE = 4 * MIB


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = world = World()
        world.start()
        cls.pid = world.daemon.pid
        cls.raw = make_image(world.path('plain.img'), SIZE)
        cls.vmdk = world.path('disk.vmdk')
        qemu_img('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', cls.raw, cls.vmdk)
        cls.disk = f'{cls.vmdk},capacity={SIZE}'

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def tearDown(self):
        world = self.world
        self.assertIsNone(world.daemon.poll(), world.read_log())
        self.assertTrue(world.has_owner())
        self.assertEqual(world.partial(), [])

    def refused(self, name, path):
        """Name and text of the error of taking over what is in an OVA, wherever on the way it comes.
        Both are empty if it came over in spite of all; then with the right bytes."""
        world = self.world
        try:
            source = world.add(name, 'ova', path, ready=None)
        except BusError as error:
            return error.name, str(error)
        props = world.props(source, 'Provider')
        if props['State'] == 'failed':
            return props['Error']
        vms, _ = world.call(source, 'Provider.ListVirtualMachines')
        if not vms:
            return '', ' '.join(c['assessment'] for c in props['Concerns'])
        try:
            plan = world.plan(name, source, [vms[0]['id']])
            _, (job,) = world.begin(plan)
        except BusError as error:
            return error.name, str(error)
        job = world.wait_job(job)
        self.assertEqual(job['Leftovers'], 0)
        if job['State'] == 'succeeded':
            _, disks = disks_of(job['Location'])
            with open(disks[0], 'rb') as arrived, open(self.raw, 'rb') as raw:
                self.assertEqual(arrived.read(SIZE), raw.read(), f'{name}: other bytes arrived')
                self.assertEqual(arrived.read().strip(b'\0'), b'')
        else:
            self.assertFalse(os.path.exists(world.folder_of(name)))
        return job['Error']

    def check(self, fault, words, disk=None, manifest=()):
        """words: of which the error has one at least, besides the name of the OVA or member."""
        world, name = self.world, f'bad-{fault}'
        path = world.path(f'{name}.ova')
        mkova('--name', name, '--fault', fault, *manifest, path, disk or self.disk)
        error, text = self.refused(name, path)
        os.unlink(path)
        self.assertTrue(error.startswith('org.mtv.Error.') or text, f'{fault}: no error')
        self.assertTrue(any(word.lower() in text.lower() for word in words), f'{error}: {text}')
        self.assertTrue(any(n in text for n in (name, 'disk.vmdk', 'vmdisk0')),
                        f'{fault}: {text} names nothing')

    def test_archives(self):
        for fault, *words in (
                ('truncated', 'truncated', 'ends', 'past', 'short'),
                ('missing-member', 'disk.vmdk'),
                ('two-members', 'twice', 'two'),
                ('dot-dot', '..'),
                ('absolute', '/etc/passwd'),
                ('http', 'http'),
                ('link', 'link', 'regular', 'disk.vmdk'),
                ('two-ovfs', 'ovf'),
                ('no-ovf', 'ovf')):
            with self.subTest(fault):
                self.check(fault, words)

    def test_manifests(self):
        for fault, name in (('bad-manifest', 'disk.vmdk'), ('bad-ovf-sum', 'bad-bad-ovf-sum.ovf')):
            for algorithm in ('sha1', 'sha256', 'sha512'):
                with self.subTest(fault, algorithm=algorithm):
                    path = self.world.path(f'{fault}-{algorithm}.ova')
                    mkova('--name', f'bad-{fault}', '--fault', fault, '--manifest', algorithm, path,
                          self.disk)
                    error, text = self.refused(f'{fault}-{algorithm}', path)
                    # The envelope is looked at before anything starts.
                    self.assertIn(error, ('org.mtv.Error.ChecksumMismatch',
                                          'org.mtv.Error.CriticalConcerns'), text)
                    self.assertIn(name, text)
                    self.assertIn(algorithm, text)

    def test_envelopes(self):
        for fault, *words in (
                ('not-xml', 'XML', 'start tag', 'ovf'),
                ('huge-xml', 'MiB', 'MB', 'large', 'big'),
                ('entity-bomb', 'entit', 'DOCTYPE', 'document type'),
                ('external-entity', 'entit', 'DOCTYPE', 'document type')):
            with self.subTest(fault):
                self.check(fault, words)
        with open('/etc/hostname', encoding='utf-8') as f:
            hostname = f.read().strip()
        self.assertNotIn(f'"{hostname}"', str(self.world.objects()))

    def test_capacities(self):
        """Where the disk itself tells its capacity, that counts; gzip does not tell it."""
        for fault in ('no-capacity', 'zero-capacity', 'absurd-capacity'):
            with self.subTest(fault):
                self.check(fault, ['capacity'], disk=f'{self.raw},compress=gzip')
            with self.subTest(fault, kind='vmdk'):
                name = f'vmdk-{fault}'
                mkova('--name', name, '--fault', fault, self.world.path(f'{name}.ova'), self.vmdk)
                error, text = self.refused(name, self.world.path(f'{name}.ova'))
                self.assertTrue(not error or 'capacity' in text, text)

    def test_vmdks(self):
        with open(self.raw, 'rb') as f:
            raw = f.read()
        hopeless = ('truncated', 'bad-deflate', 'short-grain', 'huge-capacity', 'no-capacity',
                    'version', 'text-mode', 'huge-grain')
        for kind in ('stream', 'sparse'):
            for fault in mkvmdk.FAULTS:
                if mkvmdk.FAULTS[fault].startswith('stream') and kind == 'sparse':
                    continue
                with self.subTest(fault, kind=kind):
                    path = self.world.path('disk.vmdk.bad')
                    try:
                        data = mkvmdk.make(raw, kind=kind, fault=fault)
                    except (KeyError, ValueError, TypeError):
                        continue  # does not exist for this kind
                    with open(path, 'wb') as f:
                        f.write(data)
                    name = f'vmdk-{kind}-{fault}'
                    mkova('--name', name, self.world.path(f'{name}.ova'),
                          f'{path},capacity={SIZE},href=disk.vmdk')
                    error, text = self.refused(name, self.world.path(f'{name}.ova'))
                    if not error and fault not in hopeless:
                        continue  # the right bytes were found by another way
                    # Failed: a file system that has no files that large.
                    self.assertIn(error, ('org.mtv.Error.BadData', 'org.mtv.Error.Unsupported',
                                          'org.mtv.Error.CriticalConcerns',
                                          'org.mtv.Error.Failed'), text)
                    self.assertTrue('disk.vmdk' in text or name in text, text)

    def test_disks_that_name_files(self):
        """A qcow2 that points elsewhere would read any file of the host."""
        world = self.world
        secret = world.path('secret')
        with open(secret, 'wb') as f:
            f.write(b'not for you\n' * 100000)
        backed, data = world.path('backed.qcow2'), world.path('data.qcow2')
        qemu_img('create', '-f', 'qcow2', '-F', 'raw', '-b', secret, backed, SIZE)
        qemu_img('create', '-f', 'qcow2', '-o', f'data_file={world.path("df")},data_file_raw=on', data,
                 SIZE)
        for name, path in (('backed', backed), ('data', data)):
            with self.subTest(name):
                mkova('--name', name, world.path(f'{name}.ova'), f'{path},capacity={SIZE}')
                error, text = self.refused(name, world.path(f'{name}.ova'))
                self.assertIn(error, ('org.mtv.Error.Unsupported', 'org.mtv.Error.BadData',
                                      'org.mtv.Error.CriticalConcerns'), text)
                self.assertIn(f'{name}.qcow2', text)

    def test_options(self):
        """Keys that are not known, in every method that takes options."""
        world = self.world
        bogus = {'bogus-key': GLib.Variant('s', 'x')}
        calls = [(ROOT, 'Manager.AddProvider', '(sss)', 'x', 'ova', '/nowhere'),
                 (ROOT, 'Manager.RemoveProvider', '(o)', world.local()),
                 (ROOT, 'Manager.CreatePlan', '(sooas)', 'x', world.local(), world.local(), ['x']),
                 (ROOT, 'Manager.SetDefaults', '(a{sv})', {}),
                 (world.local(), 'Provider.Refresh', '()'), (world.local(), 'Provider.Test', '()'),
                 (world.local(), 'Provider.ListVirtualMachines', '()'),
                 (world.local(), 'Provider.DescribeVirtualMachine', '(s)', 'x')]
        for path, method, signature, *args in calls:
            with self.subTest(method), self.assertRaises(BusError) as caught:
                world.call(path, method, signature, *args, bogus)
            self.assertEqual(caught.exception.name, 'org.mtv.Error.InvalidArgument')
            self.assertIn('bogus-key', str(caught.exception))

    def test_arguments(self):
        world = self.world
        for args, word in ((('', 'ova', '/tmp'), 'name'), (('x', 'vsphere7', '/tmp'), 'vsphere7'),
                           (('x', 'ova', 'relative'), 'relative'), (('x', 'ova', ''), '')):
            with self.subTest(args), self.assertRaises(BusError) as caught:
                world.call(ROOT, 'Manager.AddProvider', '(sss)', *args)
            self.assertEqual(caught.exception.name, 'org.mtv.Error.InvalidArgument')
            self.assertIn(word, str(caught.exception).lower())
        error, text = self.refused('nowhere', '/nowhere/at/all.ova')
        self.assertIn('/nowhere/at/all.ova', text)
        self.assertTrue(error)

    def test_wrong_state(self):
        world = self.world
        mkova('--name', 'twice', world.path('twice.ova'), self.disk)
        source = world.add('twice', 'ova', world.path('twice.ova'))
        plan = world.plan('twice', source, ['twice'])
        with self.assertRaises(BusError) as caught:
            world.call(ROOT, 'Manager.RemoveProvider', '(o)', source)
        self.assertEqual(caught.exception.name, 'org.mtv.Error.InUse')
        self.assertIn('twice', str(caught.exception))
        migration, (job,) = world.begin(plan)
        for path, method, args in ((plan, 'Plan.Start', ()), (ROOT, 'Manager.RemovePlan', ('(o)', plan)),
                                   (plan, 'Plan.Archive', ()), (migration, 'Migration.Forget', ())):
            if world.job(job)['State'] in ENDED:
                break  # too late for that one
            try:
                world.call(path, method, *args)
            except BusError as error:
                self.assertEqual(error.name, 'org.mtv.Error.WrongState', method)
            else:
                self.assertIn(world.wait_job(job)['State'], ENDED, method)
        world.wait_job(job)
        for path, method in ((job, 'Migration.VM.Cancel'), (job, 'Migration.VM.Retry'),
                             (migration, 'Migration.Cancel'), (migration, 'Migration.Retry'),
                             (plan, 'Plan.Start')):
            with self.subTest(method), self.assertRaises(BusError) as caught:
                world.call(path, method)
            self.assertEqual(caught.exception.name, 'org.mtv.Error.WrongState')

    def test_folder_is_there_already(self):
        world = self.world
        mkova('--name', 'taken', world.path('taken.ova'), self.disk)
        os.makedirs(world.folder_of('taken'))
        with open(os.path.join(world.folder_of('taken'), 'mine'), 'w', encoding='utf-8') as f:
            f.write('mine')
        result = world.ctl('import', world.path('taken.ova'), check=False)
        self.assertEqual(os.listdir(world.folder_of('taken')), ['mine'])
        self.assertIn('taken', result.stdout + result.stderr)

    def test_destination_is_no_folder(self):
        world = self.world
        mkova('--name', 'nodest', world.path('nodest.ova'), self.disk)
        for folder, word in ((world.path('nodest.ova'), 'nodest.ova'), ('/proc/sys', '/proc/sys'),
                             (world.path('none'), 'none')):
            with self.subTest(folder):
                result = world.ctl('import', world.path('nodest.ova'), '--to', folder,
                                   f'--name=to-{word.strip("/").replace("/", "-")}', check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(word, result.stderr)

    @unittest.skipIf(os.getuid() != 0, 'needs root, for a small file system')
    def test_destination_is_full(self):
        """It waits for room, says so, and goes on."""
        world, size = self.world, 24 * MIB
        raw = make_image(world.path('large.img'), size, data=1)
        mkova('--name', 'large', world.path('large.ova'), raw)
        small = world.path('small')
        os.mkdir(small)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=32M', 'tmpfs', small], check=True)
        self.addCleanup(subprocess.run, ['umount', small], check=True)
        world.call(ROOT, 'Manager.SetDefaults', '(a{sv})',
                   {'retry-interval': GLib.Variant('t', 1000000)}, {})
        destination = world.add('small', 'local', small)
        source = world.add('large', 'ova', world.path('large.ova'))
        plan = world.plan('large', source, ['large'], destination)
        # Room when it is checked, none when it is written.
        _, (job,) = world.begin(plan)
        ballast = os.path.join(small, 'ballast')
        with open(ballast, 'wb') as f:
            f.truncate(0)
            try:
                os.posix_fallocate(f.fileno(), 0, 26 * MIB)
            except OSError:
                pass
        props = world.wait_job(job, ('suspended',) + ENDED)
        if props['State'] == 'succeeded':
            self.skipTest('it was faster than the ballast')
        self.assertEqual(props['State'], 'suspended', props['Error'])
        self.assertTrue(props['Waiting'])
        self.assertGreater(props['WaitingSince'], 0)
        self.assertIn('suspended', world.ctl('migration', 'list').stdout + str(props))
        os.unlink(ballast)
        props = world.wait_job(job)
        self.assertEqual((props['State'], props['Error']), ('succeeded', ('', '')))
        _, disks = disks_of(props['Location'])
        self.assertEqual(digest(disks[0]), digest(raw))
        self.assertEqual(world.partial(small), [])


if __name__ == '__main__':
    tap.main()
