/**
 * Searching a file. usage: search.ts indexOf|lastIndexOf|count|opened|matches|Buffer NEEDLE FILE PASSES EXPECTED
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { MappedRegion } from "../../mod.ts";
import { eachPass, report } from "./measure.ts";

const [way = "", needle = "", file = "", passes, expected] = process.argv.slice(2);
using region = MappedRegion.open(file);

const WAYS: Readonly<Record<string, () => number>> = {
  "indexOf": () => region.indexOf(needle),
  "lastIndexOf": () => region.lastIndexOf(needle),
  "count": () => region.count(needle),
  "opened": () => {
    using own = MappedRegion.open(file);
    return own.count(needle);
  },
  "matches": () => {
    let sum = 0;
    for (const offset of region.matches(needle)) sum += offset;
    return sum;
  },
  "Buffer": () => {
    const bytes = readFileSync(file);
    let hits = 0;
    for (let at = 0; (at = bytes.indexOf(needle, at)) !== -1; at += needle.length) hits++;
    return hits;
  },
};

const once = WAYS[way];
if (once === undefined) throw new TypeError(`search.ts: there is no way '${way}'`);
report(await eachPass(once, Number(passes), Number(expected)));
