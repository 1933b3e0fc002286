/** `virtrace report`: one HTML file with everything, and a summary for an issue on stdout. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { FileSink } from '../host/files.ts';
import { NODE_CODEC } from '../host/lz4.ts';
import { openTrace } from '../host/open-trace.ts';
import { cutTrace } from '../server/cut-trace.ts';
import { reportPieces } from '../server/report.ts';
import { notesBeside } from '../server/view-server.ts';
import { notesList } from '../session/notes.ts';
import { summarizeTrace, summaryMarkdown, summaryText } from '../session/trace-summary.ts';
import { EXIT, OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';
import { kilobytes } from './record-command.ts';
import { viewerFolder } from './view-command.ts';

export const REPORT_HELP = `Usage: virtrace report FILE.vtrace -o report.html [options]

Writes one HTML file with the viewer, the engine and the trace, which opens offline in any browser, and prints a
summary in Markdown for the body of an issue.

Options:
  -o FILE   where the report goes
  --from N  leave out events before this position
  --to N    cut the recording at this position
  --json    print the summary as JSON
`;

export interface ReportOptions {
  readonly output?: string;
  readonly from?: string;
  readonly to?: string;
  readonly json?: boolean;
}

function positionOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new OptionError(`${option} ${text}: a position in instructions`);
  }
  return value;
}

export function reportCommand(file: string, options: ReportOptions, io: CommandIo): number {
  const { output } = options;
  if (output === undefined)
    throw new OptionError('report: where to? virtrace report FILE.vtrace -o report.html');
  const from = positionOf('--from', options.from);
  const to = positionOf('--to', options.to);
  if (from !== undefined && to !== undefined && from >= to)
    throw new OptionError(`--from ${from} is not before --to ${to}`);
  const viewerDir = viewerFolder();
  const opened = openTrace(file);
  try {
    const { reader } = opened;
    const summary = summarizeTrace(reader, basename(file), {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    });
    const trace = bytesOf(opened.reader, file, from, to);
    const sink = new FileSink('-o', output);
    let written = 0;
    const notes = notesBeside(file).filter(
      ({ position }) => position >= (from ?? 0) && position <= (to ?? Number.MAX_SAFE_INTEGER),
    );
    const pieces = reportPieces({
      viewerDir,
      name: basename(file),
      trace,
      notes,
      summary:
        notes.length === 0 ? summaryText(summary) : `${summaryText(summary)}\nnotes:\n${notesList(notes)}\n`,
    });
    for (const piece of pieces) {
      const bytes = Buffer.from(piece, 'utf8');
      sink.write(bytes);
      written += bytes.length;
    }
    sink.close();
    io.talk(`virtrace: wrote ${output} (${kilobytes(written)})\n`);
    if (options.json === true) io.out(`${JSON.stringify({ ...summary, notes })}\n`);
    else io.out(summaryMarkdown(summary) + (notes.length === 0 ? '' : `\nNotes:\n\n${notesList(notes)}\n`));
    return EXIT.ok;
  } finally {
    opened.close();
  }
}

function bytesOf(
  reader: Parameters<typeof cutTrace>[0],
  file: string,
  from: number | undefined,
  to: number | undefined,
): Uint8Array {
  if (from === undefined && to === undefined) return new Uint8Array(readFileSync(file));
  try {
    return cutTrace(reader, from ?? 0, to ?? Number.MAX_SAFE_INTEGER, NODE_CODEC).bytes;
  } catch (error) {
    if (error instanceof RangeError) throw new OptionError(`--to ${to}: ${error.message}`);
    throw error;
  }
}
