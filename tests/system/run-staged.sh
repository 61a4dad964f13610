#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run-staged.sh BUILD TEST.py [ARG…]: runs a test with what would be installed in $STAGE.
set -euo pipefail
STAGE=$(mktemp -d "${TMPDIR:-/var/tmp}/mtv-stage-XXXXXX")
export STAGE
trap 'rm -rf "$STAGE"' EXIT
DESTDIR=$STAGE meson install -C "$1" --no-rebuild > "$STAGE.log" || { cat "$STAGE.log"; exit 1; }
rm -f "$STAGE.log"
chmod 755 "$STAGE"
install -D "$MTV_MEDDLE" "$STAGE/usr/lib/mtv-meddle.so"
[ -x "$STAGE/usr/libexec/mtvd" ] || { echo "$1 was not set up with --prefix=/usr" >&2; exit 1; }
/usr/bin/python3 "${@:2}"
