import type { PlainData } from '../../traces/index.ts';

/**
 * Whether a state from a file has the shape of one that this machine has saved itself. What is empty or nil there
 * tells nothing, and a list may have another length; all else must be of the same kind, so that a device never
 * finds something else in a field than what it put there.
 */
export function hasShape(state: PlainData | undefined, model: PlainData): boolean {
  if (state === undefined) return false;
  if (model === null || state === null) return true;
  if (typeof model !== 'object') return typeof state === typeof model && isExact(state);
  if (typeof state !== 'object') return false;
  if (model instanceof Uint8Array || state instanceof Uint8Array) {
    return model instanceof Uint8Array && state instanceof Uint8Array;
  }
  if (Array.isArray(model) || Array.isArray(state)) {
    if (!Array.isArray(model) || !Array.isArray(state)) return false;
    if (model.length === 0) return true;
    return state.every((item, i) => hasShape(item as PlainData, (model[i] ?? model[0]) as PlainData));
  }
  const wanted = Object.keys(model);
  const given = Object.keys(state);
  const fields = model as { readonly [key: string]: PlainData };
  const found = state as { readonly [key: string]: PlainData };
  // Tables by number, in which what is as after a reset is left out.
  if (wanted.every(isIndex) && given.every(isIndex)) return true;
  return wanted.length === given.length && wanted.every((key) => hasShape(found[key], fields[key]!));
}

function isExact(value: PlainData): boolean {
  return typeof value !== 'number' || Number.isFinite(value);
}

function isIndex(key: string): boolean {
  return /^\d+$/.test(key);
}
