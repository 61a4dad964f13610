#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does check-layers.py see what it is there to see?   usage: test-check-layers.py CHECK_LAYERS"""
import subprocess
import sys
import tempfile
from pathlib import Path

# file, what it includes, what the check must say (None: nothing)
CASES = (
    ("src/engine/a.c", "provider/mtv-source.h", None),
    ("src/provider/ova/a.c", "provider/mtv-source.h", None),
    ("src/provider/ova/a.c", "provider/ova/b.h", None),
    ("src/main.c", "provider/ova/b.h", None),
    ("src/dbus/a.c", "mtv-dbus-generated.h", None),
    ("client/a.c", "base/mtv-error.h", None),
    ("src/base/a.c", "model/mtv-vm.h", "base/ may not include model/mtv-vm.h"),
    ("src/transfer/a.c", "model/mtv-vm.h", "transfer/ may not include model/mtv-vm.h"),
    ("src/dbus/a.c", "store/mtv-store.h", "dbus/ may not include store/mtv-store.h"),
    ("src/engine/a.h", "dbus/mtv-front.h", "engine/ may not include dbus/mtv-front.h"),
    ("src/engine/a.c", "provider/ova/b.h", "engine/ may not include provider/ova/b.h"),
    ("src/provider/ova/a.c", "provider/local/b.h",
     "provider/ova/ may not include provider/local/b.h"),
    ("src/provider/ova/a.c", "engine/mtv-job.h", "provider/ova/ may not include engine/mtv-job.h"),
    ("client/a.c", "engine/mtv-job.h", "client/ may not include engine/mtv-job.h"),
    ("src/stray.c", "base/mtv-error.h", "only main.c may lie in src/ itself"),
    ("src/util/a.c", "base/mtv-error.h", "there is no layer util/"),
)


def main():
    failed = 0
    for name, include, expected in CASES:
        with tempfile.TemporaryDirectory() as top:
            path = Path(top) / name
            path.parent.mkdir(parents=True)
            path.write_text(f'#include <glib.h>\n\n# include "{include}"\n', encoding="utf-8")
            answer = subprocess.run([sys.executable, sys.argv[1], top], capture_output=True,
                                    text=True, check=False)
        right = (answer.returncode == 0) == (expected is None) and (expected or "") in answer.stdout
        if not right:
            print(f"{name} with {include}: {answer.returncode}, '{answer.stdout}'")
            failed += 1
    print(f"{len(CASES) - failed} of {len(CASES)} right")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
