# SPDX-License-Identifier: LGPL-2.1-or-later
"""The process: starting, ending, being alone, being called from everywhere, being idle."""
import glob
import os
import re
import shutil
import sqlite3
import subprocess
import time
import unittest

from gi.repository import GLib

import tap
from harness import MIB, NAME, PATIENCE, ROOT, World, digest, disks_of, make_image, mkova
from process import pss, wakeups

# The sanitizers' own memory and threads are not ours.
SANITIZED = 'ASAN_OPTIONS' in os.environ
IDLE_SECONDS = 60
MAX_PSS = 16 * MIB


class Daemon(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)

    def refuses(self, *words):
        """A daemon that is started now says why it ends."""
        daemon = self.world.spawn()
        self.assertEqual(daemon.wait(PATIENCE), 1)
        said = self.world.read_log()
        for word in words:
            self.assertIn(word, said)

    def database(self):
        return self.world.path('state', 'mtv', 'mtv.db')

    def test_second(self):
        world = self.world
        world.start()
        self.refuses('Another mtvd')
        # One with another state, but on the same bus.
        state = world.env['XDG_STATE_HOME']
        world.env['XDG_STATE_HOME'] = world.path('other')
        self.refuses('belongs to another process')
        world.env['XDG_STATE_HOME'] = state
        self.assertEqual(world.props(ROOT, 'Manager')['Running'], 0)

    def test_damaged_database(self):
        world = self.world
        world.start()
        world.stop()
        for name in glob.glob(self.database() + '-*'):
            os.unlink(name)
        good = world.path('good.db')
        shutil.copy(self.database(), good)
        for what, change in (('text', lambda f: f.write(b'this is no database' * 100)),
                             ('zeroes', lambda f: f.write(bytes(8192))),
                             ('middle', lambda f: (f.seek(4096), f.write(b'\xff' * 8192)))):
            with self.subTest(what):
                shutil.copy(good, self.database())
                with open(self.database(), 'r+b') as f:
                    change(f)
                before = digest(self.database())
                # As after a crash, when it is looked at closely.
                with open(self.database() + '-wal', 'wb') as f:
                    f.write(b'x')
                self.refuses(self.database(), 'damaged')
                self.assertEqual(digest(self.database()), before)

    def test_newer_database(self):
        world = self.world
        world.start()
        world.stop()
        with sqlite3.connect(self.database()) as db:
            db.execute('PRAGMA user_version = 999')
        db.close()
        self.refuses(self.database(), 'version 999')

    def test_bus_is_lost(self):
        world = self.world
        world.start()
        world.stop_bus()
        self.assertEqual(world.daemon.wait(PATIENCE), 1)
        self.assertIn('bus', world.read_log())
        os.unlink(world.path('bus'))
        world.start_bus()
        world.start()

    def test_terminate(self):
        for how in ('terminate', 'SIGINT'):
            self.world.start()
            if how == 'SIGINT':
                self.world.daemon.send_signal(2)
            else:
                self.world.daemon.terminate()
            self.assertEqual(self.world.daemon.wait(PATIENCE), 0)

    def test_persists(self):
        """Providers, plans and settings are there again, under the same paths."""
        world = self.world
        world.start()
        mkova('--name', 'vm', world.path('vm.ova'), make_image(world.path('vm.img'), MIB))
        plan = world.plan('keep', world.add('keep', 'ova', world.path('vm.ova')), ['vm'])
        world.call(ROOT, 'Manager.SetDefaults', '(a{sv})', {'max-vms-in-flight': GLib.Variant('u', 3)},
                   {})
        before = {p: i for p, i in world.objects().items() if '/provider/' in p or '/plan/' in p}
        world.stop()
        world.start()
        world.wait(lambda: all(world.props(p, 'Provider')['State'] == 'ready'
                               for p in world.paths('Provider')), 'providers')
        after = world.objects()
        for path, interfaces in before.items():
            for interface, props in interfaces.items():
                changing = ('RefreshTime', 'State')
                self.assertEqual({k: v for k, v in props.items() if k not in changing},
                                 {k: v for k, v in after[path][interface].items()
                                  if k not in changing})
        self.assertEqual(world.props(ROOT, 'Manager')['Defaults']['max-vms-in-flight'], 3)
        world.begin(plan)

    def test_thousand_calls(self):
        """From one client: some are answered, the others are told why not, and nobody else waits."""
        world = self.world
        world.start()
        mkova('--name', 'vm', world.path('vm.ova'), make_image(world.path('vm.img'), MIB))
        source = world.add('many', 'ova', world.path('vm.ova'))
        greedy, answers = world.connect(), []

        def answered(connection, result):
            try:
                connection.call_finish(result)
                answers.append('')
            except GLib.Error as error:
                answers.append(error.message)

        for _ in range(1000):
            greedy.call(NAME, source, 'org.mtv.Provider', 'Test', GLib.Variant('(a{sv})', ({},)), None,
                        0, -1, None, answered)
        begin = time.monotonic()
        self.assertIn('Version', world.props(ROOT, 'Manager'))
        self.assertLess(time.monotonic() - begin, 5)
        world.wait(lambda: len(answers) == 1000, 'answers')
        wrong = [a for a in answers if a and 'LimitExceeded' not in a]
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(answers.count(''), 64)
        greedy.close_sync()

    def test_other_clients(self):
        """What the manual page shows: busctl and gdbus."""
        world = self.world
        world.start()
        mkova('--name', 'vm', world.path('vm.ova'), make_image(world.path('vm.img'), MIB))

        def run(*args):
            return subprocess.run(args, env=world.env, check=True, capture_output=True,
                                  text=True).stdout

        busctl = ('busctl', f'--address={world.env["DBUS_SESSION_BUS_ADDRESS"]}')
        said = run(*busctl, 'call', NAME, ROOT, NAME, 'AddProvider', 'sssa{sv}', 'hand', 'ova',
                   world.path('vm.ova'), '0')
        source = re.fullmatch(r'o "(/org/mtv/Manager/provider/\w+)"\n', said).group(1)
        world.wait(lambda: world.props(source, 'Provider')['State'] == 'ready', 'the inventory')
        self.assertIn(source, run(*busctl, 'tree', '--list', NAME))
        self.assertIn('"vm"', run(*busctl, 'call', NAME, source, 'org.mtv.Provider',
                                  'ListVirtualMachines', 'a{sv}', '0'))
        said = run(*busctl, 'introspect', NAME, ROOT)
        for member in ('AddProviderFile', 'CreatePlan', 'SetDefaults', 'GetManagedObjects'):
            self.assertIn(f'.{member}', said)
        said = run('gdbus', 'introspect', '--session', '--dest', NAME, '--object-path', ROOT, '--recurse')
        for interface in ('org.mtv.Manager', 'org.mtv.Provider'):
            self.assertIn(f'interface {interface} ', said)
        said = run('gdbus', 'call', '--session', '--dest', NAME, '--object-path', ROOT, '--method',
                   'org.mtv.Manager.CreatePlan', 'byhand', source, world.local(), '["vm"]', '{}')
        plan = re.search(r"'(/\S+)'", said).group(1)
        run('gdbus', 'call', '--session', '--dest', NAME, '--object-path', plan, '--method',
            'org.mtv.Plan.Start', '{}')
        job, = world.paths('Migration.VM')
        self.assertEqual(world.wait_job(job)['State'], 'succeeded')
        run(*busctl, 'set-property', NAME, '/org/freedesktop/LogControl1',
            'org.freedesktop.LogControl1', 'LogLevel', 's', 'debug')

    @unittest.skipIf(SANITIZED, 'the figures would be those of the sanitizer')
    def test_idle(self):
        """After work, with nothing planned: nobody wakes up, and little memory is in use."""
        world = self.world
        world.start()
        raw = make_image(world.path('vm.img'), 64 * MIB)
        mkova('--name', 'vm', world.path('vm.ova'), raw)
        pss_fresh = pss(world.daemon.pid)
        world.ctl('import', world.path('vm.ova'))
        self.assertEqual(digest(disks_of(world.folder_of('vm'))[1][0]), digest(raw))
        # Threads that have nothing to do end after a while.
        time.sleep(20)
        before = wakeups(world.daemon.pid)
        time.sleep(IDLE_SECONDS)
        after = wakeups(world.daemon.pid)
        woken = {name: after[task][1] - before.get(task, (name, 0))[1]
                 for task, (name, _) in after.items()}
        used = pss(world.daemon.pid)
        print(f'# PSS {pss_fresh / MIB:.1f} MiB fresh, {used / MIB:.1f} MiB after an import; '
              f'switches in {IDLE_SECONDS} s: {woken}')
        self.assertEqual(sum(woken.values()), 0, woken)
        self.assertLess(pss_fresh, MAX_PSS)
        self.assertLess(used, MAX_PSS)


if __name__ == '__main__':
    tap.main()
