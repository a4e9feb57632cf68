// Every error of mmap(2) that this system gives, each provoked for real, with what the library says about it.
//
//     node examples/errors.ts
//     bun examples/errors.ts
//     deno run --allow-env --allow-ffi --allow-read --allow-write examples/errors.ts
//
// In C: mmap returns MAP_FAILED, and errno says why. Here it is an MmapError, whose `code` is the name of the errno.
//
// Exit code: 0; 2 if a call that must fail didn't, or something else went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as c from "../ffi/mod.ts";
import { MappedRegion, MmapError } from "../mod.ts";
import { anonymousSharedMemory } from "../src/ipc/mod.ts";
import { simpleCommand } from "./command.ts";
import { pages } from "./pages.ts";
import { temporaryFolder } from "./temporary_folder.ts";

/** What the errors are provoked with: descriptors of a file for reading, of one for appending, and of a directory. */
interface Files {
  readonly reading: number;
  readonly appending: number;
  readonly directory: number;
}

interface Case {
  readonly code: string;
  readonly how: string;
  /** Makes the call that fails. If it doesn't fail, it may return a region, which is closed. */
  readonly provoke: (files: Files) => Disposable | void;
  /** Why the call may succeed, or fail otherwise. */
  readonly unless?: string;
}

/** An address where programs, heaps and libraries don't lie. */
const UNUSED = 0x1000_0000_0000n;

const CASES: readonly Case[] = [
  {
    code: "EACCES",
    how: "to store to a file that was opened for reading",
    provoke: ({ reading }) => MappedRegion.fromDescriptor(reading, { access: "read-write" }),
  },
  {
    code: "EACCES",
    how: "to read a file that was opened for writing only",
    provoke: ({ appending }) => MappedRegion.fromDescriptor(appending),
  },
  {
    code: "EAGAIN",
    how: "to lock more memory than the limit allows",
    provoke: () => MappedRegion.anonymous(2 ** 26, { lock: true }),
    unless: "this process may lock so much: it is root's, or its limit is high (ulimit -l)",
  },
  {
    code: "EBADF",
    how: "a descriptor that isn't open",
    provoke: () => MappedRegion.fromDescriptor(2 ** 20),
  },
  {
    code: "EBUSY",
    how: "msync with MS_INVALIDATE, of pages that are locked",
    provoke: () => {
      using memory = MappedRegion.anonymous(pages(1), { shared: true });
      memory.lock();
      c.msync(memory.address, pages(1), c.MS_SYNC | c.MS_INVALIDATE);
    },
    unless: "Linux alone refuses it",
  },
  {
    code: "EEXIST",
    how: "an address where something is mapped, with MAP_FIXED_NOREPLACE",
    provoke: () => {
      using first = MappedRegion.anonymous(pages(1));
      return MappedRegion.anonymous(pages(1), { address: first.address, placement: "fixed-noreplace" });
    },
    unless: "only Linux has MAP_FIXED_NOREPLACE",
  },
  {
    code: "EINVAL",
    how: "a length of 0",
    provoke: () => void c.mmap(0n, 0, c.PROT_READ, c.MAP_PRIVATE | c.MAP_ANONYMOUS, -1, 0),
  },
  {
    code: "EINVAL",
    how: "an offset that is not a multiple of the page size",
    provoke: ({ reading }) => void c.mmap(0n, pages(1), c.PROT_READ, c.MAP_PRIVATE, reading, 1),
  },
  {
    code: "EINVAL",
    how: "neither MAP_SHARED nor MAP_PRIVATE",
    provoke: () => MappedRegion.map({ length: pages(1), protection: c.PROT_READ, flags: c.MAP_ANONYMOUS }),
  },
  {
    code: "ENODEV",
    how: "what can't be mapped: a directory",
    provoke: ({ directory: fd }) =>
      MappedRegion.map({ length: pages(1), protection: c.PROT_READ, flags: c.MAP_PRIVATE, fd }),
    unless: "the platform has another error for it",
  },
  {
    code: "ENOMEM",
    how: "more than the address space has room for",
    provoke: () => MappedRegion.anonymous(2 ** 52, { reserve: false }),
  },
  {
    code: "ENOMEM",
    how: "mprotect of a page that isn't mapped",
    provoke: () => c.mprotect(UNUSED, pages(1), c.PROT_READ),
  },
  {
    code: "EOVERFLOW",
    how: "offset and length whose sum is too large",
    provoke: ({ reading }) => {
      const offset = Number.MAX_SAFE_INTEGER + 1 - pages(1);
      c.munmap(c.mmap(0n, pages(1), c.PROT_READ, c.MAP_PRIVATE, reading, offset), pages(1));
    },
    unless: "64 bits have room for every sum; systems of 32 bits give it",
  },
  {
    code: "EPERM",
    how: "to store to shared memory that was sealed against it",
    provoke: () => {
      using memory = anonymousSharedMemory(pages(1), { seal: "future-write" });
      return MappedRegion.fromDescriptor(memory.descriptor, { access: "read-write" });
    },
    unless: "only Linux has seals",
  },
  {
    code: "ETXTBSY",
    how: "to write to a program that is running",
    // Nothing is stored, should it succeed.
    provoke: () => MappedRegion.open(process.execPath, { access: "read-write" }),
    unless:
      "mmap gives it no more since MAP_DENYWRITE is ignored; open(2) may, to who may write to the program",
  },
];

/** Makes one call, and says how it ended. Whether it ended as it must. */
function show({ code, how, provoke, unless }: Case, files: Files): boolean {
  console.log(`${code.padEnd(10)} ${how}`);
  let outcome = "no error";
  try {
    provoke(files)?.[Symbol.dispose]();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error instanceof MmapError && error.code === code) {
      console.log(`           ${error.message}`);
      return true;
    }
    outcome = error.message;
  }
  console.log(`           not here: ${outcome}${unless === undefined ? "" : ` (${unless})`}`);
  return unless !== undefined;
}

function main(): void {
  using folder = temporaryFolder("errors");
  const path = join(folder.path, "file");
  writeFileSync(path, "x".repeat(pages(1)));
  const files: Files = {
    reading: openSync(path, "r"),
    appending: openSync(path, "a"),
    directory: openSync(folder.path, "r"),
  };
  for (const each of CASES) if (!show(each, files)) process.exitCode = 2;
  for (const fd of Object.values(files)) closeSync(fd);
}

await simpleCommand("usage: errors.ts", 0, 0, main);
