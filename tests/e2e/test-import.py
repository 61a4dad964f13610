# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes in comes out: every format of disks, several VMs and disks, every form of the result."""

import hashlib
import json
import os
import shutil
import unittest

import xxhash

import harness
import packages
import tap
from harness import MIB, World, digest, disks_of, make_image, mkova, qemu_img
import mkvmdk


def convert(raw, out, fmt, *options):
    qemu_img('convert', '-f', 'raw', '-O', fmt, *(('-o', ','.join(options)) if options else ()),
             raw, out)
    return out


class Import(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = world = World()
        world.start()
        cls.raw = make_image(world.path('plain.img'), 9 * MIB + 512 * 3)
        cls.sum = digest(cls.raw)

    @classmethod
    def tearDownClass(cls):
        status = cls.world.stop()
        log = cls.world.read_log()
        cls.world.daemon = None
        cls.world.close()
        assert status == 0, f'mtvd ended with {status}:\n{log}'

    def make_vmdk(self, name, **options):
        with open(self.raw, 'rb') as f:
            data = mkvmdk.make(f.read(), **options)
        path = self.world.path(name)
        with open(path, 'wb') as f:
            f.write(data)
        return path

    def test_formats(self):
        """All disk formats, in one plan of a directory of OVAs."""
        world, size = self.world, os.path.getsize(self.raw)
        folder = world.path('ovas')
        os.mkdir(folder)
        path = world.path
        stream = convert(self.raw, path('stream.vmdk'), 'vmdk', 'subformat=streamOptimized')
        forms = {
            'stream': [stream],
            'markers': [self.make_vmdk('markers.vmdk', kind='stream')],
            'no-footer': [self.make_vmdk('no-footer.vmdk', kind='stream', fault='no-footer')],
            'sparse': [convert(self.raw, path('sparse.vmdk'), 'vmdk', 'subformat=monolithicSparse')],
            'qcow2': [convert(self.raw, path('a.qcow2'), 'qcow2')],
            'vhdx': [convert(self.raw, path('a.vhdx'), 'vhdx')],
            'vhd': [convert(self.raw, path('a.vhd'), 'vpc', 'force_size=on')],
            'raw': [self.raw],
            'gzip': [stream, 'compress=gzip'],
            'gzip-raw': [self.raw, 'compress=gzip'],
            'chunks': [stream, f'chunk={MIB}'],
            'raw-chunks': [self.raw, f'chunk={2 * MIB}'],
        }
        convert(self.raw, path('flat.vmdk'), 'vmdk', 'subformat=monolithicFlat')
        forms['flat'] = [path('flat.vmdk'), f'extra={path("flat-flat.vmdk")}']
        for i, (name, (file, *options)) in enumerate(forms.items()):
            mkova('--name', name, '--format', ('ustar', 'gnu', 'pax')[i % 3],
                  '--manifest', ('sha1', 'sha256', 'sha512')[i % 3],
                  os.path.join(folder, f'{name}.ova'), ','.join([file, f'capacity={size}', *options]))
        source = world.add('formats', 'ova', folder)
        vms, total = world.call(source, 'Provider.ListVirtualMachines')
        self.assertEqual(total, len(forms))
        self.assertEqual({v['name']: v.get('problem') for v in vms}, dict.fromkeys(forms))

        world.ctl('plan', 'create', 'formats', '--from=formats', '--all', '--start', '--wait')
        for name in forms:
            with self.subTest(name):
                manifest, disks = disks_of(world.folder_of(name))
                self.assertEqual(len(disks), 1)
                # VHD counts in cylinders: what follows the disk is zeroes.
                with open(disks[0], 'rb') as f:
                    f.seek(size)
                    self.assertEqual(f.read().strip(b'\0'), b'')
                os.truncate(disks[0], size)
                self.assertEqual(digest(disks[0]), self.sum)
                self.assertEqual(manifest['name'], name)
        self.assertEqual(world.partial(), [])

    def test_many(self):
        """Several VMs in one envelope, with several disks, a folder in place of a tar."""
        world = self.world
        members, vms, raws = [], [], {}
        for n, count in (('Alpha 1', 1), ('beta', 3), ('gamma', 2)):
            disks = []
            for i in range(count):
                raw = make_image(world.path(f'{n}-{i}.img'), (i + 1) * 2 * MIB, seed=len(members))
                href = f'{n}-{i}.vmdk'
                vmdk = convert(raw, world.path(href), 'vmdk', 'subformat=streamOptimized')
                disks.append(packages.Disk(href, os.path.getsize(raw), os.path.getsize(vmdk)))
                members.append((href, vmdk))
                raws.setdefault(n, []).append(digest(raw))
            vms.append(packages.Vm(n, disks, cpus=count, memory=128 * count,
                                   macs=(f'52:54:00:6d:74:0{count}',)))
        members.insert(0, ('all.ovf', packages.envelope(*vms)))
        members.insert(1, ('all.mf', packages.manifest(members)))
        packages.pack(world.path('all.ova'), members)
        source = world.add('many', 'ova', world.path('all.ova'))
        plan = world.plan('many', source, ['Alpha 1', 'beta', 'gamma'])
        # What holds for all of them is said once.
        self.assertIn('information: Alpha 1, beta, gamma: The guest is not converted',
                      world.ctl('plan', 'validate', 'many').stdout)
        _, jobs = world.begin(plan)
        for job in jobs:
            props = world.wait_job(job)
            self.assertEqual((props['State'], props['Error']), ('succeeded', ('', '')))
            self.assertEqual(props['BytesDone'], props['BytesTotal'])
            self.assertEqual(props['Leftovers'], 0)
            self.assertEqual({s['state'] for s in props['Steps']}, {'completed'}, props['Steps'])
            manifest, disks = disks_of(props['Location'])
            self.assertEqual([digest(d) for d in disks], raws[props['Name']])
            self.assertEqual(len(manifest['disks']), len(disks))
        self.assertIn('alpha-1', os.listdir(world.path('data', 'mtv', 'images')))
        # Nothing is left to do.
        with self.assertRaises(harness.BusError) as caught:
            world.begin(plan)
        self.assertEqual(caught.exception.name, 'org.mtv.Error.WrongState')

    def test_folder(self):
        world = self.world
        folder = world.path('unpacked')
        os.mkdir(folder)
        mkova('--folder', '--manifest', 'sha256', '--name', 'loose', folder, self.raw)
        world.ctl('provider', 'add', '--wait', 'folder', 'ova', folder)
        world.ctl('plan', 'create', 'folder', 'loose', '--from=folder', '--start', '--wait')
        _, disks = disks_of(world.folder_of('loose'))
        self.assertEqual(digest(disks[0]), self.sum)

    def test_hashes(self):
        """The manifest has the hash that was asked for, and it is that of what lies there."""
        world = self.world
        mkova('--name', 'hashed', world.path('hashed.ova'), self.raw)
        for name, size, make, options in (
                ('xxh3-128', 32, xxhash.xxh3_128_hexdigest, ()),
                ('sha256', 64, lambda b: hashlib.sha256(b).hexdigest(),
                 ('--hash=sha256', '--format=qcow2', '--verify=full'))):
            with self.subTest(name):
                os.mkdir(world.path(name))
                world.ctl('import', world.path('hashed.ova'), '--to', world.path(name), *options)
                manifest, disks = disks_of(world.path(name, 'hashed'))
                described, = manifest['disks']
                self.assertEqual(manifest['hash'], name)
                self.assertEqual(os.path.basename(disks[0]), described['file'])
                qemu_img('convert', '-f', described['format'], '-O', 'raw', disks[0],
                         world.path('hashed.img'))
                with open(world.path('hashed.img'), 'rb') as f:
                    blocks = list(iter(lambda: f.read(described['block-size']), b''))
                self.assertEqual(sum(map(len, blocks)), described['size'])
                self.assertEqual(described['blocks'],
                                 [make(b) if b.strip(b'\0') else None for b in blocks])
                self.assertEqual({len(b) for b in described['blocks'] if b}, {size})

    def test_import_command(self):
        """One command, a folder of the user's own, qcow2 and virtio."""
        world = self.world
        mkova('--name', 'one', world.path('one.ova'), self.raw)
        os.mkdir(world.path('mine'))
        said = world.ctl('import', world.path('one.ova'), '--to', world.path('mine'),
                         '--format=qcow2', '--devices=virtio').stdout
        self.assertIn('one', said)
        folder = world.path('mine', 'one')
        qemu_img('compare', '-f', 'raw', '-F', 'qcow2', self.raw, os.path.join(folder, 'disk-0.qcow2'))
        with open(os.path.join(folder, 'domain.xml'), encoding='utf-8') as f:
            self.assertIn("bus='virtio'", f.read())
        self.assertEqual(sorted(os.listdir(folder)),
                         ['disk-0.qcow2', 'domain.xml', 'manifest.json', 'vm.yaml'])
        # A second time its name is taken: it gets another one, and the user is told before.
        again = world.ctl('import', world.path('one.ova'), '--to', world.path('mine'))
        self.assertIn('target.exists', again.stdout + again.stderr)
        other, = set(os.listdir(world.path('mine'))) - {'one'}
        self.assertRegex(other, r'^one-[a-z0-9]{4}$')
        # A name that was asked for is never changed.
        asked = world.ctl('plan', 'create', 'asked', 'one', '--from=one', '--to=mine',
                          '--target-name=one=one', '--start', check=False)
        self.assertNotEqual(asked.returncode, 0)
        self.assertIn("'one' is there already", asked.stderr + asked.stdout)
        self.assertEqual(set(os.listdir(world.path('mine'))), {'one', other})

    def test_folder_made_again(self):
        """A folder that was removed and made again is another one, of the same name."""
        world = self.world
        mkova('--name', 'again', world.path('again.ova'), self.raw)
        for _ in range(2):
            os.mkdir(world.path('fleeting'))
            world.ctl('import', world.path('again.ova'), '--to', world.path('fleeting'))
            _, disks = disks_of(world.path('fleeting', 'again'))
            self.assertEqual(digest(disks[0]), self.sum)
            shutil.rmtree(world.path('fleeting'))

    def test_gzip_member_is_not_unpacked_to_disk(self):
        """No temporary copy is made: what mtvd writes is what arrives."""
        world = self.world
        raw = make_image(world.path('big.img'), 24 * MIB, seed=7)
        mkova('--name', 'packed', world.path('packed.ova'), f'{raw},compress=gzip')
        before = io_written(world.daemon.pid)
        world.ctl('import', world.path('packed.ova'))
        written = io_written(world.daemon.pid) - before
        _, disks = disks_of(world.folder_of('packed'))
        self.assertEqual(digest(disks[0]), digest(raw))
        self.assertLess(written, 24 * MIB + 4 * MIB)

    def test_json(self):
        """What is printed as JSON is JSON, and complete."""
        world = self.world
        mkova('--name', 'json', world.path('json.ova'), self.raw)
        world.ctl('provider', 'add', '--wait', 'json', 'ova', world.path('json.ova'))
        self.assertIn('json', json.dumps(world.json('provider', 'list')))
        vm = world.json('vm', 'show', 'json', 'json')
        self.assertIn(str(os.path.getsize(self.raw)), json.dumps(vm))
        for args in (('plan', 'list'), ('migration', 'list'), ('vm', 'list'), ('defaults', 'show'),
                     ('provider', 'show', 'json')):
            self.assertTrue(world.json(*args) is not None)


def io_written(pid):
    with open(f'/proc/{pid}/io', encoding='ascii') as f:
        return int(dict(line.split(': ') for line in f)['wchar'])


if __name__ == '__main__':
    tap.main()
