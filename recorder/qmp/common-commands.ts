/** Commands of QMP that any machine answers: what there is, and how it is. */
import type { Machine } from '../../engine/machine.ts';
import { ENGINE_VERSION } from '../session/version.ts';
import type { Control } from './control.ts';
import type { Json } from './json-stream.ts';
import { pciTree } from './pci-tree.ts';
import { type JsonObject, type QmpCommand, QmpError, type Version } from './protocol.ts';

/** The QEMU that the board and the options follow; clients look at it to know what they may ask for. */
export const VERSION: Version = {
  qemu: { major: 7, minor: 2, micro: 0 },
  package: `virtrace ${ENGINE_VERSION}`,
};

export function commonCommands(control: Control): [string, QmpCommand][] {
  const commands: [string, QmpCommand][] = [
    ['query-version', { run: () => VERSION as unknown as Json }],
    ['query-name', { run: () => (control.name === undefined ? {} : { name: control.name }) }],
    [
      'query-status',
      {
        run: () => {
          const { state } = control;
          return { status: state, singlestep: false, running: state === 'running' };
        },
      },
    ],
    ['query-cpus-fast', { run: () => cpus(control.machine) }],
    ['query-pci', { run: () => pciTree(control.machine) }],
    [
      'query-replay',
      {
        run: () => {
          const { mode, filename } = control.replay;
          const icount = mode === 'none' ? 0 : control.machine.position;
          return { mode, ...(filename === undefined ? {} : { filename }), icount };
        },
      },
    ],
    [
      'stop',
      {
        run: async () => {
          await control.stop();
          return {};
        },
      },
    ],
    [
      'cont',
      {
        run: async () => {
          await control.cont();
          return {};
        },
      },
    ],
    [
      'quit',
      {
        run: () => {
          control.quit();
          return {};
        },
      },
    ],
  ];
  return commands;
}

function cpus(machine: Machine): Json {
  const { cores, threads, clusters } = machine.config.smp;
  return machine.cluster.states.map((_, index): Json => {
    const core = Math.floor(index / threads);
    return {
      'cpu-index': index,
      'qom-path': `/machine/unattached/device[${index}]`,
      // QEMU has a thread of the host for each CPU; here all of them take turns on one.
      'thread-id': process.pid,
      props: {
        'socket-id': Math.floor(core / (cores * clusters)),
        'cluster-id': Math.floor(core / cores) % clusters,
        'core-id': core % cores,
        'thread-id': index % threads,
      },
      target: 'aarch64',
    };
  });
}

/** Text argument, which the schema has checked. */
export function textOf(args: JsonObject, name: string): string {
  return args[name] as string;
}

/** @throws QmpError unless it is a position */
export function positionOf(args: JsonObject, name: string): number {
  const value = args[name] as number;
  if (value < 0) throw new QmpError(`'${name}' is ${value}; allowed is a position from 0`);
  return value;
}
