#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies random disks with a daemon that is killed again and again, and compares what arrives.

soak.py --build FOLDER [--cycles N] [--disks N] [--seed N]

A cycle is one disk: the same Copy() is asked for until it has succeeded, with a daemon that gets
SIGKILL (or now and then SIGTERM, or the copy a Cancel()) at a random moment. Then the bytes are
compared, and the manifest with them. The last line has the figures; the status is 1 if one disk
was not what it should be.
"""
import argparse
import gzip
import os
import random
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, 'e2e'))
KIB, MIB = 1 << 10, 1 << 20


def make_disk(r, path):
    """Data, written zeroes and holes in runs of any length; any size, too."""
    size = int(MIB * 64 ** r.random()) + r.choice((0, r.randrange(4096)))
    with open(path, 'wb') as f:
        at = 0
        while at < size:
            length = min(size - at, int(4 * MIB ** r.random()), 8 * MIB)
            kind = r.choice(('data', 'data', 'text', 'zeroes', 'hole'))
            f.seek(at)
            if kind == 'data':
                f.write(r.randbytes(length))
            elif kind == 'text':
                f.write((b'%d bottles ' % r.randrange(99) * (length // 8))[:length])
            elif kind == 'zeroes':
                f.write(bytes(length))
            at += max(length, r.choice((0, 0, 64 * KIB)))
        f.truncate(size)
    return size


class Disk:
    """One that is to be copied; its calls are all the same, but for what may differ."""

    def __init__(self, soak, number):
        self.soak, self.world, self.r = soak, soak.world, soak.random
        self.raw, self.server, self.transfer = self.path(number, 'img'), None, None
        self.size, self.started = make_disk(self.r, self.raw), False
        self.source, self.kind = self.make_source(number)
        self.copy, self.manifest = self.path(number, 'copy'), self.path(number, 'json')
        self.destination = self.copy
        if self.r.random() < 0.15:
            self.make_server(number)
        self.options = {'hash': self.r.choice(('xxh3-128', 'sha256')),
                        'source_format': 'raw' if self.kind == 'raw' else 'auto'}

    def path(self, number, kind):
        return self.world.path(f'disk-{number}.{kind}')

    def make_source(self, number):
        kind = self.r.choice(('raw', 'raw', 'raw', 'qcow2', 'vmdk', 'gz'))
        path = self.path(number, kind)
        if kind == 'raw':
            return self.raw, kind
        self.size = -(-self.size // 512) * 512  # what is found out to be a disk has whole sectors
        os.truncate(self.raw, self.size)
        if kind == 'gz':
            with open(self.raw, 'rb') as f, gzip.open(path, 'wb', 1) as packed:
                packed.write(f.read())
            return path, kind
        more = ('-o', 'subformat=streamOptimized') if kind == 'vmdk' else ()
        self.soak.qemu_img('convert', '-f', 'raw', '-O', kind, *more, self.raw, path)
        return path, kind

    def make_server(self, number):
        """Any NBD server has a size of whole sectors."""
        self.copy = self.path(number, 'copy.qcow2')
        self.soak.qemu_img('create', '-f', 'qcow2', self.copy, -(-self.size // 512) * 512)
        self.server = self.soak.copies.Server.qemu(self.world, f'nbd-{number}', self.copy)
        self.destination = self.server.uri

    def ask(self):
        options = dict(self.options, verify=self.r.choice(('written', 'written', 'full', 'off')))
        if self.r.random() < 0.9:
            options['throttle'] = max(64 * KIB, int(self.size / self.r.uniform(0.1, 2)))
        fd = os.open(self.manifest, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self.transfer = self.soak.copies.ask(self.world, 'Copy', self.source, self.destination,
                                                 fds={'manifest': fd}, **options)
        finally:
            os.close(fd)

    def has_arrived(self):
        if self.server is None:
            return self.soak.copies.same(self.raw, self.copy)
        self.server.stop()
        return subprocess.run(['qemu-img', 'compare', '-q', '-f', 'raw', '-F', 'qcow2', self.raw,
                               self.copy], check=False).returncode == 0

    def check(self):
        """What is wrong with it; empty for nothing."""
        if not self.has_arrived():
            return 'the bytes differ'
        try:
            self.soak.copies.check_manifest(self.manifest, self.raw)
        except (AssertionError, ValueError, OSError) as error:
            return f'the manifest: {error}'
        return ''

    def remove(self):
        if self.server is not None:
            self.server.stop()
        for path in {self.raw, self.source, self.copy, self.manifest}:
            if os.path.exists(path):
                os.unlink(path)


class Soak:
    def __init__(self, args):
        import copies
        import harness
        self.copies, self.harness, self.qemu_img = copies, harness, harness.qemu_img
        self.random, self.n_disks = random.Random(args.seed), args.disks
        self.world = harness.World()
        self.counts = dict.fromkeys(('cycles', 'lives', 'kills', 'stops', 'cancels', 'resumes',
                                     'unseen', 'mismatches', 'failures'), 0)

    def count(self, what):
        self.counts[what] += 1

    def report(self):
        return ', '.join(f'{n} {what}' for what, n in self.counts.items())

    def complain(self, disk, what, problem):
        self.count(what)
        print(f'{disk.kind} {disk.size} -> {disk.destination} {disk.options}: {problem}', flush=True)

    def settle(self, disk, props):
        """Whether it is over, with everything checked."""
        name, message = props['Error']
        if props['State'] == 'succeeded':
            self.counts['resumes'] += props['Details']['resumed'] > 0
        elif props['State'] == 'cancelled':
            return False
        elif name == 'org.mtv.Error.Exists' and disk.started:
            self.count('unseen')  # it had succeeded, but the daemon died before it could be told
        else:
            self.complain(disk, 'failures', f'{name}: {message}')
            return True
        if problem := disk.check():
            self.complain(disk, 'mismatches', problem)
        return True

    def collect(self, disks, wait):
        """Those that are not over."""
        left = []
        for disk in disks:
            props = (self.copies.wait_end if wait else self.copies.transfer)(self.world, disk.transfer)
            over = props['State'] in self.harness.ENDED and self.settle(disk, props)
            disk.started = True
            if not over:
                left.append(disk)
        return left

    def meddle(self, disks):
        """Something happens to the daemon, or to a copy; then the daemon is gone."""
        time.sleep(self.random.uniform(0, 0.3))
        action = self.random.choice(('kill', 'kill', 'stop', 'cancel'))
        if action == 'stop':
            self.world.daemon.terminate()
            self.count('stops')
            time.sleep(self.random.uniform(0, 0.1))
        elif action == 'cancel':
            for disk in disks:
                try:
                    self.world.call(disk.transfer, 'Transfer.Cancel')
                    self.count('cancels')
                except self.harness.BusError:
                    pass  # was over already
            time.sleep(self.random.uniform(0, 0.02))
        self.counts['kills'] += self.world.daemon.poll() is None
        self.world.kill()
        for disk in disks:
            disk.started = True

    def live(self, disks):
        """One daemon's life."""
        self.count('lives')
        self.world.start()
        for disk in disks:
            disk.ask()
        if self.random.random() < 0.8:
            self.meddle(disks)
            return disks
        disks = self.collect(disks, True)
        self.world.kill()
        return disks

    def round(self):
        first = self.counts['cycles']
        disks = [Disk(self, first + i) for i in range(self.n_disks)]
        left = disks
        while left:
            left = self.live(left)
        for disk in disks:
            disk.remove()
        self.counts['cycles'] += len(disks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', required=True, help='folder that mtvd was built in')
    parser.add_argument('--cycles', type=int, default=1000)
    parser.add_argument('--disks', type=int, default=4, help='that are copied at the same time')
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    os.environ['MTVD'] = os.path.join(os.path.abspath(args.build), 'src', 'mtvd')
    print(f'seed {args.seed}', flush=True)
    soak, begin, told = Soak(args), time.monotonic(), 0
    while soak.counts['cycles'] < args.cycles:
        soak.round()
        if soak.counts['cycles'] - told >= 50:
            told = soak.counts['cycles']
            print(f'{time.monotonic() - begin:.0f} s: {soak.report()}', flush=True)
    print(soak.report())
    sys.exit(1 if soak.counts['mismatches'] or soak.counts['failures'] else 0)


if __name__ == '__main__':
    main()
