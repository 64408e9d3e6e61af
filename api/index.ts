// What users import in their own TypeScript: types and small values. Knows nothing of the rest.
export type int = number;
export type float = number;
