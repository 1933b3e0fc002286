import { Pl011 } from '../../../engine/devices/pl011.ts';
import { deviceContract } from './contract.ts';

deviceContract('pl011', (bench) => new Pl011({ ...bench.ports('uart0'), irq: bench.line('irq') }), {
  inputs: {
    keys: (uart, value) => {
      const length = Math.min(uart.receiveCapacity(), 1 + (value % 20));
      uart.receive('bytes', new Uint8Array(length).fill(value & 0xff));
    },
    flood: (uart, value) => uart.receive('bytes', new Uint8Array(20).fill(value & 0xff)),
    break: (uart) => uart.receive('break', new Uint8Array(0)),
  },
});
