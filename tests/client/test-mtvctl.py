#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtvctl against a stand-in for the daemon, on a bus of its own. TAP.

Usage (inside dbus-run-session): test-mtvctl.py MTVCTL FAKE XML-DIRECTORY LOCALE-DIRECTORY COMPLETION
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback

MTVCTL, FAKE, XML, LOCALE, COMPLETION = sys.argv[1:6]
ENV = dict(os.environ, LC_ALL='C.UTF-8', TZ='UTC', MTVCTL_LOCALE_DIR=LOCALE)
for name in ('COLUMNS', 'LINES', 'PAGER', 'NO_COLOR', 'SYSTEMD_COLORS', 'SYSTEMD_PAGER', 'LANGUAGE'):
    ENV.pop(name, None)

NOTES = tempfile.mkstemp(prefix='mtvctl-notes-')[1]


def wait_for_mtvd():
    subprocess.run(['gdbus', 'wait', '--session', '--timeout', '30', 'org.mtv.Manager'], check=True)


def mtvctl(*args, code=0, env=(), user=True, cwd=None):
    done = subprocess.run([os.path.abspath(MTVCTL)] + ['--user'] * user + list(args),
                          env=dict(ENV, **dict(env)), cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (code if isinstance(code, tuple) else (code,)), (args, done)
    return done


def out(*args, **more):
    done = mtvctl(*args, **more)
    assert done.stderr == '', done.stderr
    return done.stdout


def js(*args, **more):
    return json.loads(out('--json=short', *args, **more))


def on_terminal(*args, columns=80, rows=24, until=None, key=b'', env=()):
    """What a terminal of that size gets; @key is pressed when @until was seen."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    child = subprocess.Popen([MTVCTL, '--user', *args], stdin=slave, stdout=slave, stderr=slave,
                             env=dict(ENV, **dict({'TERM': 'xterm'}, **dict(env))), start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    got = b''
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        got += data
        if until and re.search(until, got.decode(errors='replace')):
            until = None
            os.write(master, key)
    else:
        child.kill()
        raise AssertionError(('no end', got))
    os.close(master)
    return child.wait(), got.decode().replace('\r\n', '\n')


def plain(text):
    return re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', text)


def widths(text):
    return [len(line) for line in plain(text).splitlines()]


def test_provider_list():
    text = out('provider', 'list')
    ago = re.search(r'\d+ years?( \d+ months?)? ago', text).group()
    pad = ' ' * (len(ago) - len('REFRESHED'))
    assert text == f'''\
NAME   TYPE  ROLES       STATE    VMS REFRESHED{pad} URL
big    ova   source      ready  10000 {ago} /srv/big
broken ova   source      failed     0 -{' ' * (len(ago) - 1)} /srv/broken.ova
local  local destination ready      - -{' ' * (len(ago) - 1)} /var/lib/mtv/vms
office ova   source      ready      4 {ago} /srv/exports/of/the/office/in/a/rather/long/path/office

4 providers listed.
'''


def test_no_legend():
    text = out('provider', 'list', '--no-legend')
    assert text.count('\n') == 4 and 'NAME' not in text and 'listed' not in text, text


def test_json():
    providers = js('provider', 'list')
    assert [p['name'] for p in providers] == ['big', 'broken', 'local', 'office']
    assert providers[0]['virtual-machine-count'] == 10000
    assert providers[0]['error'] is None
    assert providers[1]['error'] == {'name': 'org.mtv.Error.BadData',
                                     'text': "'broken.ova' is cut short"}
    assert providers[2]['id'] == '1' and providers[2]['path'].endswith('/provider/1')
    pretty = out('plan', 'list', '--json=pretty')
    assert '\n  ' in pretty and len(json.loads(pretty)) == 6
    assert out('plan', 'list', '--json=off') == out('plan', 'list')
    assert js('vm', 'show', 'office', 'web-1')[0]['disks'][0]['capacity'] == 8 << 30
    assert js('migration', 'show', '3')[0]['virtual-machines'][1]['state'] == 'suspended'
    assert js('migration', 'timeline', '1')[1]['vm'] == 1
    assert js('plan', 'show', 'web')[0]['options']['devices'] == 'auto'
    assert js('provider', 'show', 'broken')[0]['concerns'][0]['id'] == 'not-readable'
    assert js('defaults', 'show') == {'max-vms-in-flight': 20, 'retry-interval': 30000000,
                                        'max-downtime': 60000000}
    assert js('version') == {'mtvctl': '0.1.0', 'mtvd': '0.1.0'}


def test_vm_list():
    text = out('vm', 'list', 'office')
    # Nobody's name turns a terminal red, or one line into two.
    assert 'evil\\x1b[31m\\x0a\\u202ename' in text and '\x1b' not in text and '\u202e' not in text
    assert text.splitlines()[1].split() == ['office', 'web-1', 'vm-1', 'off', '4', '4.0G', '1',
                                            '8.0G', 'Debian', '12', '-'], text
    assert out('vm', 'list', '--filter=WEB', 'office', '--no-legend').count('\n') == 1
    assert out('vm', 'list', '--filter=nothing') == 'No virtual machines.\n'


def test_vm_list_of_10000():
    assert len(js('vm', 'list', 'big')) == 10000  # the stand-in keeps its pages from now on
    before = os.times()
    text = out('vm', 'list', 'big')
    after = os.times()
    assert text.endswith('\n10000 virtual machines listed.\n') and text.count('\n') == 10003
    spent = after.children_user + after.children_system \
        - before.children_user - before.children_system
    print(f'# {spent:.2f} s of processor time for 10000 virtual machines')


def test_vm_show():
    text = out('vm', 'show', 'office', 'vm-1')
    assert '    Name: web-1\n' in text and 'Firmware: efi\n' in text, text
    assert re.search(r'web-disk1.vmdk +8.0G 1.0G vmdk +scsi +0:0 -\n', text), text
    assert 'Ethernet 1   52:54:00:12:34:56 VM Network e1000\n' in text, text
    error = mtvctl('vm', 'show', 'office', 'twin', code=1).stderr
    assert "Cannot show virtual machine 'twin' of 'office': 'twin' is ambiguous: vm-2, vm-3" in error


def test_validate():
    done = mtvctl('plan', 'validate', 'blocked', code=1)
    assert done.stdout == '''\
VIRTUAL MACHINE TARGET DEVICES    CAPACITY DATA
web-1           web-1  compatible     8.0G 1.0G

critical: Not enough room [no-space]
  12.0G are needed, 1.0G is free.

warning: web-1: Old disk controller [disk-controller]
  The IDE controller becomes SATA.

1.0G to copy, 120.0G free at the destination.
Plan 'blocked' cannot be started as it stands.
''', done.stdout
    assert js('plan', 'validate', 'blocked', code=1)['blocked'] is True
    assert "Plan 'web' can be started." in out('plan', 'validate', 'web')


def test_names():
    for name in ('web', '1', '/org/mtv/Manager/plan/1'):
        assert 'Description: The web server\n' in out('plan', 'show', name)
    assert mtvctl('plan', 'show', 'wev', code=1).stderr \
        == "There is no plan 'wev'. Did you mean 'web'?\n"
    assert mtvctl('provider', 'show', 'nonsense', code=1).stderr \
        == "There is no provider 'nonsense'.\n"
    assert mtvctl('migration', 'show', 'web', code=1).stderr \
        == "Plan 'web' has several migrations: 1, 2\n"
    assert '  Plan: slow\n' in out('migration', 'show', 'slow')
    assert 'suspended' in out('migration', 'show', '3')
    assert 'twin: waiting for free space at the destination (' in out('migration', 'show', '3')


def test_usage():
    assert "Unknown command 'prowider'. Did you mean 'provider'?" in mtvctl('prowider', code=2).stderr
    assert "Did you mean 'plan start'?" in mtvctl('plan', 'strat', 'web', code=2).stderr
    assert 'Usage: mtvctl plan show PLAN...' in mtvctl('plan', 'show', code=2).stderr
    assert 'Too many arguments' in mtvctl('plan', 'list', 'x', code=2).stderr
    assert "'mtvctl vm list' takes no option --devices" \
        in mtvctl('vm', 'list', '--devices=virtio', code=2).stderr
    assert '--bogus' in mtvctl('--bogus', code=2).stderr
    assert '--json=xml' in mtvctl('--json=xml', 'plan', 'list', code=2).stderr
    assert '--from=PROVIDER' in mtvctl('plan', 'create', 'x', 'y', code=2).stderr
    assert "'x' is not of the form KEY=VALUE" in mtvctl('defaults', 'set', 'x', code=2).stderr
    assert '--target-name==y' in mtvctl('plan', 'create', 'x', 'y', '--from=office',
                                        '--target-name==y', code=2).stderr
    assert 'plan create NAME VM...' in out('plan', '--help')
    assert 'provider' not in out('import', '--help').split('Options:')[0]


def test_unreachable():
    error = mtvctl('plan', 'list', code=5,
                   env={'DBUS_SESSION_BUS_ADDRESS': 'unix:path=/nonexistent'}).stderr
    assert 'Cannot connect to the session bus' in error, error
    bus = subprocess.Popen(['dbus-daemon', '--session', '--print-address', '--nofork'],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = bus.stdout.readline().strip()
    error = mtvctl('plan', 'list', code=5, env={'DBUS_SESSION_BUS_ADDRESS': address}).stderr
    bus.terminate()
    bus.wait()
    assert 'Cannot reach mtvd: ' in error and 'Is mtvd installed and running?' in error, error


def test_provider_settings():
    with tempfile.TemporaryDirectory() as folder:
        password, ca = os.path.join(folder, 'password'), os.path.join(folder, 'ca.pem')
        with open(password, 'w', encoding='utf-8') as file:
            file.write('hunter2\n')
        with open(ca, 'w', encoding='utf-8') as file:
            file.write('-----BEGIN\nEND-----\n')
        out('provider', 'add', 'vc', 'ova', '/srv/vc', '--username=root', f'--ca-file={ca}',
            f'--password-file={password}', '--insecure', '--set=retries=3')
        assert js('provider', 'show', 'vc')[0]['settings'] == {
            'user': 'root', 'ca': '-----BEGIN\nEND-----', 'insecure': True, 'retries': 3,
            'hidden-password': 'hunter2'}
        text = out('provider', 'show', 'vc')
        assert 'user=root' in text and 'ca=…' in text and 'BEGIN' not in text, text
        with open(password, 'w', encoding='utf-8') as file:
            file.write('other')
        out('provider', 'configure', 'vc', f'--secret=password={password}', '--url=/srv/new')
        shown = js('provider', 'show', 'vc')[0]
        assert shown['settings']['hidden-password'] == 'other' and shown['url'] == '/srv/new'
        assert shown['settings']['user'] == 'root'
        open(password, 'w', encoding='utf-8').close()
        error = mtvctl('provider', 'configure', 'vc', f'--password-file={password}', code=1).stderr
        assert f"'{password}' is empty" in error, error
    for args, text in (
            (['--set=colour=red'], "no setting 'colour', only: user, ca, insecure, retries"),
            (['--set=retries=many'], "'many' is not a value for retries"),
            (['--set=retries'], "'retries' is not of the form KEY=VALUE"),
            (['--secret=token=/dev/null'], "'/dev/null' is empty")):
        error = mtvctl('provider', 'configure', 'vc', *args, code=(1, 2)).stderr
        assert text in error, (args, error)
    error = mtvctl('provider', 'add', 'x', 'local', '/srv', '--username=me', code=2).stderr
    assert "type 'local' has no settings, and so no 'user'" in error, error
    code, seen = on_terminal('provider', 'configure', 'vc', '--username=me', until="at 'vc': ",
                       key=b'pa55\n')
    assert "Password of 'me' at 'vc': " in seen and 'pa55' not in seen and code == 0, seen
    settings = js('provider', 'show', 'vc')[0]['settings']
    assert settings['hidden-password'] == 'pa55' and settings['user'] == 'me'
    code, seen = on_terminal('provider', 'configure', 'vc', '--username=you', until="at 'vc': ",
                       key=b'\x03')
    assert 'No password was given.' in seen and code == 1, seen
    out('provider', 'remove', 'vc')


def test_errors():
    done = mtvctl('provider', 'add', 'secret', 'local', '/srv', code=6)
    assert done.stderr.startswith("Cannot add provider 'secret': Interactive authentication"), done
    assert '--no-ask-password' in done.stderr
    done = mtvctl('provider', 'add', 'office', 'local', '/srv', code=1)
    assert "Cannot add provider 'office': There is a provider 'office' already\n" in done.stderr
    done = mtvctl('provider', 'add', 'gone', 'local', '/srv/not/there', code=1)
    assert done.stderr == "Cannot open '/srv/not/there': No such file or directory\n", done
    done = mtvctl('provider', 'remove', 'office', code=1)
    assert "uses provider 'office'" in done.stderr and 'mtvctl plan list' in done.stderr
    done = mtvctl('provider', 'test', 'broken', 'local', code=1)
    assert "Provider 'broken' cannot be used: 'broken.ova' is cut short" in done.stderr
    assert done.stdout == "Provider 'local' can be used.\n"  # the second is tried all the same
    done = mtvctl('plan', 'start', 'blocked', code=1)
    assert 'may not run: Not enough room' in done.stderr and '--ignore=ID' in done.stderr


def test_defaults():
    error = mtvctl('defaults', 'set', 'max-vms-in-fligt=3', code=2).stderr
    assert "There is no setting 'max-vms-in-fligt'. Did you mean 'max-vms-in-flight'?" in error
    assert "'many' is not a value" in mtvctl('defaults', 'set', 'max-vms-in-flight=many',
                                             code=2).stderr
    assert 'may be 1 to 1000' in mtvctl('defaults', 'set', 'max-vms-in-flight=0', code=1).stderr
    out('defaults', 'set', 'max-vms-in-flight=3', 'retry-interval=1min 30s', 'max-downtime=5s')
    assert out('defaults', 'show', '--no-legend').split() \
        == ['max-vms-in-flight', '3', 'retry-interval', '1min', '30s', 'max-downtime', '5s']
    out('defaults', 'set', 'max-vms-in-flight=20', 'retry-interval=30', 'max-downtime=60')


def test_throttle():
    assert out('throttle') == 'No throttles.\n'
    assert "Cannot set the throttle: Bad throttle '0'" in mtvctl('throttle', 'all', '0',
                                                                code=1).stderr
    out('throttle', 'all', '100M', '08:00-18:00=10M')
    out('throttle', 'lab', '1G')
    assert out('throttle').splitlines() == ['TARGET RULE', 'all    100M 08:00-18:00=10M',
                                            'lab    1G']
    assert js('throttle', 'lab') == [{'target': 'lab', 'rule': '1G'}]
    out('throttle', 'all', 'off')
    out('throttle', 'lab', 'off')
    assert js('throttle') == []


def test_plan():
    assert out('plan', 'create', 'mine', '--from=office', 'web-1', '--format=qcow2',
               '--hash=sha256', '--verify=full', '--network=a=b=c', '--network=pod') == "Created plan 'mine'.\n"
    plan = js('plan', 'show', 'mine')[0]
    assert plan['options']['networks'] == {'a=b': 'c', '': 'pod'}, plan
    assert plan['options']['format'] == 'qcow2'
    assert (plan['options']['hash'], plan['options']['verify']) == ('sha256', 'full')
    assert [v['id'] for v in plan['virtual-machines']] == ['vm-1']
    assert out('plan', 'archive', 'mine', '-q') == ''
    error = mtvctl('plan', 'start', 'mine', code=1).stderr
    assert "Cannot start plan 'mine': Plan 'mine' is archived" in error
    assert out('plan', 'remove', 'mine') == "Removed plan 'mine'.\n"
    out('plan', 'create', 'all', '--from=big', '--all', '-q')
    assert len(js('plan', 'show', 'all')[0]['virtual-machines']) == 10000
    out('plan', 'remove', 'all')


def test_warm_plan():
    out('plan', 'create', 'w-1', '--from=office', 'web-1', '--warm', '--interval=90s',
        '--max-downtime=5s', '--shutdown=guest-then-force', '--shutdown-timeout=2min',
        '--cutover-at=+1h', '--throttle=1.5M', '-q')
    options = js('plan', 'show', 'w-1')[0]['options']
    assert options['warm'] is True and options['interval-auto'] is False
    assert (options['interval'], options['max-downtime']) == (90_000_000, 5_000_000)
    assert (options['shutdown'], options['shutdown-timeout']) == ('guest-then-force', 120_000_000)
    assert options['throttle'] == 3 << 19
    assert 3590 < options['cutover-time'] / 1e6 - time.time() < 3610
    text = out('plan', 'show', 'w-1')
    assert 'Interval: 1min 30s\n' in text and 'Throttle: 1.5M/s\n' in text, text
    assert re.search(r'Cutover: \w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n', text), text
    out('plan', 'remove', 'w-1', '-q')
    out('plan', 'create', 'w-2', '--from=office', 'web-1', '--warm', '--interval=auto', '-q')
    assert js('plan', 'show', 'w-2')[0]['options']['interval-auto'] is True
    out('plan', 'remove', 'w-2', '-q')
    create = ('plan', 'create', 'w-3', '--from=office', 'web-1', '--warm')
    for option, value in (('interval', 'often'), ('max-downtime', '5 fortnights'),
                          ('cutover-at', 'next year'), ('throttle', '-1'), ('throttle', '0')):
        error = mtvctl(*create, f'--{option}={value}', code=2).stderr
        assert f'--{option}={value}' in error, error
    assert 'takes no option --warm' in mtvctl('import', 'x.ova', '--warm', code=2).stderr


IDLE = r'round 3 done, next in 4\dmin; ready: 12s expected'


def test_warm_views():
    listed = out('migration', 'list').splitlines()
    assert listed[0].split()[-3:] == ['ROUND', 'NEXT', 'READY'], listed
    assert listed[1].split()[-3:] == ['-', '-', '-'], listed
    assert re.search(r' 3 +4\dmin +1/1$', listed[4]), listed
    assert re.search('^web-1: ' + IDLE + '$', out('migration', 'show', 'warm'), re.M)
    assert out('rounds', 'warm') == '''\
ROUND STARTED                     TIME CHANGED    RATE SNAPSHOT NOTE
    1 Tue 2023-11-14 22:13:20 UTC 1min    4.0G 70.6M/s  1min 3s -
    2 Tue 2023-11-14 23:14:20 UTC 1min   64.0M  1.1M/s  1min 3s compared
    3 Wed 2023-11-15 00:15:20 UTC 1min   64.0M  1.1M/s  1min 3s -
'''
    assert out('rounds', '4', 'web-1') == out('rounds', '4', '1') == out('rounds', 'warm')
    assert out('rounds', '3').startswith('web-1:\nNo rounds.\n\ntwin:\n')
    rounds = js('rounds', 'warm')[0]
    assert rounds['name'] == 'web-1' and len(rounds['rounds']) == 3
    assert rounds['rounds'][1]['compared'] is True
    assert rounds['rounds'][2]['bytes-changed'] == 64 << 20
    assert out('snapshots') == '''\
PROVIDER KIND     NAME        REMOTE ID   MIGRATION VM
local    volume   web-1-disk1 -           4         web-1
office   snapshot mtv-3       snapshot-77 4         web-1

2 objects listed.
'''
    assert [o['key'] for o in js('snapshots')] == ['web-1-disk1', 'mtv-3']
    assert js('migration', 'show', 'warm')[0]['virtual-machines'][0]['prediction']['likely'] \
        == 12_000_000
    for columns in (80, 60, 40):
        for args in (('rounds', 'warm'), ('snapshots',), ('migration', 'list')):
            code, text = on_terminal(*args, columns=columns, rows=60)
            assert code == 0 and max(widths(text)) <= columns, (columns, text)
    code, text = on_terminal('migration', 'watch', 'warm', until='ready', key=b'\x03', columns=70)
    assert code == 130 and re.search('web-1: ' + IDLE, plain(text)), text
    code, text = on_terminal('migration', 'watch', 'warm', until='round', key=b'\x03', columns=30)
    assert max(widths(text[:text.rindex('^C')])) < 30, text


def test_report():
    text = out('report', '1')
    assert 'Manifest: /var/lib/mtv/web-1/manifest.json\n' in text and 'Hash: xxh3-128\n' in text
    assert 'Downtime' not in text and 'ROUND' not in text and 'Type: cold\n' in text
    assert 'Tue 2023-11-14 22:13:21 UTC phase   Copying\n' in text
    text = out('report', 'warm')
    assert re.search(f' Now: {IDLE}$', text, re.M) and 'compared' in text, text
    assert 'From: office\n' in text and 'Manifest' not in text and 'Waiting' not in text
    assert out('report', '3').count('Virtual machine: ') == 2
    assert out('report', '3', 'twin').count('Virtual machine: ') == 1
    report = js('report', 'warm')
    job = report['virtual-machines'][0]
    assert report['plan-name'] == 'warm' and report['options']['warm'] is True
    assert job['manifest'] is None and len(job['rounds']) == 3 and len(job['timeline']) == 2
    assert js('report', '1')['virtual-machines'][0]['manifest'].endswith('/web-1/manifest.json')


def warm_job():
    return js('migration', 'show', 'warm')[0]['virtual-machines'][0]


def test_warm_requests():
    assert out('cutover', 'warm', '--at=+2h').startswith("'warm' will be cut over at ")
    assert 7190 < warm_job()['cutover-time'] / 1e6 - time.time() < 7210
    assert re.search(r'next in 4\dmin, cutover \w{3} .* UTC; ready: 12s expected\n',
                     out('migration', 'show', 'warm'))
    listed = out('migration', 'list').splitlines()[4]
    assert re.search(r' 3 4\dmin +1/1$', listed), listed  # the round comes before
    assert 'will be cut over at' in out('cutover', '4', 'web-1', '--at=tomorrow 02:00')
    assert time.strftime('%H:%M', time.gmtime(warm_job()['cutover-time'] / 1e6)) == '02:00'
    assert out('cutover', '/org/mtv/Manager/migration/4/vm/1', '--cancel') \
        == "Withdrew the cutover of 'web-1'.\n"
    assert warm_job()['cutover-time'] == 0
    assert "Cannot withdraw the cutover of 'warm'" in mtvctl('cutover', 'warm', '--cancel',
                                                             code=1).stderr
    assert out('pause', 'warm') == "Paused 'warm'.\n" and warm_job()['paused'] is True
    assert 'round 3 done, paused; ready' in out('migration', 'show', 'warm')
    assert "Cannot pause 'warm': " in mtvctl('pause', 'warm', code=1).stderr
    assert out('resume', 'warm') == "Resumed 'warm'.\n"
    assert "Cannot resume 'warm': " in mtvctl('resume', 'warm', code=1).stderr
    out('configure', 'warm', '--interval=30min', '--max-downtime=5s', '--throttle=20M', '-q')
    job = warm_job()
    assert (job['interval'], job['max-downtime'], job['throttle']) \
        == (1_800_000_000, 5_000_000, 20 << 20)
    out('configure', 'warm', '--interval=auto', '--throttle=off', '-q')
    assert warm_job()['interval-auto'] is True and warm_job()['throttle'] == 0


def test_warm_bad_input():
    assert 'lies in the past' in mtvctl('cutover', 'warm', '--at=yesterday', code=1).stderr
    assert '--at=sometime' in mtvctl('cutover', 'warm', '--at=sometime', code=2).stderr
    assert 'exclude each other' in mtvctl('cutover', 'warm', '--at=+1h', '--cancel', code=2).stderr
    assert 'Say what to change' in mtvctl('configure', 'warm', code=2).stderr
    assert 'must lie between' in mtvctl('configure', 'warm', '--interval=59s', code=1).stderr
    assert 'takes no option --warm' in mtvctl('configure', 'warm', '--warm', code=2).stderr
    assert 'Too few arguments' in mtvctl('pause', code=2).stderr
    assert mtvctl('cutover', 'wrm', code=1).stderr == (
        "No migration, and no virtual machine of one, is called 'wrm'. Did you mean 'warm'?\n")
    assert mtvctl('cutover', 'web-1', code=1).stderr == (
        "'web-1' is in several migrations that run, so name one of them before it: 3, 4\n")
    assert "no virtual machine 'x'" in mtvctl('pause', 'warm', 'x', code=1).stderr
    assert 'not a warm one' in mtvctl('cutover', 'slow', code=1).stderr
    assert "'interval' means nothing" in mtvctl('configure', '3', '--interval=2min', code=1).stderr


def test_warm_watch():
    """A migration of its own, from its first round to its end; piped there is no clock in it."""
    out('plan', 'create', 'w', '--from=office', 'vm-2', '--warm', '--start', '-q')
    watch = subprocess.Popen([MTVCTL, '--user', 'migration', 'watch', 'w'], env=ENV,
                             stdout=subprocess.PIPE, text=True)
    lines = []
    while not lines or 'round 1 done, next at ' not in lines[-1]:
        lines.append(watch.stdout.readline())
        assert lines[-1], lines
    assert lines[-1].endswith(' UTC; ready\n'), lines
    assert 'as soon as a round' in out('cutover', 'w')
    rest = watch.communicate(timeout=60)[0]
    assert watch.returncode == 0 and 'twin: succeeded: /var/lib/mtv/twin\n' in rest, rest
    assert 'Downtime: 13s (expected: 12s)\n' in out('report', 'w')
    assert out('rounds', 'w').splitlines()[-1].endswith(' final')
    assert 'has ended' in mtvctl('cutover', 'w', code=1).stderr
    out('migration', 'forget', 'w', '-q')
    out('plan', 'remove', 'w', '-q')


def test_start_and_watch():
    text = out('plan', 'start', 'web', '--wait')
    ident = re.match(r"Started migration (\d+) of plan 'web'\.\n", text).group(1)
    lines = text.splitlines()
    assert 'web-1: succeeded: /var/lib/mtv/web-1' in lines, text
    assert '\x1b' not in text and '\r' not in text
    shares = [int(n) for n in re.findall(r'(\d+)%', text)]
    assert shares == sorted(shares) and len(shares) <= 10, text
    assert lines[-2].split() == ['VIRTUAL', 'MACHINE', 'STATE', 'DISKS', 'COPIED', 'TIME',
                                 'LOCATION']
    assert lines[-1].split() == ['web-1', 'succeeded', '1', '4.0G', '1min', '12s',
                                 '/var/lib/mtv/web-1'], text
    assert out('migration', 'watch', ident, '-q') == ''
    out('migration', 'forget', ident)
    mtvctl('migration', 'show', ident, code=1)


def test_watch_json():
    text = out('--json=short', 'plan', 'start', 'web', '--wait')
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[-1]['type'] == 'migration' and lines[-1]['state'] == 'succeeded'
    assert {line['type'] for line in lines[:-1]} == {'vm'}
    done = [line['bytes-done'] for line in lines[:-1]]
    assert done == sorted(done) and done[-1] == 4 << 30
    out('migration', 'forget', lines[-1]['id'])


def test_failed_and_cancelled():
    done = mtvctl('plan', 'start', 'failing', '--wait', code=3)
    assert "web-1: Cannot read 'web-1.vmdk': bad deflate data\n" in done.stderr, done
    assert 'fetch or export it again' in done.stderr
    ident = re.search(r'migration (\d+)', done.stdout).group(1)
    done = mtvctl('migration', 'retry', ident, '--wait', code=3)
    assert 'web-1: failed' in done.stdout
    out('migration', 'forget', ident)

    out('plan', 'create', 'slow-one', '--from=office', 'web-1', '--start', '-q')
    watch = subprocess.Popen([MTVCTL, '--user', 'migration', 'watch', 'slow-one'], env=ENV,
                             stdout=subprocess.PIPE, text=True)
    assert watch.stdout.readline().startswith('web-1: ')
    out('migration', 'cancel', 'slow-one', '--wait')
    assert 'cancelled' in watch.communicate(timeout=60)[0]
    assert watch.returncode == 4
    assert 'has ended' in mtvctl('migration', 'cancel', 'slow-one', code=1).stderr
    assert "no virtual machine 'x'" in mtvctl('migration', 'cancel', 'slow-one', 'x', code=1).stderr
    out('migration', 'forget', 'slow-one')
    out('plan', 'remove', 'slow-one')


def objects():
    return [p['name'] for p in js('provider', 'list')] + [p['name'] for p in js('plan', 'list')]


def forget(*names):
    for name in names:
        if name in [p['name'] for p in js('plan', 'list')]:
            out('plan', 'remove', name, '-q')
        out('provider', 'remove', name, '-q')


def test_import():
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, 'shop.ova')
        open(file, 'w', encoding='ascii').close()
        os.mkdir(os.path.join(folder, 'vms'))
        text = out('import', file, '--format=qcow2')
        assert f"Importing '{file}' as plan 'shop', migration " in text, text
        assert text.splitlines()[-1].endswith(' /var/lib/mtv/shop'), text
        assert js('plan', 'show', 'shop')[0]['options']['format'] == 'qcow2'
        assert "as plan 'shop-2'" in out('import', file, f'--to={folder}/vms')
        assert "as plan 'shop-3'" in out('import', file, f'--to={folder}/./vms/')
        local = [p for p in js('provider', 'list') if p['url'] == f'{folder}/vms']
        assert [p['name'] for p in local] == ['vms'] and local[0]['type'] == 'local'
        assert "'shop' already" in mtvctl('import', file, '--name=shop', code=1).stderr
    forget('shop', 'shop-2', 'shop-3', 'vms')


def test_import_fails():
    before = objects()
    with tempfile.TemporaryDirectory() as folder:
        for name in ('broken-1.ova', 'empty.ova', 'blocked.ova', 'failing.ova', 'fifo.ova'):
            if name == 'fifo.ova':
                os.mkfifo(os.path.join(folder, name))
            else:
                open(os.path.join(folder, name), 'w', encoding='ascii').close()
        done = mtvctl('import', f'{folder}/broken-1.ova', code=1)
        assert "Cannot read the inventory of 'broken-1': 'broken-1.ova' is cut short" in done.stderr
        assert "There is no virtual machine in 'empty'" \
            in mtvctl('import', f'{folder}/empty.ova', code=1).stderr
        done = mtvctl('import', f'{folder}/blocked.ova', f'--to={folder}', code=1)
        assert 'critical: Not enough room [no-space]' in done.stdout, done
        assert 'nothing was kept' in done.stderr
        assert 'not a regular file' in mtvctl('import', f'{folder}/fifo.ova', code=1).stderr
        assert 'No such file' in mtvctl('import', f'{folder}/none.ova', code=1).stderr
        assert objects() == before  # nothing of all this is left
        mtvctl('import', f'{folder}/failing.ova', code=3)
    forget('failing-2')


def asked(method):
    """What the stand-in was asked for, all calls of a method in their order."""
    with open(NOTES, encoding='utf-8') as file:
        calls = [json.loads(line) for line in file]
    return [call for call in calls if call['method'] == method]


class Folder(tempfile.TemporaryDirectory):
    """One with a disk image, named for what the stand-in shall make of it."""

    def path(self, name, content=None):
        path = os.path.join(self.name, name)
        if content is not None:
            with open(path, 'wb') as file:
                file.write(content)
        return path

    def __enter__(self):
        return self


def test_copy():
    with Folder() as folder:
        source, target = folder.path('disk.img', b'x'), folder.path('copy.img')
        text = out('copy', source, target)
        assert '\r' not in text and '\x1b' not in text, text
        lines = text.splitlines()
        shares = [int(n) for n in re.findall(r'(\d+)%', text)]
        assert lines[0] == 'opening' and shares == sorted(shares) and 3 <= len(shares) <= 10, text
        assert re.fullmatch(r'copying, \d+% \(\S+ of 1.0G, 110.0M/s\)', lines[-2]), text
        assert lines[-1] == ('Copied 1.0G in 10.0 s (102.3M/s); 1.0G were read back and '
                             'compared.'), text
        call = asked('Copy')[-1]
        assert (call['source'], call['source-file']) == (source, source), call
        assert (call['destination'], call['destination-file']) == (target, target), call
        assert not {'force', 'compare', 'insecure', 'throttle'} & set(call), call
        assert out('copy', '-q', 'disk.img', './copy.img', cwd=folder.name) == ''
        assert asked('Copy')[-1]['source'] == source


def test_copy_on_terminal():
    with Folder() as folder:
        source, target = folder.path('disk.img', b'x'), folder.path('copy.img')
        code, text = on_terminal('copy', source, target, columns=30)
        assert code == 0 and '\r' in text and text.endswith(' compared.\n'), text
        drawn = [plain(part) for part in text.split('\r')[1:-1]]
        assert drawn and max(len(part) for part in drawn) < 30 and '…' in ''.join(drawn), drawn
        code, text = on_terminal('copy', folder.path('slow.img', b'x'), target, until='copying',
                                 key=b'\x03')
        assert code == 130, (code, text)
        assert text.endswith('Cancelled. The same command goes on from here.\n'), text
        code, text = on_terminal('copy', folder.path('slow.img'), target, '--bitmap=b',
                                 until='copying', key=b'\x03')
        assert text.endswith('Cancelled.\n'), text  # with a bitmap it does not


def test_copy_options():
    with Folder() as folder:
        source, target = folder.path('disk.img', b'x'), folder.path('copy.img')
        manifest, pem = folder.path('m.json', b'{}'), folder.path('ca.pem', b'certificates')
        out('copy', source, target, '--hash=sha256', '--verify=full', '--throttle=1.5M',
            '--bitmap=b0', f'--manifest={manifest}', '--preallocate', '--source-format=qcow2',
            f'--ca-file={pem}', '--insecure', '--force')
        call = asked('Copy')[-1]
        assert (call['hash'], call['verify'], call['throttle']) == ('sha256', 'full', 3 << 19), call
        assert (call['bitmap'], call['source-format']) == ('b0', 'qcow2')
        assert call['manifest'] == call['manifest-in'] == manifest and call['ca'] == 'certificates'
        assert call['preallocate'] and call['insecure'] and call['force']
        out('copy', source, target, '--compare', f'--manifest={manifest}')
        assert asked('Copy')[-1]['compare'] is True
        # What is not a file is for the daemon to open.
        out('copy', 'nbd://host/disk', 'nbd+unix:///d?socket=/s')
        call = asked('Copy')[-1]
        assert call['source'] == 'nbd://host/disk' and 'source-file' not in call, call
        assert call['destination'] == 'nbd+unix:///d?socket=/s' and 'destination-file' not in call


def test_copy_json():
    with Folder() as folder:
        target = folder.path('copy.img')
        told = js('copy', folder.path('disk.img', b'x'), target)
        assert told['state'] == 'succeeded' and told['bytes-done'] == 1 << 30, told
        assert told['kind'] == 'copy' and told['error'] is None and told['destination'] == target
        told = js('copy', folder.path('failing.img', b'x'), target, code=3)
        assert told['state'] == 'failed', told
        assert told['error']['name'] == 'org.mtv.Error.ChecksumMismatch', told
        path = out('copy', folder.path('slow.img', b'x'), target, '--no-wait')
        assert re.fullmatch(r'/org/mtv/Manager/transfer/\d+\n', path), path
        assert js('copy', folder.path('slow.img'), target, '--no-wait')['end-time'] == 0


def test_copy_fails():
    with Folder() as folder:
        target = folder.path('copy.img')
        done = mtvctl('copy', folder.path('failing.img', b'x'), target, code=3)
        assert done.stderr.startswith("'disk.img' differs at offset 65536\n"), done
        assert 'copy it again' in done.stderr
        error = mtvctl('copy', folder.path('exists.img', b'x'), target, code=3).stderr
        assert error.endswith('--force writes over what the destination holds.\n'), error
        os.unlink(target)
        error = mtvctl('copy', folder.path('refused', b'x'), target, code=1).stderr
        assert error.startswith('Cannot copy: ') and 'cannot be copied' in error, error
        assert not os.path.exists(target)  # it was made for nothing


def test_copy_bad_input():
    with Folder() as folder:
        source, target = folder.path('disk.img', b'x'), folder.path('copy.img')
        for rate in ('fast', '-1', '0', '1Q', ''):
            error = mtvctl('copy', source, target, f'--throttle={rate}', code=2).stderr
            assert f'--throttle={rate} is not a rate' in error, error
        assert '--compare needs --manifest' in mtvctl('copy', source, target, '--compare',
                                                      code=2).stderr
        assert "Cannot open '/none': No such file" in mtvctl('copy', '/none', target, code=1).stderr
        assert "Cannot open '/none/x'" in mtvctl('copy', source, '/none/x', code=1).stderr
        assert 'No such file' in mtvctl('copy', source, target, '--ca-file=/none', code=1).stderr
        binary = folder.path('ca.pem', b'\xff\xfe')
        assert 'is not a file in PEM' in mtvctl('copy', source, target, f'--ca-file={binary}',
                                                code=1).stderr
        assert 'Too few arguments' in mtvctl('copy', source, code=2).stderr
        assert 'takes no option --full' in mtvctl('copy', source, target, '--full', code=2).stderr
        assert not os.path.exists(target)


def test_copy_survives():
    """The daemon goes in the middle, and the one that comes back is asked again."""
    with Folder() as folder:
        target, before = folder.path('copy.img'), len(asked('Copy'))
        done = mtvctl('copy', folder.path('vanishing.img', b'x'), target, '--hash=sha256')
        assert done.stderr == 'mtvd has left the bus; asking it again.\n', done
        assert 'Copied 1.0G' in done.stdout
        calls = asked('Copy')[before:]
        assert len(calls) == 2 and calls[0] == calls[1], calls
        done = mtvctl('copy', folder.path('lost.img', b'x'), target, code=5)
        assert done.stderr.count('asking it again') == 4 and 'Lost mtvd' in done.stderr, done
        assert os.path.exists(target)  # something of it is there now
        wait_for_mtvd()


def test_verify():
    with Folder() as folder:
        disks = {'disks': [{'file': 'a.raw'}, {'file': 'b.raw'}, {'file': '../c.raw'}, {}, 1]}
        manifest = folder.path('manifest.json', json.dumps(disks).encode())
        folder.path('a.raw', b'a')
        error = mtvctl('verify', folder.name, code=1).stderr
        assert f"Cannot open '{folder.name}/b.raw'" in error, error
        folder.path('b.raw', b'b')
        text = out('verify', folder.name)
        assert text.endswith('Compared 1.0G in 10.0 s (102.3M/s): all as the manifest has it.\n')
        assert re.search(r'^verifying, \d+% ', text, re.M), text
        call = asked('Verify')[-1]
        assert call['name'] == folder.name and set(call['files']) == {'a.raw', 'b.raw'}, call
        assert 'full' not in call
        out('verify', manifest, '--full', '-q')
        call = asked('Verify')[-1]
        assert call['name'] == manifest and call['full'] is True, call
        os.mkdir(folder.path('failing'))
        damaged = folder.path('failing/manifest.json', b'not JSON')  # for the daemon to say so
        done = mtvctl('verify', folder.path('failing'), code=3)
        assert 'does not hold what was written to it' in done.stderr, done
        assert js('verify', os.path.dirname(damaged), code=3)['error']['name'] \
            == 'org.mtv.Error.ChecksumMismatch'
        assert 'Cannot open' in mtvctl('verify', folder.path('none/x'), code=1).stderr
        code, text = on_terminal('verify', folder.name, columns=40)
        assert code == 0 and '\rverifying, ' in text, text
    assert js('verify', 'web-1')['destination'] == 'web-1'
    assert asked('Verify')[-1] == {'method': 'Verify', 'name': 'web-1'}
    error = mtvctl('verify', 'nobody', code=1).stderr
    assert "Cannot verify: No migration brought a virtual machine 'nobody' anywhere" in error, error
    assert 'takes no option --force' in mtvctl('verify', 'web-1', '--force', code=2).stderr


def test_interrupt():
    code, text = on_terminal('migration', 'watch', '3', until='suspended', key=b'\x03')
    assert code == 130, (code, text)
    assert "The migration goes on. Watch it with 'mtvctl migration watch 3',\n" \
        "stop it with 'mtvctl migration cancel 3'." in text, text
    assert text.count('\x1b[?25l') == text.count('\x1b[?25h') == 1, text
    assert js('migration', 'show', '3')[0]['state'] == 'running'
    with tempfile.TemporaryDirectory() as folder:  # while the file is read there is no migration
        file = os.path.join(folder, 'stuck.ova')
        open(file, 'w', encoding='ascii').close()
        before = objects()
        child = subprocess.Popen([MTVCTL, '--user', 'import', file], env=ENV,
                                 stderr=subprocess.PIPE, text=True)
        while 'stuck' not in objects():
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=60)[1] == 'Interrupted\n'
        assert child.returncode == 130 and objects() == before


def test_live():
    code, text = on_terminal('plan', 'start', 'web', '--wait')
    assert code == 0 and '█' in text and re.search(r'\d+% +\d\.\dG/4\.0G +110\.0M/s', text), text
    assert text.endswith('/var/lib/mtv/web-1\n') and '\x1b[?25h' in text
    code, text = on_terminal('migration', 'watch', '3', until='ended', key=b'\x03', columns=50)
    frame = text[:text.rindex('^C')]
    assert max(widths(frame)) < 50 and re.search(r'░ +\d+% ', frame), frame
    code, text = on_terminal('migration', 'watch', '3', until='ended', key=b'\x03', rows=4)
    assert '1 more under way' in plain(text), text
    code, text = on_terminal('migration', 'watch', '3', until='suspended', key=b'\x03',
                             env={'TERM': 'dumb'})
    assert '\x1b' not in text, text


def test_resize():
    """Lines drawn for a wide terminal take more rows on a narrow one."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
    child = subprocess.Popen([MTVCTL, '--user', 'migration', 'watch', '3'], stdin=slave,
                             stdout=slave, stderr=slave, env=dict(ENV, TERM='xterm'))
    got = b''
    while not re.search(rb'of 2 ended.*\x1b\[J', got, re.S):
        got += os.read(master, 65536)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 40, 0, 0))
    child.send_signal(signal.SIGWINCH)
    got = b''
    while not re.search(rb'of 2 ended.*\x1b\[J', got, re.S):
        got += os.read(master, 65536)
    child.send_signal(signal.SIGINT)
    child.wait()
    os.close(slave)
    os.close(master)
    # Five lines; those of the disks, and of what is suspended, are broken in two or three.
    rows = int(re.search(rb'\x1b\[(\d+)A', got).group(1))
    assert rows > 5, got
    assert max(widths(got.decode())) < 40, got


def test_narrow():
    for columns in (80, 60, 50, 40):
        for verb in (('provider', 'list'), ('vm', 'list', 'office'), ('plan', 'list'),
                     ('migration', 'list')):
            code, text = on_terminal(*verb, columns=columns, rows=60)
            assert code == 0 and max(widths(text)) <= columns, (columns, text)
            assert plain(text).splitlines()[0].split()[0] in ('NAME', 'PROVIDER', 'ID'), text
    _, text = on_terminal('provider', 'list', columns=60)
    assert '/srv' in text and '…' in text and text.count('\x1b[4m') == 1, text
    _, text = on_terminal('provider', 'list', env={'COLUMNS': '50'})
    assert max(widths(text)) <= 50, text


def test_colour():
    assert '\x1b[0;31mfailed\x1b[0m' in on_terminal('provider', 'list')[1]
    for env in ({'NO_COLOR': '1'}, {'SYSTEMD_COLORS': '0'}, {'TERM': 'dumb'}):
        assert '\x1b' not in on_terminal('provider', 'list', env=env)[1], env
    assert '\x1b[0;31m' in out('provider', 'list', env={'SYSTEMD_COLORS': '1'})


def test_pager():
    paged = {'PAGER': 'sed s/^/PAGED/'}
    assert on_terminal('provider', 'list', env=paged, rows=5)[1].startswith('PAGED')
    assert 'PAGED' not in on_terminal('provider', 'list', env=paged)[1]  # it fits
    assert 'PAGED' not in on_terminal('--no-pager', 'provider', 'list', env=paged, rows=5)[1]
    assert 'PAGED' not in out('vm', 'list', 'big', env=paged)


def test_monitor():
    child = subprocess.Popen([MTVCTL, '--user', 'monitor'], env=ENV, stdout=subprocess.PIPE,
                             text=True)
    assert child.stdout.readline() == 'Monitoring mtvd; Ctrl-C ends this.\n'
    out('provider', 'add', 'new', 'local', '/srv')
    line = child.stdout.readline()
    assert re.fullmatch(r'\d\d:\d\d:\d\d\.\d{3} provider/\d+ added\n', line), line
    out('provider', 'remove', 'new')
    assert child.stdout.readline().endswith(' removed\n')
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 0
    child = subprocess.Popen([MTVCTL, '--user', 'monitor', '--json=short'], env=ENV,
                             stdout=subprocess.PIPE, text=True)
    while child.poll() is None:  # nothing says that it listens now
        out('defaults', 'set', 'max-vms-in-flight=20')
        if select.select([child.stdout], [], [], 0.1)[0]:
            break
    event = json.loads(child.stdout.readline())
    assert event['event'] == 'changed' and event['details']['Defaults']['max-vms-in-flight'] == 20
    child.terminate()
    child.wait()


def test_german():
    german = {'LANGUAGE': 'de'}
    text = out('provider', 'list', env=german)
    assert 'ZUSTAND' in text and 'gescheitert' in text and text.endswith('4 Anbieter aufgelistet.\n')
    assert mtvctl('plan', 'show', 'wev', env=german, code=1).stderr \
        == 'Es gibt keinen Plan „wev“. War „web“ gemeint?\n'
    text = out('plan', 'show', 'web', env=german)
    assert 'Prüfsumme: xxh3-128\n' in text and 'Prüfung: written\n' in text
    assert js('provider', 'list', env=german)[1]['state'] == 'failed'  # for programs nothing changes


def complete(line, command='mtvctl'):
    script = f'''source "$1"; mtvctl() {{ "$0" "$@"; }}
COMP_LINE=$2; COMP_WORDS=($(sed "s/=/ = /g" <<<"$2")); [[ $2 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _mtvctl; printf "%s\\n" "${{COMPREPLY[@]}}"'''
    done = subprocess.run(['bash', '-c', script, MTVCTL, COMPLETION, line], env=ENV, text=True,
                          capture_output=True, timeout=60, check=True)
    return done.stdout.split()


def test_completion():
    assert complete('mtvctl pro') == ['provider']
    assert sorted(complete('mtvctl plan create --de')) == ['--description=', '--devices=']
    assert complete('mtvctl --user provider sh') == ['show']
    assert sorted(complete('mtvctl --user provider show ')) == ['big', 'broken', 'local', 'office']
    assert complete('mtvctl --user plan start sl') == ['slow']
    assert {'1', '2', '3'} <= set(complete('mtvctl --user migration watch '))
    assert complete('mtvctl --user vm show office we') == ['web-1']
    assert complete('mtvctl --user plan create x --from office we') == ['web-1']
    assert complete('mtvctl --user plan create x --from=office we') == ['web-1']
    assert complete('mtvctl plan create --devices=v') == ['virtio']
    assert complete('mtvctl plan create --hash=') == ['xxh3-128', 'sha256']
    assert complete('mtvctl import --verify=') == ['written', 'full', 'off']
    assert complete('mtvctl import --json=p') == ['pretty']
    assert complete('mtvctl cutover --c') == ['--cancel']
    assert complete('mtvctl configure --shutdown=gu') == ['guest', 'guest-then-force']
    assert complete('mtvctl --user rounds wa') == ['warm']
    assert complete('mtvctl rep') == ['report']
    assert '--cutover-at=' in complete('mtvctl plan create --c')


def main():
    with subprocess.Popen([sys.executable, FAKE, XML],
                          env=dict(os.environ, FAKE_MTVD_NOTES=NOTES)) as fake:
        wait_for_mtvd()
        tests = [(n, f) for n, f in globals().items() if n.startswith('test_')]
        print(f'1..{len(tests)}')
        for number, (name, function) in enumerate(tests, 1):
            try:
                function()
                print(f'ok {number} {name[5:]}', flush=True)
            except Exception:  # pylint: disable=broad-except
                print(''.join('# ' + line + '\n' for line in
                              traceback.format_exc().splitlines()), end='')
                print(f'not ok {number} {name[5:]}', flush=True)
        fake.terminate()
    os.unlink(NOTES)


main()
