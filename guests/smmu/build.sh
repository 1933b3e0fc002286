#!/usr/bin/env bash
# Builds smmu.elf, or the file given as argument. The same tools give the same bytes.
set -euo pipefail
cd "$(dirname "$0")"
case "${1-}" in
  '') out=$PWD/smmu.elf ;;
  /*) out=$1 ;;
  *) out=$OLDPWD/$1 ;;
esac
cross=${CROSS_COMPILE-aarch64-linux-gnu-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The MMU is off: memory is of Device type, where unaligned accesses fault.
flags=(-O1 -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-builtin
  -mgeneral-regs-only -mstrict-align -mno-outline-atomics -march=armv8-a -Wall -Wextra)
objects=()
for name in smmu driver wrong messages; do
  "${cross}gcc" "${flags[@]}" -c "$name.c" -o "$work/$name.o"
  objects+=("$work/$name.o")
done
"${cross}gcc" -c start.S -o "$work/start.o"
"${cross}gcc" -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-n -Wl,-z,max-page-size=4096 -T smmu.ld \
  "$work/start.o" "${objects[@]}" -o "$work/smmu.elf"
"${cross}objcopy" --strip-all "$work/smmu.elf" "$work/stripped.elf"
install -m 644 "$work/stripped.elf" "$out"
