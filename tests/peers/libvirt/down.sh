#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# down.sh FOLDER: ends what up.sh started, and the guests of it. FOLDER stays, for a look at its logs.
set -uo pipefail

cd "$1" || exit 1

# end SIGNAL PID
end ()
{
  kill "$1" "$2" 2> /dev/null
  for _ in $(seq 100); do
    kill -0 "$2" 2> /dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$2" 2> /dev/null
}

# libvirt keeps a file with the process id of each guest.
for file in run/libvirt/qemu/run/*.pid; do
  [ -e "$file" ] && [ "$(basename "$file")" != driver.pid ] && end -KILL "$(cat "$file")"
done
[ -e libvirtd.pid ] && end -TERM "$(cat libvirtd.pid)"
rm -f libvirtd.pid
