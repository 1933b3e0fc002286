/**
 * The filter language, as text and as a tree.
 *
 *   filter  = or
 *   or      = and { ("or" | "|") and }
 *   and     = not { ["and"] not }
 *   not     = ("not" | "-" | "!") not | "(" or ")" | term
 *   term    = key operator value { "," value } | word
 *
 * Operators are `:` (is, or contains), `=`, `!=`, `<`, `<=`, `>`, `>=` and `&` (has one of these bits). A value
 * is a word or a quoted text; `a..b` is a range, `*` stands for anything. A word without a key is looked for
 * everywhere.
 */
export type Operator = ':' | '=' | '!=' | '<' | '<=' | '>' | '>=' | '&';

export interface Term {
  readonly kind: 'term';
  /** Empty for a word without one. */
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
  /** Where it stands in the text. */
  readonly from: number;
  readonly to: number;
}

export type FilterTree =
  | Term
  | { readonly kind: 'and' | 'or'; readonly parts: readonly FilterTree[] }
  | { readonly kind: 'not'; readonly part: FilterTree }
  | { readonly kind: 'all' };

/** A filter that cannot be understood; `from` and `to` say which part. */
export class FilterError extends Error {
  readonly from: number;
  readonly to: number;

  constructor(message: string, from: number, to: number) {
    super(message);
    this.name = 'FilterError';
    this.from = from;
    this.to = to;
  }
}

export type TokenKind = 'word' | 'text' | 'operator' | 'comma' | 'open' | 'close' | 'not' | 'or';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** No space before it. */
  readonly joined: boolean;
}

const OPERATORS = ['!=', '<=', '>=', ':', '=', '<', '>', '&'] as const;
const WORD = /[^\s()":=<>&,|!]+/y;
const MAX_LENGTH = 4000;
const MAX_DEPTH = 50;

/** Splits a filter; a quote that is not closed goes to the end (somebody is typing). */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  const push = (kind: TokenKind, value: string, to: number): void => {
    found.push({ kind, text: value, from: at, to, joined: found.at(-1)?.to === at });
    at = to;
  };
  while (at < text.length) {
    const char = text[at]!;
    if (/\s/.test(char)) {
      at++;
      continue;
    }
    const operator = OPERATORS.find((candidate) => text.startsWith(candidate, at));
    if (char === '"') {
      const end = text.indexOf('"', at + 1);
      push('text', text.slice(at + 1, end < 0 ? text.length : end), end < 0 ? text.length : end + 1);
    } else if (char === '(') push('open', char, at + 1);
    else if (char === ')') push('close', char, at + 1);
    else if (char === ',') push('comma', char, at + 1);
    else if (char === '|') push('or', char, text.startsWith('||', at) ? at + 2 : at + 1);
    else if (operator !== undefined) push('operator', operator, at + operator.length);
    else if (char === '!') push('not', char, at + 1);
    else {
      WORD.lastIndex = at;
      const word = WORD.exec(text)![0];
      if (word.startsWith('-') && word.length > 1 && !/^-\d/.test(word)) push('not', '-', at + 1);
      else push('word', word, at + word.length);
    }
  }
  return found;
}

/** Throws FilterError. */
export function parseFilter(text: string): FilterTree {
  if (text.length > MAX_LENGTH) throw new FilterError('the filter is too long', MAX_LENGTH, text.length);
  const list = tokens(text);
  let next = 0;
  let depth = 0;
  const peek = (): Token | undefined => list[next];
  const isWord = (token: Token | undefined, word: string): boolean =>
    token?.kind === 'word' && token.text.toLowerCase() === word && list[next + 1]?.kind !== 'operator';

  function or(): FilterTree {
    const parts = [and()];
    while (peek()?.kind === 'or' || isWord(peek(), 'or')) {
      next++;
      parts.push(and());
    }
    return parts.length === 1 ? parts[0]! : { kind: 'or', parts };
  }

  function and(): FilterTree {
    const parts = [not()];
    for (;;) {
      const token = peek();
      if (token === undefined || token.kind === 'close' || token.kind === 'or' || isWord(token, 'or')) break;
      if (isWord(token, 'and')) next++;
      parts.push(not());
    }
    return parts.length === 1 ? parts[0]! : { kind: 'and', parts };
  }

  function not(): FilterTree {
    if (++depth > MAX_DEPTH) {
      throw new FilterError('the filter is nested too deeply', peek()?.from ?? text.length, text.length);
    }
    try {
      const token = peek();
      if (token === undefined)
        throw new FilterError('the filter ends where a condition is expected', text.length, text.length);
      if (token.kind === 'not' || isWord(token, 'not')) {
        next++;
        return { kind: 'not', part: not() };
      }
      if (token.kind === 'open') {
        next++;
        const inside = or();
        const close = peek();
        if (close?.kind !== 'close') throw new FilterError('a closing ) is missing', token.from, text.length);
        next++;
        return inside;
      }
      return term(token);
    } finally {
      depth--;
    }
  }

  function term(first: Token): FilterTree {
    if (first.kind !== 'word' && first.kind !== 'text') {
      throw new FilterError(`'${first.text}' cannot stand here`, first.from, first.to);
    }
    next++;
    const operator = peek();
    if (first.kind === 'text' || operator?.kind !== 'operator' || !operator.joined) {
      return { kind: 'term', key: '', operator: ':', values: [first.text], from: first.from, to: first.to };
    }
    next++;
    const values: string[] = [];
    let to = operator.to;
    for (;;) {
      const value = peek();
      if (value?.kind !== 'word' && value?.kind !== 'text') {
        throw new FilterError(`${first.text}${operator.text} needs a value`, first.from, to);
      }
      next++;
      let text = value.text;
      to = value.to;
      // `field:NAME=VALUE`
      const [equals, second] = [list[next], list[next + 1]];
      if (equals?.text === '=' && equals.kind === 'operator' && equals.joined && second?.kind === 'word') {
        next += 2;
        text += `=${second.text}`;
        to = second.to;
      }
      values.push(text);
      if (peek()?.kind !== 'comma') break;
      next++;
    }
    return {
      kind: 'term',
      key: first.text.toLowerCase(),
      operator: operator.text as Operator,
      values,
      from: first.from,
      to,
    };
  }

  if (list.length === 0) return { kind: 'all' };
  const tree = or();
  const rest = peek();
  if (rest !== undefined) throw new FilterError(`'${rest.text}' cannot stand here`, rest.from, rest.to);
  return tree;
}

/** Puts quotes around a value that needs them. */
export function quote(value: string): string {
  return /^[^\s()":=<>&,|!-][^\s()":=<>&,|!]*$/.test(value) ? value : `"${value.replaceAll('"', '')}"`;
}
