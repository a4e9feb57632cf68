/**
 * Walking the lines of a file. usage: lines.ts strings|bytes|readline|split|Bun.file FILE PASSES EXPECTED
 *
 * What is expected is the number of all lines' characters, without their ends: a line more or less would change it.
 *
 * @module
 */
import { createReadStream, readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { MappedRegion } from "../../mod.ts";
import { eachPass, report } from "./measure.ts";

const [way = "", file = "", passes, expected] = process.argv.slice(2);
const { Bun: bun } = globalThis as unknown as {
  Bun?: { file(path: string): { stream(): AsyncIterable<Uint8Array> } };
};
using region = MappedRegion.open(file);

const WAYS: Readonly<Record<string, () => number | Promise<number>>> = {
  "strings": () => {
    let characters = 0;
    for (const line of region.lines()) characters += line.length;
    return characters;
  },
  "bytes": () => {
    let characters = 0;
    for (const line of region.lines({ encoding: "bytes" })) characters += line.length;
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
