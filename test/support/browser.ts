import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { startViewServer, type ViewServer } from '../../recorder/server/view-server.ts';
import { project } from './qemu.ts';

const CHROMIUM = '/usr/bin/chromium';
export const hasChromium = existsSync(CHROMIUM);
const VIEWER = join(project, 'dist/viewer');
const ARTEFACTS = join(project, '.artefacts');

/** Only to end a test that hangs: the machine may be busy with other suites. */
export const TIMEOUT = 300_000;

/** Without the background flags, Chromium tries to reach its maker's servers all the time. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-precise-memory-info',
];

export async function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
}

export interface OpenPage {
  readonly page: Page;
  readonly server: ViewServer;
  /** What the page wrote to its console as an error, or threw. */
  readonly errors: string[];
  close(): Promise<void>;
}

export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly theme?: 'light' | 'dark';
  /** Behind the `#` of the address. */
  readonly hash?: string;
}

export function watchErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  return errors;
}

/** Serves a trace as `virtrace view` does, and opens it. */
export async function openTracePage(
  browser: Browser,
  file: string,
  options: PageOptions = {},
): Promise<OpenPage> {
  const server = await startViewServer({ file, viewerDir: VIEWER });
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    colorScheme: options.theme ?? 'light',
    acceptDownloads: true,
  });
  page.setDefaultTimeout(TIMEOUT);
  const errors = watchErrors(page);
  await page.goto(server.url + (options.hash === undefined ? '' : `#${options.hash}`));
  return {
    page,
    server,
    errors,
    close: async () => {
      await page.close();
      await server.close();
    },
  };
}

/** Until the pass over all events is through. */
export async function indexed(page: Page): Promise<void> {
  await page.waitForSelector('html[data-ready=indexed]', { timeout: TIMEOUT });
}

/** A picture for people, in .artefacts/. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(ARTEFACTS, { recursive: true });
  // Two frames, so that what was asked for last is drawn.
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  await page.waitForTimeout(250);
  await page.screenshot({ path: join(ARTEFACTS, `viewer-${name}.png`) });
}
