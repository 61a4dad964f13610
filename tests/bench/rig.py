# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks, servers and a daemon to be measured, and the figures as a table."""
import importlib
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, 'e2e'))
GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
TICK = os.sysconf('SC_CLK_TCK')
HEAD = ('| work | program | s | CPU s | speed of mtvd | its CPU |\n'
        '|---|---|---|---|---|---|\n')


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


def text_of(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def run(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)


def program(*command, sync=None):
    """To be measured; what it wrote to the file @sync is on the disk afterwards."""
    def measured():
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        run(*command)
        if sync is not None:
            run('sync', '-d', sync)
        took, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return measured


class Rig:
    def __init__(self, pairs):
        self.harness, self.copies = (importlib.import_module(n) for n in ('harness', 'copies'))
        self.world = self.harness.World()
        self.world.start()
        self.ended = set()
        self.world.listeners.append(self.signal)
        self.pairs, self.servers, self.rows, self.figures = pairs, [], [], []

    def signal(self, path, _interface, member, _parameters):
        if member == 'Completed':
            self.ended.add(path)

    def path(self, *parts):
        return self.world.path(*parts)

    def stop_servers(self):
        for server in self.servers:  # of which one may be another's client
            server.terminate()
        for server in self.servers:
            server.wait()
        self.servers = []

    def close(self):
        self.stop_servers()
        self.world.close()

    # Servers.

    def serve(self, name, *command):
        """A server on the socket @name, which is @ in its arguments; returns its URI."""
        socket = self.path(name)
        run('rm', '-f', socket)
        self.servers.append(subprocess.Popen([str(word).replace('@', socket) for word in command]))
        while not os.path.exists(socket):
            assert self.servers[-1].poll() is None, command
            time.sleep(0.01)
        return f'nbd+unix:///?socket={socket}'

    def qemu_nbd(self, name, image, *options, kind=('-f', 'raw')):
        return self.serve(name, 'qemu-nbd', '-k', '@', '-t', '-e', '16', *kind,
                          '--cache=writeback', '--aio=threads', *options, image)

    def nbdkit(self, name, image, *options, settings=()):
        return self.serve(name, 'nbdkit', '-f', '-U', '@', *options, 'file', image, *settings)

    # The daemon.

    def status(self, name):
        """VmRSS or VmHWM of it, in bytes."""
        found = re.search(rf'^{name}:\s*(\d+) kB', text_of(f'/proc/{self.world.daemon.pid}/status'),
                          re.MULTILINE)
        return int(found.group(1)) * KIB

    def peak(self, work):
        """How far its memory grew while @work was done, and the result of that."""
        with open(f'/proc/{self.world.daemon.pid}/clear_refs', 'w', encoding='ascii') as f:
            f.write('5')
        before = self.status('VmRSS')
        result = work()
        return self.status('VmHWM') - before, result

    def cpu(self):
        """Of it and of the children that it had."""
        fields = text_of(f'/proc/{self.world.daemon.pid}/stat').rpartition(')')[2].split()
        return sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK

    def ask(self, source, destination, **options):
        return self.copies.ask(self.world, 'Copy', source, destination, **options)

    def wait(self, *paths):
        """What has to have succeeded. The daemon is not asked before it says so."""
        context = importlib.import_module('gi.repository.GLib').MainContext.default()
        while not self.ended.issuperset(paths):
            context.iteration(True)
        all_props = [self.copies.transfer(self.world, path) for path in paths]
        for path, props in zip(paths, all_props):
            assert props['State'] == 'succeeded', props
            self.world.call(path, 'Transfer.Forget')
        return all_props

    def mtvd(self, source, destination, **options):
        def measured():
            before, begin = self.cpu(), time.monotonic()
            self.wait(self.ask(source, destination, **options))
            return time.monotonic() - begin, self.cpu() - before
        return measured

    def on_one_processor(self, measured):
        """Threads are as many as there are processors for the one that makes them."""
        def alone():
            pid = self.world.daemon.pid
            all_of_them = os.sched_getaffinity(pid)
            os.sched_setaffinity(pid, {min(all_of_them)})
            try:
                return measured()
            finally:
                os.sched_setaffinity(pid, all_of_them)
        return alone

    # Figures.

    def compare(self, title, runs, prepare=lambda: None):
        """@runs: name to what is run, ours first. @prepare: before each, and at the end."""
        times = {name: [] for name in runs}
        for i in range(self.pairs + 1):
            for name, measured in runs.items():
                prepare()
                run('sync')
                figure = measured()
                if i > 0:  # the first round warms up
                    times[name].append(figure)
        prepare()
        ours = next(iter(runs))
        for name, figures in times.items():
            wall = statistics.median(f[0] for f in figures)
            cpu = statistics.median(f[1] for f in figures)
            ratio = statistics.median(t[0] / o[0] for t, o in zip(figures, times[ours]))
            burnt = statistics.median(o[1] / max(t[1], 0.01) for t, o in zip(figures, times[ours]))
            cells = (f'{wall:.2f}', f'{cpu:.2f}', *(('', '') if name == ours
                                                    else (f'{ratio:.2f} ×', f'{burnt:.2f} ×')))
            self.rows.append((title if name == ours else '', name, *cells))
            print(title if name == ours else '', name, *cells, sep=' | ', file=sys.stderr, flush=True)

    def note(self, what, figure, goal):
        self.figures.append((what, figure, goal))
        print(what, figure, goal, sep=' | ', file=sys.stderr, flush=True)

    def table(self):
        def lines(rows):
            return ''.join(f'| {" | ".join(row)} |\n' for row in rows)
        text = HEAD + lines(self.rows) if self.rows else ''
        if self.figures:
            text += '\n| what | figure | goal |\n|---|---|---|\n' + lines(self.figures)
        return text.lstrip()
