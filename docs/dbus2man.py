#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a man page: a hand-written frame with the interfaces of D-Bus XML files in it.

usage: dbus2man.py FRAME VERSION XML...   ("@INTERFACES@" and "@VERSION@" in FRAME are filled in)

gdbus-codegen --generate-rst knows no wrapped parameter descriptions, of which ours are full.
"""
import re
import sys
from pathlib import Path
from xml.parsers import expat


class Item:
    """An interface, method, property or signal with its comment."""

    def __init__(self, kind, attributes, comment):
        self.kind, self.name = kind, attributes["name"]
        self.attributes, self.args, self.members, self.annotations = attributes, [], [], {}
        head, _, text = comment.strip().partition(":")
        if head.rsplit("(", 1)[0] != self.name:
            raise ValueError(f"{kind} {self.name}: its comment begins with '{head}'")
        self.params, self.body = {}, []
        lines = [line.strip() for line in text.strip().splitlines()]
        while lines and (match := re.match(r"@(\w+): *(.*)", lines[0])):
            lines.pop(0)
            words = [match[2]]
            while lines and lines[0] and not lines[0].startswith("@"):
                words.append(lines.pop(0))
            self.params[match[1]] = " ".join(words)
        for paragraph in "\n".join(lines).split("\n\n"):
            if paragraph.strip():
                self.body.append(" ".join(paragraph.split()))


def parse(path):
    """The interfaces in a file."""
    interfaces, stack, comment = [], [], ""

    def start(name, attributes):
        nonlocal comment
        if name in ("interface", "method", "property", "signal"):
            item = Item(name, attributes, comment)
            (interfaces if name == "interface" else stack[0].members).append(item)
            stack.append(item)
            comment = ""
        elif name == "arg":
            stack[-1].args.append(attributes)
        elif name == "annotation" and stack:
            stack[-1].annotations[attributes["name"]] = attributes["value"]

    def end(name):
        if name in ("interface", "method", "property", "signal"):
            stack.pop()

    def remember(text):
        nonlocal comment
        comment = text

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CommentHandler = remember
    parser.Parse(path.read_bytes(), True)
    return interfaces


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def prose(text):
    """Roff for a paragraph: `literal` and #references bold, @arguments italic."""
    text = escape(text)
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fP", text)
    text = re.sub(r"#([\w.:]*\w(?:\(\))?)", r"\\fB\1\\fP", text)
    text = re.sub(r"(?<![\w`])@(\w+)", r"\\fI\1\\fP", text)
    return re.sub(r"^([.'])", r"\\&\1", text)


def signature(member):
    if member.kind == "property":
        emits = member.annotations.get("org.freedesktop.DBus.Property.EmitsChangedSignal", "true")
        note = {"const": ", never changes", "false": ", without signal"}.get(emits, "")
        return f"{member.attributes['type']}  ({member.attributes['access']}{note})"
    args = [
        f"{arg['type']} {arg['name']}"
        for arg in member.args
        if member.kind == "signal" or arg.get("direction", "in") == "in"
    ]
    results = [
        f"{arg['type']} {arg['name']}" for arg in member.args if arg.get("direction") == "out"
    ]
    return f"({', '.join(args)})" + (f" → ({', '.join(results)})" if results else "")


def write_member(member):
    yield f".SS {member.name}" + ("()" if member.kind == "method" else "")
    yield f".B {escape(signature(member))}"
    for paragraph in member.body:
        yield f".PP\n{prose(paragraph)}"
    for name, text in member.params.items():
        yield f".TP\n.I {escape(name)}\n{prose(text)}"


def write_interface(interface):
    yield f".SH {interface.name.upper()}"
    short = interface.params.get("short_description")
    if short:
        yield f"{prose(short)}."
    for paragraph in interface.body:
        yield f".PP\n{prose(paragraph)}"
    for kind, title in (("method", "Methods"), ("signal", "Signals"), ("property", "Properties")):
        members = [member for member in interface.members if member.kind == kind]
        if members:
            yield f".PP\n\\fI{title} of {interface.name}\\fP"
        for member in members:
            yield from write_member(member)


def main():
    frame, version, *files = sys.argv[1:]
    lines = [line for name in files for i in parse(Path(name)) for line in write_interface(i)]
    page = Path(frame).read_text(encoding="utf-8").replace("@VERSION@", version)
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(page.replace("@INTERFACES@\n", "\n".join(lines) + "\n"))


if __name__ == "__main__":
    main()
