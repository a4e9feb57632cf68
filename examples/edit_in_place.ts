// Replaces a text in a file by another of the same length, in the file itself: nothing is read in, nothing is
// written but the pages that change.
//
//     node examples/edit_in_place.ts notes.txt colour color_
//     bun examples/edit_in_place.ts notes.txt colour color_
//     deno run --allow-ffi --allow-read --allow-write examples/edit_in_place.ts notes.txt colour color_
//
// In C: mmap with MAP_SHARED, memmem, memcpy, msync.
//
// Exit code: 0 if something was replaced, 1 if the text does not stand in the file, 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { MappedRegion } from "../mod.ts";
import { simpleCommand } from "./command.ts";

function edit(path: string, from: string, to: string): number {
  const encoder = new TextEncoder();
  const [search, replacement] = [encoder.encode(from), encoder.encode(to)];
  if (search.length === 0) throw new TypeError("there is nothing to look for: FROM is empty");
  if (search.length !== replacement.length) {
    throw new TypeError(
      `FROM and TO must have the same number of bytes: they have ${search.length} and ${replacement.length}`,
    );
  }
  using region = MappedRegion.open(path, { access: "read-write" });
  let count = 0;
  for (let at = region.indexOf(search); at !== -1; at = region.indexOf(search, at + search.length)) {
    region.write(at, replacement);
    count++;
  }
  region.flushSync(); // on the disk before we say so
  return count;
}

await simpleCommand("usage: edit_in_place.ts FILE FROM TO", 3, 3, (path = "", from = "", to = "") => {
  const count = edit(path, from, to);
  console.log(`${count} replaced`);
  if (count === 0) process.exitCode = 1;
});
