// What pages may be used for: guard pages around a buffer, memory made read-only and back, and memory that is written or
// executed, but never both (W^X).
//
//     node examples/protections.ts
//     bun examples/protections.ts
//     deno run --allow-ffi examples/protections.ts
//
// In C: mprotect(address, length, PROT_NONE), PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC. A C program that
// stores where it may not is killed by SIGSEGV. Here the library's calls throw an error before anything is stored, and a store
// by a view goes into a private copy of the page and is counted (by the library's fault guard).
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { MappedRegion, MmapError } from "../mod.ts";
import { simpleCommand } from "./command.ts";
import { pages } from "./pages.ts";

/** Does what must fail, and returns what the error says. */
function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof MmapError) return error.code;
    throw error;
  }
  throw new Error("it was not refused");
}

/** A page between two that nobody may touch: whoever runs over its end is found out at once. */
function guardPages(): void {
  using region = MappedRegion.anonymous(pages(3));
  region.protect("none", { offset: 0, length: pages(1) });
  region.protect("none", { offset: pages(2), length: pages(1) });
  const buffer = region.subarray(pages(1), pages(2));
  buffer.fill(1);
  console.log(`guard pages: ${buffer.length} bytes between them were filled`);
  console.log(
    `guard pages: a byte too many at the end is ${refused(() => region.write(pages(2) - 3, "1234"))}`,
  );
  console.log(`guard pages: a look before the beginning is ${refused(() => region.read(pages(1) - 1, 2))}`);
  console.log(`guard pages: nothing was stored by halves: ${buffer.at(-1) === 1}`);
}

/** What is ready is kept from being changed. */
function readOnly(): void {
  using region = MappedRegion.anonymous(pages(1));
  region.write(0, "settings");
  const early = region.bytes;
  region.protect("read");
  console.log(`read-only: a write is ${refused(() => region.write(0, "changed!"))}`);
  console.log(`read-only: views from before are detached: ${early.length === 0}`);
  console.log(`read-only: it says "${region.text({ length: 8 })}"`);
  region.protect("read-write");
  region.write(0, "changed!");
  console.log(`read-write again: it says "${region.text({ length: 8 })}"`);
}

/** Machine code that returns 42, for the processors that runtimes run on. */
const CODE: Readonly<Record<string, readonly number[]>> = {
  x64: [0xb8, 42, 0, 0, 0, 0xc3], // mov eax, 42; ret
  arm64: [0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6], // mov w0, #42; ret
};

/** Memory is written first and made executable after. */
async function writeThenExecute(): Promise<void> {
  const code = CODE[process.arch];
  if (code === undefined) {
    console.log(`W^X: there is no code here for ${process.arch}`);
    return;
  }
  using region = MappedRegion.anonymous(pages(1));
  region.write(0, Uint8Array.from(code));
  region.protect("read-execute");
  console.log(`W^X: once it may be executed, a write is ${refused(() => region.write(0, "x"))}`);
  const call = await callable(region.address);
  console.log(
    call === undefined
      ? "W^X: this runtime's FFI calls functions by name only, none at an address"
      : `W^X: the code returned ${call()}`,
  );
}

/** What this runtime's FFI makes of the address of a function `int f(void)`; undefined if it can't call one. */
async function callable(address: bigint): Promise<(() => number) | undefined> {
  if (process.versions["bun"] !== undefined) {
    const { CFunction } = await import("bun:ffi");
    return CFunction({ ptr: Number(address), args: [], returns: "i32" } as never) as unknown as () => number;
  }
  const { Deno } = globalThis as unknown as {
    Deno?: {
      UnsafePointer: { create(address: bigint): unknown };
      UnsafeFnPointer: new (pointer: unknown, type: object) => { call(): number };
    };
  };
  if (Deno !== undefined) {
    const pointer = Deno.UnsafePointer.create(address);
    const f = new Deno.UnsafeFnPointer(pointer, { parameters: [], result: "i32" });
    return () => f.call();
  }
  // node:ffi calls functions by name only, none at an address. But a C function may do so: dl_iterate_phdr(3) calls the
  // function that it is given for the first of the loaded libraries, and returns what that has returned if it isn't 0.
  if (process.platform !== "linux") return undefined;
  const { dlopen } = process.getBuiltinModule("node:ffi") as unknown as {
    dlopen(library: null, declarations: object): {
      readonly functions: { dl_iterate_phdr(callback: bigint, data: bigint): number };
    };
  };
  const { functions } = dlopen(null, {
    dl_iterate_phdr: { arguments: ["pointer", "pointer"], return: "int32" },
  });
  return () => functions.dl_iterate_phdr(address, 0n);
}

await simpleCommand("usage: protections.ts", 0, 0, async () => {
  guardPages();
  readOnly();
  await writeThenExecute();
});
