// "Hello, world!" through one page of memory that mmap(2) made.
//
//     node examples/hello_anonymous.ts
//     bun examples/hello_anonymous.ts
//     deno run --allow-ffi examples/hello_anonymous.ts
//
// In C: mmap(address, pagesize, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE, -1, 0), snprintf, printf,
// munmap. The address is a wish: the 2^20th page. The kernel takes it if nothing is there yet.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { MappedRegion } from "../mod.ts";
import { simpleCommand } from "./command.ts";

function main(): void {
  const { pageSize } = MappedRegion;
  console.log(`System page size: ${pageSize} bytes`);

  using page = MappedRegion.anonymous(pageSize, {
    address: BigInt(pageSize) * 2n ** 20n,
    protection: "read-write-execute",
  });
  page.write(0, "Hello, world!\0"); // as C ends its strings
  console.log(`At 0x${page.address.toString(16)}, ${page.protection}: ${page.cursor().readCString()}`);
} // the end of the block unmaps the page

await simpleCommand("usage: hello_anonymous.ts", 0, 0, main);
