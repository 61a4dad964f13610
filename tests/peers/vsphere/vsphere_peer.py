# SPDX-License-Identifier: LGPL-2.1-or-later
"""vcsim-plus as a process, what a test does to it, and a small client of its own.

MTV_PEERS in the environment is the folder that up.sh built the programs in.
"""
import atexit
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ENVELOPE = ('<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Body>{}</Body></Envelope>')


def build():
    """None, or why not."""
    result = subprocess.run([os.path.join(HERE, 'up.sh'), os.environ['MTV_PEERS']],
                            capture_output=True, text=True, check=False)
    if result.returncode == 77:
        return result.stderr.strip()
    if result.returncode != 0:
        raise AssertionError(f'The peers cannot be built: {result.stderr}')
    return None


class Peer:
    """options: of vcsim-plus, vms=5 for -vms 5."""

    def __init__(self, **options):
        self.folder = tempfile.mkdtemp(prefix='mtv-vsphere-')
        args = [f'-{key}={value}' for key, value in options.items()]
        with open(self.path('log'), 'wb') as log:
            self.process = subprocess.Popen(
                [os.path.join(os.environ['MTV_PEERS'], 'vcsim-plus'), '-root', self.folder, *args],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        atexit.register(self.close)
        line = self.process.stdout.readline()
        if not line:
            with open(self.path('log'), encoding='utf-8') as log:
                raise AssertionError(f'vcsim-plus did not start: {log.read()}')
        about = json.loads(line)
        self.url, self.ca, self.sha1, self.sha256 = (about[k] for k in ('url', 'ca', 'sha1', 'sha256'))
        self.entrance, self.cookie = about['control'], None

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def close(self):
        atexit.unregister(self.close)
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder)

    # The other entrance.

    def control(self, what, **query):
        url = f'{self.entrance}/{what}?{urllib.parse.urlencode(query)}'
        with urllib.request.urlopen(url, timeout=120) as answer:
            return json.load(answer)

    def disks(self, vm):
        return sorted((d for d in self.control('disks') if d['vm'] == vm), key=lambda d: d['key'])

    def disk(self, vm):
        return self.disks(vm)[0]

    def write(self, vm, count, seed):
        return self.control('write', vm=vm, count=count, seed=seed)['written']

    def counts(self):
        return self.control('counts')

    # A client of the API.

    def soap(self, call):
        """What is in the body of the answer; a fault is an AssertionError."""
        url = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            url.hostname, url.port, timeout=120,
            context=ssl.create_default_context(cafile=self.ca))
        headers = {'Content-Type': 'text/xml; charset="utf-8"', 'SOAPAction': 'urn:vim25/6.7'}
        if self.cookie:
            headers['Cookie'] = self.cookie
        connection.request('POST', '/sdk', ENVELOPE.format(call), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if cookie := answer.getheader('Set-Cookie'):
            self.cookie = cookie.split(';')[0]
        connection.close()
        if answer.status != 200:
            raise AssertionError(f'{call}: {answer.status} {text}')
        return text

    def log_in(self):
        self.soap('<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this>'
                  '<userName>user</userName><password>pass</password></Login>')

    def log_out(self):
        self.soap('<Logout xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this>'
                  '</Logout>')
        self.cookie = None

    def get(self, kind, moref, path):
        return self.soap(
            '<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">'
            f'propertyCollector</_this><specSet><propSet><type>{kind}</type><pathSet>{path}</pathSet>'
            f'</propSet><objectSet><obj type="{kind}">{moref}</obj></objectSet></specSet><options/>'
            '</RetrievePropertiesEx>')

    def task(self, name, kind, moref, inside=''):
        """Calls, and waits for the task: its result, or None."""
        text = self.soap(f'<{name} xmlns="urn:vim25"><_this type="{kind}">{moref}</_this>{inside}'
                         f'</{name}>')
        task = re.search(r'<returnval type="Task">([^<]+)<', text).group(1)
        while True:
            text = self.get('Task', task, 'info')
            state = re.search(r'<state>(\w+)</state>', text).group(1)
            if state == 'error':
                raise AssertionError(f'{name}: {text}')
            if state == 'success':
                result = re.search(r'<result [^>]*>([^<]+)</result>', text)
                return result and result.group(1)
            time.sleep(0.02)

    def create_snapshot(self, moref, name='theirs'):
        return self.task('CreateSnapshot_Task', 'VirtualMachine', moref,
                         f'<name>{name}</name><memory>false</memory><quiesce>false</quiesce>')

    def remove_snapshot(self, snapshot):
        self.task('RemoveSnapshot_Task', 'VirtualMachineSnapshot', snapshot,
                  '<removeChildren>false</removeChildren>')

    def power_off(self, moref):
        self.task('PowerOffVM_Task', 'VirtualMachine', moref)

    def power(self, moref):
        text = self.get('VirtualMachine', moref, 'runtime.powerState')
        return re.search(r'>(powered\w+)<', text).group(1)

    def govc(self, *args):
        """Another client, the simulator's own."""
        env = {'PATH': os.environ['PATH'], 'HOME': self.folder, 'GOVC_URL': self.url + '/sdk',
               'GOVC_USERNAME': 'user', 'GOVC_PASSWORD': 'pass', 'GOVC_TLS_CA_CERTS': self.ca,
               'GOVC_PERSIST_SESSION': 'false'}
        result = subprocess.run([os.path.join(os.environ['MTV_PEERS'], 'govc'), *args],
                                capture_output=True, text=True, env=env, timeout=120, check=True)
        return result.stdout
