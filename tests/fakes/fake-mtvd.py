#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for mtvd, for the tests of mtvctl alone.

It takes the daemon's name on the session bus and speaks the interfaces of data/dbus/*.xml (which it
reads, so that types are checked against the contract), with canned objects behind them: nothing is
copied. What happens is driven by names: an OVA called "broken*" fails to be read, "empty*" holds
nothing, "blocked*" gets a critical concern, "failing*" fails to be copied, "slow*" never gets on. A
warm plan copies a round and idles until its cutover. Copies are driven by the name of their source:
"failing*" and "slow*" as above, "exists*" meets a destination that is not empty, "vanishing*" takes
the stand-in off the bus in the middle, the first time, and comes back as another one.

Usage: fake-mtvd.py DIRECTORY-OF-XML
"""
import glob
import json
import os
import sys

from gi.repository import Gio, GLib

ROOT = '/org/mtv/Manager'
OBJECT_MANAGER = '''<node><interface name="org.freedesktop.DBus.ObjectManager">
<method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
<signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
<signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>
</interface></node>'''
GIB = 1 << 30
T0 = 1_700_000_000_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND


class Error(Exception):
    def __init__(self, name, text):
        super().__init__(text)
        self.name = name if '.' in name else 'org.mtv.Error.' + name


def V(signature, value):
    return GLib.Variant(signature, value)


def D(**values):
    """A dictionary of the bus: strings as they are, (signature, value) for the rest."""
    return {k.replace('_', '-'): V('s', v) if isinstance(v, str) else V(*v)
            for k, v in values.items()}


class Object:
    """A path with one interface; its properties as variants."""

    def __init__(self, fake, path, interface, **properties):
        self.fake, self.path = fake, path
        self.info = fake.interfaces[interface]
        self.types = {p.name: p.signature for p in self.info.properties}
        self.properties = {k: V(self.types[k], v) for k, v in properties.items()}
        missing = set(self.types) - set(self.properties)
        assert not missing, (interface, missing)
        self.registration = fake.bus.register_object(path, self.info, self.call, self.get, None)


    def __getitem__(self, name):
        return self.properties[name].unpack()

    def get(self, _bus, _sender, _path, _interface, name):
        return self.properties[name]

    def set(self, **values):
        changed = {k: V(self.types[k], v) for k, v in values.items()}
        self.properties.update(changed)
        self.fake.bus.emit_signal(None, self.path, 'org.freedesktop.DBus.Properties',
                                  'PropertiesChanged',
                                  V('(sa{sv}as)', (self.info.name, changed, [])))

    def signal(self, name, variant):
        self.fake.bus.emit_signal(None, self.path, self.info.name, name, variant)

    def call(self, _bus, _sender, _path, _interface, method, parameters, invocation):
        try:
            args = parameters.unpack()
            if args and isinstance(args[-1], dict):
                known = {'AddProvider': {'settings', 'secrets'}, 'Refresh': {'wait'},
                         'ListVirtualMachines': {'filter', 'offset', 'limit'},
                         'GetTimeline': {'vm', 'offset', 'limit'}, 'Cutover': {'time'},
                         'GetLedger': {'offset', 'limit'},
                         'CreatePlan': {'description', 'devices', 'format', 'hash', 'verify', 'ignore',
                                        'target-power-state', 'target-names', 'networks', 'warm',
                                        'interval', 'interval-auto', 'max-downtime', 'shutdown',
                                        'shutdown-timeout', 'cutover-time', 'throttle'},
                         'Copy': {'source-file', 'source-format', 'bitmap', 'ca', 'insecure',
                                  'destination-file', 'destination-direct', 'force', 'hash',
                                  'verify', 'throttle', 'manifest', 'manifest-in', 'compare',
                                  'preallocate'},
                         'Verify': {'directory', 'manifest', 'files', 'full'}}
                for key in set(args[-1]) - known.get(method, set()):
                    raise Error('InvalidArgument', f"Unknown option '{key}'")
            self.invocation = invocation
            invocation.return_value(getattr(self, method)(*args))
        except Error as e:
            invocation.return_dbus_error(e.name, str(e))


class Provider(Object):
    def __init__(self, fake, ident, name, kind, url, roles, state='ready', error=('', ''),
                 concerns=(), vms=()):
        self.vms, self.pages, self.known = list(vms), {}, {}
        super().__init__(fake, f'{ROOT}/provider/{ident}', 'org.mtv.Provider', Name=name,
                         Type=kind, Url=url, Roles=roles, Settings={}, CreatedTime=T0, State=state, Error=error,
                         Concerns=list(concerns), VirtualMachineCount=len(self.vms),
                         RefreshTime=T0 if 'source' in roles and state == 'ready' else 0)

    def Configure(self, changes, options):
        self.learn(changes)
        self.set(Url=changes.get('url', self['Url']))

    def learn(self, options):
        """A secret shows here, as hidden-KEY, for a test to see that it came."""
        new = dict(options.get('settings', {}))
        new.update({f'hidden-{k}': v for k, v in options.get('secrets', {}).items()})
        signature = {str: 's', bool: 'b', int: 'u'}
        self.known.update({k: V(signature[type(v)], v) for k, v in new.items()})
        self.set(Settings=self.known)

    def Refresh(self, options):
        if self['State'] == 'failed':
            raise Error(*self['Error'])

    def Test(self, options):
        if self['State'] == 'failed':
            raise Error(*self['Error'])

    def ListVirtualMachines(self, options):
        offset, text = options.get('offset', 0), options.get('filter', '')
        limit = min(options.get('limit', 1000), 1000)
        page = self.pages.get((offset, limit, text))
        if page is None:
            found = [vm for vm in self.vms if text.lower() in vm['name'].unpack().lower()]
            short = [{k: V('u', len(v.unpack())) if k in ('disks', 'nics') else v
                      for k, v in vm.items()} for vm in found[offset:offset + limit]]
            page = self.pages[offset, limit, text] = V('(aa{sv}u)', (short, len(found)))
        return page

    def DescribeVirtualMachine(self, name, options):
        found = [vm for vm in self.vms if name in (vm['name'].unpack(), vm['id'].unpack())]
        if not found:
            raise Error('NotFound', f"There is no virtual machine '{name}'")
        if len(found) > 1:
            ids = ', '.join(vm['id'].unpack() for vm in found)
            raise Error('InvalidArgument', f"'{name}' is ambiguous: {ids}")
        return V('(a{sv})', (found[0],))


class Plan(Object):
    def __init__(self, fake, ident, name, source, destination, vms, options, state='ready'):
        self.vms = vms
        super().__init__(fake, f'{ROOT}/plan/{ident}', 'org.mtv.Plan', Name=name,
                         Description=options.get('description', ''), Source=source.path,
                         Destination=destination.path,
                         VirtualMachines=[{k: vm[k] for k in ('id', 'name')} for vm in vms],
                         Options=self.describe(options),
                         CreatedTime=T0, State=state, LastMigration='/')

    @staticmethod
    def describe(options):
        given = D(devices=options.get('devices', 'auto'), format=options.get('format', 'raw'),
                  hash=options.get('hash', 'xxh3-128'), verify=options.get('verify', 'written'),
                  networks=('a{ss}', options.get('networks', {})),
                  warm=('b', options.get('warm', False)),
                  shutdown=options.get('shutdown', 'guest'))
        if options.get('warm'):
            given['interval-auto'] = V('b', options.get('interval-auto', False))
        for key in ('interval', 'max-downtime', 'shutdown-timeout', 'cutover-time', 'throttle'):
            if key in options:
                given[key] = V('t', options[key])
        return given

    def blocked(self):
        return self['Name'].startswith('blocked')

    def Validate(self, options):
        concerns = [D(id='disk-controller', category='warning', vm=self.vms[0]['name'].unpack(),
                      label='Old disk controller',
                      assessment='The IDE controller becomes SATA.')]
        if self.blocked():
            concerns.append(D(id='no-space', category='critical', label='Not enough room',
                              assessment='12.0G are needed, 1.0G is free.'))
        return V('(a{sv})', ({
            'concerns': V('aa{sv}', concerns), 'blocked': V('b', self.blocked()),
            'capacity': V('t', len(self.vms) * 8 * GIB), 'allocated': V('t', len(self.vms) * GIB),
            'free-space': V('t', 120 * GIB),
            'virtual-machines': V('aa{sv}', [D(
                id=vm['id'].unpack(), name=vm['name'].unpack(), target_name=vm['name'].unpack(),
                devices='compatible', capacity=('t', 8 * GIB), allocated=('t', GIB))
                for vm in self.vms])},))

    def Start(self, options):
        if self['State'] == 'archived':
            raise Error('WrongState', f"Plan '{self['Name']}' is archived")
        if self['State'] == 'executing':
            raise Error('WrongState', f"Plan '{self['Name']}' is being executed")
        if self.blocked():
            raise Error('CriticalConcerns', f"Plan '{self['Name']}' may not run: Not enough room")
        migration = self.fake.migrate(self)
        migration.run()
        return V('(o)', (migration.path,))

    def Archive(self, options):
        self.set(State='archived')
        return None


class Migration(Object):
    """Goes on by itself, a step every 30 ms: ten of them copy."""

    def __init__(self, fake, ident, plan):
        self.plan, self.ticks, self.cancelled = plan, 0, False
        path = f'{ROOT}/migration/{ident}'
        paths = [f'{path}/vm/{n + 1}' for n in range(len(plan.vms))]
        super().__init__(fake, path, 'org.mtv.Migration', Plan=plan.path, PlanName=plan['Name'],
                         State='running', StartTime=T0, EndTime=0, VirtualMachines=paths,
                         Counts={'queued': len(paths)}, BytesDone=0, BytesTotal=0, Rate=0,
                         ExpectedEnd=0)
        self.jobs = [Job(fake, p, vm, plan['Options']) for p, vm in zip(paths, plan.vms)]
        self.warm = plan['Options']['warm']
        plan.set(State='executing', LastMigration=path)

    def run(self):
        self.ticks = 0
        GLib.timeout_add(30, self.tick)

    def tick(self):
        self.ticks += 1
        outcome = self.plan['Name'].split('-')[0]
        if self.cancelled:
            return self.end('cancelled')
        if outcome == 'slow' and self.ticks > 3:
            return True
        if self.warm:
            return self.tick_warm()
        if outcome == 'failing' and self.ticks > 5:
            return self.end('failed')
        if self.ticks > 14:
            return self.end('succeeded')
        for job in self.jobs:
            job.advance(self.ticks)
        self.sum()
        return True

    def tick_warm(self):
        if all(j['Phase'] == 'done' for j in self.jobs):
            return self.end('succeeded')
        if any([job.advance_warm() for job in self.jobs]):
            self.sum()
        return True

    def ask(self, method, *args):
        """All that can; as the daemon refuses what none can."""
        errors = []
        for job in self.jobs:
            try:
                getattr(job, method)(*args)
            except Error as error:
                if not error.name.endswith('WrongState'):
                    raise
                errors.append(error)
        if len(errors) == len(self.jobs):
            raise errors[0]

    def Cutover(self, options):
        self.ask('Cutover', options)

    def WithdrawCutover(self, options):
        self.ask('WithdrawCutover', options)

    def Pause(self, options):
        self.ask('Pause', options)

    def Resume(self, options):
        self.ask('Resume', options)

    def Configure(self, changes, options):
        self.ask('Configure', changes, options)

    def sum(self):
        self.set(BytesDone=sum(j['BytesDone'] for j in self.jobs),
                 BytesTotal=sum(j['BytesTotal'] for j in self.jobs),
                 Rate=sum(j['Rate'] for j in self.jobs),
                 Counts={s: sum(j['State'] == s for j in self.jobs)
                         for s in {j['State'] for j in self.jobs}})

    def end(self, state):
        for job in self.jobs:
            job.end(state)
        self.sum()
        self.set(State=state, EndTime=T0 + 72_000_000)
        self.plan.set(State=state)
        self.signal('Completed', V('(s)', (state,)))
        return False

    def Cancel(self, options):
        if self['State'] != 'running':
            raise Error('WrongState', f"Migration {self.path.split('/')[-1]} has ended")
        self.cancelled = True
        if self.ticks == 0:
            self.end('cancelled')

    def Retry(self, options):
        if self['State'] not in ('failed', 'cancelled'):
            raise Error('WrongState', 'There is nothing to be tried again')
        self.cancelled = False
        self.set(State='running', EndTime=0)
        self.run()

    def Forget(self, options):
        if self['State'] == 'running':
            raise Error('WrongState', f"Migration {self.path.split('/')[-1]} is running")
        for job in self.jobs:
            self.fake.remove(job)
        self.fake.remove(self)

    def GetTimeline(self, options):
        entries = [{'time': V('t', T0), 'event': V('s', 'started'), 'text': V('s', 'Started'),
                    'uid': V('u', 1000)},
                   {'time': V('t', T0 + 1_000_000), 'vm': V('u', 1), 'event': V('s', 'phase'),
                    'text': V('s', 'Copying')}]
        return V('(aa{sv})', (entries[options.get('offset', 0):],))


class Job(Object):
    def __init__(self, fake, path, vm, options):
        self.vm, self.rounds, self.warm = vm, [], options['warm']
        super().__init__(fake, path, 'org.mtv.Migration.VM', Name=vm['name'].unpack(),
                         SourceId=vm['id'].unpack(), TargetName=vm['name'].unpack(),
                         State='queued', Phase='queued', Steps=[], Disks=[], BytesDone=0,
                         BytesTotal=0, Rate=0, ExpectedEnd=0, Waiting='', WaitingSince=0,
                         QueuePlace=1, Error=('', ''), StartTime=0, EndTime=0, Location='',
                         Leftovers=0, Type='warm' if self.warm else 'cold', Round=0, NextRound=0,
                         Snapshots=0, CutoverTime=options.get('cutover-time', 0),
                         CutoverReady=False, Prediction=(0, 0, 0, 0), Downtime=0,
                         PredictedDowntime=0, IntervalAuto=options.get('interval-auto', False),
                         Interval=options.get('interval', 60 * MINUTE) if self.warm else 0,
                         MaxDowntime=options.get('max-downtime', MINUTE) if self.warm else 0,
                         Shutdown=options['shutdown'], Paused=False,
                         ShutdownTimeout=options.get('shutdown-timeout', 0),
                         Throttle=options.get('throttle', 0))

    def advance(self, ticks):
        if ticks == 1:
            self.set(State='running', Phase='preparing', StartTime=T0, QueuePlace=0)
        elif ticks <= 11:
            self.copy((ticks - 1) / 10)
        elif ticks == 12:
            self.set(Phase='verifying', Rate=0, Disks=[self.disk('verified', 1)])
        elif ticks == 13:
            self.set(Phase='defining')

    def advance_warm(self):
        """A step of the way: a round, then idle until the cutover was asked for. Was there one?"""
        phase, time = self['Phase'], self['CutoverTime']
        if phase == 'idle' and not 0 < time <= GLib.get_real_time():
            return False
        if phase == 'queued':
            self.set(State='running', Phase='preparing', StartTime=T0, QueuePlace=0)
        elif phase == 'preparing':
            self.set(Phase='snapshotting', Round=1, Snapshots=1)
        elif phase == 'snapshotting':
            self.copy(0.5)
            self.set(Phase='precopying')
        elif phase == 'precopying':
            self.copy(1)
            self.set(Phase='removing-snapshot', Rate=0)
        elif phase == 'removing-snapshot':
            self.idle(1)
        elif phase == 'idle':
            self.set(Phase='powering-off', NextRound=0, Waiting='', WaitingSince=0, CutoverReady=False,
                     PredictedDowntime=12 * SECOND, CutoverTime=0)
        elif phase == 'powering-off':
            self.set(Phase='final-copying', Round=self['Round'] + 1, Snapshots=1)
            self.rounds.append(self.describe_round(self['Round'], final=True))
        elif phase == 'final-copying':
            self.set(Phase='defining', Snapshots=0, Downtime=13_500_000)
        elif phase == 'defining':
            self.end('succeeded')
        return True

    def idle(self, rounds):
        self.rounds = [self.describe_round(n + 1) for n in range(rounds)]
        self.set(Phase='idle', Round=rounds, Snapshots=0, Rate=0, CutoverReady=True,
                 Waiting='waiting for the next round', WaitingSince=T0,
                 NextRound=GLib.get_real_time() + 49 * MINUTE,
                 Prediction=(64 << 20, 9 * SECOND, 12 * SECOND, 21 * SECOND))

    @staticmethod
    def describe_round(number, final=False):
        start = T0 + (number - 1) * 61 * MINUTE
        size = (4 * GIB if number == 1 else 64 << 20)
        more = {'final': V('b', True)} if final else {}
        if number == 2:
            more['compared'] = V('b', True)
        return dict(D(number=('u', number), key=f'mtv-{number}', start_time=('t', start),
                      snapshot_time=('t', start + 2 * SECOND), copied_time=('t', start + MINUTE),
                      removed_time=('t', start + MINUTE + 5 * SECOND), bytes_changed=('t', size),
                      bytes_done=('t', size), rate=('t', size // 58)), **more)

    def check_warm(self):
        if not self.warm:
            raise Error('WrongState', f"The migration of '{self['Name']}' is not a warm one")
        if self['State'] in ('succeeded', 'failed', 'cancelled'):
            raise Error('WrongState', f"The migration of '{self['Name']}' has ended")

    def Cutover(self, options):
        self.check_warm()
        time = options.get('time', GLib.get_real_time())
        if time < GLib.get_real_time() - SECOND:
            raise Error('InvalidArgument', 'The time of the cutover lies in the past')
        self.set(CutoverTime=time)

    def WithdrawCutover(self, options):
        self.check_warm()
        if self['CutoverTime'] == 0:
            raise Error('WrongState', f"The migration of '{self['Name']}' has no cutover")
        self.set(CutoverTime=0)

    def Pause(self, options):
        self.check_warm()
        if self['Paused']:
            raise Error('WrongState', f"The migration of '{self['Name']}' is paused already")
        self.set(Paused=True, NextRound=0, Waiting='paused')

    def Resume(self, options):
        self.check_warm()
        if not self['Paused']:
            raise Error('WrongState', f"The migration of '{self['Name']}' is not paused")
        self.set(Paused=False, NextRound=GLib.get_real_time() + 49 * MINUTE,
                 Waiting='waiting for the next round')

    def Configure(self, changes, options):
        names = {'interval': 'Interval', 'interval-auto': 'IntervalAuto', 'shutdown': 'Shutdown',
                 'max-downtime': 'MaxDowntime', 'shutdown-timeout': 'ShutdownTimeout',
                 'throttle': 'Throttle'}
        for key in set(changes) - set(names):
            raise Error('InvalidArgument', f"There is no option '{key}'")
        if not self.warm and 'interval' in changes:
            raise Error('InvalidArgument', "'interval' means nothing for a cold migration")
        if changes.get('interval', MINUTE) < MINUTE:
            raise Error('InvalidArgument', "'interval' must lie between 60 s and a year")
        self.set(**{names[key]: value for key, value in changes.items()})

    def GetRounds(self, options):
        return V('(aa{sv})', (self.rounds,))

    def copy(self, share):
        done = int(share * 4 * GIB)
        self.set(Phase='copying', BytesDone=done, BytesTotal=4 * GIB, Rate=110 << 20,
                 Disks=[self.disk('copying', share)])

    def disk(self, state, share):
        return D(id='disk-1', name='web-disk1.vmdk', state=state, capacity=('t', 8 * GIB),
                 bytes_done=('t', int(share * 4 * GIB)), bytes_total=('t', 4 * GIB))

    def end(self, state):
        name = self['Name']
        self.set(State=state, EndTime=T0 + 72_000_000, Rate=0, Waiting='',
                 Phase='done' if state == 'succeeded' else self['Phase'],
                 Location=f'/var/lib/mtv/{name}' if state == 'succeeded' else '',
                 Error=('org.mtv.Error.BadData', f"Cannot read '{name}.vmdk': bad deflate data")
                 if state == 'failed' else ('', ''))
        self.signal('Completed', V('(s)', (state,)))

    def Cancel(self, options):
        if self['State'] in ('succeeded', 'failed', 'cancelled'):
            raise Error('WrongState', f"'{self['Name']}' has ended")
        self.end('cancelled')

    def Retry(self, options):
        raise Error('WrongState', f"'{self['Name']}' did not fail")


class Transfer(Object):
    """Goes on by itself, a step every 30 ms: eight of them copy."""

    def __init__(self, fake, ident, kind, source, destination):
        self.ticks, self.cancelled = 0, False
        self.outcome = os.path.basename(source or destination).split('-')[0].split('.')[0]
        super().__init__(fake, f'{ROOT}/transfer/{ident}', 'org.mtv.Transfer', Kind=kind,
                         Source=source, Destination=destination, State='opening', BytesDone=0,
                         BytesTotal=0, BytesWritten=0, BytesVerified=0, Rate=0, ExpectedEnd=0,
                         StartTime=T0, EndTime=0, Error=('', ''), Details={})
        GLib.timeout_add(30, self.tick)

    def tick(self):
        self.ticks += 1
        if self.cancelled:
            return self.end('cancelled')
        if self.outcome == 'exists':
            return self.end('failed', ('org.mtv.Error.Exists', f"'{self['Destination']}' is not empty"))
        if self.outcome == 'failing' and self.ticks > 4:
            return self.end('failed', ('org.mtv.Error.ChecksumMismatch',
                                       "'disk.img' differs at offset 65536"))
        if self.outcome in ('vanishing', 'lost') and self.ticks > 4 and \
                (self.outcome == 'lost' or self.fake.vanished == 0):
            self.fake.vanish()
            return False
        if self.ticks > 8:
            return self.end('succeeded')
        if self.outcome != 'slow' or self.ticks <= 3:
            self.set(State='copying' if self['Kind'] == 'copy' else 'verifying',
                     BytesDone=self.ticks * GIB // 8, BytesTotal=GIB, Rate=110 << 20)
        return True

    def end(self, state, error=('', '')):
        self.set(State=state, EndTime=T0 + 10 * SECOND, Error=error, Rate=0,
                 BytesDone=GIB if state == 'succeeded' else self['BytesDone'],
                 BytesVerified=GIB if state == 'succeeded' else 0)
        self.signal('Completed', V('(s)', (state,)))
        return False

    def Cancel(self, options):
        if self['State'] in ('succeeded', 'failed', 'cancelled'):
            raise Error('WrongState', 'It has ended')
        self.cancelled = True

    def Forget(self, options):
        self.fake.remove(self)


class Manager(Object):
    def __init__(self, fake):
        super().__init__(fake, ROOT, 'org.mtv.Manager', Version='0.1.0',
                         ProviderTypes=[('local', False, True), ('ova', True, False)],
                         ProviderSettings=[('ova', 'user', 's', False), ('ova', 'ca', 's', False),
                                           ('ova', 'insecure', 'b', False),
                                           ('ova', 'retries', 'u', False),
                                           ('ova', 'password', 's', True)],
                         Defaults={'max-vms-in-flight': V('u', 20),
                                   'retry-interval': V('t', 30_000_000),
                                   'max-downtime': V('t', 60_000_000)},
                         Throttles=[], Running=0, Queued=0, Suspended=0)

    def AddProvider(self, name, kind, url, options):
        answer = self.add(name, kind, url)
        self.fake.all(Provider)[-1].learn(options)
        return answer

    def AddProviderFile(self, name, kind, handle, options):
        fd = self.invocation.get_message().get_unix_fd_list().get(handle)
        url = os.readlink(f'/proc/self/fd/{fd}')
        os.close(fd)
        return self.add(name, kind, url)

    def add(self, name, kind, url):
        if kind not in ('ova', 'local'):
            raise Error('InvalidArgument', f"There is no provider type '{kind}'")
        if any(o['Name'] == name for o in self.fake.all(Provider)):
            raise Error('Exists', f"There is a provider '{name}' already")
        if name == 'secret':
            raise Error('org.freedesktop.DBus.Error.InteractiveAuthorizationRequired',
                        'Interactive authentication required.')
        provider = self.fake.add_provider(
            name, kind, url, ['source'] if kind == 'ova' else ['destination'],
            state='refreshing' if kind == 'ova' else 'ready')
        base = os.path.basename(url)
        if kind == 'ova' and not base.startswith('stuck'):
            GLib.timeout_add(20, self.read, provider, base)
        return V('(o)', (provider.path,))

    def read(self, provider, base):
        if base.startswith('broken'):
            provider.set(State='failed', Error=('org.mtv.Error.BadData', f"'{base}' is cut short"))
        else:
            provider.vms = [] if base.startswith('empty') else [vm(base.rsplit('.', 1)[0], 'vm-1')]
            provider.set(State='ready', VirtualMachineCount=len(provider.vms), RefreshTime=T0)
        return False

    def RemoveProvider(self, path, options):
        provider = self.fake.objects[path]
        for plan in self.fake.all(Plan):
            if path in (plan['Source'], plan['Destination']):
                raise Error('InUse', f"Plan '{plan['Name']}' uses provider '{provider['Name']}'")
        self.fake.remove(provider)

    def CreatePlan(self, name, source, destination, names, options):
        provider = self.fake.objects[source]
        known = {v[key].unpack(): v for v in provider.vms for key in ('name', 'id')}
        for wanted in set(names) - set(known):
            raise Error('NotFound', f"There is no virtual machine '{wanted}'")
        vms = [known[wanted] for wanted in names]
        plan = self.fake.add_plan(name, provider, self.fake.objects[destination], vms, options)
        return V('(o)', (plan.path,))

    def RemovePlan(self, path, options):
        if self.fake.objects[path]['State'] == 'executing':
            raise Error('WrongState', f"Plan '{self.fake.objects[path]['Name']}' is being executed")
        self.fake.remove(self.fake.objects[path])

    def Copy(self, source, destination, options):
        fds = self.invocation.get_message().get_unix_fd_list()
        files = {key: os.readlink(f'/proc/self/fd/{fds.peek_fds()[options[key]]}')
                 for key in ('source-file', 'destination-file', 'manifest', 'manifest-in')
                 if key in options}
        if files.get('source-file', source) != source:
            raise Error('InvalidArgument', f"'{source}' is not {files['source-file']}")
        self.fake.note('Copy', dict(options, **files, source=source, destination=destination))
        if source.endswith('refused'):
            raise Error('InvalidArgument', f"'{source}' cannot be copied")
        return V('(o)', (self.fake.add_transfer('copy', source, destination).path,))

    def Verify(self, name, options):
        self.fake.note('Verify', dict(options, name=name))
        if name == 'nobody':
            raise Error('NotFound', f"No migration brought a virtual machine '{name}' anywhere")
        return V('(o)', (self.fake.add_transfer('verify', '', name).path,))

    def GetLedger(self, options):
        warm = self.fake.warm
        entries = [
            {'migration': V('o', warm.path), 'vm': V('o', warm.jobs[0].path),
             'provider': V('o', f'{ROOT}/provider/1'), 'kind': V('s', 'volume'),
             'key': V('s', 'web-1-disk1')},
            {'migration': V('o', warm.path), 'vm': V('o', warm.jobs[0].path),
             'provider': V('o', f'{ROOT}/provider/2'), 'kind': V('s', 'snapshot'),
             'key': V('s', 'mtv-3'), 'remote-id': V('s', 'snapshot-77')}]
        return V('(aa{sv})', (entries[options.get('offset', 0):],))

    def SetDefaults(self, defaults, options):
        now = dict(self['Defaults'], **defaults)
        if not 1 <= now['max-vms-in-flight'] <= 1000:
            raise Error('InvalidArgument', "'max-vms-in-flight' may be 1 to 1000")
        self.set(Defaults={'max-vms-in-flight': V('u', now['max-vms-in-flight']),
                           'retry-interval': V('t', now['retry-interval']),
                           'max-downtime': V('t', now['max-downtime'])})

    def SetThrottle(self, target, rule, options):
        if rule == '0':
            raise Error('InvalidArgument', "Bad throttle '0': nothing would be copied")
        rules = dict(self['Throttles'])
        rules[target] = rule
        self.set(Throttles=[item for item in rules.items() if item[1] != 'off'])


def vm(name, ident, **more):
    return D(id=ident, name=name, path=f'/{name}', power_state='off', firmware='efi',
             cpus=('u', 4), memory=('t', 4 * GIB), os_name='Debian 12', capacity=('t', 8 * GIB),
             disks=('aa{sv}', [D(id='disk-1', name='web-disk1.vmdk', capacity=('t', 8 * GIB),
                                 allocated=('t', GIB), format='vmdk', bus='scsi', unit=('u', 0))]),
             nics=('aa{sv}', [D(id='nic-1', name='Ethernet 1', mac='52:54:00:12:34:56',
                                network='VM Network', model='e1000')]), **more)


class Fake:
    def __init__(self, bus, xml):
        self.bus, self.loop, self.objects, self.next = bus, GLib.MainLoop(), {}, {}
        self.vanished, self.owner, self.warm = 0, 0, None
        self.interfaces = {}
        for path in glob.glob(os.path.join(xml, '*.xml')):
            with open(path, encoding='utf-8') as file:
                for info in Gio.DBusNodeInfo.new_for_xml(file.read()).interfaces:
                    self.interfaces[info.name] = info
        bus.register_object(ROOT, Gio.DBusNodeInfo.new_for_xml(OBJECT_MANAGER).interfaces[0],
                            self.get_managed_objects, None, None)
        self.manager = Manager(self)
        self.populate()

    def get_managed_objects(self, _bus, _sender, _path, _interface, _method, _args, invocation):
        invocation.return_value(V('(a{oa{sa{sv}}})', (
            {path: {o.info.name: o.properties} for path, o in self.objects.items()},)))

    def all(self, kind):
        return [o for o in self.objects.values() if isinstance(o, kind)]

    def ident(self, kind):
        self.next[kind] = self.next.get(kind, 0) + 1
        return str(self.next[kind])

    def export(self, thing):
        self.objects[thing.path] = thing
        self.bus.emit_signal(None, ROOT, 'org.freedesktop.DBus.ObjectManager', 'InterfacesAdded',
                             V('(oa{sa{sv}})', (thing.path, {thing.info.name: thing.properties})))
        return thing

    def remove(self, thing):
        self.bus.unregister_object(thing.registration)
        del self.objects[thing.path]
        self.bus.emit_signal(None, ROOT, 'org.freedesktop.DBus.ObjectManager', 'InterfacesRemoved',
                             V('(oas)', (thing.path, [thing.info.name])))

    def add_provider(self, *args, **more):
        return self.export(Provider(self, self.ident('provider'), *args, **more))

    def add_plan(self, *args, **more):
        return self.export(Plan(self, self.ident('plan'), *args, **more))

    def add_transfer(self, *args):
        return self.export(Transfer(self, self.ident('transfer'), *args))

    def note(self, method, asked):
        """For a test that wants to know what arrived here."""
        path = os.environ.get('FAKE_MTVD_NOTES')
        if path is not None:
            with open(path, 'a', encoding='utf-8') as file:
                file.write(json.dumps({'method': method, **asked}) + '\n')

    def own(self):
        self.owner = Gio.bus_own_name_on_connection(
            self.bus, 'org.mtv.Manager', Gio.BusNameOwnerFlags.DO_NOT_QUEUE, None,
            lambda *_: self.loop.quit())

    def vanish(self):
        """As a daemon that is restarted: it knows its transfers no more."""
        self.vanished += 1
        Gio.bus_unown_name(self.owner)
        for transfer in self.all(Transfer):
            self.remove(transfer)
        GLib.timeout_add(300, self.come_back)

    def come_back(self):
        self.own()
        return False

    def migrate(self, plan):
        migration = Migration(self, self.ident('migration'), plan)
        for job in migration.jobs:
            self.export(job)
        return self.export(migration)

    def populate(self):
        local = self.add_provider('local', 'local', '/var/lib/mtv/vms', ['destination'])
        ova = self.add_provider(
            'office', 'ova', '/srv/exports/of/the/office/in/a/rather/long/path/office', ['source'],
            vms=[vm('web-1', 'vm-1'), vm('twin', 'vm-2'), vm('twin', 'vm-3'),
                 vm('evil\x1b[31m\n\u202ename', 'vm-4', problem='A name made to confuse')])
        self.add_provider('broken', 'ova', '/srv/broken.ova', ['source'], state='failed',
                          error=('org.mtv.Error.BadData', "'broken.ova' is cut short"),
                          concerns=[D(id='not-readable', category='critical',
                                      label='Cannot be read', assessment='It is cut short.')])
        self.add_provider('big', 'ova', '/srv/big', ['source'],
                          vms=[vm(f'vm-{n:05}', f'id-{n}') for n in range(10000)])
        web = self.add_plan('web', ova, local, ova.vms[:1], {'description': 'The web server'})
        self.add_plan('failing', ova, local, ova.vms[:1], {})
        slow = self.add_plan('slow', ova, local, ova.vms[:2], {})
        self.add_plan('blocked', ova, local, ova.vms[:1], {})
        self.add_plan('evil', ova, local, ova.vms[3:], {})
        for _ in range(2):
            done = self.migrate(web)
            for job in done.jobs:
                job.advance(1)
                job.copy(1)
            done.end('succeeded')
        running = self.migrate(slow)
        for job in running.jobs:
            job.advance(1)
            job.copy(0.3)
        running.jobs[1].set(State='suspended', Waiting='waiting for free space at the destination',
                            WaitingSince=T0)
        running.sum()
        running.ticks = 4
        GLib.timeout_add(30, running.tick)
        self.warm = self.migrate(self.add_plan('warm', ova, local, ova.vms[:1], {'warm': True}))
        for job in self.warm.jobs:
            job.set(State='running', StartTime=T0, QueuePlace=0)
            job.copy(1)
            job.idle(3)
        self.warm.sum()
        GLib.timeout_add(30, self.warm.tick)


def main():
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    fake = Fake(bus, sys.argv[1])
    fake.own()
    fake.loop.run()


main()
