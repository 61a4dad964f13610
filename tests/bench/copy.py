#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the daemon's copies against the programs that do the same, and writes results-copy.md.

copy.py --build FOLDER [--size GIB] [--pairs N] [--folder FOLDER] [ROW…]

All of a row in turn on the same input, which is in the page cache, into a fresh file (a delta: over
a full one), after a sync, durable within the time that is taken; times and CPU seconds of the
copying program (mtvd, and its children, for ours) are medians, ratios are medians of the ratios of
one round. Some 20 GiB of room are needed in --folder (/var/tmp).
"""
import argparse
import importlib
import os
import random
import resource
import statistics
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, 'e2e'))
GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
TICK = os.sysconf('SC_CLK_TCK')
TUNED = ('--destination-is-zero', '--requests=16', '--connections=2', '--threads=2')


def make_disk(path, size, kind):
    """full: no two bytes alike for long; sparse: 30 % of it, in runs of 1 to 16 MiB; zero: allocated."""
    r = random.Random(3)
    noise = r.randbytes(64 * MIB)
    with open(path, 'wb') as f:
        f.truncate(size)
        at = 0
        while at < size:
            run = min(size - at, (r.randrange(1, 17) if kind == 'sparse' else 64) * MIB)
            if kind == 'zero':
                f.write(bytes(run))
            elif kind == 'full' or r.random() < 0.3:
                f.seek(at)
                f.write(noise[:run])
            at += run
        f.flush()
        os.fsync(f.fileno())
    return path


class Bench:
    def __init__(self, args):
        self.harness = importlib.import_module('harness')
        self.copies = importlib.import_module('copies')
        self.world = self.harness.World()
        self.world.start()
        self.size, self.pairs = int(args.size * GIB), args.pairs
        self.servers = []
        self.rows = []

    def path(self, *parts):
        return self.world.path(*parts)

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
        self.world.close()

    def serve(self, name, *command):
        """A server on the socket @name; returns its URI."""
        socket = self.path(name)
        self.servers.append(subprocess.Popen([word.replace('@', socket) for word in command]))
        while not os.path.exists(socket):
            time.sleep(0.01)
        return f'nbd+unix:///?socket={socket}'

    def qemu_nbd(self, name, image, *options):
        return self.serve(name, 'qemu-nbd', '-k', '@', '-t', '-e', '16', '-f', 'raw',
                          '--cache=writeback', '--aio=threads', *options, image)

    def nbdkit(self, name, image, *options):
        return self.serve(name, 'nbdkit', '-f', '-U', '@', *options, 'file', image)

    def cpu(self):
        with open(f'/proc/{self.world.daemon.pid}/stat', encoding='ascii') as f:
            fields = f.read().rpartition(')')[2].split()
        return sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK

    def mtvd(self, source, destination, **options):
        def run():
            before = self.cpu()
            begin = time.monotonic()
            path = self.copies.ask(self.world, 'Copy', source, destination, **options)
            props = self.wait(path)
            took = time.monotonic() - begin
            assert props['State'] == 'succeeded', props
            return took, self.cpu() - before
        return run

    def wait(self, path):
        while True:
            props = self.copies.transfer(self.world, path)
            if props['State'] in self.harness.ENDED:
                return props
            time.sleep(0.01)

    def program(self, *command, sync=None):
        def run():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            begin = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if sync is not None:
                subprocess.run(['sync', '-d', sync], check=True)
            took = time.monotonic() - begin
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return run

    def compare(self, title, runs, prepare):
        """@runs: name to what is run, ours first. @prepare: before each."""
        times = {name: [] for name in runs}
        for i in range(self.pairs + 1):
            for name, run in runs.items():
                prepare()
                subprocess.run(['sync'], check=True)
                figure = run()
                if i > 0:  # the first round warms up
                    times[name].append(figure)
        ours = next(iter(runs))
        print(title)
        for name, figures in times.items():
            wall = statistics.median(f[0] for f in figures)
            cpu = statistics.median(f[1] for f in figures)
            ratio = statistics.median(t[0] / o[0] for t, o in zip(figures, times[ours]))
            burnt = statistics.median(o[1] / max(t[1], 0.01) for t, o in zip(figures, times[ours]))
            cells = (f'{wall:.2f}', f'{cpu:.2f}', *(('', '') if name == ours
                                                    else (f'{ratio:.2f} ×', f'{burnt:.2f} ×')))
            self.rows.append((title if name == ours else '', name, *cells))
            print('  ', name, *cells, flush=True)

    def fresh(self, path):
        def prepare():
            if os.path.exists(path):
                os.unlink(path)
        return prepare

    def copy_row(self, title, source, tuned=TUNED):
        out = self.path('out.raw')
        self.compare(title, {
            'mtvd': self.mtvd(source, out, verify='off'),
            'nbdcopy': self.program('nbdcopy', source, out, sync=out),
            'nbdcopy, tuned': self.program('nbdcopy', *tuned, source, out, sync=out),
            'qemu-img -n -W -m 16 -t none': self.program(
                'sh', '-c', f'truncate -s {self.size} {out} && exec qemu-img convert -n '
                f'--target-is-zero -W -m 16 -t none -f raw -O raw "{source}" {out}', sync=out),
            'mtvd, verified': self.mtvd(source, out, verify='written'),
        }, self.fresh(out))
        self.fresh(out)()

    def full(self):
        image = make_disk(self.path('full.raw'), self.size, 'full')
        self.copy_row('NBD (qemu-nbd) to a raw file, full', self.qemu_nbd('q', image, '-r'))
        self.copy_row('NBD (nbdkit) to a raw file, full', self.nbdkit('n', image, '-r'))
        os.unlink(image)

    def sparse(self):
        for kind in ('sparse', 'zero'):
            image = make_disk(self.path(f'{kind}.raw'), self.size, kind)
            self.copy_row(f'NBD (qemu-nbd) to a raw file, {kind}', self.qemu_nbd(kind, image, '-r'))
            os.unlink(image)

    def nbd(self):
        folder = '/dev/shm'
        a, b = (os.path.join(folder, f'mtv-bench-{os.getpid()}-{n}') for n in 'ab')
        size = min(self.size, 2 * GIB)
        make_disk(a, size, 'full')
        for name, server in ('nbdkit', self.nbdkit), ('qemu-nbd', self.qemu_nbd):
            with open(b, 'wb') as f:
                f.truncate(size)
            source, target = server(f'{name}-a', a, '-r'), server(f'{name}-b', b)
            self.compare(f'NBD to NBD ({name}), {size / GIB:g} GiB on tmpfs', {
                'mtvd': self.mtvd(source, target, verify='off', force=True),
                'nbdcopy': self.program('nbdcopy', '--destination-is-zero', '--flush', source, target),
            }, lambda: None)
        os.unlink(a)
        os.unlink(b)

    def vmdk(self):
        raw, image, out = self.path('v.raw'), self.path('v.vmdk'), self.path('out.raw')
        bench = importlib.import_module('bench')
        bench.make_disk(raw, self.size)
        subprocess.run(['qemu-img', 'convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw,
                        image], check=True)
        os.unlink(raw)
        self.compare('streamOptimized VMDK to a raw file, half data', {
            'mtvd': self.mtvd(image, out, verify='off'),
            'qemu-img convert': self.program('qemu-img', 'convert', '-f', 'vmdk', '-O', 'raw', image,
                                             out, sync=out),
            'mtvd, verified': self.mtvd(image, out, verify='written'),
        }, self.fresh(out))
        self.fresh(out)()
        os.unlink(image)

    def delta(self):
        base, top, out = self.path('base.raw'), self.path('top.qcow2'), self.path('out.raw')
        make_disk(base, self.size, 'full')
        subprocess.run(['cp', base, out], check=True)
        for percent in (1, 10):
            subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o',
                            f'data_file={base},data_file_raw=on', top, str(self.size)], check=True)
            subprocess.run(['qemu-img', 'bitmap', '--add', top, 'b0'], check=True)
            r = random.Random(percent)
            blocks = r.sample(range(self.size // (64 * KIB)), self.size // (64 * KIB) * percent // 100)
            script = ''.join(f'write -q -P {r.randrange(256)} {b * 64}k 64k\n' for b in blocks)
            subprocess.run(['qemu-io', '-f', 'qcow2', top], input=script, text=True, check=True,
                           stdout=subprocess.DEVNULL)
            source = self.serve(f'd{percent}', 'qemu-nbd', '-k', '@', '-t', '-r', '-e', '16', '-f',
                                'qcow2', '-B', 'b0', '--cache=writeback', '--aio=threads', top)
            self.compare(f'{percent} % of the disk changed, in 64 KiB, over the old copy', {
                'mtvd, the bitmap': self.mtvd(source, out, verify='off', bitmap='b0'),
                'nbdcopy, all': self.program('nbdcopy', *TUNED[1:], source, out, sync=out),
            }, lambda: None)
            os.unlink(top)
        os.unlink(out)

    def http(self):
        size = min(self.size, 2 * GIB)
        image, out = f'/dev/shm/mtv-bench-{os.getpid()}.raw', self.path('out.raw')
        make_disk(image, size, 'full')
        cert, key = self.path('cert.pem'), self.path('key.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
                        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout',
                        key, '-out', cert], check=True, stderr=subprocess.DEVNULL)
        config = self.path('nginx.conf')
        with open(config, 'w', encoding='utf-8') as f:
            f.write(f'daemon off; user root; pid {self.path("nginx.pid")}; error_log /dev/null; '
                    'events {} http { access_log off; sendfile on; server { listen 127.0.0.1:18443 ssl; '
                    f'ssl_certificate {cert}; ssl_certificate_key {key}; root /dev/shm; }} }}\n')
        self.servers.append(subprocess.Popen(['nginx', '-c', config]))
        time.sleep(1)
        url = f'https://localhost:18443/{os.path.basename(image)}'
        with open(cert, encoding='ascii') as f:
            pem = f.read()
        self.compare(f'https to a raw file, {size / GIB:g} GiB', {
            'mtvd': self.mtvd(url, out, verify='off', ca=pem),
            'curl': self.program('curl', '-s', '--cacert', cert, '-o', out, url, sync=out),
        }, self.fresh(out))
        self.fresh(out)()
        os.unlink(image)

    def write(self):
        text = (f'# What tests/bench/copy.py measured\n\n{os.cpu_count()} cores, disks of '
                f'{self.size / GIB:g} GiB unless said, {self.pairs} rounds; seconds, CPU seconds, how '
                'much faster mtvd was than this, and its CPU to that of this.\n\n'
                '| work | program | s | CPU s | speed of mtvd | its CPU |\n|---|---|---|---|---|---|\n'
                + ''.join(f'| {" | ".join(row)} |\n' for row in self.rows))
        with open(os.path.join(TESTS, 'bench', 'results-copy.md'), 'w', encoding='utf-8') as f:
            f.write(text)


def main():
    rows = ('full', 'sparse', 'nbd', 'vmdk', 'delta', 'http')
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True, help='where mtvd was built, optimized')
    parser.add_argument('--size', type=float, default=6, help='of the disks, in GiB')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--folder', default='/var/tmp')
    parser.add_argument('rows', nargs='*', metavar='ROW', help=', '.join(rows))
    args = parser.parse_args()
    os.environ['MTVD'] = os.path.join(args.build, 'src', 'mtvd')
    os.environ['MTVCTL'] = os.path.join(args.build, 'client', 'mtvctl')
    os.environ['TMPDIR'] = args.folder
    bench = Bench(args)
    try:
        for row in args.rows or rows:
            getattr(bench, row)()
    finally:
        bench.close()
    bench.write()


if __name__ == '__main__':
    main()
