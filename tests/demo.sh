#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# demo.sh [--keep] [FILE.ova]: installs what is missing, builds, and migrates what FILE.ova holds with
# an mtvd and a bus of its own; then boots it in QEMU as its domain.xml says, and compares every disk
# with what qemu-img reads out of the OVA. Without a file it first makes an OVA of a guest with two
# disks, that boots and greets. Builds in $MTV_BUILD (build-demo); all else is in a temporary folder,
# which is removed at the end unless --keep is given.
set -euo pipefail

keep=
[ "${1:-}" != --keep ] || { keep=1; shift; }
[ $# -le 1 ] || { echo "Usage: $0 [--keep] [FILE.ova]" >&2; exit 2; }
ova=${1:+$(realpath -e "$1")}
cd "$(dirname "$0")/.."
. tests/packages.sh
build=$(realpath -m "${MTV_BUILD:-build-demo}")

step () { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || step () { printf '\n== %s\n' "$*"; }

step 'Packages'
install_packages "${packages_build[@]}" "${packages_run[@]}" "${packages_guest[@]}"
echo 'Everything is there.'

step "Building in $build"
mkdir -p "$build"
[ -e "$build/build.ninja" ] || meson setup "$build" > "$build/demo.log" 2>&1 \
  || { cat "$build/demo.log"; exit 1; }
ninja -C "$build" src/mtvd client/mtvctl > "$build/demo.log" 2>&1 || { tail -n 40 "$build/demo.log"; exit 1; }
PATH=$build/src:$build/client:$PATH

work=$(mktemp -d "${TMPDIR:-/var/tmp}/mtv-demo-XXXXXX")
bus='' mtvd=''
# shellcheck disable=SC2317 # the trap calls it
finish ()
{
  [ -z "$mtvd" ] || kill "$mtvd" || true
  [ -z "$mtvd" ] || wait "$mtvd" || true
  [ -z "$bus" ] || kill "$bus" || true
  if [ -n "$keep" ]; then echo "Left in $work"; else rm -rf "$work"; fi
}
trap finish EXIT

expect=()
if [ -z "$ova" ]; then
  step 'Making a guest of Debian'\''s kernel and busybox, and an OVA of it'
  tests/guest/make-guest.sh "$work/guest"
  for n in 0 1; do
    qemu-img convert -O vmdk -o subformat=streamOptimized "$work/guest/guest-$n.raw" \
      "$work/guest/guest-disk$n.vmdk"
  done
  ova=$work/greeter.ova expect=(--expect 'MTV-GUEST files are whole')
  tests/tools/mkova.py --name greeter --manifest sha256 "$ova" \
    "$work/guest/guest-disk0.vmdk,capacity=$(stat -c %s "$work/guest/guest-0.raw")" \
    "$work/guest/guest-disk1.vmdk,capacity=$(stat -c %s "$work/guest/guest-1.raw")"
  tar -tvf "$ova"
fi

step 'Starting mtvd on a bus of its own'
export DBUS_SESSION_BUS_ADDRESS=unix:path=$work/bus
export XDG_STATE_HOME=$work/state XDG_DATA_HOME=$work/data XDG_CONFIG_HOME=$work/config
cat > "$work/bus.conf" << E2
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=$work/bus</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
E2
dbus-daemon --config-file="$work/bus.conf" --nofork 2> "$work/bus.log" &
bus=$!
while [ ! -S "$work/bus" ]; do sleep 0.1; done
mtvd --session 2> "$work/mtvd.log" &
mtvd=$!
gdbus wait --session --timeout 30 org.mtv.Manager || { cat "$work/mtvd.log"; exit 1; }
mtvctl --user version

step 'Migrating'
mkdir "$work/arrived"
echo "\$ mtvctl --user import $(basename "$ova") --to $work/arrived"
mtvctl --user import "$ova" --to "$work/arrived" || { cat "$work/mtvd.log"; exit 1; }
echo '$ mtvctl --user migration list'
mtvctl --user --no-pager migration list

status=0
for domain in "$work"/arrived/*/domain.xml; do
  step "Booting $(basename "$(dirname "$domain")") in QEMU, as its domain.xml says"
  tests/guest/domain.py boot "${expect[@]}" "$domain" || status=1
done

step 'What arrived, compared with the OVA as qemu-img reads it'
tests/guest/compare.py "$ova" "$work"/arrived/*/ || status=1
[ $status -eq 0 ] || echo 'Something is not as it should be, see above.'
exit $status
