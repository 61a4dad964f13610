#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Has every MESSAGE_ID an entry in the catalog, and can journalctl read it?

usage: check-catalog.py MTV_LOG_H CATALOG
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KEYS = ("Subject", "Defined-By", "Support")


def parse(catalog):
    """Id to (header, body)."""
    entries = {}
    for part in re.split(r"^-- ", catalog, flags=re.M)[1:]:
        head, _, body = part.partition("\n\n")
        message_id, *lines = head.splitlines()
        entries[message_id] = (dict(line.split(": ", 1) for line in lines), body.strip())
    return entries


def compile_catalog(catalog):
    """What journalctl lists once it has compiled the catalog; None: there is no journalctl."""
    if shutil.which("journalctl") is None:
        return None
    with tempfile.TemporaryDirectory() as root:
        for name in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
            (Path(root) / name).mkdir(parents=True)
        shutil.copy(catalog, Path(root) / "usr/lib/systemd/catalog")
        for verb in ("--update-catalog", "--list-catalog"):
            answer = subprocess.run(["journalctl", f"--root={root}", verb], check=True,
                                    capture_output=True, text=True)
    return answer.stderr + answer.stdout


def main():
    header, catalog = (Path(name) for name in sys.argv[1:])
    ids = set(re.findall(r'#define MTV_MESSAGE_\w+ "([0-9a-f]{32})"', header.read_text()))
    entries = parse(catalog.read_text())
    errors = [f"{i} has no entry" for i in ids - entries.keys()]
    errors += [f"{i} is of no use any more" for i in entries.keys() - ids]
    for message_id, (head, body) in entries.items():
        errors += [f"{message_id} has no {key}" for key in KEYS if not head.get(key)]
        if len(body) < 80:
            errors.append(f"{message_id} explains nothing")
    listed = compile_catalog(catalog)
    if listed is not None:
        errors += [f"journalctl does not list {i}" for i in ids if i not in listed]
    print(*errors, sep="\n")
    return not ids or bool(errors)


if __name__ == "__main__":
    sys.exit(main())
