import type { InputFile, int } from "headrace";
import { csv, file, perform } from "headrace";

interface Route {
  readonly origin: string;
  readonly destination: string;
  readonly count: int;
}

/** Flights of a year between the airports of the United States: which airports send off the most, and to how many others.
 *  @pipeline
 *  @param routes a line for each route
 *  @param most airports that are told, in 1..1000
 *  @param out where all of them go */
export function flights(
  routes: InputFile = file("../../node_modules/vega-datasets/data/flights-airport.csv"),
  most: int = 10,
  out: string = "airports.csv",
) {
  const read = csv<Route>(routes);
  const airports = read
    .groupBy((r) => ({ origin: r.origin }))
    .agg((group) => ({ flights: group.sum((r) => r.count), destinations: group.count(), longest: group.max((r) => r.count) }))
    .sortBy((a) => -a.flights);

  perform(airports.writeCsv(out));
  return {
    busiest: airports.take(most),
    all: read.agg((all) => ({ routes: all.count(), flights: all.sum((r) => r.count) })),
  };
}
