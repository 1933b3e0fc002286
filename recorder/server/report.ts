/** The one-file report: viewer, engine and trace in one HTML that opens anywhere, offline. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Note } from '../session/notes.ts';
import { escapeHtml } from './view-server.ts';

export interface ReportOptions {
  /** The built viewer. */
  readonly viewerDir: string;
  /** Name of the trace. */
  readonly name: string;
  readonly trace: Uint8Array;
  /** Plain text for the top of the page. */
  readonly summary: string;
  readonly notes?: readonly Note[];
}

const sha256 = (text: string): string =>
  `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;

/** In a script element, these begin what ends it. Both mean the same to JavaScript with the backslash. */
function forScriptElement(source: string): string {
  return source.replace(/<(\/script|!--)/gi, '<\\$1');
}

/**
 * The page as pieces, to be written one after the other: a large trace would not fit into one string.
 * Scripts and styles are allowed by their hashes, everything else is forbidden: nothing can be loaded.
 */
export function* reportPieces({
  viewerDir,
  name,
  trace,
  summary,
  notes = [],
}: ReportOptions): Generator<string> {
  const read = (file: string): string => readFileSync(join(viewerDir, file), 'utf8');
  const script = forScriptElement(read('viewer.js'));
  const style = `${read('viewer.css')}\n${STYLE}`;
  const policy = [
    "default-src 'none'",
    `script-src ${sha256(script)} 'wasm-unsafe-eval'`,
    'worker-src blob:',
    `style-src ${sha256(style)}`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  yield `<!doctype html>
<html lang="en" data-theme="auto" class="report">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<title>${escapeHtml(name)} – virtrace report</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<details class="report-summary" open><summary>Summary of ${escapeHtml(name)}</summary><pre>${escapeHtml(summary)}</pre></details>
<div id="app"><noscript>The timeline below the summary needs JavaScript.</noscript></div>
`;
  for (const worker of ['data-worker', 'engine-worker']) {
    yield `<script type="text/plain" id="worker-${worker}">${forScriptElement(read(`${worker}.js`))}</script>\n`;
  }
  if (notes.length > 0) {
    // Nothing in a text may end the element.
    const json = JSON.stringify({ format: 'virtrace-notes', version: 1, notes }).replaceAll('<', '\\u003c');
    yield `<script type="application/json" id="trace-notes">${json}</script>\n`;
  }
  yield `<script type="application/octet-stream" id="trace-data" data-name="${escapeHtml(name)}">`;
  // A multiple of three bytes, so that the pieces of base64 fit together.
  const step = 3 << 18;
  for (let at = 0; at < trace.length; at += step) {
    yield Buffer.from(trace.buffer, trace.byteOffset + at, Math.min(step, trace.length - at)).toString(
      'base64',
    );
  }
  yield `</script>\n<script>${script}</script>\n</body>\n</html>\n`;
}

const STYLE = `
.report body { display: flex; flex-direction: column; }
.report #app { flex: 1; min-height: 0; }
.report-summary { flex: none; max-height: 26vh; overflow: auto; border-bottom: 1px solid var(--border); background: var(--panel); }
.report-summary summary { padding: 5px 10px; cursor: pointer; font-weight: 600; position: sticky; top: 0; background: var(--panel); }
.report-summary pre { padding: 0 12px 8px; }
@media print { .report #app { display: none; } .report-summary { max-height: none; } }
`;
