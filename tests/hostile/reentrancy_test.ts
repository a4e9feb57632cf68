// Code of the program's own that runs in the middle of the library's, and closes what it works on.
import { PAGE } from "../helpers/mod.ts";
import { programs } from "./programs/reentrancy.ts";
import { expectAll } from "./support.ts";

const methods = ["flushSync", "protect", "advise", "discard", "prefault", "lock", "residency", "lines"];
const iterators = ["windows", "matches", "lines", "byteLines"];
const callbacks = ["map", "forEach", "reduce", "find", "filter", "fill", "set", "store", "atomic"];

expectAll("reentrancy", programs, {
  getters: methods.map((name) => [name, "RegionClosedError", true]),
  // The library asks the array itself, not a property that a program has put over it.
  writtenData: [8, false, 4 * PAGE, false],
  comparedArrays: Array.from({ length: 4 }, () => [-1, 0]).flat(),
  recordSetters: [{ first: 0x41414141, second: 65 }, false],
  conversions: [Array.from({ length: 6 }, () => "TypeError"), false],
  iterators: iterators.map((name) => [name, 1, "RegionClosedError"]),
  windowsOfChanging: [1, 1, 1, 1, 1],
  species: [true, true, 0],
  sorting: [0, 0, true],
  callbacks: callbacks.map((name) => [name, true, 0]),
  finalizers: [true, 0],
  exitHandlers: [0, 1],
  timers: [true, 0, 0, ""],
  transferReplaced: [0, true],
  methodsReplaced: [[1, { 0: 66 }, { 0: 66 }], 0, false],
  polluted: [
    ["read", PAGE, 0, 0, true],
    [PAGE, PAGE],
    "TypeError",
    5,
    1,
    ...["access", "capacity", "guard", "offset", "polluted", "type"],
  ],
  nestedOpens: [1, 0, true, 65],
});
