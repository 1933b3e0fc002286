// Entry point of the AssemblyScript helpers: everything exported here is callable from generated code.
export * from "./placeholder";
export * from "./fp-scalar";
