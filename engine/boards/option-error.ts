/**
 * A person's mistake in an option or an image: one line that names the option, what was given and what is
 * allowed; shown without a stack.
 */
export class OptionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OptionError';
  }
}
