#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever `mtvctl --help` offers stands in the man page. Usage: check-man.py MTVCTL PAGE"""
import os
import re
import subprocess
import sys

env = dict(os.environ, LC_ALL='C.UTF-8')
text = subprocess.run([sys.argv[1], '--help'], env=env, capture_output=True, text=True,
                      check=True).stdout
for noun in ('plan', 'cutover', 'configure', 'import', 'copy', 'verify'):  # the options that only some commands take
    text += subprocess.run([sys.argv[1], noun, '--help'], env=env, capture_output=True, text=True,
                           check=True).stdout
with open(sys.argv[2], encoding='utf-8') as file:
    page = file.read()
entries = [re.sub(r'\\f[RP]|"', '', page_line).replace('\\-', '-')
           for page_line in re.findall(r'^\.TP\n\.(?:BI|BR|B) (.*)$', page, re.M)]
verbs = re.findall(r'^  ([a-z]+(?: [a-z]+)?)(?= [ A-Z\[]|$)', text, re.M)
options = re.findall(r'^  (?:-[a-z]|  ) (--[a-z-]+)', text, re.M)
missing = [v for v in verbs if not any(re.match(re.escape(v) + r'( |$)', e) for e in entries)]
missing += [o for o in set(options)
            if not any(re.search('(^| )' + re.escape(o) + '(=| |$)', e) for e in entries)]
if len(verbs) < 25 or len(options) < 20:
    missing.append(f'(only {len(verbs)} verbs and {len(options)} options were found in --help)')
for thing in missing:
    print(f"{sys.argv[2]}: no entry for '{thing}'")
sys.exit(bool(missing))
