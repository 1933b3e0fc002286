#!/usr/bin/env bash
# Builds churn.elf, or the file given as argument. The same tools give the same bytes.
set -euo pipefail
cd "$(dirname "$0")"
case "${1-}" in
  '') out=$PWD/churn.elf ;;
  /*) out=$1 ;;
  *) out=$OLDPWD/$1 ;;
esac
cross=${CROSS_COMPILE-aarch64-linux-gnu-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${cross}gcc" -c churn.S -o "$work/churn.o"
# At least 1 MiB above the start of RAM, where QEMU puts the device tree; -n keeps the ELF header out of memory.
"${cross}gcc" -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40100000 \
  "$work/churn.o" -o "$work/churn.elf"
"${cross}objcopy" --wildcard --strip-symbol='$x*' --strip-symbol='$d*' --strip-symbol='__*' --strip-symbol='_*_' \
  --strip-symbol=_edata --strip-symbol=_end "$work/churn.elf" "$work/stripped.elf"
install -m 644 "$work/stripped.elf" "$out"
