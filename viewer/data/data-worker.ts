/** The worker that reads the trace. */
import { buffersOf } from './lane-store.ts';
import type { Axis, EventPlace, ListRequest, TraceSource } from './protocol.ts';
import { type Call, handOver, type Port, serve } from './rpc.ts';
import { openSource } from './sources.ts';
import { TraceSession } from './trace-session.ts';

let session: TraceSession | undefined;

function open(): TraceSession {
  if (session === undefined) throw new Error('no trace is open');
  return session;
}

/** Lets messages in: a resolved promise would not. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

const notify = serve(self as unknown as Port, {
  open: async (_call: Call, source: TraceSource) => {
    session = await TraceSession.open(await openSource(source), source.name);
    return session.overview();
  },
  index: async () => {
    const trace = open();
    await trace.loadSymbols();
    const result = await trace.index(
      (progress) => notify('progress', progress),
      breathe,
      () => performance.now(),
    );
    return handOver(result, result.data.flatMap(buffersOf));
  },
  window: (call: Call, axis: Axis, from: number, to: number, limit: number) =>
    open().window(axis, from, to, limit, () => call.cancelled),
  list: (call: Call, request: ListRequest) => open().queries.list(request, () => call.cancelled),
  check: (_call: Call, filter: string) => {
    open().queries.compile(filter);
    return true;
  },
  search: (call: Call, query: string, limit: number, token: number) =>
    open().queries.search(
      query,
      limit,
      (hits) => notify('hits', { token, hits }),
      () => call.cancelled,
    ),
  nearest: (_call: Call, lane: number, position: number) => open().queries.nearest(lane, position),
  step: (_call: Call, lane: number, place: EventPlace, direction: 'forward' | 'backward') =>
    open().queries.step(lane, place, direction),
  details: (_call: Call, place: EventPlace) => open().details(place),
  consoleLines: (_call: Call, device: string, first: number, count: number) =>
    open().consoleLines(device, first, count),
  consoleAt: (_call: Call, device: string, position: number, count: number) =>
    open().consoleAt(device, position, count),
  complete: (_call: Call, text: string, caret: number) => open().complete(text, caret),
  readSymbols: (_call: Call, file: Uint8Array) => open().symbols.read(file),
  placeSymbols: (_call: Call, delta: string) => open().placeSymbols(BigInt(delta)),
  kernelMoments: () => open().kernelMoments(),
  symbols: (_call: Call, addresses: readonly string[]) =>
    addresses.map((address) => open().symbols.describe(BigInt(address)) ?? null),
  symbolAddress: (_call: Call, name: string) => {
    const address = open().symbols.addressOf(name);
    return address === undefined ? null : `0x${address.toString(16)}`;
  },
});
