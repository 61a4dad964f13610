#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures mtvd against the programs that do the same, and writes results.md beside this file.

bench.py --build FOLDER [--size GIB] [--pairs N] [--folder FOLDER]

Copies: each in turn on the same input, into a fresh folder, after a sync, durable within the time
that is taken. Some 20 GiB of room are needed in --folder (/var/tmp).
"""
import argparse
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, 'e2e'))
GIB, MIB = 1 << 30, 1 << 20


def make_disk(path, size):
    """Half of it data, in runs of a mebibyte, that compress about as files of systems do."""
    r = random.Random(4)
    words = [r.randbytes(r.randrange(3, 12)) for _ in range(4096)]
    text = b''.join(r.choices(words, k=200000))
    with open(path, 'wb') as f:
        f.truncate(size)
        for at in range(0, size, 2 * MIB):
            begin = r.randrange(len(text) - MIB // 2)
            f.seek(at)
            f.write(text[begin:begin + MIB // 2] + r.randbytes(MIB // 4))
            f.write(text[begin // 2:begin // 2 + MIB // 4])
        f.truncate(size)


def pack(packages, folder, size):
    raw, vmdk, ova = (os.path.join(folder, n) for n in ('disk.raw', 'disk.vmdk', 'disk.ova'))
    make_disk(raw, size)
    subprocess.run(['qemu-img', 'convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, vmdk],
                   check=True)
    os.unlink(raw)
    members = [('disk.vmdk', vmdk)]
    vm = packages.Vm('bench', [packages.Disk('disk.vmdk', size, os.path.getsize(vmdk))])
    packages.pack(ova, [('bench.ovf', packages.envelope(vm))] + members)
    os.unlink(vmdk)
    return ova


def member(ova):
    import tarfile
    with tarfile.open(ova) as tar:
        info = tar.getmember('disk.vmdk')
        return 'json:' + json.dumps({'driver': 'vmdk', 'file': {
            'driver': 'raw', 'offset': info.offset_data, 'size': info.size,
            'file': {'driver': 'file', 'filename': ova}}})


def timed(*args, **kwargs):
    subprocess.run(['sync'], check=True)
    begin = time.monotonic()
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, **kwargs)
    return time.monotonic() - begin


def pairs_of(n, *runs):
    """Times of each, in turn."""
    times = [[] for _ in runs]
    for i in range(n):
        for j, run in enumerate(runs):
            times[j].append(run(i))
            print(f'  {times[j][-1]:.2f} s', end='', flush=True)
        print(flush=True)
    return times


def bench_import(world, ova, source, n):
    target = world.path('target')
    os.mkdir(target)

    def fresh():
        subprocess.run(['rm', '-rf', target], check=True)
        os.mkdir(target)

    def convert(_):
        fresh()
        out = os.path.join(target, 'disk.raw')
        return timed('sh', '-c', 'qemu-img convert -O raw "$0" "$1" && sync "$1"', source, out)

    def mtv(*options):
        def run(i):
            fresh()
            name = '-'.join(['run', str(i), *options]).replace('=', '-')
            return timed(os.environ['MTVCTL'], '--user', 'import', ova, '--to', target,
                         f'--name={name}', *options, env=world.env, stdin=subprocess.DEVNULL)
        return run

    # The pages of the input are warm for all of them.
    convert(0)
    times = pairs_of(n, convert, mtv(), mtv('--verify=off'))
    disk = os.path.join(target, 'bench', 'disk-0.raw')
    same = subprocess.run(['qemu-img', 'compare', source, 'json:' + json.dumps(
        {'driver': 'raw', 'file': {'driver': 'file', 'filename': disk}})], check=False,
        stdout=subprocess.DEVNULL).returncode == 0
    fresh()
    return times, same


def bench_list(world, packages, count, n):
    folder = world.path('many')
    os.mkdir(folder)
    for i in range(count):
        vm = packages.Vm(f'vm-{i:05}', [], macs=(f'52:54:00:00:{i >> 8:02x}:{i & 255:02x}',))
        with open(os.path.join(folder, f'{vm.name}.ovf'), 'wb') as f:
            f.write(packages.envelope(vm))
    world.add('many', 'ova', folder)
    times, = pairs_of(n, lambda _: timed(os.environ['MTVCTL'], '--user', '--no-pager', 'vm', 'list',
                                         'many', env=world.env, stdin=subprocess.DEVNULL))
    lines = world.ctl('vm', 'list', 'many', '--no-legend').stdout.count('\n')
    return times, lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True, help='where mtvd was built, optimized')
    parser.add_argument('--size', type=float, default=4, help='of the disk, in GiB')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--vms', type=int, default=10000)
    parser.add_argument('--folder', default='/var/tmp')
    args = parser.parse_args()
    os.environ['MTVD'] = os.path.join(args.build, 'src', 'mtvd')
    os.environ['MTVCTL'] = os.path.join(args.build, 'client', 'mtvctl')
    os.environ['TMPDIR'] = args.folder
    harness, packages = importlib.import_module('harness'), importlib.import_module('packages')
    daemon = importlib.import_module('process')
    world = harness.World()
    rows = []
    world.start()
    time.sleep(20)
    fresh = daemon.pss(world.daemon.pid)
    before = daemon.wakeups(world.daemon.pid)
    time.sleep(60)
    after = daemon.wakeups(world.daemon.pid)
    woken = sum(n - before.get(task, ('', 0))[1] for task, (_, n) in after.items())
    rows.append(('memory of mtvd, idle (PSS)', f'{fresh / MIB:.1f} MiB', '16 MiB at most'))
    rows.append(('wake-ups of mtvd, idle', f'{woken} in a minute', '0'))

    size = int(args.size * GIB)
    print(f'import of {args.size} GiB: qemu-img convert, mtvctl import, the same with --verify=off')
    ova = pack(packages, world.folder, size)
    (peer, mine, off), same = bench_import(world, ova, member(ova), args.pairs)
    medians = [statistics.median(t) for t in (peer, mine, off)]
    note = 'the same bytes' if same else 'OTHER BYTES'
    rows.append((f'`qemu-img convert` of the VMDK inside ({args.size:g} GiB, half data) to raw, synced',
                 f'{medians[0]:.2f} s', ''))
    rows.append(('`mtvctl import`, everything in it, verified', f'{medians[1]:.2f} s',
                 f'{medians[0] / medians[1]:.2f} times as fast; {note}'))
    rows.append(('`mtvctl import --verify=off`', f'{medians[2]:.2f} s',
                 f'{medians[0] / medians[2]:.2f} times as fast'))
    rows.append(('memory of mtvd after that (PSS)', f'{daemon.pss(world.daemon.pid) / MIB:.1f} MiB', ''))

    print(f'mtvctl vm list, {args.vms} virtual machines')
    times, lines = bench_list(world, packages, args.vms, args.pairs)
    rows.append((f'`mtvctl vm list` of {lines} virtual machines', f'{statistics.median(times):.2f} s',
                 '1 s at most'))
    rows.append(('memory of mtvd with these (PSS)', f'{daemon.pss(world.daemon.pid) / MIB:.1f} MiB', ''))
    world.close()

    text = (f'# What tests/bench/bench.py measured\n\n{os.cpu_count()} cores; medians of {args.pairs} '
            'runs, programs in turn.\n\n| what | figure | |\n|---|---|---|\n'
            + ''.join(f'| {" | ".join(row)} |\n' for row in rows))
    with open(os.path.join(TESTS, 'bench', 'results.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    print(text)


if __name__ == '__main__':
    main()
