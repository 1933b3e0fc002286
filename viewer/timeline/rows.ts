import type { ViewState } from '../app/view-state.ts';
import type { LaneInfo, LaneKind } from '../data/protocol.ts';

export type Row =
  | {
      readonly type: 'group';
      readonly name: string;
      readonly y: number;
      readonly height: number;
      readonly folded: boolean;
      readonly count: number;
    }
  | {
      readonly type: 'lane';
      readonly lane: LaneInfo;
      readonly y: number;
      readonly height: number;
      readonly pinned: boolean;
    };

const HEIGHTS: { readonly [kind in LaneKind]: number } = {
  cpu: 30,
  sleep: 16,
  interrupt: 26,
  device: 26,
  dma: 24,
  smmu: 24,
  frames: 24,
  console: 34,
  notes: 24,
  inputs: 24,
};
const GROUP_HEIGHT = 22;

export const PINNED_GROUP = 'Pinned';

/** Which lanes are shown, where. Lanes without events are left out, unless they are CPUs. */
export function layoutRows(lanes: readonly LaneInfo[], state: ViewState): { rows: Row[]; height: number } {
  const wanted = state.lanes.toLowerCase();
  const shown = lanes.filter(
    ({ id, label, title, kind, total, group }) =>
      !state.hidden.includes(id) &&
      (total > 0 || kind === 'cpu') &&
      (wanted === '' || `${label} ${title} ${group}`.toLowerCase().includes(wanted)),
  );
  const rows: Row[] = [];
  let y = 0;
  const add = (name: string, members: readonly LaneInfo[], pinned: boolean): void => {
    if (members.length === 0) return;
    // Whoever looks for a lane by its name wants to see it.
    const folded = state.folded.includes(name) && wanted === '';
    rows.push({
      type: 'group',
      name,
      y,
      height: GROUP_HEIGHT,
      folded,
      count: members.filter(({ kind }) => kind !== 'sleep').length,
    });
    y += GROUP_HEIGHT;
    if (folded) return;
    for (const lane of members) {
      const height = HEIGHTS[lane.kind];
      rows.push({ type: 'lane', lane, y, height, pinned });
      y += height;
    }
  };
  const byId = new Map(shown.map((lane) => [lane.id, lane] as const));
  const pinned = state.pinned.flatMap((id) => byId.get(id) ?? []);
  add(PINNED_GROUP, pinned, true);
  const rest = ordered(
    shown.filter(({ id }) => !state.pinned.includes(id)),
    state.order,
  );
  const groups = new Map<string, LaneInfo[]>();
  for (const lane of rest) {
    const members = groups.get(lane.group);
    if (members === undefined) groups.set(lane.group, [lane]);
    else members.push(lane);
  }
  for (const [name, members] of groups) add(name, members, false);
  return { rows, height: y };
}

/** Lanes that a person has moved stand in that person's order, within their group. */
function ordered(lanes: readonly LaneInfo[], order: readonly string[]): LaneInfo[] {
  if (order.length === 0) return [...lanes];
  const rank = new Map(order.map((id, i) => [id, i] as const));
  const groups = new Map<string, LaneInfo[]>();
  for (const lane of lanes) groups.set(lane.group, [...(groups.get(lane.group) ?? []), lane]);
  return [...groups.values()].flatMap((members) => {
    const moved = members.filter(({ id }) => rank.has(id)).sort((a, b) => rank.get(a.id)! - rank.get(b.id)!);
    const places = members.flatMap(({ id }, i) => (rank.has(id) ? [i] : []));
    const result = [...members];
    places.forEach((place, i) => {
      result[place] = moved[i]!;
    });
    return result;
  });
}
