export type * from "./runtime/index.ts";
