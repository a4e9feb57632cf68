// Whatever a program puts in a record's, a layout's or a built-in's way, it gets no memory of the library's.
import { programs } from "./programs/structs.ts";
import { expectAll } from "./support.ts";

expectAll("structs", programs, {
  methodsReplaced: [true, 0],
  decodeAssigned: [{ id: 7, name: "x" }, 7, 0],
  getters: ["number", "last", "within", "element", "bytes"].map((name) => [name, "RegionClosedError", 1]),
  nested: [[1, 1, 3, 7, 8, 9, 4, 5, 6], 1],
  throwing: ["EvalError", true, [1, 2, 3]],
  polluted: [8, 8, 2, 2],
  inFlight: ["RegionClosedError", true],
});
