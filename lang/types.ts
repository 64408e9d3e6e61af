// The types of values on edges: what they are, how they print, when one fits another. Knows nothing of files, TypeScript or
// syntax; both front ends and the signature reader produce these.

export type Dim = { readonly kind: "any" } | { readonly kind: "product"; readonly literal: number; readonly symbols: readonly string[] };

export type Dtype = "f32" | "f64" | "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64";

export interface FieldType {
  readonly name: string;
  readonly type: Type;
  readonly optional: boolean;
}

export type Type =
  | { readonly kind: "int" }
  | { readonly kind: "float" }
  | { readonly kind: "bool" }
  | { readonly kind: "string" }
  | { readonly kind: "bytes" }
  | { readonly kind: "timestamp" }
  | { readonly kind: "file" }
  | { readonly kind: "files" }
  | { readonly kind: "secret" }
  | { readonly kind: "null" }
  | { readonly kind: "void" }
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "union"; readonly members: readonly Type[] }
  | { readonly kind: "list"; readonly item: Type }
  | { readonly kind: "record"; readonly name: string | null; readonly fields: readonly FieldType[] }
  /** A JavaScript typed array, such as `Float32Array`. */
  | { readonly kind: "array"; readonly dtype: Dtype }
  /** `dims: null` where TypeScript doesn't say. */
  | { readonly kind: "tensor"; readonly dtype: Dtype; readonly dims: readonly Dim[] | null }
  | { readonly kind: "dataset"; readonly row: Type }
  | { readonly kind: "part"; readonly of: Type }
  | { readonly kind: "function"; readonly parameters: readonly Type[]; readonly returns: Type }
  /** A TypeScript type that only TypeScript understands, by the name it has in the file that declares it. */
  | {
      readonly kind: "opaque";
      readonly name: string;
      readonly file: string;
      readonly crosses: boolean /** Why it can't cross a process boundary. */;
      readonly why?: string;
    }
  /** A type parameter of a TypeScript function. */
  | { readonly kind: "variable"; readonly name: string }
  /** `unknown` or `any` in TypeScript: fits everything. */
  | { readonly kind: "any" }
  /** Stands for a value whose own problem has been reported; silences everything that follows from it. */
  | { readonly kind: "error" };
