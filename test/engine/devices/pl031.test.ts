import { Pl031 } from '../../../engine/devices/pl031.ts';
import { deviceContract } from './contract.ts';

deviceContract(
  'pl031',
  (bench) => new Pl031({ ...bench.ports('rtc'), irq: bench.line('irq') }, { baseSeconds: 1_700_000_000 }),
  { survivesReset: ['RTCMR', 'RTCLR', 'RTCIMSC', 'RTCRIS', 'RTCMIS'] },
);
