// Whatever a program puts in a record's, a layout's or a built-in's way, it gets no memory of the library's.
import { programs } from "./programs/structs.ts";
import { expectAll } from "./support.ts";

const cases = ["number", "last", "within", "element"];
const twice = <T>(value: T): T[] => [value, value];

expectAll("structs", programs, {
  methodsReplaced: [true, 0],
  decodeAssigned: [{ id: 7, name: "x" }, 7, 0],
  gettersOfBytes: [[1, 2, 3, 4], [1, 2, 3, 4], false],
  getters: [...cases, ...cases].map((name) => [name, "RegionClosedError", 1]),
  nested: twice([[1, 1, 3, 7, 8, 9, 4, 5, 6], 1]),
  throwing: twice(["EvalError", true, [1, 2, 3]]),
  names: [[["1", 3], ["name", 1], ["constructor", 2], ["a b", [4, 5]]], true],
  polluted: [8, 8, 2, 2],
  inFlight: ["RegionClosedError", true],
});
