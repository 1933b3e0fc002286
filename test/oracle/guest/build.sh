#!/bin/sh
# Builds harness.elf, which is in the repository so that the oracle runs without a cross compiler.
set -e
cd "$(dirname "$0")"
aarch64-linux-gnu-gcc -nostdlib -static -Wl,-n -Wl,-N -Wl,-Ttext=0x40200000 -Wl,--build-id=none -s -o harness.elf harness.S
