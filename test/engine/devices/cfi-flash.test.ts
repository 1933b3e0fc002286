import { CfiFlash } from '../../../engine/devices/cfi-flash.ts';
import type { Bench } from './bench.ts';
import { deviceContract } from './contract.ts';

const SIZE = 0x80000;

function make(bench: Bench, readOnly = false): CfiFlash {
  const contents = bench.memory('contents', SIZE);
  const storage = {
    read: (offset: number, into: Uint8Array) => into.set(contents.subarray(offset, offset + into.length)),
    write: (offset: number, from: Uint8Array) => contents.set(from, offset),
    setReadArray: () => {},
  };
  return new CfiFlash({ ...bench.ports('flash0'), storage }, { size: SIZE, readOnly });
}

const options = { size: SIZE, unknownOffsets: false, runs: 12 };
deviceContract('cfi-flash', (bench) => make(bench), options);
deviceContract('cfi-flash, read-only', (bench) => make(bench, true), options);
