// What an error tells its reader is true: what it says to call is there, and its fields are known.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { MappedRegion, MmapError, RegionClosedError } from "../mod.ts";
import { root } from "./helpers/mod.ts";

/** Every name that a program can call: what the doors export, and the members of their classes. */
async function callable(): Promise<Set<string>> {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const names = new Set<string>();
  for (const door of Object.values<string>(exports)) {
    for (const [name, value] of Object.entries(await import(new URL(door, `file://${root}`).href))) {
      names.add(name);
      if (typeof value !== "function") continue;
      for (const owner of [value, value.prototype ?? {}]) {
        for (const member of Object.getOwnPropertyNames(owner)) names.add(member);
      }
    }
  }
  return names;
}

/** The strings of a module that are sentences, less what is put into them: three words, and on one line. */
function sentences(text: string): string[] {
  const code = text.replace(/^\s*(?:\/?\*|\/\/).*$|\s\/\/ .*$/gm, "").replace(/\$\{[^{}]*\}/g, "");
  const strings = code.match(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`\n]*`/g) ?? [];
  return strings.filter((string) => /[\w()]+ [\w()]+ [\w()]+/.test(string));
}

test("no message names a function that there is none of", async () => {
  const names = await callable();
  const unknown: string[] = [];
  let found = 0;
  for (const folder of ["src", "ffi"]) {
    for (const file of await readdir(join(root, folder), { recursive: true })) {
      if (!file.endsWith(".ts")) continue;
      for (const string of sentences(readFileSync(join(root, folder, file), "utf8"))) {
        for (
          const [call, name = ""] of string.matchAll(
            /\b(?:MappedRegion\.)?([a-z]\w*)\(|\bMappedRegion\.[a-z]\w*/g,
          )
        ) {
          found++;
          if (!names.has(name === "" ? call.slice("MappedRegion.".length) : name)) {
            unknown.push(`${file}: ${string}`);
          }
        }
      }
    }
  }
  assert.deepEqual(unknown, []);
  assert(found > 20, `${found} calls were found`);
});

test("an error has no field for what isn't known", () => {
  const known = (call: () => unknown, type: typeof MmapError | typeof RegionClosedError): string[] => {
    try {
      call();
    } catch (error) {
      assert(error instanceof type, `${error}`);
      return Object.entries(error).filter(([name]) => name !== "name").map(([name, value]) => {
        assert.notEqual(value, undefined, name);
        return name;
      }).sort();
    }
    return assert.fail("nothing was thrown");
  };
  assert.deepEqual(known(() => MappedRegion.open("/there/is/no/file"), MmapError), [
    "code",
    "errno",
    "path",
    "syscall",
  ]);
  using region = MappedRegion.anonymous(4096);
  region.close();
  assert.deepEqual(known(() => region.read(0, 1), RegionClosedError), []);
});
