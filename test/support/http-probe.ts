import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';

/** Bytes for a guest to download. */
export function downloadOf(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff);
}

/** Serves /down on loopback, and answers an upload with what it got. */
export function serveProbe(download: Uint8Array): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/down') {
      response.setHeader('Content-Length', download.length);
      response.end(download);
      return;
    }
    const hash = createHash('md5');
    let bytes = 0;
    request.on('data', (data: Buffer) => {
      hash.update(data);
      bytes += data.length;
    });
    request.on('end', () => response.end(`got ${bytes} ${hash.digest('hex')}\n`));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
