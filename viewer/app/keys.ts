import type { App } from './app.ts';
import { TABS } from './view-state.ts';

/** What a key means on the page; help.ts lists them. True if it meant something. */
export function pressKey(app: App, event: KeyboardEvent): boolean {
  const target = event.target as Element | null;
  // An open dialog takes its keys itself; the focus stays in a closed one until the page is drawn again.
  if (target?.closest('dialog[open]') != null) return false;
  if (target?.closest('input, textarea, select') !== null && event.key !== 'Escape') return false;
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { timeline, store } = app;
  switch (event.key) {
    case 'w':
    case 'W':
      timeline.zoomBy(0.7);
      return true;
    case 's':
    case 'S':
      timeline.zoomBy(1 / 0.7);
      return true;
    case 'a':
    case 'A':
      timeline.panBy(-0.2);
      return true;
    case 'd':
    case 'D':
      timeline.panBy(0.2);
      return true;
    case 'f':
    case 'F':
      app.fitOrSelection();
      return true;
    case '.':
      void app.stepLane('forward');
      return true;
    case ',':
      void app.stepLane('backward');
      return true;
    case 'n':
      app.nextHit('forward');
      return true;
    case 'N':
      app.nextHit('backward');
      return true;
    case '/':
      app.focusSearch();
      return true;
    case '?':
      app.showHelp();
      return true;
    case 'ArrowRight':
      void (event.shiftKey ? app.machine.continueForward() : app.machine.step(1));
      return true;
    case 'ArrowLeft':
      void (event.shiftKey ? app.machine.continueBackward() : app.machine.step(-1));
      return true;
    case 'g':
    case 'G':
      store.set({ tab: 'machine' });
      void app.machine.travel(store.state.cursor);
      return true;
    case 'x':
    case 'X':
      store.set({ axis: store.state.axis === 'time' ? 'instructions' : 'time' });
      return true;
    case 'm':
    case 'M':
      app.beginNote(store.state.cursor);
      return true;
    case 'Escape':
      if (store.state.selected !== undefined) store.set({ selected: undefined });
      return true;
  }
  const tab = TABS[Number(event.key) - 1];
  if (tab === undefined) return false;
  store.set({ tab });
  return true;
}
