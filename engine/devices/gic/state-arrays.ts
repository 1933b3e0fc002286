import type { DeviceState } from '../../base/device.ts';

/** State kept in typed arrays, by name. */
export type StateArrays = {
  readonly [name: string]: Uint8Array | Uint16Array | Uint32Array | Int16Array | Int32Array;
};

/** Copies of the arrays' bytes (little endian, as on every host that runs WebAssembly). */
export function saveArrays(arrays: StateArrays): DeviceState {
  const state: DeviceState = {};
  for (const [name, array] of Object.entries(arrays)) {
    state[name] = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
  }
  return state;
}

/** Fills the arrays from a saved state. Throws, before anything is changed, if one is missing or has another size. */
export function copyArrays(state: DeviceState, arrays: StateArrays, what: string): void {
  const parts = Object.entries(arrays).map(([name, array]) => {
    const bytes = state[name];
    if (!(bytes instanceof Uint8Array) || bytes.byteLength !== array.byteLength) {
      throw new Error(`${what} state: '${name}' is not ${array.byteLength} bytes`);
    }
    return { array, bytes };
  });
  for (const { array, bytes } of parts) {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(bytes);
  }
}
