// Substitution tables, eight bytes per word, first byte lowest.

/** FIPS 197, figure 7: the AES S-box. */
export const AES_SBOX = memory.data<u64>([
  0xc56f6bf27b777c63, 0x76abd7fe2b670130, 0xf04759fa7dc982ca, 0xc072a49cafa2d4ad,
  0xccf73f362693fdb7, 0x1531d871f1e5a534, 0x9a059618c323c704, 0x75b227ebe2801207,
  0xa05a6e1b1a2c8309, 0x842fe329b3d63b52, 0x5bb1fc20ed00d153, 0xcf584c4a39becb6a,
  0x85334d43fbaaefd0, 0xa89f3c507f02f945, 0xf5389d928f40a351, 0xd2f3ff1021dab6bc,
  0x1744975fec130ccd, 0x73195d643d7ea7c4, 0x88902a22dc4f8160, 0xdb0b5ede14b8ee46,
  0x5c2406490a3a32e0, 0x79e4959162acd3c2, 0xa94ed58d6d37c8e7, 0x08ae7a65eaf4566c,
  0xc6b4a61c2e2578ba, 0x8a8bbd4b1f74dde8, 0x0ef6034866b53e70, 0x9e1dc186b9573561,
  0x948ed9691198f8e1, 0xdf2855cee9871e9b, 0x6842e6bf0d89a18c, 0x16bb54b00f2d9941,
]);
/** FIPS 197, figure 14: its inverse. */
export const AES_INVERSE = memory.data<u64>([
  0x38a53630d56a0952, 0xfbd7f3819ea340bf, 0x87ff2f9b8239e37c, 0xcbe9dec444438e34,
  0x3d23c2a632947b54, 0x4ec3fa420b954cee, 0xb224d92866a12e08, 0x25d18b6d49a25b76,
  0x1698688664f6f872, 0x92b6655dcc5ca4d4, 0xdab9edfd5048706c, 0x849d8da75746155e,
  0x0ad3bc8c00abd890, 0x0645b3b80558e4f7, 0x020f3fca8f1e2cd0, 0x6b8a130103bdafc1,
  0xeadc674f4111913a, 0x73e6b4f0cecff297, 0x8535ade72274ac96, 0x6edf751ce837f9e2,
  0x89c5291d711af147, 0x1bbe18aa0e62b76f, 0x2079d2c64b3e56fc, 0xf45acd78fec0db9a,
  0x31c7078833a8dd1f, 0x5fec8027591012b1, 0x0d4ab519a97f5160, 0xef9cc9939f7ae52d,
  0xb0f52aae4d3be0a0, 0x619953833cbbebc8, 0x26d677ba7e042b17, 0x7d0c2155631469e1,
]);
/** GB/T 32907-2016, 6.2: the SM4 S-box. */
export const SM4_SBOX = memory.data<u64>([
  0xb73de1ccfee990d6, 0x052cfb28c214b616, 0xc304be2a769a672b, 0x99068649261344aa,
  0x7a98ef91f450429c, 0x62accfed430b5433, 0x95e808c9a91cb3e4, 0xa63f8f75fa94df80,
  0xba1773f3fca70747, 0xa84f85e6193c5983, 0x8bda6471b2816b68, 0x359d56704b0febf8,
  0xa2d158635e0e241e, 0x877821013b7c2225, 0x5227d39f574600d4, 0x9ec8c4a0e702364c,
  0xb538c740d28abfea, 0xa11561f9cef2f7a3, 0x551a349ba45daee0, 0xe3b18cf5303293ad,
  0x60ca66822ee2f61d, 0x6f4e530dab2329c0, 0x2f8efdde4537dbd5, 0x515b6c6d726aff03,
  0x7fbcddbb92af1b8d, 0xd85a101f415cd911, 0xbd7bcda58831c10a, 0xb0b4e5b812d0742d,
  0x7e77960c4a976989, 0x84c66ec509f1b965, 0x204ddc3aec7df018, 0x4839cbd73e5fee79,
]);

/** The table's entry for each byte of v, without a memory access that depends on the data. */
@inline export function substitute(table: usize, v: v128): v128 {
  let r = v128.swizzle(v128.load(table), v);
  for (let i: usize = 16; i < 256; i += 16) {
    v = i8x16.sub(v, i8x16.splat(16));
    r = v128.or(r, v128.swizzle(v128.load(table + i), v));
  }
  return r;
}
