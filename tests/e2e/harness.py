# SPDX-License-Identifier: LGPL-2.1-or-later
"""A world for one mtvd --session: a bus of its own, XDG folders of its own, a client.

MTVD, MTVCTL and MTV_MEDDLE in the environment say where the programs are.
"""
import atexit
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import gi
gi.require_version('Gio', '2.0')
from gi.repository import Gio, GLib  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(os.path.dirname(HERE), 'tools')
sys.path.insert(0, TOOLS)

NAME, ROOT = 'org.mtv.Manager', '/org/mtv/Manager'
ENDED = ('succeeded', 'failed', 'cancelled')
# Sanitizers make everything slower.
PATIENCE = 120
MIB = 1 << 20

BUS_CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={0}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_replies_per_connection">100000</limit>
</busconfig>
'''


def make_image(path, size, seed=1, data=0.5):
    """A disk as systems have them: text, what does not compress, and holes."""
    r = random.Random(seed)
    with open(path, 'wb') as f:
        f.truncate(size)
        for at in range(0, size, MIB // 4):
            if r.random() < data:
                f.seek(at)
                f.write(r.randbytes(MIB // 16))
                f.write(b'a line of text, number %d\n' % r.randrange(1000) * 2000)
        f.truncate(size)
    return path


def digest(path):
    sha = hashlib.sha256()
    with open(path, 'rb') as f:
        while block := f.read(MIB):
            sha.update(block)
    return sha.hexdigest()


def qemu_img(*args):
    subprocess.run(['qemu-img', *map(str, args)], check=True, stdout=subprocess.DEVNULL)


def mkova(*args):
    subprocess.run(['/usr/bin/python3', os.path.join(TOOLS, 'mkova.py'), *map(str, args)],
                   check=True)


def gone(process):
    process.kill()
    process.wait()


class BusError(Exception):
    def __init__(self, error):
        super().__init__(error.message)
        self.name = Gio.DBusError.get_remote_error(error)


class World:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='mtv-e2e-')
        self.daemon = self.log = None
        atexit.register(self.close)
        with open(self.path('bus.conf'), 'w', encoding='utf-8') as f:
            f.write(BUS_CONFIG.format(self.folder))
        self.env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': self.folder,
                    'LC_ALL': 'C.UTF-8', 'DBUS_SESSION_BUS_ADDRESS': f'unix:path={self.path("bus")}',
                    'XDG_RUNTIME_DIR': self.folder, 'G_DEBUG': 'fatal-criticals'}
        self.env.update({k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')})
        for kind in ('STATE', 'DATA', 'CONFIG', 'CACHE'):
            self.env[f'XDG_{kind}_HOME'] = self.path(kind.lower())
        self.start_bus()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def close(self):
        atexit.unregister(self.close)
        if self.daemon:
            gone(self.daemon)
        self.stop_bus()
        shutil.rmtree(self.folder)

    # The bus.

    def start_bus(self):
        self.bus = subprocess.Popen(['dbus-daemon', f'--config-file={self.path("bus.conf")}',
                                     '--nofork', '--print-address'],
                                    env=self.env, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL)
        self.bus.stdout.readline()
        self.connection = self.connect()
        # Anything that happens wakes who waits.
        for sender, interface in ((NAME, None), ('org.freedesktop.DBus', 'org.freedesktop.DBus')):
            self.connection.signal_subscribe(sender, interface, None, None, None, 0, self.signal_cb)
        self.listeners = []

    def connect(self):
        flags = Gio.DBusConnectionFlags
        connection = Gio.DBusConnection.new_for_address_sync(
            self.env['DBUS_SESSION_BUS_ADDRESS'],
            flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        connection.set_exit_on_close(False)
        return connection

    def stop_bus(self):
        self.connection.close_sync()
        gone(self.bus)
        self.bus.stdout.close()

    def signal_cb(self, _connection, _sender, path, interface, member, parameters):
        for listener in self.listeners:
            listener(path, interface, member, parameters.unpack())

    # The daemon.

    def spawn(self, **env):
        """Does not wait for it. env: what meddle.c takes."""
        self.log = self.path('mtvd.log')
        if env:
            env['LD_PRELOAD'] = os.environ['MTV_MEDDLE']
            # It is there before the sanitizer, which would not have that.
            env['ASAN_OPTIONS'] = 'verify_asan_link_order=0:' + self.env.get('ASAN_OPTIONS', '')
        with open(self.log, 'ab') as log:
            return subprocess.Popen([os.environ['MTVD'], '--session'], env=self.env | env,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, **env):
        self.daemon = self.spawn(**env)
        self.wait(lambda: self.has_owner() or self.daemon.poll() is not None, 'mtvd to start')
        if self.daemon.poll() is not None:
            raise AssertionError(f'mtvd did not start:\n{self.read_log()}')

    def read_log(self):
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return f.read()

    def has_owner(self):
        return self.bus_call('NameHasOwner', '(s)', NAME)[0]

    def bus_call(self, method, signature, *args):
        return self.connection.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus',
                                         'org.freedesktop.DBus', method,
                                         GLib.Variant(signature, args), None, 0, -1, None).unpack()

    def kill(self):
        self.daemon.send_signal(signal.SIGCONT)
        gone(self.daemon)
        self.wait(lambda: not self.has_owner(), 'mtvd to be off the bus')

    def stop(self):
        """Asks it to end; its exit status."""
        self.daemon.terminate()
        return self.daemon.wait(PATIENCE)

    def wait(self, predicate, what, timeout=PATIENCE):
        """Until predicate() is true; it is asked again whenever something happened on the bus."""
        context, end = GLib.MainContext.default(), time.monotonic() + timeout
        while not (value := predicate()):
            if time.monotonic() > end:
                raise AssertionError(f'waited {timeout} s for {what}:\n'
                                     + (self.read_log() if self.log else ''))
            # What is not on the bus, such as the end of a process, is looked at as well.
            source = GLib.timeout_add(50, lambda: True)
            context.iteration(True)
            GLib.source_remove(source)
        return value

    # Calls.

    def call(self, path, method, signature='()', *args, timeout=PATIENCE):
        """method: Interface.Method without org.mtv. A dictionary of options is added to the end."""
        interface, _, member = f'org.mtv.{method}'.rpartition('.')
        options = args[-1] if args and isinstance(args[-1], dict) else {}
        args = args[:-1] if args and isinstance(args[-1], dict) else args
        variant = GLib.Variant(signature[:-1] + 'a{sv})', (*args, options))
        try:
            return self.connection.call_sync(NAME, path, interface, member, variant, None, 0,
                                             timeout * 1000, None).unpack()
        except GLib.Error as error:
            raise BusError(error) from None

    def props(self, path, interface):
        return self.connection.call_sync(
            NAME, path, 'org.freedesktop.DBus.Properties', 'GetAll',
            GLib.Variant('(s)', (f'org.mtv.{interface}',)), None, 0, -1, None).unpack()[0]

    def objects(self):
        return self.connection.call_sync(
            NAME, ROOT, 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects', None, None, 0, -1,
            None).unpack()[0]

    def paths(self, interface):
        return sorted(p for p, i in self.objects().items() if f'org.mtv.{interface}' in i)

    def local(self):
        """The embedded destination."""
        return f'{ROOT}/provider/local'

    def add(self, name, kind, url, ready='ready'):
        path, = self.call(ROOT, 'Manager.AddProvider', '(sss)', name, kind, url)
        self.wait(lambda: self.props(path, 'Provider')['State'] != 'refreshing', f'{name} to be read')
        if ready and (props := self.props(path, 'Provider'))['State'] != ready:
            raise AssertionError(f'provider {name} is {props["State"]}: {props["Error"]}')
        return path

    def plan(self, name, source, vms, destination=None, options=None):
        options = {k: v if isinstance(v, GLib.Variant) else GLib.Variant('s', v)
                   for k, v in (options or {}).items()}
        return self.call(ROOT, 'Manager.CreatePlan', '(sooas)', name, source,
                         destination or self.local(), vms, options)[0]

    def begin(self, plan):
        """Paths: of the migration and of its jobs."""
        migration, = self.call(plan, 'Plan.Start')
        return migration, self.props(migration, 'Migration')['VirtualMachines']

    def job(self, path):
        return self.props(path, 'Migration.VM')

    def wait_job(self, path, states=ENDED, timeout=PATIENCE):
        def reached():
            job = self.job(path)
            if job['State'] in states:
                return job
            if job['State'] in ENDED:
                raise AssertionError(f'{path} is {job["State"]}, not {states}: {job["Error"]}')
            return None
        return self.wait(reached, f'{path} to be {states}', timeout)

    def ctl(self, *args, check=True, env=None, timeout=PATIENCE):
        result = subprocess.run([os.environ['MTVCTL'], '--user', '--no-pager', *map(str, args)],
                                env=self.env | (env or {}), stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f'mtvctl {args}: {result.returncode}\n{result.stdout}'
                                 f'{result.stderr}\n{self.read_log()}')
        return result

    def json(self, *args):
        return json.loads(self.ctl('--json=short', *args).stdout)

    # What is there.

    def folder_of(self, name):
        return os.path.join(self.path('data', 'mtv', 'images'), name)

    def partial(self, *folders):
        """Names of what is half-made."""
        folders = folders or (self.path('data', 'mtv', 'images'),)
        return [name for folder in folders for name in os.listdir(folder) if name.startswith('.')]


def disks_of(folder):
    with open(os.path.join(folder, 'manifest.json'), encoding='utf-8') as f:
        manifest = json.load(f)
    return manifest, sorted(os.path.join(folder, n) for n in os.listdir(folder)
                            if n.startswith('disk-'))
