// One page of a file, from the second page on: where an offset may lie, and what is behind a file's end.
//
//     node examples/second_page.ts
//     bun examples/second_page.ts
//     deno run --allow-env --allow-ffi --allow-read --allow-write examples/second_page.ts
//
// In C: mmap(NULL, pagesize, PROT_READ, MAP_PRIVATE, fd, pagesize). mmap(2) takes offsets that are multiples of the page
// size; others are EINVAL. A page that the file fills in part is filled up with zeros, which never reach the file.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MAP_PRIVATE, mmap, PROT_READ } from "../ffi/mod.ts";
import { MappedRegion } from "../mod.ts";
import { simpleCommand } from "./command.ts";
import { temporaryFolder } from "./temporary_folder.ts";

function main(): void {
  const { pageSize } = MappedRegion;
  using folder = temporaryFolder("second-page");
  const path = join(folder.path, "file");
  // A page of "1", and 100 bytes of "2".
  writeFileSync(path, "1".repeat(pageSize) + "2".repeat(100));

  const fd = openSync(path, "r");
  try {
    mmap(0n, pageSize, PROT_READ, MAP_PRIVATE, fd, pageSize + 1); // the system call itself
  } catch (error) {
    console.log(`mmap at offset ${pageSize + 1}: ${error instanceof Error ? error.message : error}`);
  }
  // All of the second page, its bytes behind the end of the file included.
  using page = MappedRegion.map({
    length: pageSize,
    protection: PROT_READ,
    flags: MAP_PRIVATE,
    fd,
    offset: pageSize,
  });
  closeSync(fd);
  console.log(`second page: ${page.count("2")} of "2", ${page.count(0)} zeros behind the end of the file`);

  using part = MappedRegion.open(path, { offset: pageSize + 90 }); // any byte will do
  console.log(`MappedRegion at offset ${part.fileOffset}: ${part.length} bytes, ${part.text()}`);
}

await simpleCommand("usage: second_page.ts", 0, 0, main);
