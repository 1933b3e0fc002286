import { DecodeError } from './errors.ts';
import { Fields, type PlainData } from './msgpack.ts';
import type { HashRecord, StateHashes } from './types.ts';

/**
 * State hashes as plain data. A hash that is an even number of hex digits is stored as bytes. Most devices
 * do not change between two records, so each record has only what differs from the one before in its chunk.
 */
export function encodeHashes(records: readonly HashRecord[]): PlainData {
  const devices = [...new Set(records.flatMap((record) => Object.keys(record.devices)))];
  const known = new Map<string, string>();
  const rows = records.map((record): PlainData => {
    const changes: PlainData[] = [];
    devices.forEach((device, number) => {
      const hash = Object.hasOwn(record.devices, device) ? record.devices[device]! : undefined;
      if (hash === known.get(device)) return;
      changes.push(number, hash === undefined ? null : fromHex(hash));
      if (hash === undefined) known.delete(device);
      else known.set(device, hash);
    });
    return [record.position, record.time, record.cpus.map(fromHex), fromHex(record.memory), changes];
  });
  return { devices, rows };
}

/** Throws DecodeError. */
export function decodeHashes(data: PlainData, count: number, first: number, last: number): HashRecord[] {
  const fields = new Fields(data);
  const devices = fields.strings('devices');
  const rows = fields.array('rows');
  if (rows.length !== count) throw new DecodeError('hash records and their number disagree');
  const known = new Map<string, string>();
  let before = first;
  return rows.map((row) => {
    if (!Array.isArray(row) || row.length !== 5) throw new DecodeError('a hash record is malformed');
    const [position, time, cpus, memory, changes] = row as PlainData[];
    if (!isCount(position) || position < before || position > last || !isCount(time)) {
      throw new DecodeError('a hash record has no valid position');
    }
    before = position;
    if (!Array.isArray(cpus) || !Array.isArray(changes)) throw new DecodeError('a hash record is malformed');
    for (let i = 0; i < changes.length; i += 2) {
      const device = devices[changes[i] as number];
      if (device === undefined) throw new DecodeError('a hash record names no device');
      if (changes[i + 1] === null) known.delete(device);
      else known.set(device, toHex(changes[i + 1]));
    }
    return {
      position,
      time,
      cpus: (cpus as PlainData[]).map(toHex),
      memory: toHex(memory),
      devices: Object.fromEntries(known),
    };
  });
}

export function encodeStateHashes(hashes: StateHashes): PlainData {
  return encodeHashes([{ position: 0, time: 0, ...hashes }]);
}

export function decodeStateHashes(data: PlainData): StateHashes {
  const { cpus, memory, devices } = decodeHashes(data, 1, 0, 0)[0]!;
  return { cpus, memory, devices };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function fromHex(hash: string): PlainData {
  if (!/^([0-9a-f]{2})*$/.test(hash)) return hash;
  const bytes = new Uint8Array(hash.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hash.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function toHex(data: PlainData | undefined): string {
  if (typeof data === 'string') return data;
  if (!(data instanceof Uint8Array)) throw new DecodeError('a hash is malformed');
  let hex = '';
  for (const byte of data) hex += byte.toString(16).padStart(2, '0');
  return hex;
}
