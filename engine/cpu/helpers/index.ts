// Entry point of the AssemblyScript helpers: everything exported here is callable from generated code.
export * from "./fp-scalar";
export * from "./memory";
export * from "./mmu";
export * from "./access";
export * from "./atomics";
export * from "./fp-vector";
export * from "./fp-vector-convert";
export * from "./simd-three-same";
export * from "./simd-three-different";
export * from "./simd-two-reg";
export * from "./simd-shift-imm";
export * from "./simd-permute";
export * from "./simd-crypto";
export * from "./simd-crypto-later";
export * from "./hash";
export * from "./flags";
