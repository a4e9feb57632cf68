// Built-in functions that are replaced while regions are made, used and given back: the process survives it.
import { programs } from "./programs/replaced.ts";
import { expectAll } from "./support.ts";

expectAll("replaced", programs, {
  undefined: [],
  zero: [],
  throwing: [],
  yielding: [],
  thieves: [],
  constructors: true,
  first: [true, 66, 0, 2],
});
