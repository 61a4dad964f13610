#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts what a run of meson's tests came to: prints 'PASSED FAILED SKIPPED', and names on standard
error what failed and what was skipped.

count-results.py TESTLOG.JSON    each line of it a program; of one that speaks TAP, each of its
                                 tests counts, and so does a death after the last of them
"""
import json
import re
import sys

TAP = re.compile(r'^(?:TAP version 1[34]|1\.\.\d+)', re.MULTILINE)
POINT = re.compile(r'^(not ok|ok)\b *\d* *(?:- )?(.*?)(?:# *(skip|todo)\b.*)?$',
                   re.MULTILINE | re.IGNORECASE)
GOOD = ('OK', 'EXPECTEDFAIL', 'SKIP')


def count(test):
    """[(result, name)] of a program."""
    out, name, points = test.get('stdout') or '', test['name'], []
    if TAP.search(out):
        for verdict, what, directive in POINT.findall(out):
            result = 'skipped' if directive.lower() == 'skip' else \
                'passed' if verdict == 'ok' or directive else 'failed'
            points.append((result, f'{name}: {what.strip()}'))
    if test['result'] not in GOOD and not any(r == 'failed' for r, _ in points):
        points.append(('failed', f"{name}: {test['result']}"))
    if not points:
        points.append(('skipped' if test['result'] == 'SKIP' else 'passed', name))
    return points


def main():
    with open(sys.argv[1], encoding='utf-8') as log:
        points = [point for line in log for point in count(json.loads(line))]
    for result, name in points:
        if result != 'passed':
            print(f'  {result}: {name}', file=sys.stderr)
    print(*(sum(r == kind for r, _ in points) for kind in ('passed', 'failed', 'skipped')))


if __name__ == '__main__':
    main()
