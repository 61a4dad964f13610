#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# up.sh FOLDER: starts a libvirtd of its own, whose files are all below FOLDER, and prints its URI. It
# serves a "session": root becomes nobody first, as a libvirtd of root would use /etc and /var.
# The first time it makes the disks guest.qcow2 (see writer.S) and data.qcow2, and defines the VM
# "writer" with both. FOLDER has to have a short name, for there are sockets deep in it.
# Exit status 77: something that is needed is not there.
set -euo pipefail

here=$(realpath "$(dirname "$0")")
folder=$(realpath "$1")

PATH=$PATH:/usr/sbin
for tool in libvirtd virsh qemu-system-x86_64 qemu-img gcc ld setpriv; do
  command -v "$tool" > /dev/null || { echo "$tool is not installed" >&2; exit 77; }
done
[ "$(uname -m)" = x86_64 ] || { echo 'The guest is one for x86_64' >&2; exit 77; }
cd "$folder"
mkdir -p config/libvirt run cache data images

# Files instead of virtlogd, and nothing that takes privileges.
cat > config/libvirt/qemu.conf << 'E'
stdio_handler = "file"
security_driver = "none"
namespaces = []
remember_owner = 0
E
cat > libvirtd.conf << E
listen_tls = 0
unix_sock_dir = "$folder/run"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:$folder/libvirtd.log"
E

if [ ! -e images/guest.qcow2 ]; then
  gcc -m32 -c -o writer.o "$here/writer.S"
  ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o writer.bin writer.o
  truncate -s 32M guest.raw
  dd if=writer.bin of=guest.raw conv=notrunc status=none
  truncate -s 24M data.raw
  seq 400000 | dd of=data.raw bs=1M seek=7 conv=notrunc status=none
  qemu-img convert -O qcow2 guest.raw images/guest.qcow2
  qemu-img convert -O qcow2 data.raw images/data.qcow2
  rm writer.o writer.bin guest.raw data.raw
fi
cat > writer.xml << E
<domain type='qemu'>
  <name>writer</name>
  <uuid>6d747664-0000-4000-8000-0000000000b1</uuid>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='$folder/images/guest.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='$folder/images/data.qcow2'/>
      <target dev='vdb' bus='virtio'/>
      <serial>data-1</serial>
    </disk>
  </devices>
</domain>
E

become=()
if [ "$(id -u)" -eq 0 ]; then
  become=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  chown -R 65534:65534 .
fi
rm -f run/libvirt-sock
env -i PATH="$PATH" LC_ALL=C HOME="$folder" XDG_CONFIG_HOME="$folder/config" \
  XDG_RUNTIME_DIR="$folder/run" XDG_CACHE_HOME="$folder/cache" XDG_DATA_HOME="$folder/data" \
  "${become[@]}" libvirtd -f "$folder/libvirtd.conf" > libvirtd.out 2>&1 < /dev/null &
echo $! > libvirtd.pid

uri="qemu:///session?socket=$folder/run/libvirt-sock"
for _ in $(seq 200); do
  if [ -S run/libvirt-sock ] && virsh -q -c "$uri" version > /dev/null 2>&1; then
    virsh -q -c "$uri" dominfo writer > /dev/null 2>&1 \
      || virsh -q -c "$uri" define writer.xml > /dev/null
    echo "$uri"
    exit 0
  fi
  kill -0 "$(cat libvirtd.pid)" 2> /dev/null || break
  sleep 0.1
done
echo 'libvirtd does not run here:' >&2
tail -n 5 libvirtd.out libvirtd.log >&2
"$here/down.sh" "$folder"
exit 77
