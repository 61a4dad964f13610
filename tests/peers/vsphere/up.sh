#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# up.sh FOLDER: builds vcsim-plus and govc there, from the Go modules that go.sum pins, unless that
# is done. Ends with 77 where there is no Go that can.
set -eu
here=$(dirname "$(realpath "$0")")
mkdir -p "$1"
folder=$(realpath "$1")

if ! command -v go > /dev/null; then
  echo 'Go is not installed' >&2
  exit 77
fi
exec 9> "$folder/lock"
flock 9
stamp=$(cat "$here"/go.* "$here"/*/*.go | sha256sum)
if [ "$stamp" != "$(cat "$folder/stamp" 2> /dev/null)" ]; then
  (cd "$here" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local go build -buildvcs=false -trimpath \
    -o "$folder/" ./vcsim-plus ./govc)
  echo "$stamp" > "$folder/stamp"
fi
