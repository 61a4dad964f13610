# SPDX-License-Identifier: LGPL-2.1-or-later
"""A throw-away machine: systemd as PID 1 of a container, on an overlay of this machine's root.

What `meson install` puts into a stage is laid over it. Nothing of the host changes; the container
has no network. Needs root, systemd-nspawn and overlayfs.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # noqa: E402
from gi.repository import Gio  # noqa: E402

# STATE, SHARE and STAGE are folders; the mounts are seen by this shell and its children only.
SCRIPT = '''
mount -t tmpfs -o mode=755 tmpfs "$STATE/upper"
mkdir "$STATE/upper/up" "$STATE/upper/work"
mount -t overlay -o "lowerdir=/,upperdir=$STATE/upper/up,workdir=$STATE/upper/work" overlay "$STATE/root"
tar -C "$STAGE" -c . | tar -C "$STATE/root" --no-overwrite-dir -x
systemd-sysusers --root="$STATE/root"
exec systemd-nspawn --quiet --register=no --keep-unit --notify-ready=yes --machine="$NAME" \
  --directory="$STATE/root" --private-network --resolv-conf=off --timezone=off --link-journal=no \
  --console=pipe --bind="$SHARE:/srv/share" --boot systemd.unit=basic.target
'''


class Machine(harness.World):
    """Instead of a daemon of ours, systemd's; paths of share are below /srv/share inside."""

    def __init__(self, stage):
        self.stage = stage
        self.leader = None
        self.name = f'mtv-test-{os.getpid()}'
        super().__init__()

    def start_bus(self):
        self.share = self.path('share')
        for name in ('share', 'root', 'upper'):
            os.mkdir(self.path(name))
        os.chmod(self.folder, 0o755)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(self.path('notify'))
        with open(self.path('console'), 'wb') as console:
            self.nspawn = subprocess.Popen(
                ['unshare', '--mount', '--propagation', 'private', 'bash', '-ec', SCRIPT],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                preexec_fn=self.enter_cgroup,
                env=os.environ | {'STATE': self.folder, 'SHARE': self.share, 'STAGE': self.stage,
                                  'NAME': self.name, 'NOTIFY_SOCKET': self.path('notify')})
        self.wait_ready(notify)
        self.run('systemctl', 'start', 'dbus.socket', 'systemd-journald.service')
        self.run('journalctl', '--update-catalog')
        self.env['DBUS_SESSION_BUS_ADDRESS'] = \
            f'unix:path=/proc/{self.leader}/root/run/dbus/system_bus_socket'
        self.connection = self.connect()
        self.listeners = []
        self.connection.signal_subscribe(harness.NAME, None, None, None, None, 0, self.signal_cb)

    def enter_cgroup(self):
        """One of its own, or two containers would meet in the one of who starts them."""
        for top in ('/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'):
            if os.path.exists(f'{top}/cgroup.procs'):
                os.makedirs(f'{top}/{self.name}', exist_ok=True)
                with open(f'{top}/{self.name}/cgroup.procs', 'w', encoding='ascii') as f:
                    f.write(str(os.getpid()))

    def wait_ready(self, notify):
        notify.settimeout(1)
        end = time.monotonic() + 60
        while True:
            try:
                message = notify.recv(4096).decode()
            except TimeoutError:
                message = ''
            if found := re.search(r'^X_NSPAWN_LEADER_PID=(\d+)', message, re.MULTILINE):
                self.leader = int(found.group(1))
            if re.search('^READY=1', message, re.MULTILINE):
                return
            if self.nspawn.poll() is not None or time.monotonic() > end:
                with open(self.path('console'), encoding='utf-8', errors='replace') as f:
                    raise AssertionError(f'The container did not start:\n{f.read()}')

    def stop_bus(self):
        if getattr(self, 'connection', None):
            self.connection.close_sync()
        if self.leader:
            try:
                os.kill(self.leader, signal.SIGRTMIN + 4)  # poweroff
                self.nspawn.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        if self.nspawn.poll() is None:
            os.killpg(self.nspawn.pid, signal.SIGKILL)
            self.nspawn.wait()
        for top in ('/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'):
            for folder, _, _ in os.walk(f'{top}/{self.name}', topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass

    def run(self, *args, user=None, check=True, timeout=120):
        """Inside, as root or another user; the standard output."""
        command = ['nsenter', '-t', str(self.leader), '-m', '-u', '-i', '-n', '-p', '--', 'env', '-i',
                   'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LC_ALL=C.UTF-8']
        if user:
            command += ['setpriv', f'--reuid={user}', '--regid=nogroup', '--clear-groups']
        result = subprocess.run([*command, *map(str, args)], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f'{args}: {result.returncode}\n{result.stdout}{result.stderr}'
                                 + self.journal())
        return result.stdout if check else result

    def journal(self, *args):
        return self.run('journalctl', '--no-pager', '-u', 'mtvd', '-o', 'cat', *args, check=False).stdout

    def read_log(self):
        return self.journal()

    def show(self, key):
        return self.run('systemctl', 'show', 'mtvd', '--value', '-p', key).strip()

    def inside(self, path):
        """A path of the container, as we see it."""
        return f'/proc/{self.leader}/root{path}'

    def write(self, path, text):
        path = self.inside(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)

    def add_file(self, name, path):
        """Hands over a file that mtvd itself could not open."""
        fds = Gio.UnixFDList.new()
        with open(path, 'rb') as f:
            index = fds.append(f.fileno())
        variant = harness.GLib.Variant('(ssha{sv})', (name, 'ova', index, {}))
        reply, _ = self.connection.call_with_unix_fd_list_sync(
            harness.NAME, harness.ROOT, harness.NAME, 'AddProviderFile', variant, None, 0, -1, fds,
            None)
        return reply.unpack()[0]
