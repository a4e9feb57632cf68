// "Hello, world!" through one page of memory that mmap(2) made.
//
//     node examples/hello_anonymous.ts
//     bun examples/hello_anonymous.ts
//     deno run --allow-ffi examples/hello_anonymous.ts
//
// In C: mmap(address, pagesize, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE, -1, 0), snprintf, printf,
// munmap. The address is a wish: the 2^20th page. The kernel takes it if nothing is there yet.
// deno-lint-ignore-file no-console -- a program's output
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";

const { values: { help } } = parseArgs({ options: { help: { type: "boolean" } } });
if (help === true) {
  console.log("usage: hello_anonymous.ts");
} else {
  const { pageSize } = MappedRegion;
  console.log(`System page size: ${pageSize} bytes`);

  using page = MappedRegion.anonymous(pageSize, {
    address: BigInt(pageSize) * 2n ** 20n,
    protection: "read-write-execute",
  });
  page.write(0, "Hello, world!\0"); // as C ends its strings
  console.log(`At 0x${page.address.toString(16)}, ${page.protection}: ${page.cursor().readCString()}`);
} // the end of the block unmaps the page
