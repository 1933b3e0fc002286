import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Scope, scopesOf } from '../../../engine/cpu/region.ts';

/** Which edges a WebAssembly function with these scopes can make, by the rules of the text format alone. */
function reachable(scopes: readonly Scope[], from: number, to: number): boolean {
  return scopes.some((scope) => {
    const open = scope.start <= from && from < scope.end;
    if (!open) return false;
    return scope.kind === 'loop' ? scope.start === to : scope.end === to;
  });
}

const graphs = fc.integer({ min: 1, max: 14 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    edges: fc.array(
      fc.tuple(fc.integer({ min: 0, max: count - 1 }), fc.integer({ min: 0, max: count - 1 })),
      { maxLength: 24 },
    ),
  }),
);

describe('scopesOf', () => {
  it('gives scopes that nest, in the order in which they open', () => {
    fc.assert(
      fc.property(graphs, ({ count, edges }) => {
        const open: Scope[] = [];
        let last = 0;
        for (const scope of scopesOf(count, edges)) {
          expect(scope.start).toBeGreaterThanOrEqual(last);
          last = scope.start;
          while (open.length > 0 && open.at(-1)!.end <= scope.start) open.pop();
          if (open.length > 0) expect(scope.end).toBeLessThanOrEqual(open.at(-1)!.end);
          expect(scope.end).toBeLessThanOrEqual(count);
          open.push(scope);
        }
      }),
    );
  });

  it('carries every backward edge', () => {
    fc.assert(
      fc.property(graphs, ({ count, edges }) => {
        const scopes = scopesOf(count, edges);
        for (const [from, to] of edges) if (to <= from) expect(reachable(scopes, from, to)).toBe(true);
      }),
    );
  });

  it('carries every forward edge of a graph without loops', () => {
    fc.assert(
      fc.property(graphs, ({ count, edges }) => {
        const forward = edges.filter(([from, to]) => to > from);
        const scopes = scopesOf(count, forward);
        for (const [from, to] of forward) expect(reachable(scopes, from, to)).toBe(true);
      }),
    );
  });

  it('leaves out a jump into the middle of a loop', () => {
    const scopes = scopesOf(3, [
      [0, 2],
      [2, 1],
      [1, 2],
    ]);
    expect(reachable(scopes, 0, 2)).toBe(false);
    expect(reachable(scopes, 1, 2)).toBe(true);
    expect(reachable(scopes, 2, 1)).toBe(true);
  });
});
