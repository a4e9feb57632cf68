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

/** Maps a descriptor's memory twice in a row. */
function mapTwice(fd: number, size: number): { readonly first: MappedRegion; readonly second: MappedRegion } {
  const protection = c.PROT_READ | c.PROT_WRITE;
  const flags = c.MAP_SHARED | c.MAP_FIXED;
  const address = c.mmap(0n, 2 * size, c.PROT_NONE, c.MAP_PRIVATE | c.MAP_ANONYMOUS, -1, 0);
  const first = MappedRegion.map({ address, length: size, protection, flags, fd });
  const second = MappedRegion.map({ address: address + BigInt(size), length: size, protection, flags, fd });
  return { first, second };
}

function main(): void {
  const size = MappedRegion.pageSize;
  using memory = anonymousSharedMemory(size);
  const { first, second } = mapTwice(memory.descriptor, size);
  using _first = first;
  using _second = second;
  const message = "one message, in one piece";
  const at = size - 10; // ten bytes before the end of the ring
  // One store over both images, as a C program makes it: by libc, at an address.
  using text = MappedRegion.anonymous(message.length);
  text.write(0, message);
  const start = first.address + BigInt(at);
  for (let index = 0; index < message.length; index++) {
    const place = at + index;
    (place < size ? first : second).write(place % size, text.read(index, 1));
  }
  console.log(`stored at ${at} of a ring of ${size} bytes`);
  console.log(
    `found by one call of memcmp over the end of the ring: ${
      c.memcmp(start, text.address, message.length) === 0
    }`,
  );
  console.log(
    `its last bytes are at the beginning of the ring: "${memory.text({ length: message.length - 10 })}"`,
  );
}

await simpleCommand("usage: ring_twice.ts", 0, 0, main);
