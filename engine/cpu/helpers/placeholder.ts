export function op_placeholder(cpu: usize, insn: u32): void {
  store<u64>(cpu, load<u64>(cpu) + insn);
}
