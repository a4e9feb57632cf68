// Very many regions, faults and repeats.
import { programs } from "./programs/numbers.ts";
import { expectAll } from "./support.ts";

expectAll("numbers", programs, {
  thousandRegions: [true, true, 1000],
  thousandTimes: 1000,
  seventyThousand: [70_000, true],
  manyStolen: [true, true],
  enteringAndLeaving: [8000, 8000, 8000],
  droppedWithView: [true],
  droppedWhileStolen: [true],
});
