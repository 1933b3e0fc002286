/** What a command needs of the process it runs in; tests give it their own. */
export interface CommandIo {
  /** Data, on stdout. */
  out(text: string | Uint8Array): void;
  /** Resolves when stdout can take more. */
  drained(): Promise<void>;
  /** True once nobody reads stdout any more. */
  readonly outClosed: boolean;
  /** Talk, on stderr, as it is. */
  talk(text: string): void;
  /** One line on stderr: `virtrace: message`. */
  error(message: string): void;
  readonly stdin: NodeJS.ReadStream;
  /**
   * All of stdin if it is a regular file, or closed: read at once, so that every run has its bytes from the
   * start. Undefined: it is a terminal, a pipe, or something else that takes its time.
   */
  stdinFile(): Uint8Array | undefined;
  /** The program's own file; absent where it is not a process's main program, which can have no threads then. */
  readonly program?: URL;
  readonly outIsTerminal: boolean;
  readonly talkIsTerminal: boolean;
}
