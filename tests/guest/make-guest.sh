#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# make-guest.sh FOLDER: makes FOLDER/guest-0.raw, a disk that boots by BIOS, with Debian's kernel and
# busybox on ext4, and FOLDER/guest-1.raw, a disk with data. The guest says on its serial console
# which disks and network cards it sees, whether its files are whole, and powers itself off.
# Needs no root, no mount and no loop device; packages_guest of ../packages.sh, and the package
# mirror for the kernel, which is not installed but unpacked.
set -euo pipefail

here=$(realpath "$(dirname "$0")")
mkdir -p "$1"
cd "$1"
rm -rf work
mkdir -p work/boot work/initrd/{bin,dev,lib,mnt,proc,sys}

# Debian's cloud kernel is smaller, but knows neither AHCI nor e1000e.
fetch_kernel ()
{
  local package

  package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p')
  [ -n "$package" ] || { echo 'The package linux-image-amd64 is not known: apt-get update?' >&2; return 1; }
  mkdir work/apt
  (cd work/apt && apt-get -qq download "$package" 2> ../apt.log) || { cat work/apt.log >&2; return 1; }
  # Some 400 MB of modules stay where they are.
  dpkg-deb --fsys-tarfile work/apt/*.deb | tar -x -C work/boot --wildcards --no-anchored \
    --transform 's,.*/,,' 'boot/vmlinuz-*' "${modules[@]/%/.ko}"
  mv work/boot/vmlinuz-* work/boot/vmlinuz
}

# In the order in which they need each other.
modules=(crc16 crc32c_generic mbcache jbd2 ext4
  crct10dif_common crct10dif_generic crc-t10dif crc64 crc64_rocksoft_generic crc64-rocksoft t10-pi
  scsi_common scsi_mod libata libahci ahci ata_piix sd_mod
  virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
  failover net_failover virtio_net e1000e)

[ -e kernel/vmlinuz ] || { fetch_kernel; rm -rf kernel; mv work/boot kernel; mkdir work/boot; }

cp "$(command -v busybox)" work/initrd/bin/busybox
ln -s busybox work/initrd/bin/sh
cp kernel/*.ko work/initrd/lib/
printf '%s\n' "${modules[@]}" > work/initrd/lib/order
install -m 755 "$here/init" work/initrd/init
(cd work/initrd && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0) | gzip -n1 > work/boot/initrd

cp kernel/vmlinuz work/boot/
# What a system holds: text that compresses, and what does not.
mkdir work/boot/data
/usr/bin/python3 - work/boot/data << 'P'
import random, sys
r = random.Random(1)
for n in range(16):
    with open(f'{sys.argv[1]}/{n}', 'wb') as f:
        f.write(r.randbytes(1 << 20) if n % 4 == 0 else b'line %d of a file\n' % n * (1 << 16))
P
(cd work/boot && sha256sum data/* > SHA256)

# The boot sector finds GRUB's core behind it, in the gap before the first partition.
grub=/usr/lib/grub/i386-pc
printf 'linux /vmlinuz console=ttyS0 quiet panic=-1 no_timer_check\ninitrd /initrd\nboot\n' > work/grub.cfg
grub-mkimage -O i386-pc -d $grub -p '(hd0,msdos1)/' -c work/grub.cfg -o work/core.img \
  biosdisk part_msdos ext2 linux
rm -f guest-0.raw guest-1.raw
truncate -s 96M guest-0.raw
printf 'label: dos\nlabel-id: 0x4d545644\nstart=2048, type=83, bootable\n' | sfdisk -q guest-0.raw
mke2fs -q -t ext4 -b 4096 -m 0 -L root -U 6d747664-0000-4000-8000-000000000001 \
  -O ^64bit,^metadata_csum -d work/boot -E offset=1048576,root_owner=0:0 -F guest-0.raw 95M
dd if=$grub/boot.img of=guest-0.raw conv=notrunc bs=440 count=1 status=none
dd if=work/core.img of=guest-0.raw conv=notrunc bs=512 seek=1 status=none

truncate -s 64M guest-1.raw
printf 'This is the data disk.\n' | dd of=guest-1.raw conv=notrunc status=none
dd if=work/boot/initrd of=guest-1.raw conv=notrunc bs=1M seek=40 status=none
rm -rf work
