import { createRequire } from 'node:module';

/** The parts of the capstone module that are used; the package has no types. */
interface CapstoneModule {
  readonly ARCH_ARM64: number;
  readonly MODE_ARM: number;
  readonly OPT_SKIPDATA: number;
  readonly OPT_ON: number;
  readonly Capstone: new (
    arch: number,
    mode: number,
  ) => { readonly handle_ptr: number; option(option: number, value: number): void };
  _malloc(bytes: number): number;
  _cs_disasm(
    handle: number,
    code: number,
    bytes: number,
    address: bigint,
    count: number,
    out: number,
  ): number;
  _cs_free(instructions: number, count: number): void;
  getValue(pointer: number, type: 'i32'): number;
  UTF8ToString(pointer: number): string;
  writeArrayToMemory(bytes: Uint8Array, pointer: number): void;
}

/** Words in one call. */
const BATCH = 4096;
/** struct cs_insn of capstone 5 in 32-bit memory: size, and offsets of two character arrays. */
const INSN_BYTES = 240;
const MNEMONIC = 42;
const OPERANDS = 74;

export interface Capstone {
  /** Text of each word, at `address` and up; undefined if capstone takes it for data. */
  disassemble(words: Uint32Array, address: bigint): (string | undefined)[];
}

/** capstone's AArch64 disassembler. */
export async function loadCapstone(): Promise<Capstone> {
  const load = createRequire(import.meta.url)('@alexaltea/capstone-js') as () => Promise<CapstoneModule>;
  const module = await load();
  const instance = new module.Capstone(module.ARCH_ARM64, module.MODE_ARM);
  // Data does not end the disassembly: it gives an instruction `.byte`.
  instance.option(module.OPT_SKIPDATA, module.OPT_ON);
  const handle = module.getValue(instance.handle_ptr, 'i32');
  const code = module._malloc(BATCH * 4);
  const out = module._malloc(4);

  const batch = (words: Uint32Array, address: bigint, texts: (string | undefined)[]): void => {
    const bytes = new Uint8Array(words.length * 4);
    const view = new DataView(bytes.buffer);
    words.forEach((word, i) => {
      view.setUint32(i * 4, word, true);
    });
    module.writeArrayToMemory(bytes, code);
    const count = module._cs_disasm(handle, code, bytes.length, address, 0, out);
    if (count !== words.length) throw new Error(`capstone saw ${count} of ${words.length} words`);
    const first = module.getValue(out, 'i32');
    for (let i = 0; i < count; i++) {
      const insn = first + i * INSN_BYTES;
      const mnemonic = module.UTF8ToString(insn + MNEMONIC);
      if (mnemonic === '.byte') {
        texts.push(undefined);
      } else {
        const operands = module.UTF8ToString(insn + OPERANDS);
        texts.push(operands === '' ? mnemonic : `${mnemonic} ${operands}`);
      }
    }
    module._cs_free(first, count);
  };

  return {
    disassemble(words, address) {
      const texts: (string | undefined)[] = [];
      for (let at = 0; at < words.length; at += BATCH) {
        batch(words.subarray(at, at + BATCH), address + BigInt(at * 4), texts);
      }
      return texts;
    },
  };
}
