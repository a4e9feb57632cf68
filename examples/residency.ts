// Draws which pages of a file are in memory; reads them in, or pushes them out, first if told to.
//
//     node examples/residency.ts examples/access.log
//     bun examples/residency.ts --prefault examples/access.log
//     deno run --allow-ffi --allow-read examples/residency.ts --page-out examples/access.log
//
// In C: mmap, mincore; madvise with MADV_POPULATE_READ or MADV_PAGEOUT.
//
// Exit code: 0, or 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { command } from "./command.ts";
import { coloured } from "./pictures.ts";

const USAGE = "usage: residency.ts [--prefault | --page-out] FILE";

function draw(path: string, prefault: boolean, pageOut: boolean): void {
  using region = MappedRegion.open(path);
  console.log(`before  ${coloured(String(region.residency()))}`);
  if (prefault) region.prefault();
  // Only asks: the kernel keeps pages that others have mapped, or that have yet to be written back.
  if (pageOut) {
    region.prefault(); // it pushes out only what this process has mapped
    region.advise("page-out");
  }
  if (prefault || pageOut) console.log(`after   ${coloured(String(region.residency()))}`);
}

await command("residency.ts", () => {
  const { values, positionals } = parseArgs({
    options: {
      "help": { type: "boolean" },
      "prefault": { type: "boolean" },
      "page-out": { type: "boolean" },
    },
    allowPositionals: true,
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const [path, ...rest] = positionals;
  const { prefault = false, "page-out": pageOut = false } = values;
  if (path === undefined || rest.length > 0 || (prefault && pageOut)) throw new TypeError(USAGE);
  draw(path, prefault, pageOut);
});
