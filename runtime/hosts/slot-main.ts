// Entry of a host process.
export {};
