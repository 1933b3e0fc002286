/**
 * What can be wrong with a trace file.
 * - `not-a-trace`: the file does not begin with the magic number, or ends inside the header.
 * - `too-new`: written by a newer format than this program knows.
 * - `damaged`: a checksum, length, count or reference does not hold.
 * - `missing`: something asked for is not in the file (an image that was not embedded).
 * - `too-big`: it would need more memory than the caller allowed.
 */
export type TraceErrorCode = 'not-a-trace' | 'too-new' | 'damaged' | 'missing' | 'too-big';

/** A trace that cannot be read. `chunk` is the chunk's number, `offset` the byte offset in the file. */
export class TraceError extends Error {
  readonly code: TraceErrorCode;
  readonly chunk: number | undefined;
  readonly offset: number | undefined;

  constructor(code: TraceErrorCode, message: string, at?: { chunk?: number | undefined; offset?: number }) {
    const place =
      at === undefined
        ? ''
        : ` (${[
            at.chunk === undefined ? '' : `chunk ${at.chunk}`,
            at.offset === undefined ? '' : `offset ${at.offset}`,
          ]
            .filter((part) => part !== '')
            .join(', ')})`;
    super(message + place);
    this.name = 'TraceError';
    this.code = code;
    this.chunk = at?.chunk;
    this.offset = at?.offset;
  }
}

/** The sink refused bytes (a full disk, a closed pipe). What was written before stays a valid trace. */
export class TraceWriteError extends Error {
  /** File offset up to which every chunk was handed to the sink whole. */
  readonly validBytes: number;

  constructor(validBytes: number, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`cannot write the trace: ${why}; it is valid up to byte ${validBytes}`, { cause });
    this.name = 'TraceWriteError';
    this.validBytes = validBytes;
  }
}

/** Thrown by the byte-level decoders; the reader adds chunk and offset and makes a TraceError of it. */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DecodeError';
  }
}
