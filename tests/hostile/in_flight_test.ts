// Work that is under way on a region's bytes ends with those bytes, whatever has become of the region.
import { needsAddon, PAGE } from "../helpers/mod.ts";
import { programs } from "./programs/in_flight.ts";
import { expectAll } from "./support.ts";

const all = ["file", "memory"].flatMap((kind) =>
  ["close", "grow", "shrink"].flatMap((end) => ["reads", "stores to"].map((how) => `${how} ${kind}, ${end}`))
);

expectAll("in_flight", programs, {
  // Those that didn't end well.
  arrives: {},
  cut: {},
  addon: Object.fromEntries(all.map((name) => [name, 1])),
  addonLeftAlone: [true, true, 0, 1],
  addonAtTheEnd: [true],
  addonAtTheGrowth: [true],
  addonInReserve: [true, true, true, true],
  addonElsewhere: ["EBUSY", true, true, true, true],
  addonAtRandom: [],
  readers: ["RegionClosedError"],
  used: ["right", "right", "EBUSY", "EBUSY", "EBUSY", null, 1024],
  oneTurn: [70_000, true],
  bound: [16_384, 17_000, 616, 615],
  boundOfMappings: [504 * 64, 1100],
  boundOfMemory: [24, 8],
  boundOfWorkers: [9000, true, true, true, true],
  mapped: [[66, 65, true, 65], true, true, []],
  mappedInOneTurn: [30_000, true, true, 1, 65],
  mappedTransferred: [[true, true, true, true, true], false, PAGE, 65, true],
  closedTwice: [true, true, false, true, true, false, false, 5],
  heldRegion: [true, true],
  failed: ["RangeError", true],
}, {
  addon: needsAddon,
  addonAtTheEnd: needsAddon,
  addonAtTheGrowth: needsAddon,
  addonInReserve: needsAddon,
  addonElsewhere: needsAddon,
  addonAtRandom: needsAddon,
  addonLeftAlone: needsAddon,
});
