/** The options of a machine command as commander gives them: texts, nothing interpreted. */
export interface RawOptions {
  readonly machine?: readonly string[];
  readonly cpu?: string;
  readonly smp?: string;
  readonly m?: string;
  readonly accel?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly dtb?: string;
  readonly bios?: string;
  readonly drive?: readonly string[];
  readonly blockdev?: readonly string[];
  readonly pflash?: readonly string[];
  readonly device?: readonly string[];
  readonly object?: readonly string[];
  readonly global?: readonly string[];
  readonly fsdev?: readonly string[];
  readonly virtfs?: readonly string[];
  readonly netdev?: readonly string[];
  readonly net?: readonly string[];
  readonly nic?: readonly string[];
  readonly rtc?: string;
  readonly icount?: string;
  readonly seed?: string;
  readonly serial?: readonly string[];
  readonly chardev?: readonly string[];
  readonly display?: string;
  readonly vga?: string;
  readonly monitor?: readonly string[];
  readonly qmp?: readonly string[];
  readonly mon?: readonly string[];
  readonly name?: string;
  readonly d?: string;
  readonly D?: string;
  readonly s?: boolean;
  readonly S?: boolean;
  readonly gdb?: string;
  /** False with `-no-reboot`. */
  readonly reboot?: boolean;
  readonly o?: string;
  readonly level?: string;
  /** False with `--no-embed`. */
  readonly embed?: boolean;
  readonly hashInterval?: string;
  readonly checkpoints?: string;
  readonly blockLimit?: string;
  readonly tier?: string;
  readonly input?: string;
  readonly limit?: string;
  readonly json?: boolean;
}
