// A linked list in a file, with real pointers: every process maps the file at the same address, so that the pointers need
// no translation.
//
//     node examples/fixed_address.ts
//     bun examples/fixed_address.ts
//     deno run --allow-env --allow-ffi --allow-read --allow-write --allow-run examples/fixed_address.ts
//
// In C: mmap((void *) ADDRESS, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0). Where something is
// mapped already, MAP_FIXED_NOREPLACE fails with EEXIST, and MAP_FIXED would map over it.
//
// Exit code: 0; 2 if the address is taken, or something else went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { MappedRegion, struct } from "../mod.ts";
import { simpleCommand } from "./command.ts";
import { again } from "./start_in.ts";
import { temporaryFolder } from "./temporary_folder.ts";

/** An address where programs, heaps and libraries don't lie. */
const ADDRESS = 0x1000_0000_0000n;
const NODE = struct({ next: "u64", value: "u64" }); // next is a pointer; 0 ends the list

function map(path: string): MappedRegion {
  return MappedRegion.open(path, {
    access: "read-write",
    create: true,
    size: 4096,
    address: ADDRESS,
    placement: "fixed-noreplace",
  });
}

/** Every other node, and then those in between: following the list jumps back and forth in the file. */
const ORDER = [0, 2, 4, 6, 1, 3, 5, 7];

function build(path: string): void {
  using file = map(path);
  const nodes = file.records(NODE);
  for (const [index, place] of ORDER.entries()) {
    const next = ORDER[index + 1];
    nodes.set(place, {
      next: next === undefined ? 0n : file.address + BigInt(next * NODE.size),
      value: BigInt(index),
    });
  }
}

function follow(path: string): void {
  using file = map(path);
  const nodes = file.records(NODE);
  const values: bigint[] = [];
  for (let pointer = file.address; pointer !== 0n;) {
    const node = nodes.get(Number(pointer - file.address) / NODE.size);
    values.push(node.value);
    pointer = node.next;
  }
  console.log(
    `process ${process.argv.length > 2 ? "2" : "1"}, at 0x${file.address.toString(16)}: ${
      values.join(" → ")
    }`,
  );
}

await simpleCommand("usage: fixed_address.ts", 0, 1, (path) => {
  if (path !== undefined) {
    follow(path); // this is the second process
    return;
  }
  using folder = temporaryFolder("fixed-address");
  const list = join(folder.path, "list");
  build(list);
  follow(list);
  const { status } = spawnSync(...again(list), { stdio: "inherit" });
  if (status !== 0) throw new Error(`the second process ended with ${status}`);
});
