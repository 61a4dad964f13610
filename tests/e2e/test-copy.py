# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies of single disks, and comparisons with manifests: Manager.Copy, Manager.Verify."""
import gzip
import lzma
import os
import random
import subprocess
import unittest

import tap
from copies import Server, ask, check_manifest, same, transfer, wait_end
from harness import ENDED, MIB, BusError, World, make_image, qemu_img

KIB = 1 << 10


def qemu_io(image, *commands):
    words = [word for command in commands for word in ('-c', command)]
    subprocess.run(['qemu-io', '-f', 'qcow2', *words, image], check=True, stdout=subprocess.DEVNULL)


def make_full(path, size, seed=1):
    """No two bytes of it are a hole or alike for long."""
    with open(path, 'wb') as f:
        f.write(random.Random(seed).randbytes(size))
    return path


def change(path, offset, data):
    with open(path, 'r+b') as f:
        f.seek(offset)
        f.write(data)


def flip(path, offset):
    with open(path, 'rb') as f:
        f.seek(offset)
        was, = f.read(1)
    change(path, offset, bytes((was ^ 1,)))


class Copy(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.world.start()

    def path(self, *parts):
        return self.world.path(*parts)

    def serve(self, *args, **options):
        server = Server.qemu(self.world, *args, **options)
        self.addCleanup(server.stop)
        return server

    def open(self, path, flags=os.O_RDONLY):
        fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
        self.addCleanup(os.close, fd)
        return fd

    def new_file(self, path):
        return self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def begin(self, source, destination, **options):
        return ask(self.world, 'Copy', source, destination, **options)

    def end(self, path):
        """Of one that has to succeed."""
        props = wait_end(self.world, path)
        self.assertEqual((props['State'], props['Error']), ('succeeded', ('', '')))
        self.assertEqual(props['BytesDone'], props['BytesTotal'])
        return props

    def copy(self, source, destination, **options):
        return self.end(self.begin(source, destination, **options))

    def refused(self, name, *mentioned, method='Copy', names, **options):
        """The error comes by the call or by the transfer, and names what it is about."""
        try:
            path = ask(self.world, method, *names, **options)
            props = wait_end(self.world, path)
            self.assertEqual(props['State'], 'failed')
            said = props['Error']
        except BusError as error:
            said = error.name, str(error)
        self.assertEqual(said[0], f'org.mtv.Error.{name}', said)
        for word in mentioned:
            self.assertIn(word, said[1])
        return said[1]

    def wait_progress(self, path, predicate):
        def reached():
            props = transfer(self.world, path)
            self.assertNotIn(props['State'], ENDED, props)
            return predicate(props)
        self.world.wait(reached, 'progress')


class Sources(Copy):
    def check_file(self, source, raw, **options):
        """Same bytes, the holes are holes, the manifest is right."""
        name = os.path.basename(source).replace('?', '')
        destination, manifest = self.path(f'{name}.copy'), self.path(f'{name}.json')
        props = self.copy(source, destination, fds={'manifest': self.new_file(manifest)}, **options)
        self.assertTrue(same(raw, destination))
        check_manifest(manifest, raw)
        # At most a granule more at each end of a run of data.
        self.assertLess(os.stat(destination).st_blocks * 512, os.path.getsize(raw) // 2)
        self.assertLessEqual(props['BytesWritten'], os.path.getsize(raw) // 2)
        self.assertGreater(props['BytesVerified'], 0)
        return props

    def test_raw(self):
        """Of an odd size, by names and by descriptors."""
        raw = make_image(self.path('raw.img'), 24 * MIB + 12345)
        for verify in ('written', 'full', 'off'):
            with self.subTest(verify):
                path = self.path(verify)
                props = self.copy(raw, path, source_format='raw', verify=verify, hash='sha256')
                self.assertTrue(same(raw, path))
                self.assertLess(os.stat(path).st_blocks * 512, os.path.getsize(raw) // 2)
                self.assertEqual(props['Kind'], 'copy')
                self.assertEqual((props['Source'], props['Destination']), (raw, path))
                self.assertEqual(props['Details']['size'], 24 * MIB + 12345)
                self.assertEqual(props['Details']['hash'], 'sha256')
                self.assertEqual(props['Details']['source-format'], 'raw')
                self.assertGreater(props['EndTime'], props['StartTime'])
                self.assertEqual(props['BytesVerified'] > 0, verify != 'off')
        destination, manifest = self.path('by-fd'), self.path('by-fd.json')
        fds = {'source_file': self.open(raw), 'manifest': self.new_file(manifest),
               'destination_file': self.open(destination, os.O_RDWR | os.O_CREAT)}
        fds['destination_direct'] = self.open(destination, os.O_RDWR | os.O_DIRECT)
        self.copy('/a/name/for/people', '/another', source_format='raw', fds=fds, preallocate=True)
        self.assertTrue(same(raw, destination))
        self.assertEqual(check_manifest(manifest, raw)['file'], 'another')
        self.assertGreaterEqual(os.stat(destination).st_blocks * 512, 24 * MIB)

    def test_images(self):
        raw = make_image(self.path('raw.img'), 24 * MIB + 7 * 512)
        qcow2, vmdk, gz = self.path('disk.qcow2'), self.path('disk.vmdk'), self.path('disk.gz')
        qemu_img('convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2)
        qemu_img('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, vmdk)
        with open(raw, 'rb') as f, gzip.open(gz, 'wb', 1) as packed:
            packed.write(f.read())
        for path, found in ((qcow2, 'qcow2'), (vmdk, 'vmdk'), (gz, None)):
            with self.subTest(path):
                props = self.check_file(path, raw)
                self.assertIn(props['Details']['source-format'], (found,) if found else ('raw', 'gzip'))
        with self.subTest('a fixed VHD in a stream'):
            vhd, xz = self.path('fixed.vhd'), self.path('fixed.vhd.xz')
            qemu_img('convert', '-f', 'raw', '-O', 'vpc', '-o', 'subformat=fixed,force_size=on', raw,
                     vhd)
            with open(vhd, 'rb') as f, lzma.open(xz, 'wb', preset=0) as packed:
                packed.write(f.read())
            self.check_file(xz, raw)
        with self.subTest('its format named'):
            self.copy(vmdk, self.path('named'), source_format='vmdk')
            self.assertTrue(same(raw, self.path('named')))
            self.copy(vmdk, self.path('as-is'), source_format='raw')
            self.assertTrue(same(vmdk, self.path('as-is')))

    def test_nbd(self):
        """From two programs that serve it; NBD is taken for raw."""
        raw = make_image(self.path('raw.img'), 24 * MIB + 512)
        qemu_img('convert', '-f', 'raw', '-O', 'qcow2', raw, self.path('disk.qcow2'))
        nbdkit = Server(self.world, 'nbdkit', 'nbdkit', '-f', '-r', '-U', 'SOCKET', 'file', raw)
        self.addCleanup(nbdkit.stop)
        for server in (self.serve('qemu', self.path('disk.qcow2'), '--read-only'), nbdkit):
            with self.subTest(server.socket):
                props = self.check_file(server.uri, raw)
                self.assertEqual((props['Source'], props['Details']['source-format']),
                                 (server.uri, 'raw'))


class Destinations(Copy):
    def test_nbd(self):
        """Over zeroes, and over what was there: then zeroes are written, too."""
        raw = make_image(self.path('raw.img'), 24 * MIB + 512)
        for fresh in (True, False):
            with self.subTest(fresh=fresh):
                image = self.path(f'{fresh}.qcow2')
                qemu_img('create', '-f', 'qcow2', image, 24 * MIB + 512)
                if not fresh:
                    qemu_io(image, f'write -P 0xaa 0 {24 * MIB + 512}')
                server = self.serve(str(fresh), image)
                manifest = self.path(f'{fresh}.json')
                self.copy(raw, server.uri, fresh=fresh, fds={'manifest': self.new_file(manifest)})
                check_manifest(manifest, raw)
                server.stop()
                qemu_img('compare', '-f', 'raw', '-F', 'qcow2', raw, image)

    def test_over_a_file(self):
        """Only by force, and then nothing of it stays."""
        raw = make_image(self.path('raw.img'), 4 * MIB + 512)
        old = make_full(self.path('old'), 6 * MIB)
        self.refused('Exists', old, 'force', names=(raw, old))
        self.assertEqual(os.path.getsize(old), 6 * MIB)
        self.copy(raw, old, force=True)
        self.assertTrue(same(raw, old))
        self.refused('Exists', old, names=(raw, old))  # that copy is over

    def test_throttle(self):
        """No more goes out at a time than is allowed, by what the transfer says of itself."""
        source, rates = make_full(self.path('full.img'), 24 * MIB), []
        limit = 12 * MIB
        path = self.begin(source, self.path('slow'), throttle=limit)
        self.wait_progress(path, lambda p: p['Rate'] > 0 and not rates.append(p['Rate']))
        with self.assertRaises(BusError) as caught:
            self.world.call(path, 'Transfer.Forget')
        self.assertEqual(caught.exception.name, 'org.mtv.Error.WrongState')
        self.refused('WrongState', self.path('slow'), names=(source, self.path('slow')))
        self.end(path)
        self.assertLess(max(rates), 2 * limit)
        self.world.call(path, 'Transfer.Forget')
        self.assertNotIn(path, self.world.paths('Transfer'))


class Changes(Copy):
    def test_compare(self):
        """Only what differs from the manifest is written; the rest is not even looked at."""
        raw, copy = make_full(self.path('raw.img'), 16 * MIB + 512), self.path('copy')
        first, second = self.path('first.json'), self.path('second.json')
        self.copy(raw, copy, fds={'manifest': self.new_file(first)})
        for offset in (0, 5 * MIB + 77, 16 * MIB):
            flip(raw, offset)
        flip(copy, 9 * MIB)
        props = self.copy(raw, copy, compare=True, fds={'manifest': self.new_file(second),
                                                        'manifest_in': self.open(first)})
        self.assertEqual(props['BytesWritten'], 2 * MIB + 512)
        self.assertEqual(props['BytesDone'], 16 * MIB + 512)
        self.assertFalse(same(raw, copy))
        flip(copy, 9 * MIB)
        self.assertTrue(same(raw, copy))
        check_manifest(second, raw)

    def test_compare_that_was_interrupted(self):
        """What it wrote is not in the manifest; the source may be again what that tells of."""
        raw, copy, first = self.path('raw.img'), self.path('copy'), self.path('first.json')
        make_full(raw, 24 * MIB)
        self.copy(raw, copy, fds={'manifest': self.new_file(first)})
        for block in range(24):
            flip(raw, block * MIB)
        path = self.begin(raw, copy, compare=True, throttle=12 * MIB,
                          fds={'manifest_in': self.open(first)})
        self.wait_progress(path, lambda p: p['BytesWritten'] >= 4 * MIB)
        self.world.kill()
        self.world.start()
        make_full(raw, 24 * MIB)
        qemu_img('create', '-f', 'qcow2', self.path('since.qcow2'), 24 * MIB)
        qemu_img('bitmap', '--add', self.path('since.qcow2'), 'since')
        server = self.serve('delta', self.path('since.qcow2'), '--read-only', '--bitmap=since')
        for fds in ({}, {'manifest_in': self.open(first)}):
            self.refused('WrongState', copy, 'comparison', names=(server.uri, copy), fds=fds,
                         bitmap='qemu:dirty-bitmap:since')
        for written in (24, 0):
            props = self.copy(raw, copy, compare=True, fds={'manifest_in': self.open(first)})
            self.assertEqual(props['BytesWritten'], written * MIB)
            self.assertTrue(same(raw, copy))

    def test_bitmap(self):
        """A server that knows what was changed: only that is copied."""
        image, copy = self.path('disk.qcow2'), self.path('copy')
        first, second = self.path('first.json'), self.path('second.json')
        qemu_img('create', '-f', 'qcow2', image, 16 * MIB)
        qemu_io(image, 'write -P 1 0 12M')
        server = self.serve('full', image, '--read-only')
        self.copy(server.uri, copy, fds={'manifest': self.new_file(first)})
        server.stop()
        qemu_img('bitmap', '--add', image, 'since')
        qemu_io(image, 'write -P 7 2M 64k', 'write -P 8 9536k 64k')
        server = self.serve('delta', image, '--read-only', '--bitmap=since')
        self.refused('InvalidArgument', 'manifest-in', names=(server.uri, copy),
                  bitmap='qemu:dirty-bitmap:since', fds={'manifest': self.new_file(second)})
        props = self.copy(server.uri, copy, bitmap='qemu:dirty-bitmap:since',
                          fds={'manifest': self.new_file(second), 'manifest_in': self.open(first)})
        self.assertEqual((props['BytesWritten'], props['BytesTotal']), (128 * KIB, 128 * KIB))
        server.stop()
        qemu_img('compare', '-f', 'raw', '-F', 'qcow2', copy, image)
        check_manifest(second, copy)


class Verify(Copy):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path('vm'))
        self.raw = make_image(self.path('raw.img'), 16 * MIB + 512)
        change(self.raw, 5 * MIB, b'data')
        change(self.raw, 8 * MIB, bytes(MIB))
        self.disk, self.manifest = self.path('vm', 'disk.img'), self.path('vm', 'manifest.json')
        self.copy(self.raw, self.disk, fds={'manifest': self.new_file(self.manifest)})

    def verify(self, *args, **options):
        return self.end(ask(self.world, 'Verify', *args, **options))

    def test_folder(self):
        fds = {'directory': self.open(self.path('vm'))}
        for name, options in ((self.path('vm'), {}), (self.manifest, {'full': True}),
                              ('by descriptor', {'fds': fds, 'full': True})):
            with self.subTest(name):
                props = self.verify(name, **options)
                self.assertEqual((props['Kind'], props['Source'], props['Destination']),
                                 ('verify', '', name))
                self.assertEqual(props['Details'], {'size': 16 * MIB + 512, 'hash': 'xxh3-128'})
        self.assertEqual(props['BytesVerified'], 16 * MIB + 512)

    def test_differs(self):
        """In data and in a hole: the file and the offset are named."""
        folder = self.path('vm')
        for offset, full in ((5 * MIB + 3, False), (16 * MIB + 511, True), (8 * MIB + 17, True)):
            with self.subTest(offset=offset):
                flip(self.disk, offset)
                self.refused('ChecksumMismatch', 'disk.img', str(offset // MIB * MIB), method='Verify',
                          names=(folder,), full=full)
                flip(self.disk, offset)
        self.verify(folder)
        os.truncate(self.disk, 16 * MIB)
        self.refused('ChecksumMismatch', 'disk.img', method='Verify', names=(folder,))
        os.unlink(self.disk)
        self.refused('NotFound', 'disk.img', method='Verify', names=(folder,))
        change(self.manifest, 0, b'?')
        self.refused('BadData', 'manifest', method='Verify', names=(folder,))
        os.unlink(self.manifest)
        self.refused('NotFound', 'manifest.json', method='Verify', names=(folder,))
        self.refused('NotFound', 'nobody', method='Verify', names=('nobody',))


class Resume(Copy):
    SIZE = 48 * MIB

    def setUp(self):
        super().setUp()
        self.raw, self.disk = make_full(self.path('raw.img'), self.SIZE), self.path('copy')

    def cancel(self):
        """Somewhere in the middle."""
        path = self.begin(self.raw, self.disk, throttle=24 * MIB)
        self.wait_progress(path, lambda p: p['BytesDone'] >= 8 * MIB)
        self.world.call(path, 'Transfer.Cancel')
        props = wait_end(self.world, path)
        self.assertEqual((props['State'], props['Error'][0]),
                         ('cancelled', 'org.mtv.Error.Cancelled'))
        with self.assertRaises(BusError) as caught:
            self.world.call(path, 'Transfer.Cancel')
        self.assertEqual(caught.exception.name, 'org.mtv.Error.WrongState')
        return props

    def check_resumed(self, **options):
        manifest = self.path('copy.json')
        props = self.copy(self.raw, self.disk, fds={'manifest': self.new_file(manifest)}, **options)
        self.assertTrue(same(self.raw, self.disk))
        check_manifest(manifest, self.raw)
        resumed = props['Details']['resumed']
        self.assertGreater(resumed, 0)
        self.assertEqual(props['BytesWritten'] + resumed, self.SIZE)
        self.assertEqual(props['BytesVerified'], self.SIZE)  # what was resumed as well
        return resumed

    def test_cancel(self):
        first = self.cancel()
        self.refused('Exists', self.disk, names=(self.raw, self.disk), hash='sha256')
        self.assertGreaterEqual(self.check_resumed(), 8 * MIB, first)

    def test_source_changed(self):
        """It is another copy then."""
        self.cancel()
        flip(self.raw, 0)
        self.refused('Exists', self.disk, names=(self.raw, self.disk))

    def test_destination_changed(self):
        """What was copied before is not trusted; after that it begins anew."""
        self.cancel()
        flip(self.disk, 0)
        self.refused('ChecksumMismatch', self.disk, ' 0', names=(self.raw, self.disk))
        props = self.copy(self.raw, self.disk)
        self.assertEqual((props['Details']['resumed'], props['BytesWritten']), (0, self.SIZE))
        self.assertTrue(same(self.raw, self.disk))

    def test_killed(self):
        """After a checkpoint, which what is read back had to wait for."""
        path = self.begin(self.raw, self.disk, throttle=6 * MIB)
        self.wait_progress(path, lambda p: p['BytesVerified'] > 0)
        self.world.kill()
        self.world.start()
        self.assertEqual(self.world.paths('Transfer'), [])
        self.check_resumed()

    def test_terminated(self):
        """A daemon that is asked to end notes all that was copied."""
        path = self.begin(self.raw, self.disk, throttle=24 * MIB)
        self.wait_progress(path, lambda p: p['BytesDone'] >= 8 * MIB)
        self.assertEqual(self.world.stop(), 0, self.world.read_log())
        self.world.start()
        self.assertGreaterEqual(self.check_resumed(), 8 * MIB)


class Refused(Copy):
    def setUp(self):
        super().setUp()
        self.raw = make_image(self.path('raw.img'), 2 * MIB)

    def test_words(self):
        """By the call itself, before anything is opened or made."""
        raw, new, nbd = self.raw, self.path('new'), 'nbd://127.0.0.1:1/'
        for name, words, names, options in (
                ('InvalidArgument', ('frobnicate',), (raw, new), {'frobnicate': True}),
                ('InvalidArgument', ('throttle',), (raw, new), {'throttle': 'fast'}),
                ('InvalidArgument', ('source', 'raw.img'), ('raw.img', new), {}),
                ('InvalidArgument', ('destination', "''"), (raw, ''), {}),
                ('Unsupported', ('ftp://h/x',), ('ftp://h/x', new), {}),
                ('Unsupported', ('https://h/x',), (raw, 'https://h/x'), {}),
                ('InvalidArgument', ('source-format', 'tar'), (raw, new), {'source_format': 'tar'}),
                ('InvalidArgument', ('destination-format', 'qcow2'), (raw, new),
                 {'destination_format': 'qcow2'}),
                ('InvalidArgument', ('hash', 'md5'), (raw, new), {'hash': 'md5'}),
                ('InvalidArgument', ('verify', 'maybe'), (raw, new), {'verify': 'maybe'}),
                ('InvalidArgument', ('manifest-in',), (raw, new), {'compare': True}),
                ('InvalidArgument', ('bitmap',), (raw, new), {'bitmap': 'b'}),
                ('InvalidArgument', ('ca',), (nbd, new), {'ca': 'x'})):
            with self.subTest(words):
                self.refused(name, *words, names=names, **options)
                with self.assertRaises(BusError):
                    self.begin(*names, **options)
        self.assertFalse(os.path.exists(new))
        self.assertEqual(self.world.paths('Transfer'), [])

    def test_sources(self):
        new = self.path('new')
        empty, cut = self.path('empty'), self.path('cut.gz')
        odd = make_full(self.path('odd'), 100 * KIB + 1)
        with open(empty, 'wb'):
            pass
        with open(self.raw, 'rb') as f, gzip.open(cut, 'wb', 1) as packed:
            packed.write(f.read())
        os.truncate(cut, os.path.getsize(cut) // 2)
        lz4 = self.path('packed.lz4')
        with open(lz4, 'wb') as f:
            f.write(b'\x04\x22\x4d\x18' + bytes(508))
        qemu_img('create', '-f', 'qcow2', '-b', self.raw, '-F', 'raw', self.path('child.qcow2'))
        for name, source, words, options in (
                ('NotFound', self.path('missing'), (), {}),
                ('InvalidArgument', self.world.folder, ('regular file',), {}),
                ('InvalidArgument', '/dev/null', (), {}),
                ('BadData', empty, ('empty',), {}),
                ('BadData', odd, ('sectors',), {}),
                ('BadData', self.raw, ("'vmdk'", "'raw'"), {'source_format': 'vmdk'}),
                ('Unsupported', self.path('child.qcow2'), (), {}),
                ('Unsupported', lz4, ('lz4',), {}),
                ('BadData', cut, (), {})):
            with self.subTest(source):
                self.refused(name, source, *words, names=(source, new), **options)
                if source != cut:  # is opened, and breaks off later
                    self.assertFalse(os.path.exists(new) and os.path.getsize(new))

    def test_cut_short(self):
        """Where an image ends before what it holds, QEMU would read zeroes."""
        raw, whole, new = make_full(self.path('full.img'), 4 * MIB), self.path('whole'), self.path('new')
        for kind, more in (('qcow2', ()), ('qcow2', ('-c',)), ('vpc', ()), ('vhdx', ()), ('vmdk', ()),
                           ('vmdk', ('-o', 'subformat=streamOptimized'))):
            with self.subTest((kind, *more)):
                qemu_img('convert', '-f', 'raw', '-O', kind, *more, raw, whole)
                self.copy(whole, new, force=True)
                # A VHDX has more than its disk's last block needs, from byte 4 MiB on.
                os.truncate(whole, min(os.path.getsize(whole) - MIB, 6 * MIB))
                self.refused('BadData', whole, names=(whole, new), force=True)

    def test_destinations(self):
        raw = self.raw
        self.refused('NotFound', self.path('no', 'disk'), names=(raw, self.path('no', 'disk')))
        self.refused('Failed', self.world.folder, names=(raw, self.world.folder), force=True)
        self.refused('InvalidArgument', raw, 'source as well', names=(raw, raw), force=True)
        name = self.path('read-only')
        self.refused('InvalidArgument', name, 'writing', names=(raw, name),
                  fds={'destination_file': self.open(name, os.O_RDONLY | os.O_CREAT)})
        broken = make_full(self.path('broken.json'), 100)
        self.refused('BadData', 'manifest', names=(raw, self.path('new')), compare=True,
                  fds={'manifest_in': self.open(broken)})
        self.assertFalse(os.path.exists(self.path('new')) and os.path.getsize(self.path('new')))

    def test_nbd(self):
        raw, new = self.raw, self.path('new')
        qemu_img('create', '-f', 'qcow2', self.path('small.qcow2'), MIB)
        small = self.serve('small', self.path('small.qcow2'))
        self.refused('NoSpace', small.uri, str(MIB), names=(raw, small.uri))
        read_only = self.serve('fixed', self.path('raw.img'), '--read-only')
        self.refused('PermissionDenied', read_only.uri, 'read-only', names=(raw, read_only.uri))
        self.refused('NotFound', small.uri, 'since', names=(small.uri, new),
                  bitmap='qemu:dirty-bitmap:since')
        path = self.begin('nbd://user:secret@127.0.0.1:1/disk', new)
        props = wait_end(self.world, path)
        self.assertEqual(props['State'], 'failed')
        self.assertEqual(props['Source'], 'nbd://127.0.0.1:1/disk')
        self.assertIn('127.0.0.1:1', props['Error'][1])
        self.assertNotIn('secret', str(props) + self.world.read_log())


if __name__ == '__main__':
    tap.main()
