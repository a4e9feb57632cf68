// Views that are used after their region has closed, moved, or lost its rights, or that were taken away from it.
import { PAGE, runtimeName } from "../helpers/mod.ts";
import { programs } from "./programs/views.ts";
import { expectAll } from "./support.ts";

/** What every view without its memory answers, in every runtime. */
const gone = [
  {
    lengths: [0, 0, 0, 0, 0],
    offsets: [0, 0, 0],
    elements: true,
    store: true,
    detached: true,
    text: "",
    nodeText: "",
    bufferClone: "DataCloneError",
  },
  [
    ...[
      "viewLength",
      "viewGet",
      "viewSet",
      "bufferSlice",
      "bufferOver",
      "bufferTransfer",
      "at",
      "indexOf",
      "slice",
    ],
    ...["fill", "sort", "spread", "set", "from", "atomic"],
  ],
];

// Only Node's randomFill takes no notice of a buffer that is gone.
const filled = runtimeName === "node" ? "filled" : "failed";

expectAll("views", programs, {
  afterClose: gone,
  afterResize: gone,
  afterTransfer: gone,
  closedRegion: [[], 0, "0", "none", true],
  closedInLoop: 5e6,
  closedInStoringLoop: 5e6 - 1,
  resizedInLoop: [1e7, 5e6],
  protectedInLoop: [0, 67, 67, 66, 66, 0],
  stolenByClone: [[65, 4, 65], 0, 9, 4],
  stolenByTransfer: [1, true, true],
  stolenAgain: [100, true],
  stolenByWorker: [[true, 16 * PAGE, 1], [false, 16 * PAGE, 1]],
  closedWhileWritten: ["written", true],
  closedWhileSent: [true, true],
  endedWhileDeflated: [[1024, true], [1024, true], [1024, true], [1024, true]],
  endedWhileHashed: [32, 32, 32, 32],
  endedWhileFilled: [[filled, 0], [filled, 4096], [filled, 1], [filled, 1024], ["filled", 1024]],
  collectedInFlight: [true, 0],
});
