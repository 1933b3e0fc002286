/**
 * The server behind `virtrace view`: the built page, the trace by ranges, and the notes beside it. It listens on
 * loopback only, and every path begins with a token, so that no other page in the same browser can guess it.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { type Note, readNotes } from '../session/notes.ts';

export interface ViewServerOptions {
  /** The trace. */
  readonly file: string;
  /** Where the built page is. */
  readonly viewerDir: string;
  /** 0: any free one. */
  readonly port?: number;
}

export interface ViewServer {
  readonly url: string;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const MAX_NOTES_BYTES = 8 << 20;
const TYPES: { readonly [name: string]: string } = {
  'viewer.js': 'text/javascript; charset=utf-8',
  'data-worker.js': 'text/javascript; charset=utf-8',
  'engine-worker.js': 'text/javascript; charset=utf-8',
  'viewer.css': 'text/css; charset=utf-8',
};
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Where the notes of a trace are kept. */
export function notesPath(file: string): string {
  return `${file}.notes.json`;
}

/** Notes beside a trace; none if there is no such file, or another one. */
export function notesBeside(file: string): Note[] {
  try {
    return readNotes(JSON.parse(readFileSync(notesPath(file), 'utf8')));
  } catch {
    return [];
  }
}

export function escapeHtml(text: string): string {
  const names: { readonly [char: string]: string } = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (char) => names[char]!);
}

export async function startViewServer(options: ViewServerOptions): Promise<ViewServer> {
  const token = randomBytes(12).toString('hex');
  const server = createServer((request, response) => {
    answer(options, token, server, request, response).catch((error: unknown) => {
      if (!response.headersSent) end(response, 500, error instanceof Error ? error.message : String(error));
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, HOST, () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${HOST}:${port}/${token}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function end(response: ServerResponse, status: number, text = ''): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  response.end(text);
}

async function answer(
  { file, viewerDir }: ViewServerOptions,
  token: string,
  server: Server,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('content-security-policy', POLICY);
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('referrer-policy', 'no-referrer');
  const { port } = server.address() as AddressInfo;
  // A name that somebody else's DNS points to 127.0.0.1 is not ours.
  const host = request.headers.host ?? '';
  if (host !== `${HOST}:${port}` && host !== `localhost:${port}`) return end(response, 403, 'wrong host');
  const path = new URL(request.url ?? '/', `http://${HOST}`).pathname;
  if (!path.startsWith(`/${token}/`))
    return end(response, 404, 'the address printed by virtrace view has a longer path');
  const name = path.slice(token.length + 2);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (name === 'notes.json') {
    if (request.method === 'PUT') return putNotes(file, request, response);
    return isRead ? getNotes(file, response) : end(response, 405);
  }
  if (!isRead) return end(response, 405);
  if (name === '') return page(file, viewerDir, response);
  if (name === 'trace.vtrace') return trace(file, request, response);
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (type === undefined) return end(response, 404, 'there is no such file');
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(readFileSync(join(viewerDir, name)));
}

function page(file: string, viewerDir: string, response: ServerResponse): void {
  const metas = [
    '<meta name="virtrace-trace" content="trace.vtrace">',
    `<meta name="virtrace-name" content="${escapeHtml(basename(file))}">`,
    '<meta name="virtrace-notes" content="notes.json">',
  ].join('\n    ');
  const html = readFileSync(join(viewerDir, 'index.html'), 'utf8').replace(
    '<title>',
    () => `${metas}\n    <title>`,
  );
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(html);
}

/** One range of bytes, or all (RFC 9110, 14.1.2); several at once are not needed here. */
export function parseRange(
  header: string | undefined,
  size: number,
): { readonly from: number; readonly to: number } | 'all' | 'unsatisfiable' {
  if (header === undefined) return 'all';
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (match === null || (match[1] === '' && match[2] === '')) return 'all';
  if (match[1] === '') {
    const length = Math.min(size, Number(match[2]));
    return length === 0 ? 'unsatisfiable' : { from: size - length, to: size };
  }
  const from = Number(match[1]);
  const to = match[2] === '' ? size : Math.min(size, Number(match[2]) + 1);
  if (!Number.isSafeInteger(from) || from >= size) return 'unsatisfiable';
  return to > from ? { from, to } : 'all';
}

function trace(file: string, request: IncomingMessage, response: ServerResponse): void {
  const { size } = statSync(file);
  const range = parseRange(request.headers.range, size);
  const headers = {
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'cache-control': 'no-store',
  };
  if (range === 'unsatisfiable') {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` });
    response.end();
    return;
  }
  const { from, to } = range === 'all' ? { from: 0, to: size } : range;
  response.writeHead(range === 'all' ? 200 : 206, {
    ...headers,
    'content-length': to - from,
    ...(range === 'all' ? {} : { 'content-range': `bytes ${from}-${to - 1}/${size}` }),
  });
  if (request.method === 'HEAD' || to === from) {
    response.end();
    return;
  }
  const stream = createReadStream(file, { start: from, end: to - 1 });
  stream.on('error', () => response.destroy());
  response.on('close', () => stream.destroy());
  stream.pipe(response);
}

function getNotes(file: string, response: ServerResponse): void {
  let text: Buffer;
  try {
    text = readFileSync(notesPath(file));
  } catch {
    text = Buffer.from('{}');
  }
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(text);
}

async function putNotes(file: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_NOTES_BYTES) return end(response, 413, 'the notes are too long');
    parts.push(part);
  }
  let notes: unknown;
  try {
    notes = JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return end(response, 400, 'not JSON');
  }
  if ((notes as { format?: unknown } | null)?.format !== 'virtrace-notes')
    return end(response, 400, 'no notes');
  const path = notesPath(file);
  // Whole or not at all.
  writeFileSync(`${path}.new`, `${JSON.stringify(notes, undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
  response.writeHead(204);
  response.end();
}
