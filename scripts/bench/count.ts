/**
 * Counting a literal. usage: count.ts region|matches|readFileSync FILE LITERAL EXPECTED COUNT
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { MappedRegion } from "../../mod.ts";
import { eachCall, report } from "./measure.ts";

const [kind, file = "", literal = "", expected, count] = process.argv.slice(2);

using region = kind === "readFileSync" ? undefined : MappedRegion.open(file);
region?.prefault();

function once(): number {
  if (region === undefined) {
    const bytes = readFileSync(file); // a program that has no mapping reads the file first
    let hits = 0;
    for (let at = 0; (at = bytes.indexOf(literal, at)) !== -1; at += literal.length) hits++;
    return hits;
  }
  if (kind === "region") return region.count(literal);
  let hits = 0;
  for (const _ of region.matches(literal)) hits++;
  return hits;
}

report(eachCall(() => {
  const hits = once();
  if (hits !== Number(expected)) throw new Error(`${kind}: ${hits} hits, not ${expected}`);
}, Number(count)));
