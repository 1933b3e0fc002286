#!/usr/bin/env bash
# Builds the reference guest: Debian's arm64 kernel and an initramfs with busybox and the virtio modules.
# Result: .guests/linux-arm64/Image and .guests/linux-arm64/initrd.cpio.gz; then scripts/guest-programs.sh adds
# programs.cpio.gz, and scripts/guest-firmware.sh firmware. Does nothing if they are there and
# nothing they are made of has changed. Packages are only downloaded and unpacked, never installed.
set -euo pipefail
cd "$(dirname "$0")/.."

out=.guests/linux-arm64
cache=.guests/cache
stamp=$out/made-from
sources=(scripts/guests.sh scripts/make-initramfs.mjs guests/linux-arm64/init)
# What the guest can drive; dependencies are added below. The file names of some have a dash.
modules=(virtio_mmio virtio_pci virtio_blk virtio_console virtio-rng virtio_net evdev gpio_keys)
# What is there for guests that load it themselves.
extra=(virtio-gpu virtio_input 9p 9pnet_virtio)

by_hand() {
  cat >&2 <<HELP
guests: $1
The reference guest comes from two Debian 12 packages. On a machine that cannot get them with apt, either
  - put linux-image-6.1.0-*-arm64_*_arm64.deb and busybox-static_*_arm64.deb, from any Debian mirror
    (pool/main/l/linux-signed-arm64 and pool/main/b/busybox), into $cache and run this again, or
  - copy a finished Image and initrd.cpio.gz from another machine into $out.
HELP
  exit 1
}

newest() { # newest FILE..., by version; nothing if there is none
  local found=()
  for file in "$@"; do [ -e "$file" ] && found+=("$file"); done
  [ ${#found[@]} -eq 0 ] || printf '%s\n' "${found[@]}" | sort -V | tail -n 1
}
kernel_deb() { newest $cache/linux-image-6.*-arm64_*_arm64.deb; }
busybox_deb() { newest $cache/busybox-static_*_arm64.deb; }

fingerprint() {
  local kernel busybox
  kernel=$(kernel_deb)
  busybox=$(busybox_deb)
  sha256sum "${sources[@]}"
  echo "${kernel##*/} ${busybox##*/}"
}

# The optional second RAM disk, and firmware. Whatever happens to them, the reference guest is there.
programs() {
  bash scripts/guest-programs.sh || true
  bash scripts/guest-firmware.sh || true
}

have_outputs() { [ -s $out/Image ] && [ -s $out/initrd.cpio.gz ]; }

if have_outputs; then
  if [ ! -e $stamp ]; then
    echo "guests: $out was placed by hand; left as it is"
    programs
    exit 0
  fi
  if [ "$(cat $stamp)" = "$(fingerprint)" ]; then
    echo "guests: $out is up to date"
    programs
    exit 0
  fi
fi

mkdir -p $cache $out

download() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || by_hand 'this machine has no apt'
  if ! dpkg --print-foreign-architectures | grep -qx arm64 && [ "$(dpkg --print-architecture)" != arm64 ]; then
    [ "$(id -u)" = 0 ] || by_hand 'apt does not know arm64 here; as root: dpkg --add-architecture arm64'
    dpkg --add-architecture arm64
  fi
  if [ "$(id -u)" = 0 ]; then
    # Another architecture's or vendor's index may be broken, which makes apt fail though arm64 is fine.
    apt-get update -qq || echo 'guests: apt-get update reported errors; going on' >&2
  fi
  local kernel
  kernel=$(apt-cache show linux-image-arm64:arm64 2>/dev/null |
    sed -n 's/^Depends: .*\(linux-image-6\.[^ ,]*-arm64\).*/\1/p' | sort -V | tail -n 1)
  [ -n "$kernel" ] || by_hand 'apt finds no linux-image-arm64:arm64 (is this Debian 12?)'
  (cd $cache && apt-get -qq -o APT::Sandbox::User=root download "$kernel:arm64" busybox-static:arm64) ||
    by_hand 'apt could not download the packages'
}

[ -n "$(kernel_deb)" ] && [ -n "$(busybox_deb)" ] || download
kernel=$(kernel_deb)
busybox=$(busybox_deb)
[ -n "$kernel" ] && [ -n "$busybox" ] || by_hand 'the packages did not arrive'
command -v dpkg-deb >/dev/null || by_hand 'dpkg-deb, which unpacks the packages, is missing'

work=$(mktemp -d .guests/work.XXXXXX)
trap 'rm -rf "$work"' EXIT
dpkg-deb -x "$kernel" "$work/kernel"
dpkg-deb -x "$busybox" "$work/busybox"

drivers=$(echo "$work"/kernel/lib/modules/*/kernel)
[ -d "$drivers" ] || drivers=$(echo "$work"/kernel/usr/lib/modules/*/kernel)
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,lib/modules}
install -m 755 "$(find "$work/busybox" -path '*bin/busybox' -type f)" "$root/bin/busybox"
install -m 755 guests/linux-arm64/init "$root/init"

# A module's own list of what it needs is in its .modinfo section; packages carry no modules.dep, which depmod
# writes at installation. Module names have underscores where file names may have dashes.
: >"$root/lib/modules/order"
list=order
add_module() {
  local name=${1//-/_} file target needed
  target=$root/lib/modules/$name.ko
  [ ! -e "$target" ] || return 0
  file=$(find "$drivers" -name '*.ko*' | awk -v want="$name" '
    { base = $0; sub(/.*\//, "", base); sub(/\.ko(\.[a-z0-9]+)?$/, "", base); gsub(/-/, "_", base) }
    base == want && !found++')
  if [ -z "$file" ]; then
    echo "guests: the kernel package has no module $name" >&2
    exit 1
  fi
  case "$file" in
    *.xz) xz -dc "$file" >"$target" ;;
    *.gz) gzip -dc "$file" >"$target" ;;
    *.zst) zstd -dcq "$file" >"$target" ;;
    *) cp "$file" "$target" ;;
  esac
  needed=$(tr '\0' '\n' <"$target" | sed -n 's/^depends=//p' | tr ',' ' ')
  for other in $needed; do add_module "$other"; done
  echo "$name.ko" >>"$root/lib/modules/$list"
}
for module in "${modules[@]}"; do add_module "$module"; done
list=extra
for module in "${extra[@]}"; do add_module "$module"; done
chmod -R u=rwX,go=rX "$root/lib"

node scripts/make-initramfs.mjs "$root" "$work/initrd.cpio"
gzip -9n "$work/initrd.cpio"
cp "$(newest "$work"/kernel/boot/vmlinuz-*)" "$work/Image"
mv "$work/Image" "$work/initrd.cpio.gz" $out/
fingerprint >$stamp
echo "guests: $out holds ${kernel##*/} and $(wc -l <"$root/lib/modules/order") modules"
programs
