# SPDX-License-Identifier: LGPL-2.1-or-later
"""oVirt as a source: a stand-in engine, and image tickets of its own or of the real ovirt-imageio.

MTV_IMAGEIO in the environment: the program ovirt-imageio; the tests that need it are skipped
without.
"""
import json
import os
import subprocess
import sys
import unittest
import urllib.request

from gi.repository import GLib

import tap
from harness import ENDED, HERE, MIB, ROOT, World, digest, disks_of, make_image

PEER = os.path.join(os.path.dirname(HERE), 'peers', 'ovirt')
USER, PASSWORD = 'admin@internal', 'pa ss&wörd'
SECOND = 1000000


def make_id(kind, n):
    return f'{kind:08x}-0000-4000-8000-{n:012x}'


class Peer:
    """An engine with virtual machines: name, its state and the sizes of its disks."""

    def __init__(self, folder, vms, real=False):
        self.folder, self.vms, self.disks = folder, {}, {}
        os.mkdir(folder)
        self.data = {
            'cluster': [{'id': make_id(1, 1), 'name': 'prod', 'bios_type': 'q35_ovmf',
                         'version': {'major': 4, 'minor': 7}}],
            'host': [{'id': make_id(2, 1), 'name': 'node-1'}],
            'network': [{'id': make_id(3, 1), 'name': 'ovirtmgmt'}],
            'vnic_profile': [{'id': make_id(4, 1), 'name': 'any',
                              'network': {'id': make_id(3, 1)}}],
            'storage_domain': [{'id': make_id(5, 1), 'name': 'fast'}], 'disk': [], 'vm': []}
        for name, status, *disks in vms:
            self.add_vm(name, status, disks)
        with open(self.path('inventory.json'), 'w', encoding='utf-8') as f:
            json.dump(self.data, f)
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
                        '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1',
                        '-keyout', self.path('key.pem'), '-out', self.path('cert.pem')],
                       check=True, stderr=subprocess.DEVNULL)
        args = [os.environ['MTV_IMAGEIO']] if real else []
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(PEER, 'engine.py'), folder, self.path('inventory.json'),
             *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        urls = json.loads(self.process.stdout.readline())
        self.url, self.control = urls['engine'], urls['control']

    def path(self, name):
        return os.path.join(self.folder, name)

    def add_vm(self, name, status, disks):
        n = len(self.data['vm']) + 1
        self.vms[name], self.disks[name] = make_id(6, n), []
        attachments = []
        for i, disk in enumerate(disks):
            size, fields = disk if isinstance(disk, tuple) else (disk, {})
            uid = make_id(7, len(self.data['disk']) + 1)
            self.data['disk'].append({
                'id': uid, 'alias': f'{name}_disk{i}', 'provisioned_size': size,
                'actual_size': size // 2, 'format': 'cow', 'status': 'ok', 'storage_type': 'image',
                'content_type': 'data', 'backup': 'none',
                'storage_domains': {'storage_domain': [{'id': make_id(5, 1)}]}, **fields})
            attachments.append({'id': uid, 'bootable': i == 0, 'interface': 'virtio',
                                'active': True})
            self.disks[name].append(uid)
            make_image(self.path(f'{uid}.raw'), size, seed=n * 10 + i)
        self.data['vm'].append({
            'id': self.vms[name], 'name': name, 'status': status, 'memory': 1 << 30,
            'cluster': {'id': make_id(1, 1)}, 'bios': {'type': 'cluster_default'},
            'cpu': {'topology': {'sockets': 1, 'cores': 2, 'threads': 1}},
            'stop_time': 1700000000000,
            'disk_attachments': {'disk_attachment': attachments},
            'nics': {'nic': [{'id': make_id(8, n), 'name': 'nic1', 'interface': 'virtio',
                              'plugged': True, 'linked': True,
                              'mac': {'address': f'56:6f:aa:00:00:{n % 256:02x}'},
                              'vnic_profile': {'id': make_id(4, 1)}}]}})

    def ask(self, **op):
        data = json.dumps(op).encode() if op else None
        with urllib.request.urlopen(urllib.request.Request(self.control, data)) as response:
            return json.load(response)

    def faults(self, **faults):
        return self.ask(faults={k.replace('_', '-'): v for k, v in faults.items()})

    def digests(self, name):
        return [digest(self.path(f'{disk}.raw')) for disk in self.disks[name]]

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Case(unittest.TestCase):
    def set_up(self, *vms, real=False, **delays):
        if real and not os.environ.get('MTV_IMAGEIO'):
            self.skipTest('there is no ovirt-imageio')
        self.world = world = World()
        self.addCleanup(world.close)
        self.peer = Peer(world.path('engine'), vms, real)
        self.addCleanup(self.peer.close)
        if delays:
            self.peer.ask(delays=delays)
        with open(world.path('password'), 'w', encoding='utf-8') as f:
            f.write(PASSWORD + '\n')
        self.start()

    def start(self):
        self.world.start()
        self.world.call(ROOT, 'Manager.SetDefaults', '(a{sv})',
                        {'retry-interval': GLib.Variant('t', SECOND)}, {})

    def add(self, *args, url=None, user=USER, password=None, check=True):
        password = password or self.world.path('password')
        return self.world.ctl('provider', 'add', 'rhv', 'ovirt', url or self.peer.url,
                              f'--username={user}', f'--password-file={password}', '--wait',
                              *(args or (f'--ca-file={self.peer.path("cert.pem")}',)), check=check)

    def begin(self, *vms, options=()):
        self.world.ctl('plan', 'create', 'move', '--from', 'rhv', *vms, *options, '--start')
        return self.world.paths('Migration.VM')

    def wait_up(self, name):
        self.world.wait(lambda: self.peer.ask()['vms'][self.peer.vms[name]] == 'up',
                        f'{name} to run')

    def assert_clean(self, **backup):
        """Nothing of ours is at the source."""
        def is_clean():
            truth = self.peer.ask()
            return truth if not (truth['transfers'] or truth['locked'] or truth['backups']
                                 or any(truth['checkpoints'].values())) else None
        truth = self.world.wait(is_clean, 'the source to be clean', 20)
        self.assertEqual({d: b for d, b in truth['backup'].items() if b != 'none'},
                         {d: 'incremental' for d in backup.get('tracked', ())})
        return truth

    def assert_same(self, job, name):
        self.assertEqual((job['State'], job['Error']), ('succeeded', ('', '')),
                         self.world.read_log())
        self.assertEqual(job['Leftovers'], 0)
        _, disks = disks_of(job['Location'])
        self.assertEqual([digest(d) for d in disks], self.peer.digests(name))


class Inventory(Case):
    def test_equal(self):
        """What mtvctl lists is what the engine has, over more than one page."""
        many = [(f'vm-{n:03}', 'down') for n in range(110)]
        self.set_up(('höhle/2', 'up', MIB, 2 * MIB), ('off', 'down', MIB),
                    ('asleep', 'suspended', (MIB, {'format': 'raw'})), *many)
        self.peer.faults(session=5)
        self.add()
        listed = {vm['name']: vm for vm in self.world.json('vm', 'list', 'rhv')}
        self.assertEqual(set(listed), set(self.peer.vms))
        self.assertGreater(self.peer.ask()['made']['logins'], 1)
        for vm in self.peer.data['vm'][:5]:
            shown, = self.world.json('vm', 'show', 'rhv', vm['name'])
            self.assertEqual({k: shown[k] for k in ('id', 'name', 'power-state')},
                             {k: listed[vm['name']][k] for k in ('id', 'name', 'power-state')})
            self.assertEqual(shown['power-state'], {'up': 'on', 'down': 'off',
                                                    'suspended': 'suspended'}[vm['status']])
            self.assertEqual((shown['id'], shown['memory'], shown['cpus']), (vm['id'], 1 << 30, 2))
            self.assertEqual([(d['name'], d['capacity']) for d in shown.get('disks', ())],
                             [(d['alias'], d['provisioned_size']) for d in self.peer.data['disk']
                              if d['id'] in self.peer.disks[vm['name']]])
            self.assertEqual([(n['mac'], n['network']) for n in shown['nics']],
                             [(n['mac']['address'], 'ovirtmgmt') for n in vm['nics']['nic']])

    def test_refused(self):
        """A wrong password, something that is no engine, and a certificate of somebody's."""
        self.set_up(('web', 'down', MIB))
        with open(self.world.path('wrong'), 'w', encoding='utf-8') as f:
            f.write('s3cret')
        provider = 'rhv'
        for what, words in ((('--insecure', {'password': self.world.path('wrong')}),
                             'Cannot authenticate user'),
                            (('--insecure', {'url': self.peer.control}), 'not an oVirt engine'),
                            (('--thumbprint=' + '00' * 32, {}), 'certificate')):
            self.add(what[0], check=False, **what[1])
            said = self.world.ctl('provider', 'show', provider).stdout
            self.assertIn(words, said)
            self.assertNotIn('s3cret', said + self.world.read_log())
            self.world.ctl('provider', 'remove', provider)

    def test_log_out(self):
        self.set_up(('web', 'down', MIB))
        self.add()
        self.assertEqual(self.peer.ask()['tokens'], 1)
        self.world.ctl('provider', 'remove', 'rhv')
        self.world.wait(lambda: self.peer.ask()['tokens'] == 0, 'the end of the session')

    def test_restarting(self):
        """The engine answers HTML for a while."""
        self.set_up(('web', 'down', MIB))
        self.peer.faults(restarting=1)
        self.add('--insecure', check=False)
        self.assertIn('503', self.world.ctl('provider', 'show', 'rhv').stdout)
        self.world.ctl('provider', 'refresh', 'rhv', '--wait')
        self.assertEqual([vm['name'] for vm in self.world.json('vm', 'list', 'rhv')], ['web'])


class Cold(Case):
    def test_running(self):
        """Shut down, copied, left off; sessions end midway, disks are locked for a while, the host
        cannot be reached but by the proxy."""
        self.set_up(('web', 'up', 8 * MIB, (5 * MIB, {'format': 'raw'})))
        self.add()
        self.peer.ask(faults={'session': 4, 'locked': 3, 'no-host': 1}, **{'end-sessions': True})
        job, = self.begin('web')
        self.assert_same(self.world.wait_job(job), 'web')
        truth = self.assert_clean()
        self.assertEqual(truth['vms'][self.peer.vms['web']], 'down')
        self.assertGreater(truth['made']['logins'], 2)
        # Zeroes were not sent.
        self.assertLess(truth['sent'], 13 * MIB * 3 // 4)

    def test_real(self):
        """The real imageio, and nothing between."""
        self.set_up(('web', 'up', 24 * MIB, (8 * MIB + 512, {'format': 'raw'})), real=True)
        self.add()
        job, = self.begin('web')
        self.assert_same(self.world.wait_job(job), 'web')
        self.assert_clean()

    def test_cancel(self):
        """Cancelled midway: it runs again."""
        self.set_up(('web', 'up', 16 * MIB), slow=0.5)
        self.add()
        job, = self.begin('web')
        self.world.wait(lambda: self.world.job(job)['BytesDone'] > 0, 'data')
        self.world.call(job, 'Migration.VM.Cancel')
        self.assertEqual(self.world.wait_job(job)['State'], 'cancelled')
        self.wait_up('web')
        self.assert_clean()
        self.assertEqual(self.world.partial(), [])

    def test_deaf_guest(self):
        """It does not follow, and is switched off after the time that it gets."""
        self.set_up(('web', 'up', MIB))
        self.add()
        self.peer.faults(deaf_guest=9)
        job, = self.begin('web', options=('--shutdown=guest-then-force', '--shutdown-timeout=2s'))
        self.assert_same(self.world.wait_job(job), 'web')
        self.assertIn(f'POST /ovirt-engine/api/vms/{self.peer.vms["web"]}/stop',
                      self.peer.ask()['requests'])

    def test_trouble(self):
        """Bodies that end early, tickets that end midway, transfers that the system pauses."""
        self.set_up(('web', 'down', 16 * MIB), slow=0.1)
        self.add()
        self.peer.faults(short_body=5, pause_transfer=1)
        job, = self.begin('web')
        self.world.wait(lambda: self.world.job(job)['BytesDone'] > MIB, 'data')
        self.peer.ask(**{'close-tickets': True, 'end-sessions': True})
        self.assert_same(self.world.wait_job(job), 'web')
        self.assert_clean()

    def test_ticket_refused(self):
        self.set_up(('web', 'up', MIB))
        self.add()
        self.peer.faults(refuse_tickets=1000)
        job, = self.begin('web')
        job = self.world.wait_job(job)
        self.assertEqual(job['State'], 'failed')
        self.assertIn("disk 'web_disk0' of 'web'", job['Error'][1])
        self.assertIn('ticket is refused', job['Error'][1])
        self.wait_up('web')
        self.assert_clean()

    def test_killed(self):
        """Killed while it copies: what was locked then is waited for."""
        self.set_up(('web', 'down', 16 * MIB), slow=0.3)
        self.add()
        job, = self.begin('web')
        self.world.wait(lambda: self.world.job(job)['BytesDone'] > MIB, 'data')
        self.world.kill()
        self.peer.ask(delays={'slow': 0})
        self.start()
        self.assert_same(self.world.wait_job(job), 'web')
        self.assert_clean()


WARM = ('--warm', '--interval=1min', '--shutdown-timeout=30s')


class Warm(Case):
    def rounds(self, job):
        return self.world.call(job, 'Migration.VM.GetRounds')[0]

    def write(self, name, seed, count=12):
        for disk in self.peer.disks[name]:
            self.peer.ask(write={'disk': disk, 'count': count, 'seed': seed})

    def wait_round(self, job, n):
        def is_there():
            rounds = self.rounds(job)
            return len(rounds) >= n and rounds[n - 1].get('removed-time')
        self.world.wait(is_there, f'round {n}')

    def migrate(self, names, lose=None):
        """Three rounds with writes between them, and the cutover with some more."""
        jobs = dict(zip(names, self.begin(*names, options=WARM)))
        for n in range(1, 4):
            for name, job in jobs.items():
                self.wait_round(job, n)
                self.write(name, n)
            if n == 1 and lose:
                self.peer.faults(lose_chain=1)
        self.world.ctl('cutover', 'move')
        for name, job in jobs.items():
            self.assert_same(self.world.wait_job(job), name)
        return {name: self.rounds(job) for name, job in jobs.items()}

    def check(self, real):
        """Two of them: one with a raw disk beside, one whose disks had been tracked before."""
        self.set_up(('web', 'up', 16 * MIB, (4 * MIB, {'format': 'raw'})),
                    ('db', 'up', (16 * MIB, {'backup': 'incremental'})), real=real)
        self.add()
        self.peer.faults(session=30)
        rounds = self.migrate(['web', 'db'], lose=not real)
        truth = self.assert_clean(tracked=self.peer.disks['db'])
        self.assertEqual(set(truth['vms'].values()), {'down'})
        for name, each in rounds.items():
            print(f'# {name}:', [(r['bytes-changed'], r.get('compared', False)) for r in each])
            self.assertGreaterEqual(len(each), 4)
        # By its bitmap, only what was written to.
        self.assertLess(rounds['db'][3]['bytes-changed'], 8 * MIB)
        return rounds

    def test_rounds(self):
        """The chain of one is lost on the way: it compares, and goes on."""
        rounds = self.check(False)
        compared = {n: [r.get('compared', False) for r in each[1:]] for n, each in rounds.items()}
        self.assertTrue(any(compared['db']) or any(compared['web']), compared)

    def test_real_rounds(self):
        """With dirty bitmaps of QEMU behind the real imageio."""
        self.check(True)

    def test_killed(self):
        """In each phase once: the same bytes, and nothing left."""
        self.set_up(('web', 'up', 12 * MIB), slow=0.2)
        self.add()
        job, = self.begin('web', options=WARM)
        killed, cut = [], False
        while True:
            def moved():
                nonlocal cut
                props = self.world.job(job)
                if not cut and len(self.rounds(job)) == 2 and props['Phase'] == 'idle':
                    self.write('web', 99)
                    self.world.ctl('cutover', 'move')
                    cut = True
                ended = props['State'] in ENDED
                return props if ended or props['Phase'] not in killed else None
            props = self.world.wait(moved, f'another phase than {killed}')
            if props['State'] in ENDED:
                break
            self.world.kill()
            killed.append(props['Phase'])
            if not cut:
                self.write('web', len(killed))
            self.start()
        print('# killed in', killed)
        self.assert_same(self.world.job(job), 'web')
        self.assert_clean()
        self.assertLessEqual({'snapshotting', 'precopying', 'idle', 'powering-off',
                              'final-snapshotting', 'final-copying'}, set(killed))

    def test_cancel(self):
        """Cancelled in the middle of a round; it never stopped running."""
        self.set_up(('web', 'up', 12 * MIB), slow=0.5)
        self.add()
        job, = self.begin('web', options=WARM)
        self.world.wait(lambda: self.world.job(job)['Phase'] == 'precopying', 'a round')
        self.assertEqual(len(self.peer.ask()['backups']), 1)
        self.world.call(job, 'Migration.VM.Cancel')
        self.assertEqual(self.world.wait_job(job)['State'], 'cancelled')
        self.assertEqual(set(self.assert_clean()['vms'].values()), {'up'})

    def test_deleted(self):
        """It is deleted at the source while it waits for a round: the migration fails, and ends."""
        self.set_up(('web', 'up', 2 * MIB))
        self.add()
        job, = self.begin('web', options=WARM)
        self.wait_round(job, 1)
        self.peer.ask(**{'delete-vm': self.peer.vms['web']})
        self.world.ctl('cutover', 'move')
        job = self.world.wait_job(job)
        self.assertEqual((job['State'], job['Leftovers']), ('failed', 0), self.world.read_log())
        self.assertIn('404', job['Error'][1])
        self.assertEqual(self.world.partial(), [])

    def test_old_cluster(self):
        """Without incremental backup a warm plan says so, and does not start."""
        self.set_up(('web', 'up', MIB))
        self.peer.ask(cluster={'version': {'major': 4, 'minor': 3}})
        self.add()
        result = self.world.ctl('plan', 'create', 'move', '--from', 'rhv', 'web', *WARM, '--start',
                                check=False)
        self.assertNotEqual(result.returncode, 0)
        said = self.world.ctl('plan', 'validate', 'move', check=False)
        self.assertIn('4.3', said.stdout + said.stderr)


if __name__ == '__main__':
    tap.main()
