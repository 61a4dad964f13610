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


def mtvctl(*args, code=0, env=(), user=True):
    done = subprocess.run([MTVCTL] + ['--user'] * user + list(args), env=dict(ENV, **dict(env)),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
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
    assert out('provider', 'list') == '''\
NAME   TYPE  ROLES       STATE    VMS REFRESHED   URL
big    ova   source      ready  10000 {ago} /srv/big
broken ova   source      failed     0 -           /srv/broken.ova
local  local destination ready      - -           /var/lib/mtv/vms
office ova   source      ready      4 {ago} /srv/exports/of/the/office/in/a/rather/long/path/office

4 providers listed.
'''.replace('{ago}', re.search(r'\d+ years ago', out('provider')).group())


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
    assert '\n  ' in pretty and len(json.loads(pretty)) == 5
    assert out('plan', 'list', '--json=off') == out('plan', 'list')
    assert js('vm', 'show', 'office', 'web-1')[0]['disks'][0]['capacity'] == 8 << 30
    assert js('migration', 'show', '3')[0]['virtual-machines'][1]['state'] == 'suspended'
    assert js('migration', 'timeline', '1')[1]['vm'] == 1
    assert js('plan', 'show', 'web')[0]['options']['devices'] == 'auto'
    assert js('provider', 'show', 'broken')[0]['concerns'][0]['id'] == 'not-readable'
    assert js('defaults', 'show') == {'max-vms-in-flight': 20, 'retry-interval': 30000000}
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
    out('defaults', 'set', 'max-vms-in-flight=3', 'retry-interval=1min 30s')
    assert out('defaults', 'show', '--no-legend').split() \
        == ['max-vms-in-flight', '3', 'retry-interval', '1min', '30s']
    out('defaults', 'set', 'max-vms-in-flight=20', 'retry-interval=30')


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


def main():
    with subprocess.Popen([sys.executable, FAKE, XML]) as fake:
        subprocess.run(['gdbus', 'wait', '--session', '--timeout', '30', 'org.mtv.Manager'],
                       check=True)
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


main()
