# SPDX-License-Identifier: LGPL-2.1-or-later
"""The data side of a stand-in engine: image tickets.

StandIn answers itself, by the Python standard library, what the ovirt-imageio daemon answers;
Real starts that daemon (python -m venv; pip install ovirt-imageio) with a qemu-nbd behind each
ticket, which shows what has changed by a dirty bitmap.
"""
import http.client
import http.server
import json
import os
import re
import socket
import socketserver
import subprocess
import threading
import time

BLOCK = 1 << 16


def extents_of(path, size, dirty=None):
    """As /extents answers: of the context zero, or of what is @dirty, a set of blocks."""
    runs = []
    with open(path, 'rb') as f:
        for at in range(0, size, BLOCK):
            data = f.read(BLOCK)
            kind = {'zero': not any(data)}
            if dirty is not None:
                kind['dirty'] = at // BLOCK in dirty
            if runs and all(runs[-1][k] == v for k, v in kind.items()):
                runs[-1]['length'] += len(data)
            else:
                runs.append({'start': at, 'length': len(data), **kind, 'hole': False})
    return runs


class Ticket:
    def __init__(self, path, size, dirty):
        self.path, self.size, self.dirty = path, size, dirty
        self.used, self.busy, self.connections, self.most = time.monotonic(), 0, 0, 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version = 'stand-in'

    def log_message(self, *_args):
        pass

    def setup(self):
        self.tickets = set()
        self.timeout = self.server.owner.idle
        super().setup()

    def finish(self):
        for ticket in self.tickets:
            ticket.connections -= 1
        try:
            super().finish()
        except OSError:
            pass

    def answer(self, status, body=b'', headers=(), close=False):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        if close:
            self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(body)

    def find(self):
        """The ticket, and what follows it in the path. Refused ones are answered."""
        owner = self.server.owner
        match = re.fullmatch(r'/images/([^/?]+)(/extents)?(?:\?context=(\w+))?', self.path)
        if not match:
            self.answer(404)
            return None, None, None
        ticket = owner.tickets.get(match[1])
        if ticket is None or owner.strike('refuse-tickets'):
            self.answer(403, b'You are not allowed to access this resource\n', close=True)
            return None, None, None
        if ticket not in self.tickets:
            self.tickets.add(ticket)
            ticket.connections += 1
            ticket.most = max(ticket.most, ticket.connections)
        if ticket.connections > owner.max_readers:  # it hangs in the NBD server behind
            self.rfile.read(1)
            self.close_connection = True
            return None, None, None
        ticket.used = time.monotonic()
        return ticket, match[2], match[3]

    def do_OPTIONS(self):
        ticket, _, _ = self.find()
        if ticket:
            self.answer(200, {'unix_socket': '/nowhere', 'features': ['checksum', 'extents'],
                              'max_readers': self.server.owner.max_readers, 'max_writers': 1})

    def do_GET(self):
        ticket, extents, context = self.find()
        if ticket is None:
            return
        ticket.busy += 1
        try:
            if extents is None:
                self.send_range(ticket)
            elif context not in (None, 'zero', 'dirty'):
                self.answer(400)
            elif context == 'dirty' and ticket.dirty is None:
                self.answer(404, b'Ticket does not support dirty extents\n')
            else:
                dirty = ticket.dirty if context == 'dirty' else None
                self.answer(200, extents_of(ticket.path, ticket.size, dirty))
        finally:
            ticket.busy -= 1
            ticket.used = time.monotonic()

    def send_range(self, ticket):
        match = re.fullmatch(r'bytes=(\d+)-(\d*)', self.headers.get('Range', 'bytes=0-'))
        start = int(match[1]) if match else 0
        end = int(match[2] or ticket.size - 1) if match else ticket.size
        if end >= ticket.size or start > end:
            self.answer(416, headers=[('Content-Range', f'bytes */{ticket.size}')])
            return
        owner = self.server.owner
        if owner.slow:
            time.sleep(owner.slow * (end - start + 1) / (1 << 20))
        with open(ticket.path, 'rb') as f:
            f.seek(start)
            data = f.read(end - start + 1)
        self.send_response(206 if 'Range' in self.headers else 200)
        self.send_header('Content-Length', str(len(data)))
        self.send_header('Content-Range', f'bytes {start}-{end}/{ticket.size}')
        self.end_headers()
        owner.sent += len(data)
        if owner.strike('short-body') or ticket not in owner.tickets.values():
            self.wfile.write(data[:len(data) // 2])
            self.close_connection = True
        else:
            self.wfile.write(data)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 40
    tls = None

    def get_request(self):
        request, address = super().get_request()
        if self.tls:
            # The handshake is for the thread of the connection.
            request = self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def handle_error(self, *_args):
        pass


class StandIn:
    max_readers, idle = 8, 60

    def __init__(self, tls, strike):
        self.tickets, self.strike, self.slow, self.sent = {}, strike, 0, 0
        self.server = Server(('127.0.0.1', 0), Handler)
        self.server.owner, self.server.tls = self, tls
        self.url = f'{"https" if tls else "http"}://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, name, path, size, dirty):
        self.tickets[name] = Ticket(path, size, dirty)

    def remove(self, name):
        self.tickets.pop(name, None)

    def idle_for(self, name):
        """Seconds since anybody used it."""
        ticket = self.tickets.get(name)
        return 0 if ticket is None or ticket.busy else time.monotonic() - ticket.used

    def close(self):
        self.server.shutdown()


CONFIG = '''[daemon]
run_dir = {0}
drop_privileges = false
systemd_enable = false
poll_interval = 0.1
[tls]
enable = {2}
key_file = {1}/key.pem
cert_file = {1}/cert.pem
ca_file = {1}/cert.pem
[remote]
host = 127.0.0.1
port = {3}
[local]
socket = {0}/local
[control]
transport = unix
socket = {0}/control
[loggers]
keys = root
[handlers]
keys = stderr
[formatters]
keys = long
[logger_root]
level = ERROR
handlers = stderr
'''


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def run(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)


class Real:
    def __init__(self, program, folder, tls, strike):
        self.strike, self.slow, self.sent = strike, 0, 0
        self.folder = os.path.join(folder, 'imageio')
        os.makedirs(os.path.join(self.folder, 'conf.d'))
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        with open(os.path.join(self.folder, 'conf.d', 'own.conf'), 'w', encoding='utf-8') as f:
            f.write(CONFIG.format(self.folder, folder, str(bool(tls)).lower(), port))
        self.url = f'{"https" if tls else "http"}://127.0.0.1:{port}'
        self.servers, self.used = {}, {}
        self.daemon = subprocess.Popen([program, '-c', self.folder])
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                return
            except OSError:
                if time.monotonic() > end or self.daemon.poll() is not None:
                    raise
                time.sleep(0.05)

    def control(self, method, name, body=None):
        connection = UnixConnection(os.path.join(self.folder, 'control'), timeout=60)
        connection.request(method, f'/tickets/{name}', body and json.dumps(body))
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status not in (200, 204, 404):
            raise RuntimeError(f'{method} ticket: {response.status} {text}')
        return json.loads(text) if response.status == 200 and text else {}

    def add(self, name, path, size, dirty):
        image, nbd = (os.path.join(self.folder, f'{name}.{k}') for k in ('qcow2', 'nbd'))
        run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', path, image)
        bitmap = []
        if dirty is not None:
            run('qemu-img', 'bitmap', '--add', image, 'since')
            self.touch(image, path, size, dirty)
            bitmap = ['-B', 'since']
        # The eight of imageio's clients are its own connections.
        server = subprocess.Popen(['qemu-nbd', '--persistent', '-r', '-f', 'qcow2', '-e', '8', '-x',
                                   'disk', *bitmap, '-k', nbd, image])
        while not os.path.exists(nbd):
            if server.poll() is not None:
                raise RuntimeError('qemu-nbd does not start')
            time.sleep(0.01)
        self.servers[name] = server, image
        self.control('PUT', name, {'uuid': name, 'size': size, 'ops': ['read'], 'timeout': 300,
                                   'url': f'nbd:unix:{nbd}:exportname=disk',
                                   'dirty': dirty is not None})

    def touch(self, image, path, size, dirty):
        """Writes the blocks again as they are, for QEMU to note them in the bitmap."""
        block = os.path.join(self.folder, 'block')
        with open(path, 'rb') as f:
            for n in sorted(dirty):
                f.seek(n * BLOCK)
                data = f.read(min(BLOCK, size - n * BLOCK))
                with open(block, 'wb') as out:
                    out.write(data)
                run('qemu-io', '-f', 'qcow2', '-c', f'write -s {block} {n * BLOCK} {len(data)}',
                    image)

    def remove(self, name):
        if name not in self.servers:
            return
        self.control('DELETE', name)
        server, image = self.servers.pop(name)
        server.terminate()
        server.wait()
        os.unlink(image)

    def idle_for(self, name):
        if name not in self.servers:
            return 0
        ticket = self.control('GET', name)
        return 0 if ticket.get('active') else ticket.get('idle_time', 0)

    def close(self):
        for name in list(self.servers):
            self.remove(name)
        self.daemon.terminate()
        self.daemon.wait()
