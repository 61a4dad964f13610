# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manager.Copy and Manager.Verify as a program calls them, NBD servers, and what a manifest says."""
import hashlib
import json
import os
import socket
import subprocess

import xxhash
from gi.repository import Gio, GLib

from harness import ENDED, NAME, PATIENCE, ROOT, BusError, gone

TYPES = {bool: 'b', int: 't', str: 's'}
MAKERS = {'sha256': lambda b: hashlib.sha256(b).hexdigest(), 'xxh3-128': xxhash.xxh3_128_hexdigest}


def ask(world, method, *names, fds=None, **options):
    """Path of the new transfer. Keys of options and fds: _ stands for -; fds: descriptors."""
    sent = Gio.UnixFDList.new()
    options = {k.replace('_', '-'): GLib.Variant(TYPES[type(v)], v) for k, v in options.items()}
    for key, fd in (fds or {}).items():
        options[key.replace('_', '-')] = GLib.Variant('h', sent.append(fd))
    try:
        reply, _ = world.connection.call_with_unix_fd_list_sync(
            NAME, ROOT, NAME, method, GLib.Variant(f'({"s" * len(names)}a{{sv}})', (*names, options)),
            None, 0, PATIENCE * 1000, sent, None)
    except GLib.Error as error:
        raise BusError(error) from None
    return reply.unpack()[0]


def transfer(world, path):
    return world.props(path, 'Transfer')


def wait_end(world, path):
    def ended():
        props = transfer(world, path)
        return props if props['State'] in ENDED else None
    return world.wait(ended, f'{path} to end')


class Server:
    """A program that serves NBD at a socket of its own."""

    def __init__(self, world, name, *command):
        self.socket = world.path(f'{name}.sock')
        self.uri = f'nbd+unix:///?socket={self.socket}'
        command = [self.socket if word == 'SOCKET' else str(word) for word in command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            world.wait(lambda: self.listens() or self.process.poll() is not None, f'{name} to listen')
            if self.process.poll() is not None:
                raise AssertionError(f'{command} ended with {self.process.returncode}')
        except AssertionError:
            gone(self.process)
            raise

    @classmethod
    def qemu(cls, world, name, image, *options):
        kind = 'qcow2' if str(image).endswith('.qcow2') else 'raw'
        return cls(world, name, 'qemu-nbd', '--persistent', '--shared=0', '--discard=unmap',
                   '--socket=' + world.path(f'{name}.sock'), f'--format={kind}', *options, image)

    def listens(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.socket) == 0

    def stop(self):
        """What was written is in the image afterwards."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        if os.path.exists(self.socket):
            os.unlink(self.socket)


def hashes_of(path, kind, size):
    """None for what is all zeroes, as manifests have it."""
    with open(path, 'rb') as f:
        return [MAKERS[kind](b) if b.strip(b'\0') else None for b in iter(lambda: f.read(size), b'')]


def check_manifest(path, image):
    """Raises AssertionError unless the manifest tells of this disk, as raw bytes, and no other."""
    with open(path, encoding='utf-8') as f:
        manifest = json.load(f)
    disk, = manifest['disks']
    if disk['size'] != os.path.getsize(image):
        raise AssertionError(f'{path}: size {disk["size"]}, not {os.path.getsize(image)}')
    expected = hashes_of(image, manifest['hash'], disk['block-size'])
    wrong = [i for i, (a, b) in enumerate(zip(disk['blocks'], expected)) if a != b]
    if wrong or len(expected) != len(disk['blocks']):
        raise AssertionError(f'{path}: {len(disk["blocks"])} of {len(expected)}, blocks {wrong}')
    return disk


def same(a, b):
    return subprocess.run(['cmp', '--silent', a, b], check=False).returncode == 0
