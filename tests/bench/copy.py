#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the daemon's copies against the programs that do the same; prints a table in Markdown.

copy.py --build FOLDER [--size GIB] [--pairs N] [--folder FOLDER] [--write] [ROW…]

All of a row in turn on the same input, which is in the page cache, into a fresh file (a delta: over
a full one), after a sync, durable within the time that is taken; times and CPU seconds of the
copying program (mtvd, and its children, for ours) are medians, ratios are medians of the ratios of
one round. Some 20 GiB of room are needed in --folder (/var/tmp). README.md says more.
"""
import argparse
import importlib
import json
import os
import random
import subprocess
import sys
import time

sys.path.append(sys.path.pop(0))  # there is a module copy in Python, too
from rig import GIB, KIB, MIB, TESTS, Rig, make_disk, program, run, text_of

TUNED = ('--destination-is-zero', '--requests=16', '--connections=2', '--threads=2')
# One request at a time, as a program does that was not made to be fast.
SERIAL = r'''
import nbd, os, sys
uri, bitmap, out = sys.argv[1:]
h = nbd.NBD()
h.add_meta_context(bitmap)
h.set_uri_allow_local_file(True)
h.connect_uri(uri)
fd, runs, at = os.open(out, os.O_WRONLY), [], 0
def add(context, offset, entries, error):
    global at
    for length, flags in zip(entries[::2], entries[1::2]):
        if flags & 1:
            runs.append((offset, length))
        offset += length
    at = offset
while at < h.get_size():
    h.block_status(min(h.get_size() - at, 1 << 30), at, add)
for offset, length in runs:
    for part in range(offset, offset + length, 256 << 10):
        os.pwrite(fd, h.pread(min(256 << 10, offset + length - part), part), part)
os.fdatasync(fd)
'''


class Bench(Rig):
    def __init__(self, args):
        super().__init__(args.pairs)
        self.size = int(args.size * GIB) // MIB * MIB
        self.out = self.path('out.raw')
        self.tmpfs = f'/dev/shm/mtv-bench-{os.getpid()}'

    def fresh(self):
        for path in (self.out, self.path('out.d')):
            run('rm', '-rf', path)

    def disk(self, kind):
        path = self.path(f'{kind}.raw')
        return path if os.path.exists(path) else make_disk(path, self.size, kind)

    # ---- NBD to a file ----

    def copy_row(self, title, source):
        out = self.out
        qemu_img = (f'truncate -s {self.size} {out} && exec qemu-img convert -n --target-is-zero -W '
                    f'-m 16 -t none -f raw -O raw "{source}" {out}')
        self.compare(title, {
            'mtvd': self.mtvd(source, out, verify='off'),
            'nbdcopy': program('nbdcopy', source, out, sync=out),
            'nbdcopy, tuned': program('nbdcopy', *TUNED, source, out, sync=out),
            'qemu-img -n -W -m 16 -t none': program('sh', '-c', qemu_img, sync=out),
        }, self.fresh)

    def full_qemu(self):
        self.copy_row('NBD (qemu-nbd) to a raw file, full',
                      self.qemu_nbd('q', self.disk('full'), '-r'))

    def full_nbdkit(self):
        self.copy_row('NBD (nbdkit) to a raw file, full', self.nbdkit('n', self.disk('full'), '-r'))

    def sparse(self):
        self.copy_row('NBD (qemu-nbd) to a raw file, 30 % data',
                      self.qemu_nbd('s', self.disk('sparse'), '-r'))

    def zero(self):
        self.copy_row('NBD (qemu-nbd) to a raw file, zeroes that are allocated',
                      self.qemu_nbd('z', self.disk('zero'), '-r'))

    # ---- NBD to NBD ----

    def nbd_row(self, name, server):
        a, b = f'{self.tmpfs}-a', f'{self.tmpfs}-b'
        size = min(self.size, 2 * GIB)
        make_disk(a, size, 'full')
        run('truncate', '-s', str(size), b)
        source, target = server(f'{name}-a', a, '-r'), server(f'{name}-b', b)
        self.compare(f'NBD to NBD ({name}), {size / GIB:g} GiB on tmpfs', {
            'mtvd': self.mtvd(source, target, verify='off', force=True),
            'nbdcopy': program('nbdcopy', '--destination-is-zero', '--flush', source, target),
        })
        run('rm', a, b)

    def nbd_nbdkit(self):
        self.nbd_row('nbdkit', self.nbdkit)

    def nbd_qemu(self):
        self.nbd_row('qemu-nbd', self.qemu_nbd)

    # ---- VMDK ----

    def vmdk(self):
        """One that is half data, in an OVA: its tar has it at an offset."""
        bench, packages = (importlib.import_module(n) for n in ('bench', 'packages'))
        ova, out = bench.pack(packages, self.world.folder, self.size), self.out
        bare, member = self.path('bare.vmdk'), bench.member(ova)
        run('tar', '-xf', ova, '-C', self.world.folder, 'disk.vmdk')
        os.rename(self.path('disk.vmdk'), bare)
        bare_run = self.mtvd(bare, out, verify='off')
        self.compare('streamOptimized VMDK to a raw file, half data', {
            'mtvd': bare_run,
            'mtvd, one processor': self.on_one_processor(bare_run),
            'qemu-img convert': program('qemu-img', 'convert', '-f', 'vmdk', '-O', 'raw', bare, out,
                                        sync=out),
        }, self.fresh)
        os.unlink(bare)
        self.compare('the same inside an OVA', {
            'mtvctl import --verify=off': self.imported(ova, '--verify=off'),
            'qemu-img convert at its offset': program('qemu-img', 'convert', '-O', 'raw', member, out,
                                                      sync=out),
            "virt-v2v's way: qemu-nbd at its offset, nbdcopy": program(
                'nbdcopy', '--', '[', 'qemu-nbd', '-r', member, ']', out, sync=out),
        }, self.fresh)
        os.unlink(ova)

    def imported(self, ova, *options):
        names = (f'import-{i}' for i in range(1 << 30))  # of providers, which stay

        def measured():
            os.mkdir(self.path('out.d'))
            before, begin = self.cpu(), time.monotonic()
            run(os.environ['MTVCTL'], '--user', '--no-pager', 'import', ova, '--to',
                self.path('out.d'), f'--name={next(names)}', *options, env=self.world.env,
                stdin=subprocess.DEVNULL)
            return time.monotonic() - begin, self.cpu() - before
        return measured

    # ---- Changes ----

    def changed(self, percent):
        """A full qcow2, with a bitmap b0 of what is other than in the file @out; and its data file."""
        base, top = self.path(f'base-{percent}.raw'), self.path(f'top-{percent}.qcow2')
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o',
            f'data_file={base},data_file_raw=on,preallocation=metadata', top, str(self.size))
        for path in (base, self.out):  # which that has emptied
            run('cp', self.disk('full'), path)
        run('qemu-img', 'bitmap', '--add', top, 'b0')
        r, n = random.Random(percent), self.size // (64 * KIB)
        run('qemu-io', '-f', 'qcow2', top, text=True, input=''.join(
            f'write -q -P {r.randrange(256)} {b * 64}k 64k\n'
            for b in r.sample(range(n), n * percent // 100)))
        return top, base

    def delta_row(self, title, source, **more):
        self.compare(title, {
            'mtvd, the bitmap': self.mtvd(source, self.out, verify='off', bitmap='b0'),
            'one request at a time, the bitmap': program(
                sys.executable, '-c', SERIAL, source, 'qemu:dirty-bitmap:b0', self.out),
            **more,
        })
        self.fresh()

    def delta(self, percent):
        source = self.qemu_nbd(f'd{percent}', self.changed(percent)[0], '-r', '-B', 'b0',
                               kind=('-f', 'qcow2'))
        self.delta_row(f'{percent} % of the disk changed, in 64 KiB, over the old copy', source, **{
            'nbdcopy, all': program('nbdcopy', *TUNED[1:], source, self.out, sync=self.out)})

    def delta_1(self):
        self.delta(1)

    def delta_10(self):
        self.delta(10)

    def delta_latency(self):
        """QEMU's server reads the data from nbdkit, which takes 2 ms for each request."""
        top, base = self.changed(1)
        self.nbdkit('slow', base, '-r', '-t', '64', '--filter=delay',
                    settings=('rdelay=2ms',))
        image = json.dumps({'driver': 'qcow2', 'file': {'driver': 'file', 'filename': top},
                            'data-file': {'driver': 'raw', 'file': {
                                'driver': 'nbd', 'server': {'type': 'unix',
                                                            'path': self.path('slow')}}}})
        self.delta_row('1 % changed, 2 ms for each request', self.qemu_nbd(
            'dl', 'json:' + image, '-r', '-B', 'b0', kind=()))

    # ---- HTTP ----

    def start_nginx(self):
        """URLs of https and http of what is in /dev/shm, and the name of the certificate."""
        cert, key, config = (self.path(n) for n in ('cert.pem', 'key.pem', 'nginx.conf'))
        if not os.path.exists(cert):
            run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj',
                '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out',
                cert, stderr=subprocess.DEVNULL)
            with open(config, 'w', encoding='utf-8') as f:
                f.write(f'daemon off; user root; pid {self.path("nginx.pid")}; error_log /dev/null; '
                        'events {} http { access_log off; sendfile on; root /dev/shm; server { '
                        'listen 127.0.0.1:18080; listen 127.0.0.1:18443 ssl; '
                        f'ssl_certificate {cert}; ssl_certificate_key {key}; }} }}\n')
        self.servers.append(subprocess.Popen(['nginx', '-c', config]))
        while not os.path.exists(self.path('nginx.pid')):
            assert self.servers[-1].poll() is None, 'nginx did not start'
            time.sleep(0.01)
        return 'https://localhost:18443/', 'http://localhost:18080/', cert

    def http_row(self, tls):
        size, image, out = min(self.size, 2 * GIB), f'{self.tmpfs}.raw', self.out
        secure, plain, cert = self.start_nginx()
        make_disk(image, size, 'full')
        url = (secure if tls else plain) + os.path.basename(image)
        self.compare(f'{url.partition(":")[0]} to a raw file, {size / GIB:g} GiB', {
            'mtvd': self.mtvd(url, out, verify='off', **({'ca': text_of(cert)} if tls else {})),
            'curl': program('curl', '-s', '--cacert', cert, '-o', out, url, sync=out),
            'nbdkit curl, nbdcopy': program(
                'nbdcopy', '--destination-is-zero', '--', '[', 'nbdkit', '--exit-with-parent', '-r',
                'curl', url, f'cainfo={cert}', ']', out, sync=out),
        }, self.fresh)
        os.unlink(image)

    def https(self):
        self.http_row(True)

    def http(self):
        self.http_row(False)

    # ---- What a copy costs beside its bytes ----

    def verify(self):
        source, out = self.qemu_nbd('v', self.disk('full'), '-r'), self.out
        slow = self.nbdkit('vs', self.disk('full'), '-r', '--filter=rate',
                           settings=('rate=2G',))
        for title, uri, kinds in (('NBD (qemu-nbd), verified', source, ('written', 'full')),
                                  ('NBD at 2 Gbit/s, verified', slow, ('written',))):
            runs = {f'mtvd, verify={kind}': self.mtvd(uri, out, verify=kind) for kind in kinds}
            runs['mtvd, verify=written, sha256'] = self.mtvd(uri, out, verify='written', hash='sha256')
            runs['mtvd, verify=off'] = self.mtvd(uri, out, verify='off')
            self.compare(title, runs, self.fresh)

    def memory(self):
        source, n = self.qemu_nbd('m', self.disk('full'), '-r'), 8
        self.mtvd(source, self.out, verify='off')()  # what is loaded once
        self.fresh()
        grown, _ = self.peak(self.mtvd(source, self.out, verify='written'))
        self.note('memory of one copy, verified', f'{grown / MIB:.1f} MiB', '32 MiB at most')

        def idle():
            paths = [self.ask(source, self.path(f'idle-{i}'), throttle=64 * KIB) for i in range(n)]
            time.sleep(3)
            for path in paths:
                self.world.call(path, 'Transfer.Cancel')
                self.copies.wait_end(self.world, path)
        grown, _ = self.peak(idle)
        self.note(f'memory of each of {n} copies that wait for their throttle',
                  f'{grown / n / MIB:.1f} MiB', '8 MiB at most')

    def many(self):
        """50 disks at once, that all are the same; against one as large as a tenth of them."""
        n, size = 50, self.size // 10
        small, large = (make_disk(self.path(f'{k}.raw'), s, 'full')
                        for k, s in (('small', size), ('large', 5 * size)))
        rates, shares, memory = [], [], []
        for i in range(self.pairs + 1):
            self.fresh()
            run('sync')
            alone = 5 * size / self.mtvd(large, self.out, verify='off', source_format='raw')()[0]
            self.fresh()
            os.mkdir(self.path('out.d'))
            run('sync')

            def together():
                return self.wait(*(self.ask(small, self.path('out.d', str(d)), verify='off',
                                            source_format='raw') for d in range(n)))
            begin = time.monotonic()
            grown, all_props = self.peak(together)
            rate = n * size / (time.monotonic() - begin)
            took = [props['EndTime'] - props['StartTime'] for props in all_props]
            if i > 0:
                rates.append(rate / alone)
                shares.append(min(took) / max(took))
                memory.append(grown)
        self.fresh()
        middle = (len(rates) - 1) // 2
        self.note(f'{n} copies at once, throughput to that of one', f'{sorted(rates)[middle]:.2f} ×',
                  '0.9 × at least')
        self.note('the first of them to end took, of the time of the last',
                  f'{sorted(shares)[middle]:.2f}', '0.8 at least')
        self.note('memory of all of them', f'{max(memory) / MIB:.0f} MiB', '256 MiB at most')


ROWS = ('full_qemu', 'full_nbdkit', 'sparse', 'zero', 'nbd_nbdkit', 'nbd_qemu', 'vmdk', 'delta_1',
        'delta_10', 'delta_latency', 'https', 'http', 'verify', 'memory', 'many')


def main():
    names = [row.replace('_', '-') for row in ROWS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', required=True, help='where mtvd was built, optimized')
    parser.add_argument('--size', type=float, default=6, help='of the disks, in GiB')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--folder', default='/var/tmp')
    parser.add_argument('--write', action='store_true', help='to results-copy.md as well')
    parser.add_argument('rows', nargs='*', metavar='ROW', choices=[*names, []],
                        help=', '.join(names))
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    os.environ['MTVD'] = os.path.join(build, 'src', 'mtvd')
    os.environ['MTVCTL'] = os.path.join(build, 'client', 'mtvctl')
    os.environ['TMPDIR'] = args.folder
    bench = Bench(args)
    try:
        for row in args.rows or names:
            getattr(bench, row.replace('-', '_'))()
            bench.stop_servers()
    finally:
        bench.close()
    text = (f'{os.cpu_count()} processors, disks of {args.size:g} GiB unless said, {args.pairs} '
            'rounds; how much faster mtvd was than this, and its CPU seconds to those of this.\n\n'
            + bench.table())
    print(text)
    if args.write:
        with open(os.path.join(TESTS, 'bench', 'results-copy.md'), 'w', encoding='utf-8') as f:
            f.write(f'# What tests/bench/copy.py measured\n\n{text}')


if __name__ == '__main__':
    main()
