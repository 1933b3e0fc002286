#!/usr/bin/env bash
# Fetches two firmwares for the board that others built: UEFI (EDK II) and U-Boot, out of Debian's packages.
# Result: .guests/firmware/QEMU_EFI.fd and u-boot.bin. Called by scripts/guests.sh; a failure says what is missing,
# and the tests that need them are left out.
set -euo pipefail
cd "$(dirname "$0")/.."

out=.guests/firmware
cache=.guests/cache/firmware
mkdir -p $out $cache

# package, file in it
while read -r package file; do
  name=${file##*/}
  if [ -s "$out/$name" ]; then
    echo "guests: $out/$name is up to date"
    continue
  fi
  found=("$cache/${package}"_*_all.deb)
  if [ ! -s "${found[-1]}" ]; then
    (cd $cache && timeout 120 apt-get -qq -o APT::Sandbox::User=root download "$package") || true
    found=("$cache/${package}"_*_all.deb)
  fi
  work=$(mktemp -d .guests/work.XXXXXX)
  if [ -s "${found[-1]}" ] && dpkg-deb -x "${found[-1]}" "$work" && [ -s "$work/$file" ]; then
    cp "$work/$file" "$out/$name"
    echo "guests: $out/$name comes from $(basename "${found[-1]}")"
  else
    echo "guests: no $out/$name: it is $file of Debian 12's package $package; put that into $cache and run this again" >&2
  fi
  rm -rf "$work"
done <<LIST
qemu-efi-aarch64 usr/share/qemu-efi-aarch64/QEMU_EFI.fd
u-boot-qemu usr/lib/u-boot/qemu_arm64/u-boot.bin
LIST
