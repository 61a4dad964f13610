# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel tells of a process."""
import glob
import re


def pss(pid):
    """Its share of the memory that is in use, in bytes."""
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as f:
        return int(re.search(r'^Pss: *(\d+) kB', f.read(), re.MULTILINE).group(1)) * 1024


def wakeups(pid):
    """Of each thread: name, and how often it went to sleep."""
    tasks = {}
    for path in glob.glob(f'/proc/{pid}/task/*/status'):
        with open(path, encoding='ascii') as f:
            text = f.read()
        tasks[path] = (re.search(r'^Name:\s*(.*)', text).group(1),
                       int(re.search(r'^voluntary_ctxt_switches:\s*(\d+)', text, re.MULTILINE).group(1)))
    return tasks
