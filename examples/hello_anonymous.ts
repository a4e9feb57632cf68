// "Hello, world!" through one page of memory that mmap(2) made.
//
//     node examples/hello_anonymous.ts
//     bun examples/hello_anonymous.ts
//     deno run --allow-ffi examples/hello_anonymous.ts
//
// In C: mmap(address, pagesize, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE, -1, 0), strcpy, printf, munmap. The
// address is a hint: the 2^20th page. The kernel takes it if nothing is there yet, and another one otherwise.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { MappedRegion } from "../mod.ts";
import { simpleCommand } from "./command.ts";

const hex = (address: bigint): string => `0x${address.toString(16)}`;

function main(): void {
  const { pageSize } = MappedRegion;
  console.log(`System page size: ${pageSize} bytes`);

  const hint = BigInt(pageSize) * 2n ** 20n;
  using region = MappedRegion.anonymous(pageSize, { address: hint, protection: "read-write-execute" });
  console.log(`Address: ${hex(region.address)}; the hint was ${hex(hint)}`);
  console.log(`Protection: ${region.protection}`);

  region.write(0, "Hello, world!\0"); // as C ends its strings
  console.log(`Contents of region: ${region.cursor().readCString()}`);
} // the end of the block unmaps the page

await simpleCommand("usage: hello_anonymous.ts", 0, 0, main);
