import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  asCells,
  asStrings,
  cells,
  decodeFdt,
  empty,
  encodeFdt,
  encodeUtf8,
  type Fdt,
  FdtError,
  type FdtNode,
  findNode,
  findProperty,
  pair,
  setProperty,
  strings,
} from '../../../engine/boards/fdt.ts';

const example: Fdt = {
  root: {
    name: '',
    properties: [
      { name: 'compatible', value: strings('a,b', 'c') },
      { name: '#address-cells', value: cells(2) },
    ],
    children: [
      { name: 'empty', properties: [{ name: 'yes', value: empty }], children: [] },
      {
        name: 'cpus',
        properties: [],
        children: [
          { name: 'cpu@0', properties: [{ name: 'reg', value: cells(0, 0xffff_ffff) }], children: [] },
          { name: 'cpu@1', properties: [{ name: 'bytes', value: Uint8Array.of(1, 2, 3) }], children: [] },
        ],
      },
    ],
  },
  reservations: [{ address: 0x1_2345_6789n, size: 0x1000n }],
  bootCpu: 3,
};

const hasDtc = spawnSync('dtc', ['--version']).status === 0;
const dtc = (from: string, to: string, input: Uint8Array | string): Buffer =>
  execFileSync('dtc', ['-q', '-I', from, '-O', to], { input });

describe.skipIf(!hasDtc)('dtc agrees', () => {
  it('reads what we write', () => {
    expect(dtc('dtb', 'dts', encodeFdt(example, 4096)).toString()).toMatchInlineSnapshot(`
      "/dts-v1/;

      /memreserve/	0x0000000123456789 0x0000000000001000;
      / {
      	compatible = "a,b\\0c";
      	#address-cells = <0x02>;

      	empty {
      		yes;
      	};

      	cpus {

      		cpu@0 {
      			reg = <0x00 0xffffffff>;
      		};

      		cpu@1 {
      			bytes = [01 02 03];
      		};
      	};
      };
      "
    `);
  });

  it('writes what we read', () => {
    const source =
      '/dts-v1/; /memreserve/ 1 2; / { a = "x", "y"; g = <7>; b { c = <1 2>; d; e { f = [00 11 22]; }; }; };';
    const { root, reservations } = decodeFdt(dtc('dts', 'dtb', source));
    expect(reservations).toEqual([{ address: 1n, size: 2n }]);
    expect(root.properties.map(({ name }) => name)).toEqual(['a', 'g']);
    expect(asStrings(findProperty(root, 'a')!)).toEqual(['x', 'y']);
    expect(asCells(findProperty(findNode(root, '/b')!, 'c')!)).toEqual([1, 2]);
    expect([...findProperty(findNode(root, '/b/e')!, 'f')!]).toEqual([0, 0x11, 0x22]);
  });

  it('reads the same tree from a version 16 blob', () => {
    const blob = execFileSync('dtc', ['-q', '-V', '16', '-O', 'dtb'], {
      input: '/dts-v1/; / { a { b = <1>; }; };',
    });
    expect(asCells(findProperty(findNode(decodeFdt(blob).root, '/a')!, 'b')!)).toEqual([1]);
  });
});

describe('encode and decode', () => {
  it('are inverse, with and without padding', () => {
    expect(decodeFdt(encodeFdt(example))).toEqual(example);
    const padded = encodeFdt(example, 0x10_0000);
    expect(padded.length).toBe(0x10_0000);
    expect(decodeFdt(padded)).toEqual(example);
  });

  it('are inverse for any tree', () => {
    const name = fc.stringMatching(/^[a-z0-9,._+#@-]{1,31}$/);
    const value = fc.uint8Array({ maxLength: 40 });
    const node: fc.Memo<FdtNode> = fc.memo((depth) =>
      fc.record({
        name,
        properties: fc.array(fc.record({ name, value }), { maxLength: 4 }),
        children: depth > 1 ? fc.array(node(depth - 1), { maxLength: 3 }) : fc.constant([]),
      }),
    );
    fc.assert(
      fc.property(node(4), fc.nat(), (root, bootCpu) => {
        const tree = { root, reservations: [], bootCpu };
        expect(decodeFdt(encodeFdt(tree))).toEqual(tree);
      }),
    );
  });

  it('refuses a tree larger than the given size', () => {
    expect(() => encodeFdt(example, 100)).toThrow('does not fit into 100 bytes');
  });
});

describe('decoding hostile blobs', () => {
  it('gives a tree or an FdtError for any change of a good blob', () => {
    const good = encodeFdt(example, 512);
    const change = fc.record({ at: fc.nat(511), to: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(512), (changes, length) => {
        const blob = good.slice(0, length > 400 ? 512 : length);
        for (const { at, to } of changes) if (at < blob.length) blob[at] = to;
        try {
          decodeFdt(blob);
        } catch (error) {
          expect(error).toBeInstanceOf(FdtError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  const changed = (offset: number, value: number): Uint8Array => {
    const blob = encodeFdt(example, 512);
    new DataView(blob.buffer).setUint32(offset, value);
    return blob;
  };
  it.each([
    ['nothing', new Uint8Array(0), 'device tree: 0 bytes are too few for a header (byte 0x0)'],
    [
      'text',
      encodeUtf8('x'.repeat(100)),
      'device tree: no magic number 0xd00dfeed but 0x78787878 (byte 0x0)',
    ],
    [
      'a size beyond the end',
      changed(4, 513),
      'device tree: the header says 513 bytes, there are 512 (byte 0x4)',
    ],
    [
      'an old version',
      changed(20, 3),
      'device tree: version 3 (compatible back to 16), known are 16 and 17 (byte 0x14)',
    ],
    [
      'strings outside',
      changed(12, 600),
      'device tree: the strings block (0x258 + 40 bytes) leaves the blob (byte 0x258)',
    ],
    ['an unknown token', changed(0x48, 8), 'device tree: unknown token 0x8 (byte 0x48)'],
    [
      'an unknown property name',
      changed(0x58, 99),
      'device tree: a property name leaves the strings block (byte 0x50)',
    ],
  ])('%s', (_, blob, message) => {
    expect(() => decodeFdt(blob)).toThrow(message);
  });

  it('of endless depth ends in an error', () => {
    const deep: FdtNode = { name: 'n', properties: [], children: [] };
    let at = deep;
    for (let i = 0; i < 100; i++) {
      at.children.push({ name: 'n', properties: [], children: [] });
      at = at.children[0]!;
    }
    const blob = encodeFdt({ root: deep, reservations: [], bootCpu: 0 });
    expect(() => decodeFdt(blob)).toThrow('nested deeper than 64');
  });
});

describe('values', () => {
  it('splits numbers into two cells', () => {
    expect(pair(0x40_1000_0000)).toEqual([0x40, 0x1000_0000]);
  });
  it('encodes text like TextEncoder', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text));
      }),
    );
  });
  it('sets a known property in place and a new one first', () => {
    const node: FdtNode = {
      name: 'x',
      properties: [
        { name: 'a', value: empty },
        { name: 'b', value: empty },
      ],
      children: [],
    };
    setProperty(node, 'b', cells(1));
    setProperty(node, 'c', cells(2));
    expect(node.properties.map(({ name }) => name)).toEqual(['c', 'a', 'b']);
  });
});
