#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for the engine of oVirt, as far as migrations use it, by the Python standard library.

usage: engine.py FOLDER INVENTORY [IMAGEIO]

INVENTORY: JSON, the objects as the engine's API gives them. FOLDER has DISK-ID.raw, which are the
disks as their guests have written them, and key.pem and cert.pem if it is to speak TLS. IMAGEIO:
the program ovirt-imageio, for the tickets to be real ones. One line of JSON tells the URLs:
"engine", and "control", by which a test asks for trouble and sees what is true.

It runs until its standard input ends.
"""
import http.server
import json
import os
import random
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

import imageio
from imageio import BLOCK

USER, PASSWORD = 'admin@internal', 'pa ss&wörd'
LINKS = ('disk_attachments', 'nics', 'snapshots', 'host_devices', 'watchdogs', 'cdroms')
OVER = ('finished_success', 'finished_failure', 'finished_cleanup')
HTML = b'<html><body>The engine is starting.</body></html>'


class Fault(Exception):
    def __init__(self, status, detail=''):
        super().__init__(detail)
        self.status, self.detail = status, detail


def text_of(value):
    """Numbers and booleans go out as strings."""
    if isinstance(value, dict):
        return {k: text_of(v) if not k.endswith('_time') else v for k, v in value.items()}
    if isinstance(value, list):
        return [text_of(v) for v in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


class Engine:
    def __init__(self, folder, inventory, program):
        self.folder, self.lock = folder, threading.RLock()
        with open(inventory, encoding='utf-8') as f:
            self.data = json.load(f)
        self.vms = {vm['id']: vm for vm in self.data['vm']}
        self.disks = {disk['id']: disk for disk in self.data['disk']}
        self.faults, self.tokens, self.requests = {}, {}, []
        self.transfers, self.backups, self.logins = {}, {}, 0
        self.checkpoints = {vm: [] for vm in self.vms}
        # Seconds that things take; patience: of what the engine and its clients wait for.
        self.delays = {'power': 0.5, 'backup': 0.5, 'transfer': 0.3, 'end': 0.3, 'patience': 0.03,
                       'slow': 0}
        tls = None
        if os.path.exists(os.path.join(folder, 'key.pem')):
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(os.path.join(folder, 'cert.pem'), os.path.join(folder, 'key.pem'))
        self.imageio = (imageio.Real(program, folder, tls, self.strike) if program
                        else imageio.StandIn(tls, self.strike))
        self.servers = [self.serve(Api, tls), self.serve(Control, None)]
        threading.Thread(target=self.tick, daemon=True).start()

    def serve(self, handler, tls):
        server = imageio.Server(('127.0.0.1', 0), handler)
        server.engine, server.tls = self, tls
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f'{"https" if tls else "http"}://127.0.0.1:{server.server_port}'

    def strike(self, name):
        """Is this one of those that were asked to go wrong?"""
        with self.lock:
            left = self.faults.get(name, 0)
            self.faults[name] = max(left - 1, 0)
            return left > 0

    def later(self, what, do):
        timer = threading.Timer(self.delays[what], self.locked, (do,))
        timer.daemon = True
        timer.start()

    def locked(self, do):
        with self.lock:
            do()

    def path(self, disk):
        return os.path.join(self.folder, f'{disk}.raw')

    def tick(self):
        """Ends the transfers that nobody uses."""
        while True:
            time.sleep(0.1)
            with self.lock:
                for transfer in self.transfers.values():
                    most = int(transfer['inactivity_timeout']) * self.delays['patience']
                    if transfer['phase'] == 'transferring' and 0 < most < self.imageio.idle_for(
                            transfer['ticket']):
                        self.end_transfer(transfer, 'finished_failure')

    # Virtual machines.

    def disks_of(self, vm):
        return [a['id'] for a in vm.get('disk_attachments', {}).get('disk_attachment', ())]

    def show_vm(self, vm, follow):
        shown = {k: v for k, v in vm.items() if k not in LINKS or any(
            f.split('.')[0] == k for f in follow)}
        if 'disk_attachments.disk' in follow and 'disk_attachments' in shown:
            shown['disk_attachments'] = {'disk_attachment': self.show_attachments(vm, True)}
        return shown

    def show_attachments(self, vm, whole):
        return [dict(a, disk=self.disks[a['id']] if whole else {'id': a['id']})
                for a in vm.get('disk_attachments', {}).get('disk_attachment', ())]

    def act(self, vm, action):
        running = self.backup_of(vm)
        if action == 'start':
            if any(self.disks[d]['status'] == 'locked' for d in self.disks_of(vm)):
                raise Fault(409, '[Cannot run VM. The following disks are locked: some.]')
            if vm['status'] != 'down':
                raise Fault(409, '[Cannot run VM. VM is running.]')
            vm['status'] = 'powering_up'
            self.later('power', lambda: vm.update(status='up'))
        else:
            if running:
                raise Fault(409, f'[Cannot {action} VM. The VM is during backup.]')
            if vm['status'] == 'down':
                raise Fault(409, f'[Cannot {action} VM. VM is not running.]')
            if action == 'shutdown' and self.strike('deaf-guest'):
                return
            vm['status'] = 'powering_down'
            self.later('power', lambda: vm.update(status='down', stop_time=int(time.time() * 1000)))

    def write(self, disk, offset, length, data):
        """As the guest does."""
        with open(self.path(disk), 'r+b') as f:
            f.seek(offset)
            f.write(data if data is not None else bytes(length))
        blocks = range(offset // BLOCK, (offset + length - 1) // BLOCK + 1)
        for chain in self.checkpoints.values():
            if chain and disk in chain[-1]['dirty']:
                chain[-1]['dirty'][disk].update(blocks)

    def write_some(self, disk, count, seed):
        r = random.Random(seed)
        size = os.path.getsize(self.path(disk))
        for _ in range(count):
            length = r.randrange(1, 4 * BLOCK)
            offset = r.randrange(size - length)
            self.write(disk, offset, length, r.randbytes(length) if r.random() < 0.8 else None)

    # Backups.

    def backup_of(self, vm):
        return next((b for b in self.backups.values()
                     if b['vm'] == vm['id'] and b['phase'] not in ('succeeded', 'failed')), None)

    def show_backup(self, backup):
        return {k: backup[k] for k in ('id', 'phase', 'from_checkpoint_id', 'to_checkpoint_id')
                if backup.get(k)}

    def start_backup(self, vm, body):
        disks = [d['id'] for d in body.get('disks', {}).get('disk', ())]
        since, name = body.get('from_checkpoint_id'), body.get('id', str(uuid.uuid4()))
        chain = self.checkpoints[vm['id']]
        if self.backup_of(vm):
            raise Fault(409, '[Cannot backup VM. The VM is during backup.]')
        if name in self.backups:
            raise Fault(409, '[Cannot backup VM. A backup of this id exists already.]')
        if vm['status'] not in ('up', 'down'):
            raise Fault(409, f'[Cannot backup VM. The VM is in the status {vm["status"]}.]')
        if since and not any(c['id'] == since for c in chain):
            raise Fault(409, '[Cannot backup VM. The checkpoint does not exist.]')
        if not disks or set(disks) - set(self.disks_of(vm)):
            raise Fault(409, '[Cannot backup VM. A disk is not plugged into it.]')
        if any(self.disks[d]['status'] != 'ok' for d in disks):
            raise Fault(409, '[Cannot backup VM. The following disks are locked: some.]')
        backup = self.backups[name] = {'id': name, 'vm': vm['id'], 'phase': 'initializing',
                                       'from_checkpoint_id': since, 'disks': disks, 'dirty': {}}
        self.later('backup', lambda: self.backup_ready(vm, backup))
        return self.show_backup(backup)

    def backup_ready(self, vm, backup):
        chain, since = self.checkpoints[vm['id']], backup['from_checkpoint_id']
        if backup['phase'] != 'initializing':
            return
        if self.strike('fail-backup'):
            backup['phase'] = 'failed'
            return
        if since and self.strike('lose-chain'):
            chain.clear()
            backup['phase'] = 'failed'
            return
        tracked = [d for d in backup['disks'] if self.disks[d]['format'] == 'cow'
                   and self.disks[d].get('backup') == 'incremental']
        at = next((i for i, c in enumerate(chain) if c['id'] == since), len(chain))
        for disk in backup['disks']:
            if since and disk in tracked and all(disk in c['dirty'] for c in chain[at:]):
                backup['dirty'][disk] = set().union(*(c['dirty'][disk] for c in chain[at:]))
            subprocess.run(['cp', '--sparse=always', '--reflink=auto', self.path(disk),
                            self.path(f'{backup["id"]}-{disk}')], check=True)
        if tracked:
            backup['to_checkpoint_id'] = str(uuid.uuid4())
            chain.append({'id': backup['to_checkpoint_id'], 'state': 'created',
                          'dirty': {d: set() for d in tracked}})
        backup['phase'] = 'ready'

    def finalize_backup(self, backup):
        if any(t.get('backup') == backup['id'] and t['phase'] not in OVER
               for t in self.transfers.values()):
            raise Fault(409, '[Cannot finalize backup. There is an active image transfer.]')
        if backup['phase'] == 'initializing':
            backup['phase'] = 'failed'
            return
        if backup['phase'] != 'ready':
            raise Fault(409, '[Cannot finalize backup. It is not ready.]')
        backup['phase'] = 'finalizing'
        self.later('end', lambda: self.backup_done(backup))

    def backup_done(self, backup):
        backup['phase'] = 'succeeded'
        for disk in backup['disks']:
            os.unlink(self.path(f'{backup["id"]}-{disk}'))

    def remove_checkpoint(self, vm, name):
        chain = self.checkpoints[vm['id']]
        at = next((i for i, c in enumerate(chain) if c['id'] == name), None)
        if at is None:
            raise Fault(404)
        if self.backup_of(vm):
            raise Fault(409, '[Cannot remove checkpoint. The VM is during backup.]')
        if at > 0:  # what it recorded is its parent's now
            for disk, blocks in chain[at - 1]['dirty'].items():
                blocks |= chain[at]['dirty'].get(disk, set())
        del chain[at]

    # Transfers.

    def start_transfer(self, body):
        disk, backup = body.get('disk', {}).get('id'), body.get('backup', {}).get('id')
        if disk not in self.disks or body.get('direction') != 'download':
            raise Fault(404 if disk not in self.disks else 400)
        users = [vm for vm in self.vms.values() if disk in self.disks_of(vm)]
        if self.disks[disk]['status'] != 'ok':
            raise Fault(409, f'[Cannot transfer Virtual Disk. The disk {disk} is locked.]')
        if not backup and any(vm['status'] != 'down' for vm in users):
            raise Fault(409, '[Cannot transfer Virtual Disk. Its VM is not down.]')
        if backup and self.backups.get(backup, {}).get('phase') != 'ready':
            raise Fault(409, '[Cannot transfer Virtual Disk. The backup is not ready.]')
        transfer = {'id': str(uuid.uuid4()), 'phase': 'initializing', 'ticket': str(uuid.uuid4()),
                    'disk': disk, 'backup': backup,
                    'inactivity_timeout': body.get('inactivity_timeout', '60')}
        self.transfers[transfer['id']] = transfer
        self.disks[disk]['status'] = 'locked'
        self.later('transfer', lambda: self.transfer_ready(transfer))
        return self.show_transfer(transfer)

    def transfer_ready(self, transfer):
        disk, backup = transfer['disk'], self.backups.get(transfer['backup'])
        if transfer['phase'] != 'initializing':
            return
        if self.strike('pause-transfer'):
            transfer['phase'] = 'paused_system'
            return
        path = self.path(f'{backup["id"]}-{disk}' if backup else disk)
        self.imageio.add(transfer['ticket'], path, os.path.getsize(path),
                         backup['dirty'].get(disk) if backup else None)
        transfer['phase'] = 'transferring'

    def show_transfer(self, transfer):
        shown = {'id': transfer['id'], 'phase': transfer['phase'], 'direction': 'download',
                 'disk': {'id': transfer['disk']},
                 'inactivity_timeout': transfer['inactivity_timeout']}
        if transfer['backup']:
            shown['backup'] = {'id': transfer['backup']}
        if transfer['phase'] == 'transferring':
            url = f'{self.imageio.url}/images/{transfer["ticket"]}'
            shown |= {'transfer_url': url, 'proxy_url': url}
            if self.faults.get('no-host'):
                shown['transfer_url'] = 'https://127.0.0.1:1/images/none'
        return shown

    def act_transfer(self, transfer, action):
        wanted = ('transferring', 'paused_user')
        if action == 'cancel':
            wanted += ('initializing', 'paused_system')
        if transfer['phase'] not in wanted:
            raise Fault(409, f'[Cannot {action}. The transfer is {transfer["phase"]}.]')
        end = 'finished_success' if action == 'finalize' else 'finished_cleanup'
        transfer['phase'] = 'finalizing_success' if action == 'finalize' else 'finalizing_cleanup'
        self.later('end', lambda: self.end_transfer(transfer, end))

    def end_transfer(self, transfer, phase):
        self.imageio.remove(transfer['ticket'])
        transfer['phase'] = phase
        self.disks[transfer['disk']]['status'] = 'ok'

    # What is true.

    def truth(self):
        tickets = getattr(self.imageio, 'tickets', {}).values()
        return {
            'vms': {v: vm['status'] for v, vm in self.vms.items()},
            'backup': {d: disk.get('backup', 'none') for d, disk in self.disks.items()},
            'locked': [d for d, disk in self.disks.items() if disk.get('status') == 'locked'],
            'backups': [b['id'] for b in self.backups.values()
                        if b['phase'] not in ('succeeded', 'failed')],
            'checkpoints': {v: [c['id'] for c in chain] for v, chain in self.checkpoints.items()},
            'transfers': [t['id'] for t in self.transfers.values() if t['phase'] not in OVER],
            'connections': max((t.most for t in tickets), default=0),
            'made': {'backups': len(self.backups), 'transfers': len(self.transfers),
                     'logins': self.logins},
            'sent': self.imageio.sent, 'tokens': len(self.tokens), 'requests': self.requests}

    def control(self, op):
        self.faults.update(op.get('faults', {}))
        self.delays.update(op.get('delays', {}))
        self.imageio.slow = self.delays['slow']
        if 'write' in op:
            self.write_some(**op['write'])
        if 'vm' in op:
            self.vms[op['vm']['id']].update(op['vm'])
        if 'cluster' in op:
            self.data['cluster'][0].update(op['cluster'])
        if 'delete-vm' in op:
            del self.vms[op['delete-vm']]
        if op.get('close-tickets'):
            for transfer in self.transfers.values():
                self.imageio.remove(transfer['ticket'])
        if op.get('end-sessions'):
            self.tokens.clear()


class Control(imageio.Handler):
    def setup(self):
        http.server.BaseHTTPRequestHandler.setup(self)

    def finish(self):
        http.server.BaseHTTPRequestHandler.finish(self)

    def do_GET(self):
        with self.server.engine.lock:
            self.answer(200, self.server.engine.truth())

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        if self.path != '/':
            self.answer(404, HTML)
            return
        with self.server.engine.lock:
            self.server.engine.control(json.loads(body))
            self.answer(200, self.server.engine.truth())


class Api(Control):
    timeout = 60

    def do_GET(self):
        self.handle_call('GET')

    def do_POST(self):
        self.handle_call('POST')

    def do_PUT(self):
        self.handle_call('PUT')

    def do_DELETE(self):
        self.handle_call('DELETE')

    def json(self, status, value):
        self.answer(status, text_of(value), [('Content-Type', 'application/json')])

    def handle_call(self, method):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        url = urllib.parse.urlsplit(self.path)
        engine = self.server.engine
        with engine.lock:
            engine.requests.append(f'{method} {url.path}')
            if url.path == '/ovirt-engine/sso/oauth/token':
                self.log_in(body)
            elif url.path == '/ovirt-engine/services/sso-logout':
                engine.tokens.pop(dict(urllib.parse.parse_qsl(body.decode())).get('token'), None)
                self.json(200, {})
            elif url.path == '/ovirt-engine/services/pki-resource':
                with open(os.path.join(engine.folder, 'cert.pem'), 'rb') as f:
                    self.answer(200, f.read())
            elif url.path.startswith('/ovirt-engine/api'):
                self.call_api(method, url.path[len('/ovirt-engine/api'):],
                              dict(urllib.parse.parse_qsl(url.query)), body)
            else:
                self.answer(404, HTML)

    def log_in(self, body):
        engine, form = self.server.engine, dict(urllib.parse.parse_qsl(body.decode()))
        if self.headers['Accept'] != 'application/json' or engine.strike('no-login'):
            self.json(400, {'error_code': 'invalid_request', 'error': 'Missing parameter'})
        elif form.get('scope') != 'ovirt-app-api' or form.get('grant_type') != 'password':
            self.json(400, {'error': 'invalid_grant', 'error_description': 'Unknown scope'})
        elif (form.get('username'), form.get('password')) != (USER, PASSWORD):
            self.json(400, {'error_code': 'access_denied', 'error': 'Cannot authenticate user '
                            f"'{form.get('username')}': The user name or password is incorrect.."})
        else:
            token = uuid.uuid4().hex
            # Requests that the session lasts for.
            engine.tokens[token] = engine.faults.get('session', 1 << 30)
            engine.logins += 1
            self.json(200, {'access_token': token, 'scope': form['scope'], 'token_type': 'bearer',
                            'exp': '9223372036854775807'})

    def call_api(self, method, path, query, body):
        engine = self.server.engine
        token = self.headers.get('Authorization', '').removeprefix('Bearer ')
        left = engine.tokens.get(token, 0)
        if engine.strike('restarting'):
            self.answer(503, HTML)
        elif left <= 0:
            engine.tokens.pop(token, None)
            self.answer(401, HTML)
        else:
            engine.tokens[token] = left - 1
            try:
                if method != 'GET' and engine.strike('locked'):
                    raise Fault(409, '[Cannot do that. Related operation is in progress.]')
                status, value = self.route(method, path, query, json.loads(body or b'{}'))
                self.json(status, value)
            except Fault as fault:
                self.json(fault.status, {'reason': 'Operation Failed', 'detail': fault.detail})

    def page(self, name, items, query):
        """The lists are sorted, and have pages on request."""
        search = query.get('search', '')
        if 'sortby' in search:
            raise Fault(400, 'The field to sort by is not known for all that is listed here.')
        most = int(query.get('max', len(items) or 1))
        n = int((re.search(r'page (\d+)', search) or ['', '1'])[1])
        shown = items[most * (n - 1):most * n]
        return {name: shown} if shown else {}

    def route(self, method, path, query, body):
        engine, parts = self.server.engine, path.strip('/').split('/')
        follow = query.get('follow', '').split(',')
        lists = {'clusters': 'cluster', 'hosts': 'host', 'networks': 'network', 'disks': 'disk',
                 'vnicprofiles': 'vnic_profile', 'storagedomains': 'storage_domain'}
        match method, *parts:
            case 'GET', '':
                return 200, {'product_info': {'name': 'oVirt Engine', 'version': {
                    'major': 4, 'minor': 5, 'full_version': '4.5.5'}}}
            case 'GET', ('clusters' | 'hosts' | 'networks' | 'vnicprofiles' | 'storagedomains'
                         | 'disks') as kind:
                return 200, self.page(lists[kind], engine.data[lists[kind]], query)
            case 'GET', 'vms':
                return 200, self.page('vm', [engine.show_vm(v, follow) for v in engine.data['vm']
                                             if v['id'] in engine.vms], query)
            case 'GET', 'imagetransfers':
                return 200, self.page('image_transfer', [
                    engine.show_transfer(t) for t in engine.transfers.values()], query)
            case 'POST', 'imagetransfers':
                return 202, engine.start_transfer(body)
            case _, 'disks', disk if disk in engine.disks:
                return 200, self.call_disk(method, engine.disks[disk], body)
            case _, 'imagetransfers', name, *rest if name in engine.transfers:
                if method == 'POST' and rest[:1] != ['extend']:
                    engine.act_transfer(engine.transfers[name], rest[0])
                return 200, {'status': 'complete'} if rest else engine.show_transfer(
                    engine.transfers[name])
            case _, 'vms', vm, *rest if vm in engine.vms:
                return self.call_vm(method, engine.vms[vm], rest, follow, body)
        raise Fault(404)

    def call_disk(self, method, disk, body):
        if method == 'PUT' and 'backup' in body:
            if disk['status'] == 'locked':
                raise Fault(409, '[Cannot edit Virtual Disk. The disk is locked.]')
            if disk['format'] != 'cow':
                raise Fault(409, '[Cannot edit Virtual Disk. Not supported for raw disks.]')
            disk['backup'] = body['backup']
        return disk

    def call_vm(self, method, vm, rest, follow, body):
        engine = self.server.engine
        match method, *rest:
            case 'GET',:
                return 200, engine.show_vm(vm, follow)
            case 'GET', 'diskattachments':
                return 200, {'disk_attachment': engine.show_attachments(vm, 'disk' in follow)}
            case 'POST', ('start' | 'stop' | 'shutdown') as action:
                engine.act(vm, action)
                return 200, {'status': 'complete'}
            case 'GET', 'checkpoints':
                return 200, self.page('checkpoint', [{'id': c['id'], 'state': c['state']}
                                                     for c in engine.checkpoints[vm['id']]], {})
            case 'DELETE', 'checkpoints', name:
                engine.remove_checkpoint(vm, name)
                return 200, {}
            case 'GET', 'backups':
                ours = [b for b in engine.backups.values() if b['vm'] == vm['id']]
                return 200, self.page('backup', [engine.show_backup(b) for b in ours], {})
            case 'POST', 'backups':
                return 202, engine.start_backup(vm, body)
            case 'GET', 'backups', name if name in engine.backups:
                return 200, engine.show_backup(engine.backups[name])
            case 'POST', 'backups', name, 'finalize' if name in engine.backups:
                engine.finalize_backup(engine.backups[name])
                return 200, {'status': 'complete'}
        raise Fault(404)


def main():
    folder, inventory, program = (sys.argv[1:] + [None])[:3]
    engine = Engine(folder, inventory, program)
    print(json.dumps(dict(zip(('engine', 'control'), engine.servers))), flush=True)
    sys.stdin.read()
    engine.imageio.close()


if __name__ == '__main__':
    main()
