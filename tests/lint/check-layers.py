#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fails when a source file includes a folder that its own folder may not know.

usage: check-layers.py TOP_DIR    (holds src/, and perhaps client/)
"""
import re
import sys
from pathlib import Path

# Each layer, and the layers below it that it may include; itself always.
LAYERS = {
    "base": (),
    "model": ("base",),
    "store": ("base", "model"),
    "transfer": ("base",),
    "provider": ("base", "model", "transfer"),
    "engine": ("base", "model", "store", "transfer", "provider"),
    "dbus": ("base", "model", "engine"),
    "client": ("base", "client"),
}
COMPOSITION_ROOT = "main.c"  # the only file directly in src/; may include all of it
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def layer_of(path):
    """The layer of a path below src/: a concrete provider is one of its own."""
    if path.parts[0] == "provider" and len(path.parts) > 2:
        return "/".join(path.parts[:2])
    return path.parts[0]


def may_include(user, used):
    if user == used:
        return True
    if user.startswith("provider/"):
        return used == "provider" or used in LAYERS["provider"]
    return used in LAYERS.get(user, ())


def check(path, user):
    """The errors in one file of the layer."""
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        target = Path(match[1])
        if len(target.parts) > 1 and not may_include(user, layer_of(target)):
            line = text.count("\n", 0, match.start(1)) + 1
            yield f"{path}:{line}: {user}/ may not include {target}"


def check_tree(top):
    src = top / "src"
    for path in sorted(src.rglob("*.[ch]")):
        relative = path.relative_to(src)
        if len(relative.parts) > 1:
            if layer_of(relative).split("/")[0] not in LAYERS:
                yield f"{path}: there is no layer {relative.parts[0]}/"
            yield from check(path, layer_of(relative))
        elif relative.name != COMPOSITION_ROOT:
            yield f"{path}: only {COMPOSITION_ROOT} may lie in src/ itself"
    for path in sorted((top / "client").rglob("*.[ch]")):
        yield from check(path, "client")


if __name__ == "__main__":
    errors = list(check_tree(Path(sys.argv[1])))
    print(*errors, sep="\n", end="\n" if errors else "")
    sys.exit(1 if errors else 0)
