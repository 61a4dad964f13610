# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034 # the scripts that source it use them
# The Debian packages that the scripts here need, and how they get them. To be sourced by bash.

packages_build=(gcc libc6-dev meson ninja-build pkgconf gettext python3-yaml
  libglib2.0-dev libjson-glib-dev libsystemd-dev libsqlite3-dev libnbd-dev libdeflate-dev
  liburing-dev libxxhash-dev libyaml-dev
  libvirt-dev zlib1g-dev libxml2-dev libssl-dev libarchive-dev libsoup-3.0-dev)
packages_run=(dbus-daemon libglib2.0-bin qemu-utils glib-networking)
# A guest that boots from a disk: busybox, GRUB and the file system; QEMU to boot it in.
packages_guest=(busybox-static cpio e2fsprogs fdisk grub-common grub-pc-bin python3
  qemu-system-x86 seabios)
packages_test=(python3-gi python3-dbusmock python3-jsonschema python3-xxhash nbdkit nbdkit-plugin-dev
  libxml2-utils polkitd procps
  shellcheck codespell man-db groff-base zsh bash-completion systemd dbus strace util-linux xz-utils
  gzip nginx-light openssl zstd)
# What PyPI's ovirt-imageio is built with, and QEMU's server behind it.
packages_ovirt=(gcc libc6-dev openssl python3-dev python3-venv qemu-utils)
# A libvirtd with QEMU, and what assembles its guest.
packages_libvirt=(binutils gcc libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu
  qemu-system-x86 qemu-utils seabios util-linux)
packages_system=(systemd systemd-container dbus polkitd python3-gi)
packages_clang=(clang-14 clang-format-14 clang-tidy-14 clang-tools-14 libclang-rt-14-dev)

# install_packages NAME…: those of them that are missing; needs root only then.
install_packages ()
{
  local name missing=()

  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$name" 2> /dev/null | grep -qx installed \
      || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing, and only root can install them: ${missing[*]}" >&2
    return 1
  fi
  echo "Installing ${missing[*]}"
  apt_get update && apt_get install --no-install-recommends "${missing[@]}"
}

apt_get ()
{
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
    -o DPkg::Lock::Timeout=300 "$@" < /dev/null > /dev/null
}
