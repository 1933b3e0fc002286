/** Starts a worker: from a file beside the page, or out of the page itself in a one-file report. */
export function startWorker(name: 'data-worker' | 'engine-worker'): Worker {
  const inline = document.getElementById(`worker-${name}`);
  if (inline === null) return new Worker(new URL(`${name}.js`, document.baseURI));
  const url = URL.createObjectURL(new Blob([inline.textContent ?? ''], { type: 'text/javascript' }));
  const worker = new Worker(url);
  // Chromium has read it by the time the first message comes back; until then it must stay.
  worker.addEventListener('message', () => URL.revokeObjectURL(url), { once: true });
  return worker;
}
