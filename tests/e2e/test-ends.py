# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies between ends that are slow, picky, poor or broken: nbdkit's filters, file systems that are full."""
import os
import random
import re
import subprocess
import time
import unittest

import tap
from copies import Server, ask, check_manifest, same, transfer, wait_end
from harness import MIB, World

KIB = 1 << 10
REQUEST = re.compile(r'connection=(\d+) (\w+) id=(\d+) (?:offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+))?')
ANSWER = re.compile(r'connection=(\d+) \.\.\.(\w+) id=(\d+) ')


def make_disk(path, size):
    """A quarter data, a quarter written zeroes, a half holes, in runs of 192 KiB."""
    r = random.Random(size)
    with open(path, 'wb') as f:
        f.truncate(size)
        for at in range(0, size, 768 * KIB):
            f.seek(at)
            f.write(r.randbytes(min(192 * KIB, size - at)))
            f.write(bytes(min(192 * KIB, max(0, size - f.tell()))))
    return path


class Log:
    """What was asked of an nbdkit, in the order of asking."""

    def __init__(self, path):
        self.requests, self.depth, open_now = [], 0, set()
        with open(path, encoding='ascii') as f:
            for line in f:
                if found := REQUEST.search(line):
                    connection, kind, number, offset, count = found.groups()
                    self.requests.append((kind, int(offset or '0', 16), int(count or '0', 16)))
                    open_now.add((connection, number))
                    self.depth = max(self.depth, len(open_now))
                elif found := ANSWER.search(line):
                    open_now.discard((found.group(1), found.group(3)))

    def of(self, kind):
        return sorted((at, count) for k, at, count in self.requests if k == kind)

    def bytes(self, kind):
        return sum(count for _, count in self.of(kind))


class Ends(unittest.TestCase):
    SIZE = 24 * MIB + 512

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.world.start()
        self.raw = make_disk(self.path('raw.img'), self.SIZE)
        self.log = self.path('log')

    def path(self, *parts):
        return self.world.path(*parts)

    def nbdkit(self, name, filters, *words):
        """The log is what the server is asked, before any other filter has seen it."""
        filters = [f'--filter={word}' for word in ('log', *filters)]
        if os.path.exists(self.log):
            os.unlink(self.log)
        server = Server(self.world, name, 'nbdkit', '-f', '-t', '16', '-U', 'SOCKET', *filters, *words,
                        f'logfile={self.log}')
        self.addCleanup(server.stop)
        return server

    def source(self, name, filters, *words):
        return self.nbdkit(name, filters, 'file', self.raw, *words)

    def destination(self, name, filters, *words, fill=b''):
        """A file of the right size; its name is @out afterwards."""
        self.out = self.path(f'{name}.out')
        with open(self.out, 'wb') as f:
            f.write(fill * (self.SIZE // max(1, len(fill))))
            f.truncate(self.SIZE)
        return self.nbdkit(name, filters, 'file', self.out, *words)

    def copy(self, source, destination, **options):
        props = wait_end(self.world, ask(self.world, 'Copy', source, destination, **options))
        self.assertEqual((props['State'], props['Error']), ('succeeded', ('', '')))
        return props

    def fails(self, name, *mentioned, names, **options):
        props = wait_end(self.world, ask(self.world, 'Copy', *names, **options))
        self.assertEqual((props['State'], props['Error'][0]), ('failed', f'org.mtv.Error.{name}'), props)
        for word in mentioned:
            self.assertIn(word, props['Error'][1])
        return props

    def from_server(self, server, **options):
        """Copies from it, with everything checked; the properties, and what it was asked."""
        out, manifest = server.socket + '.out', server.socket + '.json'
        fd = os.open(manifest, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.addCleanup(os.close, fd)
        props = self.copy(server.uri, out, fds={'manifest': fd}, **options)
        self.assertTrue(same(self.raw, out))
        check_manifest(manifest, self.raw)
        server.stop()
        return props, Log(self.log)

    def to_server(self, server, **options):
        props = self.copy(self.raw, server.uri, source_format='raw', **options)
        server.stop()
        self.assertTrue(same(self.raw, self.out))
        return props, Log(self.log)


class Sources(Ends):
    def test_nothing_twice(self):
        """Each byte that is no hole is asked for once, in requests of 256 KiB at most."""
        _, log = self.from_server(self.source('plain', ()))
        reads, end = log.of('Read'), 0
        for at, count in reads:
            self.assertGreaterEqual(at, end)
            self.assertLessEqual(count, 256 * KIB)
            end = at + count
        self.assertLessEqual(log.bytes('Read'), self.SIZE * 3 // 5)
        self.assertEqual({kind for kind, _, _ in log.requests} - {'Read', 'Extents'}, set())

    def test_noextents(self):
        """All of it is read then, and zeroes are seen for what they are."""
        props, log = self.from_server(self.source('blind', ('noextents',)))
        self.assertEqual(log.bytes('Read'), self.SIZE)
        self.assertLessEqual(props['BytesWritten'], self.SIZE // 2)

    def test_delay(self):
        """Where answers take long, many are waited for at a time."""
        _, log = self.from_server(self.source('slow', ('delay',), 'rdelay=20ms'))
        self.assertGreaterEqual(log.depth, 8)

    def test_blocksize(self):
        """Whole blocks only, no more at a time than is allowed; also of a disk with an odd end."""
        for block in (512, 4096):
            with self.subTest(block):
                size = self.SIZE // block * block
                os.truncate(self.raw, size)
                server = self.source(f'block-{block}', ('blocksize-policy',),
                                     'blocksize-error-policy=error', f'blocksize-minimum={block}',
                                     'blocksize-preferred=32k', 'blocksize-maximum=64k')
                _, log = self.from_server(server)
                for at, count in log.of('Read'):
                    self.assertEqual((at % block, count % block), (0, 0))
                    self.assertLessEqual(count, 64 * KIB)

    def test_retry(self):
        """Each tenth request fails inside of the server, which tries again: nobody sees that."""
        self.from_server(self.source('retry', ('retry', 'error'), 'error-pread=EIO',
                                     'error-pread-rate=10%', 'retry-delay=1', 'retry-exponential=no'))

    def test_readahead_and_stats(self):
        """The server's own figures say that it read nothing twice either."""
        figures = self.path('stats')
        self.from_server(self.source('ahead', ('stats', 'readahead'), f'statsfile={figures}',
                                     'statsappend=true'))
        with open(figures, encoding='ascii') as f:
            found = re.search(r'^read: (\d+) ops, .* ([\d.]+) (\w+),', f.read(), re.MULTILINE)
        self.assertLessEqual(int(found.group(1)), 3 * self.SIZE // (192 * KIB))

    def test_error(self):
        """The copy fails with the server's words; what it had goes on when the server is well."""
        broken, out = self.path('broken'), self.path('out')
        server = self.source('error', ('delay', 'error'), 'error-pread=EIO', 'error-pread-rate=100%',
                             f'error-pread-file={broken}', 'rdelay=5ms')
        path = ask(self.world, 'Copy', server.uri, out, throttle=8 * MIB)
        self.world.wait(lambda: transfer(self.world, path)['BytesDone'] >= 4 * MIB, 'progress')
        with open(broken, 'wb'):
            pass
        props = wait_end(self.world, path)
        self.assertEqual(props['Error'][0], 'org.mtv.Error.Failed')
        self.assertIn(server.uri, props['Error'][1])
        self.assertIn('Input/output error', props['Error'][1])
        os.unlink(broken)
        self.assertGreaterEqual(self.copy(server.uri, out)['Details']['resumed'], 2 * MIB)
        self.assertTrue(same(self.raw, out))


class Destinations(Ends):
    def test_what_is_written(self):
        """Data once, holes not at all on a disk that is empty, and a flush after the last write."""
        props, log = self.to_server(self.destination('plain', ()), fresh=True)
        self.assertEqual(log.bytes('Write'), props['BytesWritten'])
        self.assertEqual(log.of('Zero') + log.of('Trim'), [])
        kinds = [kind for kind, _, _ in log.requests]
        self.assertIn('Flush', kinds[len(kinds) - kinds[::-1].index('Write'):])
        end = 0
        for at, count in log.of('Write'):
            self.assertGreaterEqual(at, end)
            end = at + count

    def test_zeroes(self):
        """Over what was there, by requests for zeroes, or without such by writing them."""
        for name, filters in (('zero', ()), ('nozero', ('nozero',))):
            with self.subTest(name):
                _, log = self.to_server(self.destination(name, filters, fill=b'old '))
                self.assertEqual(log.bytes('Write') + log.bytes('Zero'), self.SIZE)
                self.assertEqual(log.bytes('Zero') > 0, name == 'zero')

    def test_blocksize(self):
        for block in (512, 4096):
            with self.subTest(block):
                size = self.SIZE // block * block
                os.truncate(self.raw, size)
                server = self.destination(f'block-{block}', ('blocksize-policy', 'truncate'),
                                          'blocksize-error-policy=error',
                                          f'blocksize-minimum={block}', 'blocksize-preferred=32k',
                                          'blocksize-maximum=64k', f'truncate={size}', fill=b'old ')
                self.copy(self.raw, server.uri, source_format='raw')
                server.stop()
                os.truncate(self.out, size)
                self.assertTrue(same(self.raw, self.out))
                for at, count in Log(self.log).of('Write') + Log(self.log).of('Zero'):
                    self.assertEqual((at % block, count % block), (0, 0))

    def test_errors(self):
        """Of any kind of request, told as what they are."""
        for what, code, error, name in (('pwrite', 'ENOSPC', 'No space left', 'NoSpace'),
                                        ('pwrite', 'EIO', 'Input/output error', 'Failed'),
                                        ('pwrite', 'EPERM', 'not permitted', 'PermissionDenied'),
                                        ('zero', 'EIO', 'Input/output error', 'Failed'),
                                        ('pread', 'EIO', 'Input/output error', 'Failed')):
            with self.subTest((what, code)):
                server = self.destination(f'{what}-{code}', ('error',), f'error-{what}={code}',
                                          f'error-{what}-rate=100%', fill=b'old ')
                self.fails(name, server.uri, error, names=(self.raw, server.uri), source_format='raw')

    def test_hanging_flush(self):
        """A cancel does not wait for a server that is busy for minutes."""
        server = self.nbdkit('hang', (), 'eval', f'get_size=echo {4 * MIB}', 'can_write=exit 0',
                             'can_flush=exit 0', f'pread=head -c $3 {self.raw}', 'pwrite=cat > /dev/null',
                             f'flush=touch {self.path("flushes")}; sleep 100')
        self.addCleanup(server.process.kill)
        small = make_disk(self.path('small'), 4 * MIB)
        path = ask(self.world, 'Copy', small, server.uri, source_format='raw', fresh=True)
        self.world.wait(lambda: os.path.exists(self.path('flushes')), 'the flush')
        begin = time.monotonic()
        self.world.call(path, 'Transfer.Cancel')
        props = wait_end(self.world, path)
        print(f'# ended {1000 * (time.monotonic() - begin):.0f} ms after the cancel')
        self.assertEqual(props['State'], 'cancelled')
        self.assertLess(time.monotonic() - begin, 5)

    @unittest.skipIf(os.geteuid() != 0, 'only root can mount')
    def test_full_and_read_only(self):
        """A file system that has no room, and then has; and one that nobody may write to."""
        folder = self.path('small')
        os.mkdir(folder)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'small', folder], check=True)
        self.addCleanup(subprocess.run, ['umount', folder], check=True)
        out = os.path.join(folder, 'out')
        self.fails('NoSpace', out, names=(self.raw, out), source_format='raw')
        subprocess.run(['mount', '-o', 'remount,size=64m', folder], check=True)
        self.copy(self.raw, out, source_format='raw')
        self.assertTrue(same(self.raw, out))
        subprocess.run(['mount', '-o', 'remount,ro', folder], check=True)
        for name in (out, out + '2'):
            self.fails('PermissionDenied', name, 'Read-only', names=(self.raw, name), force=True,
                       source_format='raw')


if __name__ == '__main__':
    tap.main()
