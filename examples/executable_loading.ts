// What is in an executable or a shared library, and where it lies once it has been loaded: the segments and symbols of ELF
// files (Linux) and Mach-O files (macOS), and, for those that this process runs itself, what the kernel says of them.
//
//     node examples/executable_loading.ts
//     bun examples/executable_loading.ts --symbols 20 /usr/bin/bash
//     deno run --allow-all examples/executable_loading.ts --find malloc /lib/x86_64-linux-gnu/libc.so.6
//
// In C: mmap, and pointers to the structs of <elf.h> or <mach-o/loader.h>. Programs are loaded by mmap, too: the kernel (for an
// executable) or the dynamic linker (for a library) maps each segment with MAP_PRIVATE at an offset of the file and with a
// protection, which is what a segment says. Any file can be looked at by --allow-ffi and --allow-read; Deno needs --allow-all
// to read /proc/self/maps.
//
// Without FILE it looks at the runtime that it runs in, and at a library of it. Exit code: 0; 1 if --find found nothing; 2
// if a file is neither ELF nor Mach-O, is damaged, or something else went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { readFileSync, realpathSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { bytes, char, type Fields, type Layout, MappedRegion, type RecordOf, struct } from "../mod.ts";
import { command, wholeNumber } from "./command.ts";

const USAGE = `usage: executable_loading.ts [--symbols COUNT] [--find SYMBOL] [FILE…]

  --symbols COUNT  how many symbols of each file are printed (5)
  --find SYMBOL    prints the address of this one only`;

/** A part of a file that is mapped when it is loaded. */
interface Segment {
  readonly name: string;
  /** As in /proc/self/maps: "r-x". */
  readonly protection: string;
  /** Where in the file, and how many bytes of it. */
  readonly offset: number;
  readonly fileSize: number;
  /** Where in memory, counted from where the file is loaded. What is longer there is filled up with zeros. */
  readonly address: bigint;
  readonly memorySize: number;
}

interface Symbol {
  readonly name: string;
  readonly address: bigint;
}

/** What a file has, whatever its format. */
interface Image {
  readonly format: string;
  readonly segments: readonly Segment[];
  /** The symbols that it defines. They are read when they are asked for: a large program has hundreds of thousands. */
  readonly symbols: Iterable<Symbol>;
}

/** One record, at an offset. */
function at<F extends Fields>(file: MappedRegion, layout: Layout<F>, offset: number): RecordOf<Layout<F>> {
  return file.records(layout, { offset, count: 1 }).get(0);
}

const protectionOf = (read: number, write: number, execute: number): string =>
  (read === 0 ? "-" : "r") + (write === 0 ? "-" : "w") + (execute === 0 ? "-" : "x");

// ELF: <elf.h>, with its own names in the comments.

const ELF_HEADER = struct({ // Elf64_Ehdr
  magic: char(4),
  class: "u8",
  data: "u8",
  ident: bytes(10),
  type: "u16",
  machine: "u16",
  version: "u32",
  entry: "u64",
  segments: "u64",
  sections: "u64",
  flags: "u32",
  size: "u16",
  segmentSize: "u16",
  segmentCount: "u16",
  sectionSize: "u16",
  sectionCount: "u16",
  sectionNames: "u16",
});
const ELF_SEGMENT = struct({ // Elf64_Phdr
  type: "u32",
  flags: "u32",
  offset: "u64",
  address: "u64",
  physical: "u64",
  fileSize: "u64",
  memorySize: "u64",
  alignment: "u64",
});
const ELF_SECTION = struct({ // Elf64_Shdr
  name: "u32",
  type: "u32",
  flags: "u64",
  address: "u64",
  offset: "u64",
  size: "u64",
  link: "u32",
  info: "u32",
  alignment: "u64",
  entrySize: "u64",
});
const ELF_SYMBOL = struct({ // Elf64_Sym
  name: "u32",
  info: "u8",
  other: "u8",
  section: "u16",
  value: "u64",
  size: "u64",
});
const ELF_TYPES: Readonly<Record<number, string>> = {
  1: "object file",
  2: "executable",
  3: "shared library or position-independent executable",
  4: "core dump",
};
const ELF_MACHINES: Readonly<Record<number, string>> = { 62: "x86-64", 183: "arm64", 243: "RISC-V" };
const ELF_SEGMENTS: Readonly<Record<number, string>> = {
  1: "LOAD",
  2: "DYNAMIC",
  3: "INTERP",
  4: "NOTE",
  6: "PHDR",
  7: "TLS",
  0x6474e550: "GNU_EH_FRAME",
  0x6474e551: "GNU_STACK",
  0x6474e552: "GNU_RELRO",
  0x6474e553: "GNU_PROPERTY",
};
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
/** STT_SECTION and STT_FILE: they name parts of a program. (What has section 0 is defined elsewhere.) */
const NO_SYMBOLS: readonly number[] = [3, 4];

function readElf(file: MappedRegion): Image {
  const header = at(file, ELF_HEADER, 0);
  if (header.class !== 2 || header.data !== 1) {
    throw new TypeError("only ELF files of 64 bits, little-endian, are read here");
  }
  const segments = file.records(ELF_SEGMENT, {
    offset: Number(header.segments),
    count: header.segmentCount,
  });
  const sections = [...file.records(ELF_SECTION, {
    offset: Number(header.sections),
    count: header.sectionCount,
  })];
  return {
    format: `ELF, ${ELF_MACHINES[header.machine] ?? `machine ${header.machine}`}, ` +
      `${ELF_TYPES[header.type] ?? `type ${header.type}`}`,
    segments: [...segments].map((segment) => ({
      name: ELF_SEGMENTS[segment.type] ?? `0x${segment.type.toString(16)}`,
      protection: protectionOf(segment.flags & 4, segment.flags & 2, segment.flags & 1),
      offset: Number(segment.offset),
      fileSize: Number(segment.fileSize),
      address: segment.address,
      memorySize: Number(segment.memorySize),
    })),
    symbols: {
      *[Symbol.iterator](): Iterator<Symbol> {
        // The table for debuggers has all symbols; where it was stripped, there is the one for the dynamic linker.
        const table = sections.find(({ type }) => type === SHT_SYMTAB) ??
          sections.find(({ type }) => type === SHT_DYNSYM);
        const names = sections[table?.link ?? -1];
        if (table === undefined || names === undefined) return;
        const symbols = file.records(ELF_SYMBOL, {
          offset: Number(table.offset),
          count: Number(table.size) / ELF_SYMBOL.size,
        });
        const cursor = file.cursor();
        for (const { name, info, section, value } of symbols) {
          if (section === 0 || name === 0 || NO_SYMBOLS.includes(info & 15)) continue;
          cursor.seek(Number(names.offset) + name);
          yield { name: cursor.readCString(), address: value };
        }
      },
    },
  };
}

// Mach-O: <mach-o/loader.h>, <mach-o/nlist.h> and, for files that hold several architectures, <mach-o/fat.h>.

const MACH_HEADER = struct({ // mach_header_64
  magic: "u32",
  cpu: "i32",
  cpuSubtype: "i32",
  type: "u32",
  commandCount: "u32",
  commandsSize: "u32",
  flags: "u32",
  reserved: "u32",
});
const MACH_COMMAND = struct({ type: "u32", size: "u32" }); // load_command
const MACH_SEGMENT = struct({ // segment_command_64
  type: "u32",
  size: "u32",
  name: char(16),
  address: "u64",
  memorySize: "u64",
  offset: "u64",
  fileSize: "u64",
  mostProtection: "i32",
  protection: "i32",
  sectionCount: "u32",
  flags: "u32",
});
const MACH_SYMBOL_TABLE = struct({ // symtab_command
  type: "u32",
  size: "u32",
  symbols: "u32",
  count: "u32",
  names: "u32",
  namesSize: "u32",
});
const MACH_SYMBOL = struct({ // nlist_64
  name: "u32",
  type: "u8",
  section: "u8",
  description: "u16",
  value: "u64",
});
const FAT_HEADER = struct({ magic: "u32", count: "u32" }, { littleEndian: false }); // fat_header
const FAT_PART = struct( // fat_arch
  { cpu: "i32", cpuSubtype: "i32", offset: "u32", size: "u32", alignment: "u32" },
  { littleEndian: false },
);
const MACH_TYPES: Readonly<Record<number, string>> = {
  1: "object file",
  2: "executable",
  4: "core dump",
  6: "shared library",
  8: "bundle",
};
const MACH_CPUS: Readonly<Record<number, string>> = { 0x01000007: "x86-64", 0x0100000c: "arm64" };
const LC_SYMTAB = 2;
const LC_SEGMENT_64 = 0x19;
/** Of a symbol's type: the bits of a debugger's symbol, and those that say where it is defined. */
const [N_STAB, N_TYPE, N_SECT] = [0xe0, 0x0e, 0x0e];

function readMachO(file: MappedRegion): Image {
  const header = at(file, MACH_HEADER, 0);
  const segments: Segment[] = [];
  let table: RecordOf<typeof MACH_SYMBOL_TABLE> | undefined;
  let offset = MACH_HEADER.size;
  for (let index = 0; index < header.commandCount; index++) {
    const { type, size } = at(file, MACH_COMMAND, offset);
    if (size < MACH_COMMAND.size) throw new RangeError(`load command ${index} has a size of ${size} bytes`);
    if (type === LC_SYMTAB) table = at(file, MACH_SYMBOL_TABLE, offset);
    if (type === LC_SEGMENT_64) {
      const segment = at(file, MACH_SEGMENT, offset);
      segments.push({
        name: segment.name,
        protection: protectionOf(segment.protection & 1, segment.protection & 2, segment.protection & 4),
        offset: Number(segment.offset),
        fileSize: Number(segment.fileSize),
        address: segment.address,
        memorySize: Number(segment.memorySize),
      });
    }
    offset += size;
  }
  return {
    format: `Mach-O, ${MACH_CPUS[header.cpu] ?? `CPU 0x${header.cpu.toString(16)}`}, ` +
      `${MACH_TYPES[header.type] ?? `type ${header.type}`}`,
    segments,
    symbols: {
      *[Symbol.iterator](): Iterator<Symbol> {
        if (table === undefined) return;
        const cursor = file.cursor();
        const symbols = file.records(MACH_SYMBOL, { offset: table.symbols, count: table.count });
        for (const { name, type, value } of symbols) {
          if ((type & N_STAB) !== 0 || (type & N_TYPE) !== N_SECT) continue;
          cursor.seek(table.names + name);
          yield { name: cursor.readCString(), address: value };
        }
      },
    },
  };
}

/** Where in a file the parts of several architectures are: `{ offset, length }`. */
function partsOf(file: MappedRegion): { offset: number; length: number }[] {
  const { count } = at(file, FAT_HEADER, 0);
  // A Java class begins with the same number; what stands here is its version, which is larger than any number of parts.
  if (count > 40) throw new TypeError("it is neither ELF nor Mach-O");
  const parts = file.records(FAT_PART, { offset: FAT_HEADER.size, count });
  return [...parts].map(({ offset, size }) => ({ offset, length: size }));
}

// What the kernel says.

/** A line of /proc/self/maps. */
interface Line {
  readonly start: bigint;
  readonly end: bigint;
  readonly protection: string;
  readonly offset: number;
  readonly path: string;
}

/** The mappings of this process that have a file; undefined where they can't be read. */
function ownMappings(): Line[] | undefined {
  try {
    return readFileSync("/proc/self/maps", "utf8").split("\n").flatMap((line) => {
      const [, start, end, protection = "", offset, path] =
        /^([0-9a-f]+)-([0-9a-f]+) (...). ([0-9a-f]+) \S+ \d+ +(\/.*)$/.exec(line) ?? [];
      return path === undefined ? [] : [{
        start: BigInt(`0x${start}`),
        end: BigInt(`0x${end}`),
        protection,
        offset: parseInt(offset ?? "", 16),
        path,
      }];
    });
  } catch {
    return undefined; // not Linux, or Deno without --allow-all
  }
}

/** A name as it can be printed: a file may hold anything, codes that control a terminal, too. */
const plain = (name: string): string => name.replace(/\p{Cc}/gu, "?");

const hex = (address: bigint): string => `0x${address.toString(16)}`;

/** Prints where this process has the segments of a file that it runs, and how they were mapped. */
function showLoaded(segments: readonly Segment[], lines: readonly Line[]): void {
  const loads = segments.filter(({ name, fileSize }) => name === "LOAD" && fileSize > 0);
  const page = BigInt(MappedRegion.pageSize);
  const floor = (address: bigint): bigint => address - address % page;
  const [first] = loads;
  // The file may be mapped more than once: by this program, for instance. The first segment tells where it was loaded.
  const begin = lines.find(({ offset, protection }) =>
    first !== undefined && BigInt(offset) === floor(BigInt(first.offset)) && protection === first.protection
  );
  if (first === undefined || begin === undefined) return;
  const base = begin.start - floor(first.address);
  console.log(
    `  this process has loaded it ${base === 0n ? "at the addresses it asks for" : `at ${hex(base)}`}:`,
  );
  const relocated = segments.some(({ name }) => name === "GNU_RELRO");
  for (const segment of loads) {
    const from = base + floor(segment.address);
    const to = base + segment.address + BigInt(segment.fileSize);
    const inside = lines.filter(({ start, end }) => start < to && end > from);
    const kept = inside.filter(({ start, offset }) =>
      start - from === BigInt(offset) - floor(BigInt(segment.offset))
    );
    const protections = [...new Set(inside.map(({ protection }) => protection))];
    const parts = inside.map(({ start, end, protection }) => `${hex(start)}-${hex(end)} ${protection}`);
    console.log(`    LOAD ${segment.protection} is ${parts.join(", ") || "nowhere"}`);
    if (inside.length === 0 || kept.length < inside.length) {
      console.log("      which isn't where the file says");
    } else if (protections.some((protection) => protection !== segment.protection)) {
      console.log(
        `      where pages were protected since: ${
          relocated ? "the dynamic linker does it to GNU_RELRO" : "the program did it"
        }`,
      );
    }
  }
}

interface Wanted {
  readonly count: number;
  readonly find: string | undefined;
}

/** Prints what an image has; returns whether a symbol was found. */
function show(path: string, file: MappedRegion, lines: readonly Line[], { count, find }: Wanted): boolean {
  const image = file.read(0, 4).join() === "127,69,76,70" ? readElf(file) : readMachO(file);
  console.log(`${path}: ${image.format}`);
  for (const { name, protection, offset, fileSize, address, memorySize } of image.segments) {
    console.log(
      `  ${
        plain(name).padEnd(14)
      } ${protection}  ${fileSize} bytes at ${offset}, in memory ${memorySize} at ${hex(address)}`,
    );
  }
  showLoaded(image.segments, lines);
  if (find !== undefined) {
    for (const { name, address } of image.symbols) {
      if (name !== find) continue;
      console.log(`  ${hex(address)} ${plain(name)}`);
      return true;
    }
    return false;
  }
  let number = 0;
  for (const { name, address } of image.symbols) {
    if (number++ < count) console.log(`  ${hex(address)} ${plain(name)}`);
  }
  console.log(`  ${number} symbols are defined in it`);
  return true;
}

const MACH_MAGIC = 0xfeedfacf;
const FAT_MAGIC = 0xcafebabe;

/** Shows a file, or each of its parts. */
function look(path: string, mappings: readonly Line[], wanted: Wanted): boolean {
  using file = MappedRegion.open(path);
  const lines = mappings.filter((line) => line.path === realpathSync(path));
  if (file.length < ELF_HEADER.size) throw new TypeError(`${path}: it is too short for an executable`);
  const magic = file.cursor().readU32();
  if (magic === 0x464c457f || magic === MACH_MAGIC) return show(path, file, lines, wanted); // "\x7fELF"
  if (file.cursor().readU32(false) !== FAT_MAGIC) {
    throw new TypeError(`${path}: it is neither ELF nor Mach-O`);
  }
  // Each part is a whole Mach-O file. Mapped by itself, it begins at 0.
  return partsOf(file).map((range) => {
    using part = MappedRegion.open(path, range);
    return show(`${path}, at ${range.offset}`, part, [], wanted);
  }).some((found) => found);
}

await command("executable_loading.ts", () => {
  const { values: { help, symbols, find }, positionals } = parseArgs({
    options: {
      help: { type: "boolean" },
      symbols: { type: "string", default: "5" },
      find: { type: "string" },
    },
    allowPositionals: true,
  });
  if (help === true) return console.log(USAGE);
  const mappings = ownMappings();
  const libraries = mappings?.filter(({ path }) => /\/lib[^/]*\.so[^/]*$/.test(path)) ?? [];
  const paths = positionals.length > 0
    ? positionals
    : [process.execPath, ...libraries.map(({ path }) => path).slice(0, 1)];
  const wanted = { count: wholeNumber(symbols, "--symbols", 0), find };
  const found = paths.map((path) => look(path, mappings ?? [], wanted));
  if (mappings === undefined) {
    console.log("/proc/self/maps can't be read: it takes Linux, and --allow-all in Deno");
  }
  if (!found.includes(true)) process.exitCode = 1;
});
