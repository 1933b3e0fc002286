import { describe, expect, it } from 'vitest';
import {
  busAddressText,
  fieldText,
  functionName,
  noteText,
} from '../../../recorder/session/message-words.ts';

describe('messages in words', () => {
  it('name a PCI function as lspci does', () => {
    expect([0, 0x18, 0x200, 0xffff].map(functionName)).toEqual(['00:00.0', '00:03.0', '02:00.0', 'ff:1f.7']);
  });

  it('show an address of the upper half with all its bits', () => {
    expect(busAddressText(0x230 - 2 ** 39)).toBe('0xffffff8000000230');
  });

  it('tell where a message comes from and what it is', () => {
    expect(noteText({ what: 'msi', fields: { requester: 0x18, intid: 80 } })).toBe(
      'msi from 00:03.0: SPI 48 (INTID 80)',
    );
    expect(noteText({ what: 'lpi', fields: { deviceId: 0x100, eventId: 3, intid: 8203, cpu: 1 } })).toBe(
      'lpi: DeviceID 0x100 (01:00.0), EventID 3 is INTID 8203 for CPU 1',
    );
  });

  it('leave other notes as names and values', () => {
    expect(noteText({ what: 'fault', fields: { event: 'F_ACCESS', write: true } })).toBe(
      'fault event=F_ACCESS write=true',
    );
  });

  it('explain single fields', () => {
    expect([fieldText('stream', 24), fieldText('address', 4096), fieldText('cpu', 1)]).toEqual([
      '0x18, PCI function 00:03.0',
      '0x1000',
      '1',
    ]);
  });
});
