import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRange, startViewServer, type ViewServer } from '../../../recorder/server/view-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtrace-view-'));
const hostile = '"><img src=x onerror=alert(1)>.vtrace'.replaceAll('/', '');
const file = join(folder, hostile);
const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
let server: ViewServer;

beforeAll(async () => {
  writeFileSync(file, bytes);
  writeFileSync(join(folder, 'index.html'), '<html><title>x</title></html>');
  writeFileSync(join(folder, 'viewer.js'), 'js');
  server = await startViewServer({ file, viewerDir: folder });
});
afterAll(() => server.close());

const get = (path: string, init?: RequestInit): Promise<Response> => fetch(new URL(path, server.url), init);

describe('the view server', () => {
  it('listens on loopback, behind a path that cannot be guessed', async () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{24}\/$/);
    expect((await fetch(new URL('/', server.url))).status).toBe(404);
    expect((await fetch(new URL('/trace.vtrace', server.url))).status).toBe(404);
  });

  it('gives the page with a strict policy, and names as text', async () => {
    const response = await get('');
    const text = await response.text();
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(text).not.toContain('<img');
    expect(text).toContain('&quot;&gt;&lt;img src=x onerror=alert(1)&gt;.vtrace');
  });

  it('gives ranges of the trace', async () => {
    const part = await get('trace.vtrace', { headers: { range: 'bytes=10-19' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe('bytes 10-19/1000');
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(10, 20));
    expect((await get('trace.vtrace', { headers: { range: 'bytes=1000-' } })).status).toBe(416);
    expect((await (await get('trace.vtrace')).arrayBuffer()).byteLength).toBe(1000);
  });

  it('gives nothing else', async () => {
    for (const path of ['../../etc/passwd', '%2e%2e/passwd', 'index.html', 'constructor', 'x']) {
      expect((await get(path)).status).toBe(404);
    }
    expect((await get('trace.vtrace', { method: 'DELETE' })).status).toBe(405);
  });

  it('keeps notes beside the trace', async () => {
    expect(await (await get('notes.json')).json()).toEqual({});
    const notes = { format: 'virtrace-notes', notes: [{ position: 1, time: 1, text: 'a' }] };
    expect((await get('notes.json', { method: 'PUT', body: JSON.stringify(notes) })).status).toBe(204);
    expect(await (await get('notes.json')).json()).toEqual(notes);
    expect(JSON.parse(readFileSync(`${file}.notes.json`, 'utf8'))).toEqual(notes);
    expect((await get('notes.json', { method: 'PUT', body: '{' })).status).toBe(400);
    expect((await get('notes.json', { method: 'PUT', body: '{}' })).status).toBe(400);
    const long = JSON.stringify({ ...notes, more: 'x'.repeat(9 << 20) });
    expect((await get('notes.json', { method: 'PUT', body: long })).status).toBe(413);
  });

  it('refuses other names for itself', async () => {
    const { port, pathname } = new URL(server.url);
    const status = await new Promise((resolve) => {
      request({ port, path: pathname, headers: { host: `evil.example:${port}` } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(status).toBe(403);
  });
});

describe('a range', () => {
  it.each([
    [undefined, 'all'],
    ['bytes=0-0', { from: 0, to: 1 }],
    ['bytes=5-', { from: 5, to: 100 }],
    ['bytes=-10', { from: 90, to: 100 }],
    ['bytes=0-500', { from: 0, to: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-5', 'all'],
    ['bytes=1-2,4-5', 'all'],
    ['lines=1-2', 'all'],
  ])('%s of 100 bytes', (header, range) => {
    expect(parseRange(header, 100)).toEqual(range);
  });
});
