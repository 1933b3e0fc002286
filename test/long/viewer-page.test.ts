import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import { openTrace } from '../../recorder/host/open-trace.ts';
import { complete } from '../../recorder/session/operation.ts';
import { Timeline } from '../../recorder/session/timeline.ts';
import { TraceWriter } from '../../traces/index.ts';
import {
  hasChromium,
  indexed,
  launch,
  openTracePage,
  picture,
  TIMEOUT,
  watchErrors,
} from '../support/browser.ts';
import { virtrace } from '../support/command.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';
import { HEADER, MemorySink, smallEvents, writeSmallTrace } from '../traces/support.ts';

/** The viewer in a browser, as a person uses it. Pictures go to .artefacts/; look at them. */

const folder = mkdtempSync(join(tmpdir(), 'virtrace-viewer-'));
const at = (name: string): string => join(folder, name);
let browser: Browser;
/** Symbols of the Linux that was recorded, as that says. */
let kallsyms: string[] = [];

beforeAll(async () => {
  if (!hasChromium) return;
  browser = await launch();
  const storm = [
    '-M',
    'virt,gic-version=3',
    '-cpu',
    'cortex-a57',
    '-m',
    '128',
    '-nographic',
    '-kernel',
    'guests/storm/storm.elf',
  ];
  expect(virtrace(['record', '-o', at('storm.vtrace'), '--level', 'full', ...storm]).code).toBe(0);
  expect(virtrace(['record', '-o', at('bare.vtrace'), '--no-embed', ...storm]).code).toBe(0);
  const smp = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-smp', '4', '-m', '128', '-nographic'];
  const ranSmp = virtrace(['record', '-o', at('smp.vtrace'), ...smp, '-kernel', 'guests/smp/smp.elf']);
  expect(ranSmp.code).toBe(0);
  if (!hasLinux) return;
  const linux = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-smp', '2', '-m', '512', '-nographic'];
  const images = [
    '-kernel',
    LINUX_IMAGE,
    '-initrd',
    LINUX_INITRD,
    '-append',
    'console=ttyAMA0 cryptomgr.notests=1 work=shell',
  ];
  // What comes before there is a shell is lost in part.
  const typed = `${'#'.repeat(100)}\n\n\nhead -n 60 /proc/kallsyms\npoweroff -f\n`;
  const ran = virtrace(['record', '-o', at('linux.vtrace'), '--level', 'full', ...linux, ...images], typed);
  expect(ran.code).toBe(0);
  kallsyms = ran.out.split('\n').filter((line) => /^ffff[0-9a-f]{12} [A-Za-z] \S+$/.test(line));
});
afterAll(() => browser?.close());

async function search(page: Page, query: string): Promise<void> {
  await page.keyboard.press('/');
  await page.fill('.search-input', query);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await page.waitForSelector('.hit-count:not(:empty)');
  await expect.poll(() => page.textContent('.hit-count')).not.toContain('…');
}

/** The position that the machine panel is at. */
function machinePosition(page: Page): Promise<number> {
  return page.evaluate("Number(document.querySelector('.machine')?.dataset.position ?? -1)");
}

function cursor(page: Page): Promise<number> {
  return page.evaluate('virtrace.store.state.cursor');
}

describe.skipIf(!hasChromium)('the built-in failing boot', () => {
  it('shows the storm, and leads from it to the wrong write', async () => {
    const { page, errors, close } = await openTracePage(browser, at('storm.vtrace'));
    await indexed(page);
    await picture(page, 'storm');
    await page.click('.tabs [data-tab=statistics]');
    expect(await page.textContent('.statistics .warning')).toMatch(/INTID 34 rtc.*was taken 26.\d\d\d times/);
    await picture(page, 'storm-statistics');
    await page.click('.statistics .warning >> text=first');
    await page.waitForSelector('.details h2 >> text=acknowledge');
    for (let i = 0; i < 26; i++) await page.keyboard.press('w');
    await picture(page, 'storm-arrows');
    expect(await page.locator('.cycle li').allTextContents()).toEqual(
      expect.arrayContaining([expect.stringContaining('line high'), expect.stringContaining('completed')]),
    );
    await search(page, 'reg:ICC_CTLR_EL1 is:write');
    expect(await page.textContent('.hit-count')).toBe('2');
    await page.keyboard.press('n');
    await page.keyboard.press('n');
    await page.waitForSelector('.fields tr.changed >> text=EOImode');
    expect(await page.textContent('.details')).toContain('gic_share_binary_point');
    await picture(page, 'storm-wrong-write');
    expect(errors).toEqual([]);
    await close();
  });

  it('steps, reverse-steps and runs to breakpoints in both directions', async () => {
    const { page, errors, close } = await openTracePage(browser, at('storm.vtrace'), { theme: 'dark' });
    await indexed(page);
    await page.keyboard.press('g');
    await page.waitForSelector('.machine .registers');
    const end = await machinePosition(page);
    for (let i = 1; i <= 10; i++) {
      await page.keyboard.press('ArrowLeft');
      await expect.poll(() => machinePosition(page)).toBe(end - i);
    }
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => machinePosition(page)).toBe(end - 9);
    await page.fill('.breakpoint-input', 'gic_share_binary_point');
    await page.press('.breakpoint-input', 'Enter');
    await page.waitForSelector('.breakpoints li');
    await page.click('[aria-label^="Run back"]');
    await page.click('.subtabs >> text=Code');
    await page.waitForSelector('.code tr.next');
    await expect.poll(() => machinePosition(page)).toBeLessThan(1_000_000);
    expect(await page.textContent('.breakpoints')).toContain('hit 1×');
    await picture(page, 'machine-code');
    for (const view of ['Registers', 'System', 'Memory', 'Stack', 'Pages', 'GIC', 'Devices']) {
      await page.click(`.subtabs >> text=${view}`);
      await page.waitForTimeout(300);
      await picture(page, `machine-${view.toLowerCase()}`);
      expect(await page.locator('.machine-body .empty').count()).toBe(0);
    }
    expect(errors).toEqual([]);
    await close();
  });

  it.each(['storm', 'smp'])('has the same state as in Node at 50 positions of %s', async (name) => {
    const { page, close } = await openTracePage(browser, at(`${name}.vtrace`));
    await indexed(page);
    const opened = openTrace(at(`${name}.vtrace`));
    const timeline = new Timeline({ reader: opened.reader, codec: NODE_CODEC });
    // Not in order, so that checkpoints are made and used.
    const positions = Array.from({ length: 50 }, (_, i) =>
      Math.floor((((i * 37) % 50) / 49) * timeline.length),
    );
    for (const position of positions) {
      complete(timeline.seek(position));
      const theirs = await page.evaluate(`virtrace.machine.stateHash(${position})`);
      expect([position, theirs]).toEqual([position, timeline.machine.hash().all]);
    }
    opened.close();
    await close();
  });

  it('opens as one file without a network, and steps in it', async () => {
    const { code, out } = virtrace(['report', at('storm.vtrace'), '-o', at('report.html')]);
    expect(code).toBe(0);
    expect(out).toContain('interrupt storm: INTID 34');
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, offline: true });
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT);
    const errors = watchErrors(page);
    await page.goto(pathToFileURL(at('report.html')).href);
    expect(await page.textContent('.report-summary')).toContain('WATCHDOG: no progress');
    await indexed(page);
    await picture(page, 'report');
    await page.click('.report-summary summary');
    await page.keyboard.press('g');
    await page.waitForSelector('.machine .registers');
    const before = await machinePosition(page);
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => machinePosition(page)).toBe(before - 1);
    await picture(page, 'report-stepped');
    expect(errors).toEqual([]);
    await context.close();
  });

  it('shows a part of it in a report that was cut', async () => {
    const { code } = virtrace([
      'report',
      at('storm.vtrace'),
      '-o',
      at('part.html'),
      '--from',
      '5000000',
      '--to',
      '7000000',
    ]);
    expect(code).toBe(0);
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT);
    await page.goto(pathToFileURL(at('part.html')).href);
    await indexed(page);
    await page.keyboard.press('g');
    await page.waitForSelector('.machine .registers');
    expect(await page.textContent('.moment')).toContain('end: cut at position');
    await page.close();
  });

  it('helps: all keys behind ?, words for a search, lanes by name', async () => {
    const { page, errors, close } = await openTracePage(browser, at('storm.vtrace'));
    await indexed(page);
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open] >> text=reverse-step');
    await picture(page, 'help');
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog[open]', { state: 'detached' });
    await page.keyboard.press('/');
    await page.keyboard.type('reg:GICD_IS');
    await page.waitForSelector('.completion li >> text=GICD_ISENABLER');
    await picture(page, 'completion');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.inputValue('.search-input')).toMatch(/^reg:GICD_IS\w+/);
    await page.fill('.lane-filter', 'rtc');
    await expect.poll(() => page.locator('.lane-label').allTextContents()).toHaveLength(2);
    expect(errors).toEqual([]);
    await close();
  });

  it('fits into 1024 pixels', async () => {
    const { page, close } = await openTracePage(browser, at('storm.vtrace'), { width: 1024, height: 700 });
    await indexed(page);
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await picture(page, 'narrow');
    await close();
  });

  it('keeps notes beside the trace and exports them', async () => {
    const { page, close, server } = await openTracePage(browser, at('storm.vtrace'), { hash: 'at=6665094' });
    await indexed(page);
    await page.keyboard.press('m');
    await page.fill('.new-note textarea', 'The alarm that begins it all <b>here</b>');
    await page.click('text=Add note');
    await expect
      .poll(() => fetch(`${server.url}notes.json`).then((r) => r.text()))
      .toContain('begins it all');
    await picture(page, 'notes');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=Export Markdown')]);
    expect(readFileSync(await download.path(), 'utf8')).toMatch(/ms\*\*, position 6665094: The alarm/);
    await page.reload();
    await indexed(page);
    await page.click('.tabs [data-tab=notes]');
    await page.waitForSelector('.note-text >> text=begins it all');
    await close();
    // A report takes them along.
    const { out } = virtrace(['report', at('storm.vtrace'), '-o', at('noted.html')]);
    expect(out).toContain('position 6665094: The alarm that begins it all');
    const report = await browser.newPage();
    report.setDefaultTimeout(TIMEOUT);
    await report.goto(`${pathToFileURL(at('noted.html')).href}#tab=notes`);
    await indexed(report);
    expect(await report.textContent('.note-text')).toContain('<b>here</b>');
    expect(await report.locator('.note-text b').count()).toBe(0);
    await report.close();
  });
});

describe.skipIf(!hasChromium)('DMA behind an SMMU', () => {
  it('has lanes of its own, with faults', async () => {
    const machine = [
      '-M',
      'virt,gic-version=3,iommu=smmuv3',
      '-cpu',
      'cortex-a57',
      '-m',
      '128',
      '-nographic',
    ];
    const guest = ['-device', 'edu,addr=3,dma_mask=0xffffffffffffffff', '-kernel', 'guests/smmu/smmu.elf'];
    const ran = virtrace(['record', '-o', at('smmu.vtrace'), '--level', 'full', ...machine, ...guest]);
    expect(ran.code).toBe(0);
    const { page, errors, close } = await openTracePage(browser, at('smmu.vtrace'), { theme: 'dark' });
    await indexed(page);
    await search(page, 'device:smmuv3 what:fault');
    await page.keyboard.press('n');
    await page.waitForSelector('.details h2 >> text=fault');
    expect(await page.textContent('.lane-label.current')).toContain('smmuv3 translations');
    // Device and SMMU at the same moment, and nothing of the instruction after the sleep.
    expect(await page.textContent('.details')).not.toContain('CNTV_CTL_EL0');
    const first = await cursor(page);
    await page.keyboard.press('.');
    await page.waitForSelector('.details h2 >> text=/smmuv3/');
    expect(await cursor(page)).toBeGreaterThanOrEqual(first);
    await picture(page, 'smmu');
    expect(errors).toEqual([]);
    await close();
  });
});

describe.skipIf(!hasChromium || !hasLinux)('a boot of Linux', () => {
  it('can be explored', async () => {
    const { page, errors, close, server } = await openTracePage(browser, at('linux.vtrace'));
    await indexed(page);
    await picture(page, 'linux');

    await search(page, 'irq:27 what:acknowledge');
    await page.keyboard.press('n');
    await page.waitForSelector('.cycle li');
    for (let i = 0; i < 30; i++) await page.keyboard.press('w');
    await picture(page, 'linux-interrupt');
    const taken = await cursor(page);
    await page.click('.cycle >> text=completed');
    await expect.poll(() => cursor(page)).toBeGreaterThan(taken);
    await page.click('.cycle >> text=line high');
    await expect.poll(() => cursor(page)).toBeLessThanOrEqual(taken);

    await search(page, 'GICD_ISENABLER');
    expect(Number(await page.textContent('.hit-count'))).toBeGreaterThan(5);
    await page.keyboard.press('f');
    await picture(page, 'linux-search');

    await page.click('.tabs [data-tab=console]');
    await page.waitForSelector('.console-line');
    const lines = page.locator('.console-line', { hasText: 'Run /init as init process' });
    await lines.first().click();
    await expect
      .poll(() => page.locator('.console-line:not(.future)').last().textContent())
      .not.toContain('Power down');
    const shown = await page.locator('.console-line:not(.future)').allTextContents();
    expect(shown.join('\n')).toContain('Freeing unused kernel memory');
    expect(shown.join('\n')).not.toContain('BOOT-OK');
    expect(await page.textContent('.console-text')).toContain('BOOT-OK');
    await picture(page, 'linux-console');

    const link = await page.evaluate<string>('location.href');
    const other = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    other.setDefaultTimeout(TIMEOUT);
    await other.goto(link);
    await indexed(other);
    expect(await cursor(other)).toBe(await cursor(page));
    await other.close();
    expect(link.startsWith(server.url)).toBe(true);
    expect(errors).toEqual([]);
    await close();
  });

  it('has symbols where the kernel moved itself to', async () => {
    const address = (name: string): bigint =>
      BigInt(`0x${kallsyms.find((line) => line.endsWith(` ${name}`))!.slice(0, 16)}`);
    // The link address of _stext in Debian's kernels; the slide is what is left.
    const slide = address('_stext') - 0xffff_8000_0801_0000n;
    expect(slide).toBeGreaterThan(0n);
    const linked = kallsyms.map(
      (line) => (BigInt(`0x${line.slice(0, 16)}`) - slide).toString(16) + line.slice(16),
    );
    writeFileSync(at('System.map'), `${linked.join('\n')}\n`);
    const { page, errors, close } = await openTracePage(browser, at('linux.vtrace'), { hash: 'tab=trace' });
    await indexed(page);
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.click('text=Add symbols')]);
    await chooser.setFiles(at('System.map'));
    await page.waitForSelector('.machine-message >> text=KASLR');
    expect(await page.textContent('.machine-message')).toContain(`moved by 0x${slide.toString(16)}`);
    await search(page, 'reg:ICC_IAR1_EL1 in:gic_handle_irq');
    expect(Number((await page.textContent('.hit-count'))!.replace(/\D/g, ''))).toBeGreaterThan(100);
    await page.keyboard.press('n');
    await page.keyboard.press('1');
    await page.waitForSelector('.details >> text=gic_handle_irq+');
    await picture(page, 'linux-symbols');
    expect(errors).toEqual([]);
    await close();
  });

  it('is stepped backwards from its end', async () => {
    const { page, errors, close } = await openTracePage(browser, at('linux.vtrace'));
    await indexed(page);
    await page.keyboard.press('g');
    await page.waitForSelector('.machine .registers');
    const end = await machinePosition(page);
    const times: number[] = [];
    for (let i = 1; i <= 10; i++) {
      const begin = performance.now();
      await page.keyboard.press('ArrowLeft');
      await expect.poll(() => machinePosition(page), { interval: 10 }).toBe(end - i);
      times.push(performance.now() - begin);
    }
    await picture(page, 'linux-stepped');
    console.log(`reverse-steps at ${end}: ${times.map((ms) => Math.round(ms)).join(', ')} ms`);
    expect(errors).toEqual([]);
    await close();
  });
});

describe.skipIf(!hasChromium)('what cannot be opened', () => {
  const small = writeSmallTrace();
  const damaged = (change: (bytes: Uint8Array) => Uint8Array): Uint8Array => change(small.slice());

  it.each<[string, Uint8Array, string]>([
    ['no trace', new TextEncoder().encode('#!/bin/sh\nexit 1\n'), 'is no virtrace trace'],
    ['an empty file', new Uint8Array(0), 'is no virtrace trace'],
    [
      'a trace from the future',
      damaged((bytes) => {
        bytes[8] = 99;
        return bytes;
      }),
      'newer virtrace',
    ],
    [
      'a damaged header',
      damaged((bytes) => {
        bytes[40]! ^= 255;
        return bytes;
      }),
      'damaged',
    ],
  ])('%s gets a message that says what to do', async (name, bytes, words) => {
    const file = at(`${name.replaceAll(' ', '-')}.vtrace`);
    writeFileSync(file, bytes);
    const { page, close } = await openTracePage(browser, file);
    await page.waitForSelector('.problem');
    expect(await page.textContent('.problem')).toContain(words);
    await picture(page, `problem-${name.replaceAll(' ', '-')}`);
    await close();
  });

  it('a trace that is damaged in its middle is shown up to there', async () => {
    const bytes = new Uint8Array(readFileSync(at('storm.vtrace')));
    bytes[Math.floor(bytes.length * 0.9)]! ^= 255;
    writeFileSync(at('middle.vtrace'), bytes);
    const { page, close } = await openTracePage(browser, at('middle.vtrace'), { hash: 'tab=trace' });
    await indexed(page);
    expect(await page.textContent('.trace-panel .warning')).toContain('The file is damaged');
    await picture(page, 'problem-middle');
    await close();
  });

  it('a trace without its images is shown, and the machine says what is missing', async () => {
    const { page, close } = await openTracePage(browser, at('bare.vtrace'), { hash: 'tab=machine' });
    await indexed(page);
    await page.waitForSelector('.machine-body [role=alert]');
    expect(await page.textContent('.machine-body')).toMatch(/storm\.elf.*not in the trace/);
    await picture(page, 'problem-images');
    const [wrong] = await Promise.all([page.waitForEvent('filechooser'), page.click('text=Choose the file')]);
    await wrong.setFiles('guests/hello/hello.elf');
    await page.waitForSelector('.machine-body >> text=is another one');
    const [chooser] = await Promise.all([
      page.waitForEvent('filechooser'),
      page.click('text=Choose the file'),
    ]);
    await chooser.setFiles('guests/storm/storm.elf');
    await page.waitForSelector('.machine .registers');
    await close();
  });
});

describe.skipIf(!hasChromium)('hostile strings', () => {
  const evil = '<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>{{7*7}}';

  it('are text everywhere', async () => {
    const sink = new MemorySink();
    const writer = new TraceWriter(sink, {
      ...HEADER,
      images: [{ name: evil, role: 'kernel', size: 1, sha256: '0'.repeat(64) }],
    });
    for (const event of smallEvents()) {
      if (event.position === 4000) {
        const stamp = { position: 3999, time: 4999, cpu: 0 } as const;
        writer.event({
          kind: 'output',
          ...stamp,
          device: evil,
          bytes: new TextEncoder().encode(`${evil}\n`),
        });
        writer.event({ kind: 'guest-error', ...stamp, device: evil, offset: 0, message: evil });
        writer.event({ kind: 'note', ...stamp, device: evil, what: evil, fields: { [evil]: evil } });
      }
      writer.event(event);
    }
    writer.close({ position: 6000, time: 7000, reason: evil, detail: evil });
    const file = at('"><img src=x onerror=alert(1)>.vtrace');
    writeFileSync(file, sink.toBytes());
    const { page, close } = await openTracePage(browser, file);
    await indexed(page);
    await page.keyboard.press('m');
    await page.fill('.new-note textarea', evil);
    await page.click('text=Add note');
    for (const tab of ['trace', 'statistics', 'console', 'event'])
      await page.click(`.tabs [data-tab=${tab}]`);
    await search(page, 'kind:note');
    await page.keyboard.press('n');
    await page.waitForSelector('.details h2');
    await picture(page, 'hostile');
    expect(await page.evaluate('globalThis.hit')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('.app script').count()).toBe(0);
    await close();
  });
});
