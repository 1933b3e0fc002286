/**
 * What a monitor does to the machine as a whole, as inputs: `reset` presses the reset button.
 */

/** The device under which these inputs are noted; no device is called so. */
export const MACHINE = 'machine';
