/** Images that a trace only names, given with `--image ROLE=FILE`. */
import type { ImageRef, ImageSource } from '../../traces/index.ts';
import { type FileSource, openImage } from '../host/files.ts';
import { isQcow2, openQcow2 } from '../host/qcow2.ts';
import { OptionError } from './errors.ts';

export class GivenImages {
  readonly #paths: ReadonlyMap<string, string>;
  readonly #opened: FileSource[] = [];

  /** @throws OptionError */
  constructor(texts: readonly string[]) {
    this.#paths = new Map(
      texts.map((text) => {
        const match = /^([^=]+)=(.+)$/s.exec(text);
        if (match === null) throw new OptionError(`--image ${text}: allowed is ROLE=FILE`);
        return [match[1]!, match[2]!];
      }),
    );
  }

  /** Undefined: none was given for it. */
  open(ref: ImageRef): ImageSource | undefined {
    const path = this.#paths.get(ref.role);
    if (path === undefined) return undefined;
    let source = openImage('--image', path);
    // What a trace names is the disk that an image stands for.
    if (source.size !== ref.size && isQcow2(source.read(0, Math.min(4, source.size)))) {
      source.close();
      source = openQcow2('--image', path);
    }
    this.#opened.push(source);
    return source;
  }

  /** @throws OptionError if one was given that the trace does not have */
  check(refs: readonly ImageRef[]): void {
    for (const role of this.#paths.keys()) {
      if (refs.some((ref) => ref.role === role)) continue;
      const list = refs.length === 0 ? 'it has none' : `it has ${refs.map((ref) => ref.role).join(', ')}`;
      throw new OptionError(`--image ${role}=: this trace has no image ${role}; ${list}`);
    }
  }

  close(): void {
    for (const source of this.#opened) source.close();
  }
}
