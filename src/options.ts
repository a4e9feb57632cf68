/**
 * The options objects: their types, and the schemas that check them before any system call is made.
 *
 * The types are written out, since a zod type in the public API could not be published to JSR; each schema is
 * checked against its type.
 *
 * @module
 */
import * as z from "zod/mini";
import { oneOf, quote, show } from "./checks.ts";

/** What checks a record that was read: a zod schema, say. */
export interface RecordSchema {
  /** Returns the record, or what it makes of it; throws if the record is wrong. */
  parse(value: unknown): unknown;
}

/**
 * What a region of a file may do:
 *
 * - `"read"`: methods that store throw EACCES, and stores through a view stay private. `MAP_PRIVATE` and `PROT_READ`.
 * - `"read-write"`: stores reach the file and other processes. `MAP_SHARED`.
 * - `"copy-on-write"`: stores stay with the region; the file is only read. `MAP_PRIVATE` and writable.
 */
export type Access = "read" | "read-write" | "copy-on-write";

/** What pages may be used for, as mprotect(2) has it. */
export type Protection = "none" | "read" | "read-write" | "read-execute" | "read-write-execute";

/** How pages will be used, as madvise(2) has it; none of these changes what is read. */
export type Advice =
  | "normal"
  | "random"
  | "sequential"
  | "will-need"
  | "dont-need"
  | "cold"
  | "page-out"
  | "populate-read"
  | "populate-write"
  | "huge-page"
  | "no-huge-page"
  | "collapse"
  | "mergeable"
  | "unmergeable"
  | "dont-fork"
  | "do-fork"
  | "dont-dump"
  | "do-dump"
  | "wipe-on-fork"
  | "keep-on-fork";

/**
 * What `address` means:
 *
 * - `"hint"`: map there if it is free, elsewhere if not.
 * - `"fixed-noreplace"`: map there, or fail with EEXIST. Linux only.
 * - `"fixed"`: map there, over whatever is there. That may be the runtime's own memory: with this option, a program
 * can end its own process.
 */
export type Placement = "hint" | "fixed" | "fixed-noreplace";

/** A part of a region, in bytes. */
export interface Range {
  /** The first byte. Default: 0. */
  offset?: number | undefined;
  /** The number of bytes. Default: up to the end of the region. */
  length?: number | undefined;
}

/** Where and how a mapping is made, whatever it maps. */
export interface MapOptions {
  /** Read the pages in beforehand (`MAP_POPULATE`). Linux only. Default: false. */
  populate?: boolean | undefined;
  /** Lock the pages into memory (`MAP_LOCKED`). Linux only. Default: false. */
  lock?: boolean | undefined;
  /** Reserve swap space; false is `MAP_NORESERVE`. Default: true. */
  reserve?: boolean | undefined;
  /**
   * Address space to grow into, in bytes: `resize` within it neither moves the region nor detaches a view that still lies
   * inside. It takes no memory. Default: none.
   */
  capacity?: number | undefined;
  /** Where to map: a multiple of the page size. Default: wherever there is room. */
  address?: bigint | undefined;
  /** What `address` means. Default: `"hint"`. */
  placement?: Placement | undefined;
}

/** Options of `MappedRegion.fromDescriptor`. */
export interface DescriptorOptions extends MapOptions {
  /** What the region may do. Default: `"read"`. */
  access?: Access | undefined;
  /** The first byte of the file to map; any byte. Default: 0. */
  offset?: number | undefined;
  /** The number of bytes to map. Default: up to the end of the file. */
  length?: number | undefined;
  /** Grow the file to at least this number of bytes first. Needs access `"read-write"`. */
  size?: number | undefined;
  /**
   * Grow the file without allocating its blocks: faster, but a full file system is then found out only by a store.
   * Default: false.
   */
  sparse?: boolean | undefined;
  /** Survive a truncation of the file while it is mapped, where the platform can. Default: true. */
  guard?: boolean | undefined;
}

/** Options of `MappedRegion.open`. */
export interface OpenOptions extends DescriptorOptions {
  /** Create the file if there is none. Needs access `"read-write"`. Default: false. */
  create?: boolean | undefined;
  /** With `create`: fail with EEXIST if the file exists. Default: false. */
  exclusive?: boolean | undefined;
  /** With `create`: the permissions of a new file, less the process's umask. Default: 0o666. */
  mode?: number | undefined;
}

/** Options of `MappedRegion.anonymous`. */
export interface AnonymousOptions extends MapOptions {
  /** Share the memory with children of this process (`MAP_SHARED`). Default: false. */
  shared?: boolean | undefined;
  /** What the pages may be used for. Default: `"read-write"`. */
  protection?: Protection | undefined;
  /**
   * Use huge pages that the administrator has reserved (`MAP_HUGETLB`): of the system's default size (`true`), 2 MiB
   * or 1 GiB. Linux only. Default: false. For transparent huge pages use `advise("huge-page")`.
   */
  hugePages?: boolean | "2MB" | "1GB" | undefined;
  /** Memory for a stack (`MAP_STACK`). Linux only. Default: false. */
  stack?: boolean | undefined;
  /** Grow downwards when touched below the start (`MAP_GROWSDOWN`). Linux only. Default: false. */
  growsDown?: boolean | undefined;
}

/** The parameters of mmap(2), for `MappedRegion.map`. */
export interface MapRequest {
  /** Where to map. Default: `0n`, wherever there is room. */
  address?: bigint | undefined;
  /** The number of bytes. */
  length: number;
  /** `PROT_*` flags. */
  protection: number;
  /** `MAP_*` flags. */
  flags: number;
  /** The file's descriptor. Default: -1, for an anonymous mapping. */
  fd?: number | undefined;
  /** Where in the file the mapping starts, in bytes: a multiple of the page size. Default: 0. */
  offset?: number | undefined;
}

/** Options of `MappedRegion.flush`. */
export interface FlushOptions extends Range {
  /** Invalidate other mappings of the file, so that they see what is written (`MS_INVALIDATE`). Default: false. */
  invalidate?: boolean | undefined;
}

/** Options of `MappedRegion.flushSync`. */
export interface FlushSyncOptions extends FlushOptions {
  /** Return only when the pages are written back; false, `MS_ASYNC`, only starts that. Default: true. */
  wait?: boolean | undefined;
}

/** Options of `MappedRegion.text`. */
export interface TextOptions extends Range {
  /** Throw a TypeError for bytes that are not UTF-8, instead of putting U+FFFD in their place. Default: false. */
  fatal?: boolean | undefined;
}

/** Options of `MappedRegion.discard`. */
export interface DiscardOptions extends Range {
  /**
   * - `"dont-need"`: now; private pages read as zeros, or as the file, again.
   * - `"free"`: when memory runs short; private anonymous pages only.
   * - `"remove"`: from the file too, which gets a hole; shared writable pages only. Linux only.
   *
   * Default: `"dont-need"`.
   */
  how?: "dont-need" | "free" | "remove" | undefined;
}

/** Options of `MappedRegion.prefault`. */
export interface PrefaultOptions extends Range {
  /** Make the pages ready for stores, not only for reading. Default: false. */
  write?: boolean | undefined;
}

/** Options of `MappedRegion.resize`. */
export interface ResizeOptions {
  /** Cut the file off where the region ends, if it is longer. Needs access `"read-write"`. Default: false. */
  file?: boolean | undefined;
}

/** Options of `MappedRegion.close`. */
export interface CloseOptions {
  /**
   * Let go of the file and the memory at once. Work that is under way on a view (`fs.write`, an HTTP response) then
   * finds zeros, where it would otherwise go on with the region's bytes. Default: false.
   */
  now?: boolean | undefined;
}

/** Options of `MappedRegion.copyTo`. */
export interface CopyOptions extends Range {
  /** Where in the target the first byte goes. Default: 0. */
  at?: number | undefined;
}

/** What can be searched for: a byte (0 to 255), a string (as UTF-8), or bytes. */
export type Needle = number | string | Uint8Array;

/** Options of `MappedRegion.lines`. */
export interface LinesOptions extends Range {
  /** Lines as strings, as their bytes, or as offsets in the region. Default: `"utf-8"`. */
  encoding?: "utf-8" | "bytes" | "offsets" | undefined;
  /** From the last line to the first. Default: false. */
  reverse?: boolean | undefined;
  /** Throw a TypeError for a line that is not UTF-8, instead of putting U+FFFD in it. Default: false. */
  fatal?: boolean | undefined;
  /**
   * Leave out a last line that has no newline: in a file that is being written to it may grow. The next line begins at
   * `lastIndexOf("\n") + 1`. Default: false.
   */
  finished?: boolean | undefined;
  /**
   * Only lines in which this stands, without their ends. They are found as by `indexOf`: that is many times as fast as
   * looking at each line. Default: all.
   */
  containing?: Needle | undefined;
}

/** Options of `Cursor.readLine`. */
export interface ReadLineOptions {
  /** Read only a line that has its newline: of a file that is being written to, the last may grow. Default: false. */
  finished?: boolean | undefined;
}

/** Options of `MappedRegion.windows`. */
export interface WindowsOptions extends Range {
  /** The size of a window in bytes; the last one may be shorter. Default: 16 MiB. */
  size?: number | undefined;
  /**
   * Take pages that have been passed out of the process's memory again. They stay in the system's cache for as long as
   * there is room. Default: false.
   */
  dropBehind?: boolean | undefined;
}

/** Options of `MappedRegion.stream`. */
export interface StreamOptions extends Range {
  /** The size of a chunk in bytes; the last one may be shorter. Default: 256 KiB. */
  chunkSize?: number | undefined;
  /** Take pages that have been passed out of the process's memory again. Default: false. */
  dropBehind?: boolean | undefined;
}

/** Options of `MappedRegion.records`. */
export interface RecordsOptions {
  /** Where the first record begins, in bytes. Default: 0. */
  offset?: number | undefined;
  /** How many records there are. Default: as many as there is room for. */
  count?: number | undefined;
  /** What checks each record that is read: a zod schema, say. What it throws is thrown, what it returns is returned. */
  schema?: RecordSchema | undefined;
}

/** Options of `struct`. */
export interface StructOptions {
  /** Leave nothing free between fields, as `__attribute__((packed))` does. Default: false. */
  packed?: boolean | undefined;
  /** The byte order of numbers: little-endian, or big-endian. Default: true. */
  littleEndian?: boolean | undefined;
}

export const ACCESSES = ["read", "read-write", "copy-on-write"] as const satisfies readonly Access[];
export const PROTECTIONS = [
  "none",
  "read",
  "read-write",
  "read-execute",
  "read-write-execute",
] as const satisfies readonly Protection[];
const PLACEMENTS = ["hint", "fixed", "fixed-noreplace"] as const satisfies readonly Placement[];

// The message of each schema says what is expected. `parse` puts the option's name before it, and what was received
// after it.
/** Makes a schema when it is first used: making all of them takes 2 to 4 ms, and calls without options need none. */
function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => made ??= make();
}

const BYTES = "a whole number of bytes, 0 or more";
const SOME_BYTES = "a whole number of bytes, 1 or more";
const bytes = once(() => z.optional(z.int(BYTES).check(z.nonnegative(BYTES))));
const someBytes = once(() => z.optional(z.int(SOME_BYTES).check(z.positive(SOME_BYTES))));
const flag = once(() => z.optional(z.boolean("true or false")));
const words = <const Words extends readonly string[]>(
  list: Words,
): z.ZodMiniOptional<z.ZodMiniEnum<{ [Word in Words[number]]: Word }>> =>
  z.optional(z.enum(list, `one of ${quote(list)}`));
const ADDRESS = "an address as a bigint, from 0n to 2n ** 63n - 1n";
const address = once(() => z.optional(z.bigint(ADDRESS).check(z.gte(0n, ADDRESS), z.lt(2n ** 63n, ADDRESS))));
const INT = "an integer of 32 bits";
const int = once(() => z.int(INT).check(z.gte(-(2 ** 31), INT), z.lt(2 ** 31, INT)));
const NEEDLE = "a byte from 0 to 255, a string or a Uint8Array";
const COUNT = "a whole number, 0 or more";
const MODE = "permissions from 0 to 0o7777";

/** Messages that are a RangeError if the value has this type, and a TypeError otherwise. */
const NUMERIC: ReadonlyMap<string, string> = new Map([
  [BYTES, "number"],
  [SOME_BYTES, "number"],
  [ADDRESS, "bigint"],
  [INT, "number"],
  [MODE, "number"],
  [COUNT, "number"],
  [NEEDLE, "number"],
]);

const mapShape = once(() => ({
  capacity: someBytes(),
  populate: flag(),
  lock: flag(),
  reserve: flag(),
  address: address(),
  placement: words(PLACEMENTS),
}));
const rangeShape = once(() => ({ offset: bytes(), length: bytes() }));
const descriptorShape = once(() => ({
  ...mapShape(),
  ...rangeShape(),
  access: words(ACCESSES),
  size: bytes(),
  sparse: flag(),
  guard: flag(),
}));

/** A schema whose output is a given options type. */
type SchemaOf<Options> = () => z.ZodMiniType<Options>;

function lazily<Options>(make: SchemaOf<Options>): SchemaOf<Options> {
  return once(make);
}

const descriptorSchema = lazily<DescriptorOptions>(() => z.strictObject(descriptorShape()));
const openSchema = lazily<OpenOptions>(() =>
  z.strictObject({
    ...descriptorShape(),
    create: flag(),
    exclusive: flag(),
    mode: z.optional(z.int(MODE).check(z.nonnegative(MODE), z.lte(0o7777, MODE))),
  })
);
const anonymousSchema = lazily<AnonymousOptions>(() =>
  z.strictObject({
    ...mapShape(),
    shared: flag(),
    protection: words(PROTECTIONS),
    hugePages: z.optional(z.literal([true, false, "2MB", "1GB"], 'true, false, "2MB" or "1GB"')),
    stack: flag(),
    growsDown: flag(),
  })
);
const mapSchema = lazily<MapRequest>(() =>
  z.strictObject({
    address: address(),
    length: z.int(SOME_BYTES).check(z.positive(SOME_BYTES)),
    protection: int(),
    flags: int(),
    fd: z.optional(int()),
    offset: bytes(),
  })
);
const rangeSchema = lazily<Range>(() => z.strictObject(rangeShape()));
const flushSchema = lazily<FlushOptions>(() => z.strictObject({ ...rangeShape(), invalidate: flag() }));
const flushSyncSchema = lazily<FlushSyncOptions>(() =>
  z.strictObject({ ...rangeShape(), invalidate: flag(), wait: flag() })
);
const textSchema = lazily<TextOptions>(() => z.strictObject({ ...rangeShape(), fatal: flag() }));
const discardSchema = lazily<DiscardOptions>(() =>
  z.strictObject({
    ...rangeShape(),
    how: words(["dont-need", "free", "remove"]),
  })
);
const prefaultSchema = lazily<PrefaultOptions>(() => z.strictObject({ ...rangeShape(), write: flag() }));

const resizeSchema = lazily<ResizeOptions>(() => z.strictObject({ file: flag() }));
const closeSchema = lazily<CloseOptions>(() => z.strictObject({ now: flag() }));
const copySchema = lazily<CopyOptions>(() => z.strictObject({ ...rangeShape(), at: bytes() }));
const windowsSchema = lazily<WindowsOptions>(() =>
  z.strictObject({ ...rangeShape(), size: someBytes(), dropBehind: flag() })
);
const streamSchema = lazily<StreamOptions>(() =>
  z.strictObject({ ...rangeShape(), chunkSize: someBytes(), dropBehind: flag() })
);
const SCHEMA = "a schema: an object with a method 'parse'";
const recordsSchema = lazily<RecordsOptions>(() =>
  z.strictObject({
    offset: bytes(),
    count: z.optional(z.int(COUNT).check(z.nonnegative(COUNT))),
    schema: z.optional(z.custom<RecordSchema>(
      (value) =>
        typeof value === "object" && value !== null && "parse" in value && typeof value.parse === "function",
      SCHEMA,
    )),
  })
);
const structSchema = lazily<StructOptions>(() => z.strictObject({ packed: flag(), littleEndian: flag() }));
const linesSchema = lazily<LinesOptions>(() =>
  z.strictObject({
    ...rangeShape(),
    encoding: words(["utf-8", "bytes", "offsets"]),
    reverse: flag(),
    fatal: flag(),
    finished: flag(),
    containing: z.optional(z.custom<Needle>(
      (value) =>
        typeof value === "string" || value instanceof Uint8Array ||
        typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255,
      NEEDLE,
    )),
  })
);
const readLineSchema = lazily<ReadLineOptions>(() => z.strictObject({ finished: flag() }));

/**
 * Runs `check` while nothing enumerable is on `Object.prototype`: zod goes through objects by `for … in`, and would
 * take what a program has put there for its own.
 */
export function unpolluted<T>(check: () => T): T {
  const names = Object.keys(Object.prototype);
  if (names.length === 0) return check();
  const taken = new Map<string, PropertyDescriptor>();
  for (const name of names) {
    const descriptor = Object.getOwnPropertyDescriptor(Object.prototype, name);
    if (descriptor?.configurable !== true) continue;
    taken.set(name, Object.setPrototypeOf(descriptor, null));
    Reflect.deleteProperty(Object.prototype, name);
  }
  try {
    return check();
  } finally {
    for (const [name, descriptor] of taken) Reflect.defineProperty(Object.prototype, name, descriptor);
  }
}

/**
 * Checks an options object that came from the program.
 *
 * It is copied first, so each property is read once. A getter or a proxy runs before the region is looked at, and
 * can't give one answer to the check and another to the call.
 */
function parse<Options extends object>(schema: SchemaOf<Options>, value: unknown, call: string): Options {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${call}: the options must be an object: received ${show(value)}`);
  }
  // Without a prototype: whatever a program has put on `Object.prototype` is no option.
  const copy: Record<string, unknown> = Object.assign(Object.create(null), value);
  const result = unpolluted(() => schema().safeParse(copy));
  if (result.success) return Object.assign(Object.create(null), result.data);
  const issue = result.error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    throw new TypeError(`${call}: there is no option ${quote(issue.keys)}`);
  }
  const name = String(issue?.path[0]);
  const received = copy[name];
  const message = `${call}: option '${name}' must be ${issue?.message}: received ${show(received)}`;
  const rightType: string = typeof received;
  throw NUMERIC.get(issue?.message ?? "") === rightType ? new RangeError(message) : new TypeError(message);
}

/** Refuses an option that has no meaning without another one. */
function needs(options: object, names: readonly string[], met: boolean, other: string, call: string): void {
  if (met) return;
  const given = names.find((name) => {
    const value = (options as Record<string, unknown>)[name];
    return value !== undefined && value !== false;
  });
  if (given !== undefined) throw new TypeError(`${call}: option '${given}' needs ${other}`);
}

function checkPlacement(options: MapOptions, call: string): void {
  needs(options, ["placement"], options.address !== undefined, "option 'address'", call);
}

function checkFile(options: OpenOptions, call: string): void {
  const writable = options.access === "read-write";
  needs(options, ["create", "exclusive", "mode", "size", "sparse"], writable, 'access "read-write"', call);
  needs(options, ["exclusive", "mode"], options.create === true, "option 'create'", call);
  checkPlacement(options, call);
}

/** No options, with no prototype to find any in. (V8 looks into what Object.create(null) makes three times as slowly.) */
const NONE: Readonly<Record<string, never>> = Object.freeze(Object.setPrototypeOf({}, null));

/** Checks the options of `MappedRegion.open` and `mapFile`. */
export function openOptions(value: unknown, call: string): OpenOptions {
  if (value === undefined) return NONE;
  const options = parse(openSchema, value, call);
  checkFile(options, call);
  return options;
}

/** Checks the options of `MappedRegion.fromDescriptor`. */
export function descriptorOptions(value: unknown): DescriptorOptions {
  if (value === undefined) return NONE;
  const options = parse(descriptorSchema, value, "MappedRegion.fromDescriptor");
  checkFile(options, "MappedRegion.fromDescriptor");
  return options;
}

/** Checks the options of `MappedRegion.anonymous`. */
export function anonymousOptions(value: unknown): AnonymousOptions {
  if (value === undefined) return NONE;
  const options = parse(anonymousSchema, value, "MappedRegion.anonymous");
  checkPlacement(options, "MappedRegion.anonymous");
  return options;
}

/** Checks the request of `MappedRegion.map`. */
export function mapRequest(value: unknown): MapRequest {
  return parse(mapSchema, value, "MappedRegion.map");
}

/** Checks a range, for the call named. */
export function rangeOptions(value: unknown, call: string): Range {
  return value === undefined ? NONE : parse(rangeSchema, value, call);
}

/** Checks the options of `flush`. */
export function flushOptions(value: unknown): FlushOptions {
  return value === undefined ? NONE : parse(flushSchema, value, "flush");
}

/** Checks the options of `flushSync`. */
export function flushSyncOptions(value: unknown): FlushSyncOptions {
  return value === undefined ? NONE : parse(flushSyncSchema, value, "flushSync");
}

/** Checks the options of `text`. */
export function textOptions(value: unknown): TextOptions {
  return value === undefined ? NONE : parse(textSchema, value, "text");
}

/** Checks the options of `discard`. */
export function discardOptions(value: unknown): DiscardOptions {
  return value === undefined ? NONE : parse(discardSchema, value, "discard");
}

/** Checks the options of `prefault`. */
export function prefaultOptions(value: unknown): PrefaultOptions {
  return value === undefined ? NONE : parse(prefaultSchema, value, "prefault");
}

/** Checks the options of `resize`. */
export function resizeOptions(value: unknown): ResizeOptions {
  return value === undefined ? NONE : parse(resizeSchema, value, "resize");
}

/** Checks the options of `close`. */
export function closeOptions(value: unknown): CloseOptions {
  return value === undefined ? NONE : parse(closeSchema, value, "close");
}

/** Checks the options of `copyTo`. */
export function copyOptions(value: unknown): CopyOptions {
  return value === undefined ? NONE : parse(copySchema, value, "copyTo");
}

/** Checks the options of `windows`. */
export function windowsOptions(value: unknown): WindowsOptions {
  return value === undefined ? NONE : parse(windowsSchema, value, "windows");
}

/** Checks the options of `stream`. */
export function streamOptions(value: unknown): StreamOptions {
  return value === undefined ? NONE : parse(streamSchema, value, "stream");
}

/** Checks the options of `records`. */
export function recordsOptions(value: unknown): RecordsOptions {
  return value === undefined ? NONE : parse(recordsSchema, value, "records");
}

/** Checks the options of `struct`. */
export function structOptions(value: unknown): StructOptions {
  return value === undefined ? NONE : parse(structSchema, value, "struct");
}

/** Checks the options of `lines`. */
export function linesOptions(value: unknown): LinesOptions {
  return value === undefined ? NONE : parse(linesSchema, value, "lines");
}

/** Checks the options of `readLine`. */
export function readLineOptions(value: unknown): ReadLineOptions {
  return value === undefined ? NONE : parse(readLineSchema, value, "readLine");
}

/** The word given to `advise`, of those there are. */
export function adviceWord(value: unknown, words: readonly Advice[]): Advice {
  return oneOf(value, words, "advise: the advice");
}

/** Where a search may find something, as a program says it: an offset to start at, or a range. */
export type From = number | Range;

/**
 * Checks the offset or the range that a search is given. An offset may be negative, and then counts from the end, as on
 * a Uint8Array.
 */
export function fromOption(value: unknown, call: string): From | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number") {
    if (Number.isNaN(value)) throw new TypeError(`${call}: 'from' must be a number: received NaN`);
    return Math.trunc(value);
  }
  if (typeof value === "object" && value !== null) return parse(rangeSchema, value, call);
  throw new TypeError(`${call}: 'from' must be an offset or a range: received ${show(value)}`);
}

/** Checks the protection given to `protect`. */
export function protectionWord(value: unknown): Protection {
  return oneOf(value, PROTECTIONS, "protect: the protection");
}
