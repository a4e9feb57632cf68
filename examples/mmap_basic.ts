// Maps a file, shows it, and writes HELLO over its first five bytes: the file has changed, without a write(2).
//
//     node examples/mmap_basic.ts FILE
//     bun examples/mmap_basic.ts FILE
//     deno run --allow-ffi --allow-read --allow-write examples/mmap_basic.ts FILE
//
// In C: open, fstat, mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), close(fd), memcpy, msync, munmap.
// The descriptor can be closed right after mmap(2): the mapping keeps the file. Here the caller does so, because it opened
// the file; MappedRegion.open(path) does it for you.
//
// Exit code: 0, or 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { closeSync, openSync } from "node:fs";
import { MappedRegion } from "../mod.ts";
import { simpleCommand } from "./command.ts";

function main(path: string = ""): void {
  const fd = openSync(path, "r+");
  using file = MappedRegion.fromDescriptor(fd, { access: "read-write" });
  closeSync(fd);

  console.log(`Page size: ${MappedRegion.pageSize}`);
  console.log(`File size: ${file.length}`);
  console.log(`Address: 0x${file.address.toString(16)}`);
  console.log(`Before: ${file.text({ length: Math.min(60, file.length) })}`);
  file.write(0, "HELLO");
  file.flushSync(); // on the disk; other processes saw it already
  console.log(`After: ${file.text({ length: Math.min(60, file.length) })}`);
}

await simpleCommand("usage: mmap_basic.ts FILE", 1, 1, main);
