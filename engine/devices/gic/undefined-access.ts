import { findRegister, type RegisterMap } from '../../base/register-map.ts';
import type { GicCore } from './gic-core.ts';

/** Reports an access that did nothing, unless the register is one that is there to do nothing. */
export function reportUndefined(
  gic: GicCore,
  device: string,
  map: RegisterMap,
  offset: number,
  isWrite: boolean,
): void {
  const hit = findRegister(map, offset);
  if (hit === undefined) {
    gic.guestError(device, offset, `${isWrite ? 'write to' : 'read of'} an offset without a register`);
  } else if (isWrite && hit.register.access === 'RO') {
    gic.guestError(device, offset, `write to ${hit.name}, which is read only`);
  } else if (!isWrite && hit.register.access === 'WO') {
    gic.guestError(device, offset, `read of ${hit.name}, which is write only`);
  }
}
