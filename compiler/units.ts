// Quantities with units, as schedules and deadlines write them: `20ms`, `2gb`. Knows numbers and units only.

const times: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizes: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

interface Quantity {
  readonly value: number;
  readonly unit: string;
}

const of = (table: Readonly<Record<string, number>>, { value, unit }: Quantity): number | null => {
  const name = unit.toLowerCase();
  return Object.hasOwn(table, name) ? value * table[name]! : null;
};

/** Null for what isn't a time. */
export const millisecondsOf = (quantity: Quantity): number | null => of(times, quantity);
/** Null for what isn't a size. */
export const bytesOf = (quantity: Quantity): number | null => of(sizes, quantity);
