/**
 * Walking the lines of a file. usage: lines.ts strings|bytes|offsets|slices|readline|split|Bun.file FILE PASSES EXPECTED
 *
 * What is expected is the number of all lines' characters, without their ends: a line more or less would change it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createReadStream, readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { MappedRegion } from "../../mod.ts";
import { eachPass, report } from "./measure.ts";

const [way = "", file = "", passes, expected] = process.argv.slice(2);
const { Bun: bun } = globalThis as unknown as {
  Bun?: { file(path: string): { stream(): AsyncIterable<Uint8Array> } };
};
/** So that no compiler leaves a string unmade. */
export let kept = "";

using region = MappedRegion.open(file);

const WAYS: Readonly<Record<string, () => number | Promise<number>>> = {
  "strings": () => {
    let characters = 0;
    for (const line of region.lines()) {
      kept = line;
      characters += line.length;
    }
    return characters;
  },
  "bytes": () => {
    let characters = 0;
    for (const line of region.lines({ encoding: "bytes" })) characters += line.length;
    return characters;
  },
  "offsets": () => {
    let characters = 0;
    for (const { start, end } of region.lines({ encoding: "offsets" })) characters += end - start;
    return characters;
  },
  // What strings cost at least, wherever they come from: text that is decoded, and cut at places that are known.
  "slices": () => {
    const bytes = region.bytes;
    let characters = 0;
    for (let at = 0; at < bytes.length; at += 80 * 800) {
      const text = Buffer.from(bytes.buffer, at, Math.min(80 * 800, bytes.length - at)).toString("latin1");
      for (let start = 0; start < text.length; start += 80) {
        kept = text.substring(start, Math.min(start + 79, text.length - 1));
        characters += kept.length;
      }
    }
    return characters;
  },
  "readline": async () => {
    let characters = 0;
    for await (const line of createInterface({ input: createReadStream(file) })) characters += line.length;
    return characters;
  },
  "split": () => {
    let characters = 0;
    for (const line of readFileSync(file, "utf8").split("\n")) characters += line.length;
    return characters;
  },
  "Bun.file": async () => {
    if (bun === undefined) throw new TypeError("lines.ts: this is not Bun");
    let characters = 0;
    let rest = "";
    const decoder = new TextDecoder();
    for await (const part of bun.file(file).stream()) {
      const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) characters += line.length;
    }
    return characters + rest.length;
  },
};

const once = WAYS[way];
if (once === undefined) throw new TypeError(`lines.ts: there is no way '${way}'`);
report(await eachPass(once, Number(passes), Number(expected)));
