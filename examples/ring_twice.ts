// A ring buffer that never wraps: the same memory is mapped twice, one mapping behind the other. Whatever begins near the
// end of the ring goes on in its second image, so that every message is one piece.
//
//     node examples/ring_twice.ts
//     bun examples/ring_twice.ts
//     deno run --allow-ffi examples/ring_twice.ts
//
// In C: memfd_create, ftruncate; mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) finds the room, and two
// calls of mmap with MAP_SHARED | MAP_FIXED put the memory there.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import * as c from "../ffi/mod.ts";
import { MappedRegion } from "../mod.ts";
import { anonymousSharedMemory } from "../src/ipc/mod.ts";
import { simpleCommand } from "./command.ts";

/** Maps a descriptor's memory twice in a row, as one region. */
function mapTwice(fd: number, size: number): MappedRegion {
  const ring = MappedRegion.anonymous(2 * size, { protection: "none" }); // the room
  for (const address of [ring.address, ring.address + BigInt(size)]) {
    c.mmap(address, size, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED | c.MAP_FIXED, fd, 0);
  }
  ring.protect("read-write"); // so it is already, and now the region knows
  return ring;
}

function main(): void {
  const size = MappedRegion.pageSize;
  using memory = anonymousSharedMemory(size);
  using ring = mapTwice(memory.descriptor, size);

  const message = "one message, in one piece";
  const at = size - 10; // ten bytes before the end of the first image
  ring.write(at, message); // one store, over the end
  console.log(`stored at ${at} of a ring of ${size} bytes`);
  console.log(`read from there in one piece: "${ring.text({ offset: at, length: message.length })}"`);
  const end = ring.text({ length: message.length - 10 });
  console.log(`its last bytes are at the beginning of the ring: "${end}"`);
  console.log(`in the memory itself, too: ${memory.text({ length: end.length }) === end}`);
}

await simpleCommand("usage: ring_twice.ts", 0, 0, main);
