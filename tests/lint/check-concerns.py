#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every concern that the sources can raise is in mtvd(8), and no other. usage: check-concerns.py TOP"""
import re
import sys
from pathlib import Path

top = Path(sys.argv[1])
raised = set()
for path in (top / "src").rglob("*.c"):
    raised |= set(re.findall(r'mtv_concerns_add \(\s*[^,]+,\s*"([a-z.]+)"', path.read_text()))
page = (top / "docs/mtvd.8").read_text().split(".SH CONCERNS", 1)[1].split(".SH ", 1)[0]
listed = set(re.findall(r"^\.B ([a-z.]+)$", page, re.M))
for concern in sorted(raised ^ listed):
    print(f"{concern}: {'not in docs/mtvd.8' if concern in raised else 'raised nowhere'}")
sys.exit(not raised or raised != listed)
