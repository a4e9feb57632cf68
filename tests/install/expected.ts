/** What programs/consumer.js prints. */
export const EXPECTED: object = {
  found: 6,
  lines: 3,
  last: "GET /a",
  flushed: "grüß dich",
  worker: "written",
  error: [true, "MmapError", "ENOENT", "consumer.missing"],
  closed: [true, "RegionClosedError"],
  names: ["MappedRegion", "function"],
};
