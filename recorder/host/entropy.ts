import { createHash, randomBytes } from 'node:crypto';
import { folderError } from '../../engine/devices/virtio/p9/folder.ts';
import { ERRNO } from '../../engine/devices/virtio/p9/messages.ts';
import type { RtcBase } from '../cli/clock-options.ts';
import type { LiveInputs } from '../session/live.ts';
import type { SharedFolder } from './shared-folder.ts';

/** The host as the machine's source of chance and time. */
export function hostInputs(
  rtc: RtcBase,
  seed: number | undefined,
  now: () => Date = () => new Date(),
  folders: ReadonlyMap<string, SharedFolder> = new Map(),
): LiveInputs {
  const random = seed === undefined ? (length: number) => new Uint8Array(randomBytes(length)) : seeded(seed);
  return {
    entropy: (_device, length) => random(length),
    folder: (device, question) => folders.get(device)?.answer(question) ?? folderError(ERRNO.EIO),
    baseSeconds: () => baseSeconds(rtc, now()),
  };
}

function baseSeconds(rtc: RtcBase, now: Date): number {
  if (typeof rtc === 'number') return rtc;
  const seconds = Math.floor(now.getTime() / 1000);
  return rtc === 'utc' ? seconds : seconds - now.getTimezoneOffset() * 60;
}

/** With `-seed`: SHA-256 of seed and block number, one block after the other. */
function seeded(seed: number): (length: number) => Uint8Array {
  let block = 0;
  let rest: Uint8Array = new Uint8Array(0);
  return (length) => {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      if (rest.length === 0) {
        rest = new Uint8Array(createHash('sha256').update(`virtrace ${seed} ${block++}`).digest());
      }
      const part = rest.subarray(0, length - done);
      out.set(part, done);
      done += part.length;
      rest = rest.subarray(part.length);
    }
    return out;
  };
}
