import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import { NODE_CODEC } from '../../../recorder/host/lz4.ts';
import { cutTrace } from '../../../recorder/server/cut-trace.ts';
import { reportPieces } from '../../../recorder/server/report.ts';
import { complete } from '../../../recorder/session/operation.ts';
import { RecordSession } from '../../../recorder/session/record.ts';
import { Timeline } from '../../../recorder/session/timeline.ts';
import { summarizeTrace, summaryMarkdown, summaryText } from '../../../recorder/session/trace-summary.ts';
import { MemorySource, SyncTraceReader } from '../../../traces/index.ts';
import { HEADER, MemorySink, writeSmallTrace } from '../../traces/support.ts';

/** The built-in guest, recorded as `virtrace record` does it. */
function recordStorm(until: number): Uint8Array {
  const base = defaultVirtConfig();
  const elf = new Uint8Array(readFileSync('guests/storm/storm.elf'));
  const sink = new MemorySink();
  const session = new RecordSession({
    spec: {
      config: {
        ...base,
        cpu: { ...base.cpu, model: 'cortex-a57' },
        gicVersion: 3,
        ram: { size: 64 << 20, maxSize: 64 << 20, slots: 0 },
      },
      images: new Map([
        [
          'kernel',
          { name: 'storm.elf', source: { size: elf.length, read: (at, n) => elf.subarray(at, at + n) } },
        ],
      ]),
      readOnlyDrives: [],
      reboot: true,
    },
    inputs: {
      baseSeconds: () => 1_700_000_000,
      entropy: (_device, length) => new Uint8Array(length).fill(3),
    },
    sink: () => {},
    level: 'full',
    embed: true,
    hashInterval: 1_000_000,
    openSink: () => sink,
  });
  session.run(until, false);
  session.end('limit');
  return sink.toBytes();
}

const trace = recordStorm(8_000_000);
const reader = SyncTraceReader.open(new MemorySource(trace));

describe('a trace that is cut', () => {
  const cut = cutTrace(reader, 3_000_000, 7_000_000, NODE_CODEC);
  const part = SyncTraceReader.open(new MemorySource(cut.bytes));

  it('has the events of the range, and what replay needs', () => {
    const inRange = [...reader.events({ from: 3_000_000, to: cut.position })];
    const kept = [...part.events({ from: 3_000_000 })];
    expect(kept.map(({ kind, position }) => [kind, position])).toEqual(
      inRange.map(({ kind, position }) => [kind, position]),
    );
    expect(
      [...part.events({ to: 3_000_000 })].every(({ kind }) => kind === 'input' || kind === 'power'),
    ).toBe(true);
    expect([...part.inputs()].length).toBe([...reader.inputs()].length);
    expect(cut.position).toBeLessThanOrEqual(7_000_000);
    expect(part.end).toMatchObject({ reason: 'cut', position: cut.position });
  });

  it('replays to the same states', () => {
    const whole = new Timeline({ reader, codec: NODE_CODEC });
    const half = new Timeline({ reader: part, codec: NODE_CODEC });
    for (const position of [500_000, 4_321_000, 6_900_000]) {
      complete(whole.seek(position));
      complete(half.seek(position));
      expect(half.machine.hash()).toEqual(whole.machine.hash());
    }
    expect(complete(half.seek(cut.position))).toMatchObject({ reason: 'end' });
  });

  it('is the whole when nothing is cut off', () => {
    const all = SyncTraceReader.open(
      new MemorySource(cutTrace(reader, 0, Number.MAX_SAFE_INTEGER, NODE_CODEC).bytes),
    );
    expect([...all.events()]).toEqual([...reader.events()]);
    expect(all.end).toEqual(reader.end);
  });

  it('is refused when nothing is left', () => {
    expect(() => cutTrace(reader, 0, 10, NODE_CODEC)).toThrow(RangeError);
  });
});

describe('a summary', () => {
  it('points out the storm and shows the last words', () => {
    const summary = summarizeTrace(reader, 'storm.vtrace');
    expect(summary.storms).toHaveLength(1);
    expect(summary.storms[0]).toMatch(/INTID 34 \(rtc\) was taken \d+ times in a row/);
    expect(summary.console[0]!.lines.at(-1)).toContain('setting an alarm for now');
    expect(summaryText(summary)).toContain('1 × cortex-a57, GICv3, 64 MiB of RAM');
  });

  it('is Markdown in which nothing of the trace has a meaning', () => {
    const bytes = writeSmallTrace({
      config: { ...HEADER.config, commandLine: 'a`b|c <script>' },
      images: [{ name: '[x](javascript:1)', role: 'kernel', size: 1, sha256: '0'.repeat(64) }],
    });
    const hostile = SyncTraceReader.open(new MemorySource(bytes));
    const text = summaryMarkdown(summarizeTrace(hostile, '<b>**x**</b>.vtrace'));
    expect(text).toContain('\\<b\\>\\*\\*x\\*\\*\\</b\\>.vtrace');
    expect(text).toContain('`` a`b\\|c <script> ``');
    expect(text).not.toContain('[x](');
  });
});

describe('a report', () => {
  const folder = mkdtempSync(join(tmpdir(), 'virtrace-report-'));
  writeFileSync(join(folder, 'viewer.js'), 'const s = "</script><!-- x"; run(s);');
  writeFileSync(join(folder, 'viewer.css'), 'body { color: red }');
  writeFileSync(join(folder, 'data-worker.js'), 'data("</SCRIPT>")');
  writeFileSync(join(folder, 'engine-worker.js'), 'engine()');
  const html = [
    ...reportPieces({
      viewerDir: folder,
      name: '"><script>alert(1)</script>',
      trace: trace.subarray(0, 1_000_001),
      summary: '</pre><script>alert(2)</script>',
    }),
  ].join('');

  it('holds the trace', () => {
    const data = /<script type="application\/octet-stream"[^>]*>([^<]*)<\/script>/.exec(html)![1]!;
    expect(Buffer.from(data, 'base64').equals(Buffer.from(trace.subarray(0, 1_000_001)))).toBe(true);
  });

  it('runs its own script and no other', () => {
    const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => text!);
    expect(scripts).toHaveLength(1);
    const hash = createHash('sha256').update(scripts[0]!).digest('base64');
    expect(html).toContain(`script-src &#39;sha256-${hash}&#39; &#39;wasm-unsafe-eval&#39;`);
    expect(html).toContain('default-src &#39;none&#39;');
    // biome-ignore lint/security/noGlobalEval: what the escaping must not change
    expect(eval(`${scripts[0]!.replace('run(s)', 's')}`)).toBe('</script><!-- x');
  });

  it('takes nothing of the trace as markup', () => {
    expect(html).not.toContain('alert(1)</script>');
    expect(html).not.toContain('</pre><script>');
    expect(html).toContain('&lt;/pre&gt;&lt;script&gt;alert(2)');
  });
});
