#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bad-http.py FILE LOG: a stand-in for the faults that nginx can not be made to show.

Serves FILE on a port of the loopback, which is the first line of the output, with the fault that
the first part of the path names; each request is a line of LOG before it is answered."""

import collections
import http.server
import re
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    seen = collections.Counter()
    lock = threading.Lock()

    def log_message(self, *args):
        pass

    def do_GET(self):
        fault = self.path.split('/')[1]
        with self.lock:
            self.seen[self.path] += 1
            self.count = self.seen[self.path]
            with open(sys.argv[2], 'a', encoding='utf-8') as log:
                names = ('Host', 'Range', 'If-Range', 'Authorization', 'X-Token')
                print(self.path, *(f'{n}={self.headers[n] or ""}' for n in names), sep='|', file=log)
        getattr(self, 'fault_' + fault.replace('-', '_'))()

    def plain(self, body, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        self.wfile.write(body)

    def ranged(self, limit=None, total=None, shift=0, **headers):
        start, end = map(int, re.match(r'bytes=(\d+)-(\d+)$', self.headers['Range']).groups())
        start, end = start + shift, min(end, len(contents) - 1) + shift
        body = contents[start:end + 1]
        field = f'bytes {start}-{end}/{len(contents) if total is None else total}'
        self.plain(body[:limit], 206, len(body), Content_Range=field, **headers)
        if limit is not None:
            self.close_connection = True

    def fault_none(self):
        self.ranged(ETag='"one"')

    def fault_short(self):
        self.ranged(limit=100001)

    def fault_busy(self):
        if self.count in (1, 3):
            self.plain(b'Come back later', 503, Retry_After='1')
        else:
            self.ranged()

    def fault_overloaded(self):
        if self.count > 1:
            self.plain(b'no', 429)
        else:
            self.ranged()

    def fault_etag(self):
        self.ranged(ETag='"one"' if self.count < 3 else '"two"')

    def fault_modified(self):
        self.ranged(Last_Modified=f'Mon, 23 Nov 2026 09:31:{min(self.count, 3):02} GMT')

    def fault_grown(self):
        self.ranged(total=len(contents) + self.count // 3)

    def fault_replaced(self):
        """If-Range, as the RFC has it."""
        if self.headers['If-Range'] == '"one"':
            self.plain(contents, ETag='"two"')
        else:
            self.ranged(ETag='"one"')

    def fault_whole(self):
        self.plain(contents)

    def fault_whole_short(self):
        self.plain(contents[:len(contents) * self.count // 4], length=len(contents))
        self.close_connection = True

    def fault_whole_later(self):
        if self.count > 1:
            self.plain(contents)
        else:
            self.ranged()

    def fault_chunked(self):
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        self.wfile.write(b'3\r\nabc\r\n0\r\n\r\n')

    def fault_shifted(self):
        self.ranged(shift=7 if self.count > 1 else 0)

    def fault_nonsense(self):
        self.plain(b'abc', 206, Content_Range='pages 1-2/3')

    def fault_hang(self):
        if self.count > 1 or 'now' in self.path:
            ended.wait()
        self.ranged(limit=1000)
        ended.wait()

    def fault_refused(self):
        self.plain(b'no', 403)

    def fault_gone(self):
        self.plain(b'no', 410)

    def fault_secret(self):
        if self.headers['Authorization'] == 'Bearer t0ken' and self.headers['X-Token'] == 'x0':
            self.ranged()
        else:
            self.plain(b'no', 401)

    def fault_loop(self):
        self.plain(b'', 302, Location=self.path)

    def fault_away(self):
        """To the same server by another name, under a link that wears out."""
        where = f'http://localhost:{port}/worn/{self.count}'
        self.plain(b'', 302, Location=where)

    def fault_worn(self):
        if self.count > 1:
            self.plain(b'expired', 403)
        else:
            self.ranged()

    def fault_nowhere(self):
        self.plain(b'', 302, Location='file:///etc/passwd')


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may go when it likes
            super().handle_error(*args)


with open(sys.argv[1], 'rb') as file:
    contents = file.read()
ended = threading.Event()
server = Server(('127.0.0.1', 0), Handler)
port = server.socket.getsockname()[1]
print(port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()  # until the test ends, however it does
