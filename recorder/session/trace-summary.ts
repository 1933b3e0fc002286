/** A trace in a page of text, for the top of a report and for an issue. */

import type { VirtConfig } from '../../engine/boards/virt/config.ts';
import {
  InterruptMeter,
  type InterruptStatistics,
  type Storm,
  type SyncTraceReader,
} from '../../traces/index.ts';
import { interruptsOf } from './interrupt-words.ts';
import { networkDevices } from './network-devices.ts';
import { pluggedDevices } from './plugged-devices.ts';
import { readable } from './readable.ts';
import { recordedConfig } from './setup.ts';

const LAST_LINES = 25;
const MAX_ERRORS = 10;
const MAX_INTERRUPTS = 12;
const CONSOLE_BYTES = 1 << 16;

export interface TraceSummary {
  readonly file: string;
  /** `virt-7.2, 1 × cortex-a57, GICv3, 512 MiB of RAM` */
  readonly machine: string;
  readonly commandLine?: string;
  readonly recorder: string;
  readonly images: readonly string[];
  readonly end: string;
  readonly instructions: number;
  /** ns */
  readonly time: number;
  readonly events: { readonly [kind: string]: number };
  readonly storms: readonly string[];
  readonly interrupts: readonly { readonly name: string; readonly taken: number }[];
  readonly guestErrors: { readonly count: number; readonly first: readonly string[] };
  readonly console: readonly { readonly device: string; readonly lines: readonly string[] }[];
}

export interface SummaryRange {
  readonly from?: number;
  readonly to?: number;
}

const seconds = (ns: number): string => `${(ns / 1e9).toFixed(6)} s`;

/** Goes through the events of a range once. @throws TraceError */
export function summarizeTrace(
  reader: SyncTraceReader,
  file: string,
  range: SummaryRange = {},
): TraceSummary {
  const { header, end } = reader;
  const meters = new Map<string, MeterSlot>();
  const events: { [kind: string]: number } = {};
  const errors: string[] = [];
  let errorCount = 0;
  const consoles = new Map<string, Uint8Array[]>();
  const networks = networkDevices(
    header.config.machine as Partial<VirtConfig> | undefined,
    pluggedDevices(reader),
  );
  let last = { position: 0, time: 0 };
  const bounds = {
    ...(range.from === undefined ? {} : { from: range.from }),
    ...(range.to === undefined ? {} : { to: range.to + 1 }),
  };
  for (const batch of reader.batches(bounds)) {
    for (const event of batch) {
      events[event.kind] = (events[event.kind] ?? 0) + 1;
      last = event;
      if (event.kind === 'interrupt') meter(meters, event.intid, event.target).event(event);
      else if (event.kind === 'guest-error') {
        errorCount++;
        if (errors.length < MAX_ERRORS)
          errors.push(`${seconds(event.time)} ${event.device}: ${event.message}`);
      } else if (event.kind === 'output' && !networks.includes(event.device)) {
        keepTail(consoles, event.device, event.bytes);
      }
    }
  }
  const names = interruptsOf(header);
  const rows = [...meters.values()].map(({ meter: each }) => ({
    meter: each,
    result: each.finish(names(each.intid)),
  }));
  const storms = rows.flatMap(({ meter: each, result }) =>
    each.storms.map((storm) => stormText({ ...storm, ...result })),
  );
  const { commandLine } = header.config;
  return {
    file,
    machine: machineText(reader),
    ...(typeof commandLine === 'string' ? { commandLine } : {}),
    recorder: `virtrace ${header.engine}, level ${header.level}`,
    images: header.images.map(
      ({ role, name, size, sha256 }) => `${role}: ${name}, ${size} bytes, SHA-256 ${sha256}`,
    ),
    end:
      end === undefined
        ? `the recording was not ended; complete up to position ${reader.complete}`
        : `${end.detail ?? end.reason}, at position ${end.position}, ${seconds(end.time)}`,
    instructions: end?.position ?? last.position,
    time: end?.time ?? last.time,
    events,
    storms,
    interrupts: rows
      .map(({ result }) => result)
      .sort((a, b) => b.taken - a.taken)
      .slice(0, MAX_INTERRUPTS)
      .map((row) => ({ name: interruptLabel(row), taken: row.taken })),
    guestErrors: { count: errorCount, first: errors },
    console: [...consoles].map(([device, parts]) => ({ device, lines: lastLines(parts) })),
  };
}

interface MeterSlot {
  readonly meter: InterruptMeter;
  event(event: { what: string; position: number; ordinal: number; time: number }): void;
}

function meter(meters: Map<string, MeterSlot>, intid: number, target: number): MeterSlot {
  const cpu = intid < 32 ? target : -1;
  const key = `${intid} ${cpu}`;
  let slot = meters.get(key);
  if (slot === undefined) {
    const each = new InterruptMeter(intid, cpu);
    slot = {
      meter: each,
      event: ({ what, position, ordinal, time }) => {
        if (what === 'pending') each.pending(time);
        else if (what === 'not-pending') each.notPending();
        else if (what === 'acknowledge') each.acknowledge(position, ordinal, time);
        else if (what === 'complete') each.complete(time);
      },
    };
    meters.set(key, slot);
  }
  return slot;
}

function interruptLabel({ intid, cpu, name }: InterruptStatistics): string {
  return `${intid}${name === '' ? '' : ` ${name}`}${cpu > 0 ? ` (CPU ${cpu})` : ''}`;
}

function stormText({ intid, name, count, from, to }: Storm): string {
  const every = Math.round((to.time - from.time) / count);
  return `interrupt storm: INTID ${intid}${name === '' ? '' : ` (${name})`} was taken ${count} times in a row, every ${every} ns, from ${seconds(from.time)} (position ${from.position}) to ${seconds(to.time)}`;
}

function machineText({ header }: SyncTraceReader): string {
  try {
    const { smp, cpu, gicVersion, ram } = recordedConfig(header);
    return `${header.board}, ${smp.cpus} × ${cpu.model}, GICv${gicVersion}, ${ram.size / 1048576} MiB of RAM`;
  } catch {
    return header.board;
  }
}

function keepTail(consoles: Map<string, Uint8Array[]>, device: string, bytes: Uint8Array): void {
  let parts = consoles.get(device);
  if (parts === undefined) {
    parts = [];
    consoles.set(device, parts);
  }
  parts.push(bytes);
  if (parts.length > 2 * CONSOLE_BYTES) parts.splice(0, CONSOLE_BYTES);
}

function lastLines(parts: readonly Uint8Array[]): string[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return readable(all.subarray(Math.max(0, length - CONSOLE_BYTES)))
    .trimEnd()
    .split('\n')
    .slice(-LAST_LINES);
}

/** As plain text. */
export function summaryText(summary: TraceSummary): string {
  const lines = [
    `${summary.file}: ${summary.machine}`,
    ...(summary.commandLine === undefined ? [] : [`command line: ${summary.commandLine}`]),
    `recorded by ${summary.recorder}`,
    `end: ${summary.end}`,
    `events: ${Object.entries(summary.events)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ')}`,
    ...summary.storms,
    ...(summary.interrupts.length === 0
      ? []
      : [`interrupts taken: ${summary.interrupts.map(({ name, taken }) => `${name} ${taken}×`).join(', ')}`]),
    ...(summary.guestErrors.count === 0
      ? []
      : [
          `guest errors: ${summary.guestErrors.count}`,
          ...summary.guestErrors.first.map((line) => `  ${line}`),
        ]),
  ];
  for (const { device, lines: shown } of summary.console) {
    lines.push('', `last lines of ${device}:`, ...shown.map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

/** As Markdown, for the body of an issue. */
export function summaryMarkdown(summary: TraceSummary): string {
  const { commandLine, storms, guestErrors, interrupts } = summary;
  const rows: [string, string][] = [
    ['machine', summary.machine],
    ...(commandLine === undefined ? [] : [['command line', code(commandLine)] as [string, string]]),
    ['recorded by', summary.recorder],
    ['end', summary.end],
    ...summary.images.map((image): [string, string] => ['image', image]),
  ];
  const parts = [
    `### ${plain(summary.file)}`,
    `| | |\n|---|---|\n${rows.map(([name, value]) => `| ${name} | ${value.startsWith('`') ? value : cell(value)} |`).join('\n')}`,
  ];
  if (storms.length > 0) parts.push(storms.map((storm) => `- **${plain(storm)}**`).join('\n'));
  if (interrupts.length > 0) {
    parts.push(
      `Interrupts taken: ${interrupts.map(({ name, taken }) => `${plain(name)} ${taken}×`).join(', ')}`,
    );
  }
  if (guestErrors.count > 0) {
    parts.push(
      `Guest errors: ${guestErrors.count}\n\n${guestErrors.first.map((line) => `- ${plain(line)}`).join('\n')}`,
    );
  }
  for (const { device, lines } of summary.console) {
    parts.push(`Last lines of ${plain(device)}:\n\n${fence(lines.join('\n'))}`);
  }
  return `${parts.join('\n\n')}\n`;
}

/** Text that Markdown leaves alone. */
function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]()<>#+!|~&-]/g, (char) => `\\${char}`);
}

function cell(text: string): string {
  return plain(text).replaceAll('\n', ' ');
}

/** More backticks around it than are in it. */
function code(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const mark = '`'.repeat(longest + 1);
  return `${mark}${longest > 0 ? ' ' : ''}${text.replaceAll('|', '\\|').replaceAll('\n', ' ')}${longest > 0 ? ' ' : ''}${mark}`;
}

function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const mark = '`'.repeat(longest + 1);
  return `${mark}\n${text}\n${mark}`;
}
