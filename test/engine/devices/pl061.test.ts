import { Pl061 } from '../../../engine/devices/pl061.ts';
import { deviceContract } from './contract.ts';

deviceContract(
  'pl061',
  (bench) => {
    const outputs = Array.from({ length: 8 }, (_, n) => bench.line(`out${n}`));
    return new Pl061({
      ...bench.ports('gpio'),
      irq: bench.line('irq'),
      output: (line, level) => outputs[line]!.set(level),
    });
  },
  {
    inputs: {
      line: (gpio, value) => gpio.receive('line', Uint8Array.of(value & 0xff, (value >> 8) & 1)),
      power: (gpio) => gpio.powerButton(),
    },
  },
);
