#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtv.pot is what the sources say, and every translation is complete. Usage: check-po.py TOP"""
import os
import re
import subprocess
import sys
import tempfile

os.chdir(sys.argv[1])
failures = []


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True, env=dict(os.environ, LC_ALL='C'))
    if done.returncode != 0:
        failures.append(f"{' '.join(args)}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def messages(path):
    text = run('msgcat', '--no-wrap', '--no-location', path)
    return set(re.findall(r'^msgid "(.+)"$', text, re.M))


with tempfile.TemporaryDirectory() as folder:
    fresh = os.path.join(folder, 'mtv.pot')
    run('xgettext', '--files-from=po/POTFILES.in', '--from-code=UTF-8', '--keyword=_',
        '--keyword=N_', '--keyword=ngettext:1,2', '-o', fresh)
    for message in messages(fresh) ^ messages('po/mtv.pot'):
        failures.append(f"po/mtv.pot is out of date: '{message}'")
    with open('po/LINGUAS', encoding='ascii') as file:
        languages = re.findall('^[a-zA-Z_]+$', file.read(), re.M)
    for language in languages:
        path = f'po/{language}.po'
        told = run('msgfmt', '--check', '--statistics', '-o', os.devnull, path)
        if 'fuzzy' in told or 'untranslated' in told:
            failures.append(f'{path}: {told}')
        run('msgcmp', path, fresh)
with open('po/POTFILES.in', encoding='ascii') as file:
    listed = set(file.read().split())
for name in os.listdir('client'):
    with open(f'client/{name}' if name.endswith('.c') else os.devnull, encoding='utf-8') as file:
        if re.search(r'\bN?_ ?\("', file.read()) and f'client/{name}' not in listed:
            failures.append(f'client/{name} is not in po/POTFILES.in')
print('\n'.join(failures))
sys.exit(bool(failures))
