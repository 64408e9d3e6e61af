// The type of secrets: texts that the runtime keeps out of everything that is kept or shown.

declare const secret: unique symbol;

/**
 * A password, a token, a key: what a `param` of type `secret` is in TypeScript. Only effects and resources are given one; Headrace keeps
 * it out of plans, keys, events and messages. To the function it is a string like any other.
 */
export type Secret = string & { readonly [secret]?: true };
