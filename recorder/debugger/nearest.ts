/** Which of the names that exist a person may have meant. */

/** Number of letters to insert, remove, replace or swap with their neighbour. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, before[j - 2]! + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

const MAX_NAME = 80;

/** The nearest names, best first; those that have nothing in common with the word are left out. */
export function nearest(word: string, names: Iterable<string>, count = 4): string[] {
  const wanted = word.slice(0, MAX_NAME).toLowerCase();
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  const found: { readonly name: string; readonly score: number }[] = [];
  for (const name of names) {
    const lower = name.slice(0, MAX_NAME).toLowerCase();
    if (lower === wanted) {
      found.push({ name, score: 0 });
      continue;
    }
    // A part of a name is as good as a typing mistake.
    const isPart =
      wanted.length >= 2 && (lower.includes(wanted) || (lower.length >= 3 && wanted.includes(lower)));
    if (!isPart && Math.abs(lower.length - wanted.length) > limit) continue;
    const distance = editDistance(wanted, lower);
    if (distance <= limit) found.push({ name, score: distance });
    else if (isPart) found.push({ name, score: limit + Math.abs(lower.length - wanted.length) / 100 });
  }
  found.sort((a, b) => a.score - b.score || a.name.localeCompare(b.name, 'en', { numeric: true }));
  return found.slice(0, count).map(({ name }) => name);
}

/** `; nearest: a, b`, or the names that there are if they are few, or nothing. */
export function hint(word: string, names: Iterable<string>, few = 8): string {
  const list = [...names];
  const near = nearest(word, list);
  if (near.length > 0) return `; nearest: ${near.join(', ')}`;
  return list.length > 0 && list.length <= few ? `; there are ${list.join(', ')}` : '';
}
