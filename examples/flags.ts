// What the flags of mmap(2) do, as the kernel itself reports it.
//
//     node examples/flags.ts
//     bun examples/flags.ts
//     deno run --allow-all examples/flags.ts
//
// In C: the fourth parameter of mmap. The kernel's own words for a mapping are the VmFlags of /proc/self/smaps (see
// proc_pid_smaps(5)): "lo" is locked, "nr" reserves nothing, "ht" is of huge pages, "gd" grows downwards. Deno needs
// --allow-all to read there.
//
// Exit code: 0; 2 if something went wrong; 3 where there is no /proc to read.
// deno-lint-ignore-file no-console -- a program's output
import { existsSync, readFileSync } from "node:fs";
import * as c from "../ffi/mod.ts";
import { MappedRegion, MmapError } from "../mod.ts";
import { Missing, simpleCommand } from "./command.ts";
import { pages } from "./pages.ts";

const TIB = 2 ** 40;
/** An address where programs, heaps and libraries don't lie. */
const UNUSED = 0x1000_0000_0000n;

/** What the kernel says of the mapping that holds an address: where it begins, and its VmFlags. */
function mappingAt(address: bigint): { start: bigint; flags: readonly string[] } {
  let start: bigint | undefined;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
    if (from !== undefined) {
      const inside = address >= BigInt(`0x${from}`) && address < BigInt(`0x${to}`);
      start = inside ? BigInt(`0x${from}`) : undefined;
    } else if (start !== undefined && line.startsWith("VmFlags:")) {
      return { start, flags: line.slice("VmFlags:".length).trim().split(" ") };
    }
  }
  throw new Error(`nothing is mapped at 0x${address.toString(16)}`);
}

/** Whether the kernel says a flag of a region. */
function says(region: MappedRegion, flag: string): string {
  return `the kernel says "${flag}": ${mappingAt(region.address).flags.includes(flag)}`;
}

/** The faults of this process that took no disk: each gave it a page. (The tenth word of /proc/self/stat.) */
function minorFaults(): number {
  const [, behindTheName = ""] = readFileSync("/proc/self/stat", "utf8").split(") ");
  return Number(behindTheName.split(" ")[10 - 3]);
}

/** Each finds out what one flag does, and returns it in words. */
const FLAGS: Readonly<Record<string, () => string>> = {
  MAP_FIXED: () => {
    // What is mapped at the address is replaced, and nobody is asked: one page of three, by one that is read-only.
    const flags = c.MAP_PRIVATE | c.MAP_ANONYMOUS;
    const address = c.mmap(0n, pages(3), c.PROT_READ | c.PROT_WRITE, flags, -1, 0);
    const starts = [0, 1, 2].map((index) => address + BigInt(pages(index)));
    c.mmap(address + BigInt(pages(1)), pages(1), c.PROT_READ, flags | c.MAP_FIXED, -1, 0);
    const writable = starts.map((start) => mappingAt(start).flags.includes("wr"));
    c.munmap(address, pages(3));
    return `replaced the second of three pages; writable: ${writable.join(", ")}`;
  },

  MAP_FIXED_NOREPLACE: () => {
    using region = MappedRegion.anonymous(1);
    MappedRegion.anonymous(1, { address: region.address, placement: "fixed-noreplace" }).close();
    return "replaced a page";
  },

  MAP_LOCKED: () => {
    using region = MappedRegion.anonymous(pages(16), { lock: true });
    return `${region.residency().resident} of 16 pages in memory, to stay there; ${says(region, "lo")}`;
  },

  MAP_POPULATE: () => {
    const count = 4096;
    const faults = [false, true].map((populate) => {
      using region = MappedRegion.anonymous(pages(count), { populate });
      region.advise("no-huge-page"); // one fault would give many pages at once
      const before = minorFaults();
      region.fill(1);
      return minorFaults() - before;
    });
    return `storing to ${count} pages took ${faults[0]} page faults without it, ${faults[1]} with it`;
  },

  MAP_NORESERVE: () => {
    using region = MappedRegion.anonymous(TIB, { reserve: false });
    region.write(TIB - 4, "last");
    return `1 TiB of address space, of which one page is used; ${says(region, "nr")}`;
  },

  "without it": () => {
    using region = MappedRegion.anonymous(TIB);
    return `${region.length / TIB} TiB was granted: the kernel overcommits (sysctl vm.overcommit_memory)`;
  },

  MAP_HUGETLB: () => {
    using region = MappedRegion.anonymous(2 ** 21, { hugePages: "2MB" });
    return says(region, "ht");
  },

  MAP_GROWSDOWN: () => {
    using region = MappedRegion.anonymous(pages(1), {
      growsDown: true,
      address: UNUSED,
      placement: "fixed-noreplace",
    });
    const flag = says(region, "gd");
    c.memchr(region.address - BigInt(pages(3)), 0, pages(1)); // looks at what is not mapped yet
    const { start } = mappingAt(region.address);
    const grown = Number(region.address - start);
    if (grown > 0) c.munmap(start, grown); // the region knows of its own page only
    return `a look three pages below it made it grow by ${grown / pages(1)} pages, as a stack does; ${flag}`;
  },

  MAP_STACK: () => {
    using region = MappedRegion.anonymous(2 ** 20, { stack: true });
    return `${region.length} bytes; on Linux the flag changes nothing today, other systems may ask for it`;
  },
};

await simpleCommand("usage: flags.ts", 0, 0, () => {
  if (!existsSync("/proc/self/smaps")) throw new Missing("there is no /proc/self/smaps: it takes Linux");
  for (const [flag, find] of Object.entries(FLAGS)) {
    let found;
    try {
      found = find();
    } catch (error) {
      if (!(error instanceof MmapError)) throw error;
      found = error.message; // what the system lacks, or refuses
    }
    console.log(`${flag.padEnd(20)} ${found}`);
  }
});
