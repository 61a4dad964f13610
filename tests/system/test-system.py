# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtvd as systemd's service: started by the bus, hardened, watched, killed in every phase."""
import json
import os
import re
import sys
import unittest

import world as systemd_world
import tap
from harness import ENDED, MIB, NAME, ROOT, BusError, digest, disks_of, make_image, mkova, qemu_img

PHASES = ('queued', 'preparing', 'allocating', 'copying', 'verifying', 'defining')
IMAGES = '/var/lib/mtv/images'


class System(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = systemd_world.Machine(os.environ['STAGE'])
        raw = make_image(cls.machine.path('disk.img'), 8 * MIB)
        cls.sum = digest(raw)
        vmdk = cls.machine.path('disk.vmdk')
        qemu_img('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, vmdk)
        cls.vmdk = f'{vmdk},capacity={8 * MIB}'
        cls.n = 0

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()

    def setUp(self):
        self.machine.run('systemctl', 'reset-failed', check=False)
        self.machine.run('systemctl', 'start', 'mtvd')

    def make_plan(self):
        """A plan that is ready, of an OVA that mtvd may not open."""
        machine = self.machine
        System.n += 1
        name = f'vm{self.n}'
        path = os.path.join(machine.share, f'{name}.ova')
        mkova('--name', name, '--manifest', 'sha256', path, self.vmdk)
        os.chmod(path, 0o600)
        source = machine.add_file(name, path)
        machine.wait(lambda: machine.props(source, 'Provider')['State'] != 'refreshing', 'inventory')
        self.assertEqual(machine.props(source, 'Provider')['State'], 'ready')
        return name, machine.plan(name, source, [name])

    def slow(self, usec):
        """From the next start on; 0: as it is."""
        machine = self.machine
        drop_in = '/run/systemd/system/mtvd.service.d/slow.conf'
        machine.write(drop_in, '[Service]\n' + (f'Environment=LD_PRELOAD=/usr/lib/mtv-meddle.so '
                                                f'SLOW_USEC={usec}\n' if usec else ''))
        machine.run('systemctl', 'daemon-reload')
        machine.run('systemctl', 'restart', 'mtvd')

    def check_arrived(self, job):
        machine = self.machine
        self.assertEqual((job['State'], job['Error']), ('succeeded', ('', '')))
        self.assertEqual(job['Leftovers'], 0)
        _, disks = disks_of(machine.inside(job['Location']))
        self.assertEqual([digest(d) for d in disks], [self.sum])
        self.assertEqual([n for n in os.listdir(machine.inside(IMAGES)) if n.startswith('.')], [])

    def test_activation(self):
        machine = self.machine
        machine.run('systemctl', 'stop', 'mtvd')
        self.assertEqual(machine.show('ActiveState'), 'inactive')
        self.assertIn('mtvd', machine.run('mtvctl', 'version'))
        self.assertEqual(machine.show('ActiveState'), 'active')
        self.assertEqual(machine.show('StatusText'), 'Idle.')
        self.assertEqual(machine.show('User'), 'mtv')
        self.assertIn('/org/mtv/Manager', machine.run('busctl', '--system', 'tree', NAME))
        self.assertIn('Version', machine.run('busctl', 'introspect', NAME, ROOT))

    def test_exposure(self):
        said = self.machine.run('systemd-analyze', 'security', '--no-pager', 'mtvd.service')
        exposure = float(re.search(r'exposure level for mtvd.service: ([\d.]+)', said).group(1))
        print(f'# exposure {exposure}')
        self.assertLessEqual(exposure, 2.0)
        self.assertNotIn('mtvd', self.machine.run('systemd-analyze', 'verify', 'mtvd.service',
                                                  check=False).stderr)

    def test_watchdog(self):
        machine = self.machine
        machine.write('/run/systemd/system/mtvd.service.d/dog.conf', '[Service]\nWatchdogSec=2\n')
        machine.run('systemctl', 'daemon-reload')
        machine.run('systemctl', 'restart', 'mtvd')
        pid = machine.show('MainPID')
        machine.run('kill', '-STOP', pid)
        machine.wait(lambda: machine.show('MainPID') not in (pid, '0'), 'the watchdog')
        machine.wait(lambda: machine.show('ActiveState') == 'active', 'the next one')
        self.assertIn('watchdog', machine.run('journalctl', '-u', 'mtvd', '-o', 'cat').lower())
        os.unlink(machine.inside('/run/systemd/system/mtvd.service.d/dog.conf'))
        machine.run('systemctl', 'daemon-reload')
        machine.run('systemctl', 'restart', 'mtvd')

    def test_access(self):
        """polkit: root may, nobody may not, nor may nobody see less than everybody."""
        machine = self.machine
        name, plan = self.make_plan()
        for args in (('AddProvider', 'sssa{sv}', 'x', 'ova', '/srv', '0'),
                     ('RemovePlan', 'oa{sv}', plan, '0'),
                     ('SetDefaults', 'a{sv}a{sv}', '0', '0')):
            result = machine.run('busctl', 'call', NAME, ROOT, NAME, *args, user='nobody', check=False)
            self.assertNotEqual(result.returncode, 0, args)
            self.assertRegex(result.stderr.lower(), 'denied|authori[sz]', args)
        result = machine.run('busctl', 'call', NAME, plan, 'org.mtv.Plan', 'Start', 'a{sv}', '0',
                             user='nobody', check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(name, machine.run('mtvctl', 'plan', 'list', user='nobody'))
        result = machine.run('mtvctl', 'plan', 'start', name, user='nobody', check=False)
        self.assertEqual(result.returncode, 6, result.stderr)
        # What a rule allows, it allows.
        machine.write('/etc/polkit-1/rules.d/50-mtv.rules', 'polkit.addRule(function(action, subject) {'
                      'if (action.id == "org.mtv.run" && subject.user == "nobody") '
                      'return polkit.Result.YES; });')
        machine.run('systemctl', 'try-restart', 'polkit')
        machine.run('mtvctl', 'plan', 'start', '--wait', name, user='nobody')
        os.unlink(machine.inside('/etc/polkit-1/rules.d/50-mtv.rules'))
        machine.run('systemctl', 'try-restart', 'polkit')

    def test_journal(self):
        """Fields that a query finds, explanations, and a level that can be changed."""
        machine = self.machine
        name, plan = self.make_plan()
        migration, (job,) = machine.begin(plan)
        self.check_arrived(machine.wait_job(job))
        run = migration.rpartition('/')[2]
        said = machine.run('journalctl', '--no-pager', '-o', 'json', f'MTV_JOB={run}')
        entries = [json.loads(line) for line in said.splitlines()]
        self.assertEqual({e['MTV_VM'] for e in entries}, {name})
        self.assertTrue(all(e['_SYSTEMD_UNIT'] == 'mtvd.service' for e in entries))
        self.assertGreaterEqual(len([e for e in entries if 'MESSAGE_ID' in e]), 2)
        explained = machine.run('journalctl', '--no-pager', '-x', f'MTV_JOB={run}')
        self.assertIn(f'Virtual machine {name} has arrived', explained)
        self.assertIn(f'mtvctl migration show {run}', explained)
        self.assertEqual(machine.run('systemctl', 'service-log-level', 'mtvd').strip(), 'info')
        machine.run('systemctl', 'service-log-level', 'mtvd', 'debug')
        self.assertEqual(machine.run('systemctl', 'service-log-level', 'mtvd').strip(), 'debug')
        machine.run('systemctl', 'service-log-level', 'mtvd', 'info')

    def test_second(self):
        machine = self.machine
        result = machine.run('systemd-run', '--wait', '--pipe', '-q', '-p', 'User=mtv', '-E',
                             'STATE_DIRECTORY=/var/lib/mtv', '/usr/libexec/mtvd', check=False)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn('Another mtvd', result.stdout + result.stderr)
        self.assertEqual(machine.show('ActiveState'), 'active')

    def test_import_command(self):
        """mtvctl hands over what mtvd cannot open."""
        machine = self.machine
        path = os.path.join(machine.share, 'command.ova')
        mkova('--name', 'command', path, self.vmdk)
        os.chmod(path, 0o600)
        machine.run('mtvctl', 'import', '/srv/share/command.ova')
        _, disks = disks_of(machine.inside(f'{IMAGES}/command'))
        self.assertEqual(digest(disks[0]), self.sum)
        # A folder elsewhere is handed over, too; all that it takes is to belong to mtv.
        machine.run('install', '-d', '/opt/vms')
        again = ('mtvctl', 'import', '/srv/share/command.ova', '--to', '/opt/vms')
        result = machine.run(*again, '--name=refused', check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("'/opt/vms' is not writable for user 'mtv'", result.stderr)
        machine.run('chown', 'mtv:', '/opt/vms')
        machine.run(*again, '--name=again')
        _, disks = disks_of(machine.inside('/opt/vms/command'))
        self.assertEqual(digest(disks[0]), self.sum)
        # It stays open over a restart; after a stop it is the unit that must allow it.
        machine.run('systemctl', 'restart', 'mtvd')
        machine.run('mtvctl', 'provider', 'test', 'vms')
        machine.run('systemctl', 'stop', 'mtvd')
        result = machine.run('mtvctl', 'provider', 'test', 'vms', check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn('ReadWritePaths=', result.stderr)
        machine.write('/run/systemd/system/mtvd.service.d/vms.conf',
                      '[Service]\nReadWritePaths=/opt/vms\n')
        machine.run('systemctl', 'daemon-reload')
        machine.run('systemctl', 'restart', 'mtvd')
        machine.run('mtvctl', 'provider', 'test', 'vms')

    def interrupt(self, phase, how):
        """In that phase; whether it was met."""
        machine = self.machine
        _, plan = self.make_plan()
        _, (job,) = machine.begin(plan)

        def reached():
            props = machine.job(job)
            return props if props['Phase'] == phase or props['State'] in ENDED else None

        met = machine.wait(reached, phase)['State'] not in ENDED
        pid = machine.show('MainPID')
        if how == 'kill':
            machine.run('kill', '-KILL', pid)
        else:
            machine.run('systemctl', 'restart', 'mtvd')
        machine.wait(lambda: machine.show('MainPID') not in (pid, '0')
                     and machine.show('ActiveState') == 'active', 'the next mtvd')
        self.check_arrived(machine.wait_job(job))
        if how == 'restart':
            self.assertNotIn('SIGKILL', machine.journal('-n', '20'))
        return met

    def test_interrupted(self):
        """Killed, or started anew, in every phase; the file comes back out of systemd's store."""
        self.slow(15000)
        for how in ('kill', 'restart'):
            met = set()
            for phase in PHASES:
                with self.subTest(phase, how=how):
                    self.machine.run('systemctl', 'reset-failed', 'mtvd', check=False)
                    if self.interrupt(phase, how):
                        met.add(phase)
            print(f'# {how} in {sorted(met)}')
            self.assertLessEqual({'preparing', 'copying', 'verifying'}, met)
        self.slow(0)

    def test_stopped_with_work_in_flight(self):
        machine = self.machine
        self.slow(15000)
        _, plan = self.make_plan()
        _, (job,) = machine.begin(plan)
        machine.wait(lambda: machine.job(job)['BytesDone'] > 0, 'copying')
        machine.run('systemctl', 'stop', 'mtvd')
        self.assertEqual((machine.show('ActiveState'), machine.show('Result')), ('inactive', 'success'))
        self.slow(0)
        machine.wait(lambda: self.ended(job), 'it to refuse or to end')

    def ended(self, job):
        """systemd keeps no files of a service that is stopped: then the source is gone, and said so."""
        try:
            props = self.machine.job(job)
        except (BusError, systemd_world.harness.GLib.Error):
            return False
        return props['State'] in ENDED + ('suspended',)


if __name__ == '__main__':
    if os.getuid() != 0:
        sys.exit('needs root')
    tap.main()
