#!/usr/bin/env bash
# Builds a larger RAM disk with Debian's own programs (openssl, Python, SQLite, Perl, compressors, stress-ng) for the
# reference kernel: .guests/linux-arm64/programs.cpio.gz, which is the reference initramfs with a second archive
# behind it (the kernel unpacks one after the other). And .guests/linux-arm64/lspci.cpio.gz, an archive with lspci
# alone, to be laid over another one. Called by scripts/guests.sh. Packages are only downloaded and unpacked, never
# installed. Nothing else depends on it: a failure says what is missing, and tests leave it out.
set -euo pipefail
cd "$(dirname "$0")/.."

out=.guests/linux-arm64
cache=.guests/cache/programs
stamp=$out/programs-made-from
sources=(scripts/guest-programs.sh scripts/collect-programs.mjs scripts/make-initramfs.mjs guests/linux-arm64/programs/*)
packages=(
  libc6 libgcc-s1 zlib1g libzstd1
  openssl libssl3
  python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libexpat1
  sqlite3 libsqlite3-0 libreadline8 libtinfo6
  gzip bzip2 libbz2-1.0 xz-utils liblzma5
  perl-base libcrypt1
  memtester
  pciutils libpci3 libudev1
  # stress-ng is linked with libraries for stressors that no workload here uses, and does not start without them.
  stress-ng libapparmor1 libbsd0 libmd0 libegl1 libgles2 libglvnd0 libgbm1 libdrm2 libwayland-server0 libffi8
  libxcb-randr0 libxcb1 libxau6 libxdmcp6 libjpeg62-turbo libjudydebian1 libkmod2 libsctp1 libxxhash0
)

without() {
  cat >&2 <<HELP
guests: no programs: $1
The reference guest is complete without $out/programs.cpio.gz; the tests and workloads that need it are left out.
On a machine that cannot get the packages with apt, put these .deb files (arm64, Debian 12) into $cache
and run this again:
  ${missing[*]:-${packages[*]}}
HELP
  rm -f "$stamp"
  exit 1
}

missing=()
look() { # which packages are not in the cache
  missing=()
  local name found
  for name in "${packages[@]}"; do
    found=("$cache/${name}"_*_arm64.deb)
    [ -s "${found[-1]}" ] || missing+=("$name")
  done
}

fingerprint() {
  sha256sum "${sources[@]}" $out/initrd.cpio.gz
  (cd $cache && ls -1 ./*.deb)
}

look
if [ ${#missing[@]} -eq 0 ] && [ -s $out/programs.cpio.gz ] && [ -s $out/lspci.cpio.gz ] && [ "$(cat $stamp 2>/dev/null)" = "$(fingerprint)" ]; then
  echo "guests: $out/programs.cpio.gz is up to date"
  exit 0
fi
if [ -s $out/programs.cpio.gz ] && [ ! -e $stamp ]; then
  echo "guests: $out/programs.cpio.gz was placed by hand; left as it is"
  exit 0
fi

mkdir -p $cache
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || without 'this machine has no apt'
  command -v dpkg-deb >/dev/null || without 'dpkg-deb, which unpacks packages, is missing'
  echo "guests: downloading ${#missing[@]} packages with programs"
  # One broken package must not keep the others away: what is missing afterwards is named.
  (cd $cache && timeout 240 apt-get -qq -o APT::Sandbox::User=root download "${missing[@]/%/:arm64}") ||
    for name in "${missing[@]}"; do
      (cd $cache && timeout 60 apt-get -qq -o APT::Sandbox::User=root download "$name:arm64") || true
    done
  look
  [ ${#missing[@]} -eq 0 ] || without "apt could not download ${missing[*]}"
fi

work=$(mktemp -d .guests/work.XXXXXX)
trap 'rm -rf "$work"' EXIT
for name in "${packages[@]}"; do
  found=("$cache/${name}"_*_arm64.deb)
  newest=$(printf '%s\n' "${found[@]}" | sort -V | tail -n 1)
  dpkg-deb -x "$newest" "$work/packages" || without "$newest cannot be unpacked"
done
mkdir -p "$work/root/programs"
node scripts/collect-programs.mjs "$work/packages" "$work/root" || without 'the packages have changed (see above)'
cp guests/linux-arm64/programs/* "$work/root/programs/"
chmod -R u=rwX,go=rX "$work/root"
chmod 755 "$work"/root/usr/bin/* "$work/root/programs/run" "$work"/root/lib/ld-linux-aarch64.so.1
node scripts/make-initramfs.mjs "$work/root" "$work/more.cpio"
gzip -9n "$work/more.cpio"
cat $out/initrd.cpio.gz "$work/more.cpio.gz" >"$work/programs.cpio.gz"
mkdir "$work/lspci"
node scripts/collect-programs.mjs "$work/packages" "$work/lspci" lspci || without 'the packages have changed (see above)'
chmod -R u=rwX,go=rX "$work/lspci"
chmod 755 "$work"/lspci/usr/bin/* "$work"/lspci/lib/ld-linux-aarch64.so.1
node scripts/make-initramfs.mjs "$work/lspci" "$work/lspci.cpio"
gzip -9n "$work/lspci.cpio"
mv "$work/programs.cpio.gz" "$work/lspci.cpio.gz" $out/
fingerprint >$stamp
echo "guests: $out/programs.cpio.gz holds programs of ${#packages[@]} packages, $(du -sm "$work/root" | cut -f1) MB"
