#!/usr/bin/env bash
# Builds storm.elf, or the file given as argument. The same compiler gives the same bytes, wherever the folder is.
set -euo pipefail
cd "$(dirname "$0")"
case "${1-}" in
  '') out=$PWD/storm.elf ;;
  /*) out=$1 ;;
  *) out=$OLDPWD/$1 ;;
esac
export LC_ALL=C SOURCE_DATE_EPOCH=0
cross=${CROSS_COMPILE-aarch64-linux-gnu-}
folder=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# -fno-inline and frame pointers: a debugger shows the functions that the source has. -mstrict-align: part of it
# runs with the MMU off. -g1: line numbers, no types.
flags=(-std=gnu11 -O1 -g1 -Wall -Wextra -Werror -ffreestanding -mgeneral-regs-only -mstrict-align
  -mcpu=cortex-a53 -mno-outline-atomics -fno-inline -fno-omit-frame-pointer -fno-optimize-sibling-calls
  -fno-stack-protector -fno-pic -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns
  -gno-record-gcc-switches "-ffile-prefix-map=$folder=guests/storm" "-ffile-prefix-map=$work=.")

sources=(entry.S main.c fdt.c platform.c console.c mmu.c gic.c irq.c task.c timer.c watchdog.c rtc.c virtio.c workload.c)
objects=()
for source in "${sources[@]}"; do
  object=$work/${source%.*}.o
  # From another folder, with the full name: the names in the line table then start at the project's folder.
  (cd "$work" && "${cross}gcc" "${flags[@]}" -c "$folder/$source" -o "$object")
  objects+=("$object")
done
"${cross}gcc" -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 \
  -Wl,-T,storm.ld "${objects[@]}" -o "$work/storm.elf"
# Mapping symbols ($x, $d) and file symbols are of no use to a debugger.
"${cross}objcopy" --wildcard --strip-symbol='$x*' --strip-symbol='$d*' --discard-locals "$work/storm.elf" "$work/stripped.elf"
install -m 644 "$work/stripped.elf" "$out"
