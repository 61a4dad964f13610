#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# up.sh FOLDER: installs ovirt-imageio from PyPI there, unless that is done; it is then
# FOLDER/bin/ovirt-imageio. Ends with 77 where it cannot be had.
set -eu
version=2.5.1

if [ "$version" != "$(cat "$1/stamp" 2> /dev/null)" ]; then
  rm -rf "$1"
  if ! /usr/bin/python3 -m venv "$1" \
    || ! "$1/bin/pip" install --quiet --disable-pip-version-check "ovirt-imageio==$version"; then
    echo "ovirt-imageio $version cannot be installed" >&2
    exit 77
  fi
  echo "$version" > "$1/stamp"
fi
