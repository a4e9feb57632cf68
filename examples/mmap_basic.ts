// Maps a file, shows it, and writes HELLO over its first five bytes: the file has changed, without a write(2).
//
//     node examples/mmap_basic.ts
//     bun examples/mmap_basic.ts notes.txt
//     deno run --allow-env --allow-ffi --allow-read --allow-write examples/mmap_basic.ts
//
// In C: open, fstat, mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), close(fd), memcpy, munmap.
// The descriptor can be closed right after mmap(2): the mapping keeps the file. Here the caller does so, because it opened
// the file; MappedRegion.open(path) does it for you.
//
// Without FILE it makes one. Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MappedRegion } from "../mod.ts";
import { simpleCommand } from "./command.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const GREETING = "HELLO";
const SHOWN = 60; // bytes

function overwrite(path: string): void {
  const fd = openSync(path, "r+");
  using file = MappedRegion.fromDescriptor(fd, { access: "read-write" });
  closeSync(fd);
  if (file.length < GREETING.length) throw new RangeError(`${path} is shorter than ${GREETING}`);

  console.log(`Page size: ${MappedRegion.pageSize}`);
  console.log(`File size: ${file.length}`);
  console.log(`Address: 0x${file.address.toString(16)}`);
  console.log(`Content: ${file.text({ length: Math.min(SHOWN, file.length) })}`);
  file.write(0, GREETING);
} // the end of the block unmaps the file

function show(path: string): void {
  overwrite(path);
  console.log(`In the file now: ${readFileSync(path).toString("utf8", 0, SHOWN)}`);
}

await simpleCommand("usage: mmap_basic.ts [FILE]", 0, 1, (path) => {
  if (path !== undefined) {
    show(path);
    return;
  }
  using folder = temporaryFolder("mmap-basic");
  const sample = join(folder.path, "file");
  writeFileSync(sample, "hello, file");
  show(sample);
});
