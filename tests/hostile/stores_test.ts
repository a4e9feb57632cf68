// Stores to pages that may not be stored to, and native work on pages that may not be touched.
import { PAGE } from "../helpers/mod.ts";
import { programs } from "./programs/stores.ts";
import { expectAll } from "./support.ts";

const storing = ["fill", "set", "copyWithin", "sort", "reverse", "encodeInto", "buffer", "random"];

expectAll("stores", programs, {
  optimizedLoop: [true, 64, true],
  methods: storing.map((name) => [name, true, true]),
  widths: [[1, 8], [1.5, -2, 7], 1, true],
  acrossPages: [2.5, 65, 65, 2, true],
  protectedShared: [0, [65, 65], 67, 66, [65, 66], 1],
  protectedPrivate: [[66, 67, 65], 1, true],
  protectedAndBack: [[66, 68, 65], [65, 65, 65], 67, "EFAULT"],
  protectedAndDiscarded: [66, 65],
  protectedAgainAndAgain: [1000, 1000],
  noneRefused: ["EACCES", "EACCES", "EACCES", "EACCES", "EACCES", "1,1", 1],
  noneUnderDeflate: [null, 1024 * PAGE, 65],
  readInto: ["EFAULT", "EFAULT", 65, true],
  writeRefused: ["EACCES", "EACCES", 0, 65, 0],
});
