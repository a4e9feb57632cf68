// A database's page cache over a mapped file, a B+tree on it, and the same keys in SQLite.
//
//     node examples/buffer_pool.ts
//     bun examples/buffer_pool.ts --keys 100000 --frames 200
//     deno run --allow-env --allow-ffi --allow-read --allow-write examples/buffer_pool.ts
//
// In C: mmap of more address space than the file has bytes (here, `capacity`), ftruncate to grow the file under it, madvise
// with MADV_DONTNEED to evict a page, msync to write back those that were changed.
//
// A database that reads its file by read(2) copies each page into a "frame" of memory, and keeps a table of which page is in
// which frame. Over a mapping a page has its place already, and the kernel reads it in when it is touched. What is left for
// the pool to do is to say which pages may be taken away (those that nobody has pinned, and that were not used lately), and
// to know which ones the disk does not have yet (the dirty ones).
//
// Evicting takes a page away from this process alone: the kernel has its own copy in the page cache, and changes are not
// lost. It is what SQLite's cache does, which reads a page from the same page cache when it misses. `--evict page-out` asks
// the kernel to give up its copy as well: then a miss reads the disk.
//
// A miss costs a page fault, and an madvise that makes every CPU forget an address: that is more than the read(2) of a page.
// What is gained is that a hit copies nothing and calls nothing. So evict to stay within a limit, and not for speed.
//
// A shared mapping has one weakness as a database: the kernel may write a dirty page to the disk at any time, also before it
// is flushed. A database must write down in a log what it will change before it changes it (see append_log.ts).
//
// Exit code: 0; 2 if something went wrong; 3 where the runtime has no SQLite.
// deno-lint-ignore-file no-console -- a program's output
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Advice, MappedRegion } from "../mod.ts";
import { command, Missing, progress, wholeNumber } from "./command.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const { pageSize } = MappedRegion;
/** The 32-bit words of a page. */
const WORDS = pageSize / 4;
/** The most pages a file may have. The address space for them takes no memory. */
const MOST_PAGES = 2 ** 30 / pageSize;
/** The file grows by so many pages. */
const STEP = 256;
/** Two dirty pages with no more than so many clean ones between them are flushed by one call: it passes over the clean ones. */
const GAP = 16;
const NONE = -1;

/**
 * Keeps as many pages of a file in this process as there are frames. (The kernel may map a page's neighbours along with it,
 * if it has them in its cache: they cost nothing.)
 *
 * Whoever wants a page pins it, and unpins it when done. A pinned page is not evicted.
 */
class BufferPool implements Disposable {
  hits = 0;
  misses = 0;
  /** The file, as 32-bit numbers: page p begins at p * WORDS. */
  words: Uint32Array;
  /** How many pages of the file are in use. */
  pages = 1;
  readonly #region: MappedRegion;
  readonly #evict: Advice;
  /** By frame: which page is in it, how often it is pinned, and whether it was used since the clock's hand came by. */
  readonly #page: Int32Array;
  readonly #pins: Uint16Array;
  readonly #used: Uint8Array;
  /** By page: the frame it is in, and whether it was changed since it was flushed. */
  readonly #frame = new Int32Array(MOST_PAGES).fill(NONE);
  readonly #dirty = new Uint8Array(MOST_PAGES);
  #hand = 0;

  constructor(path: string, frames: number, evict: Advice) {
    this.#region = MappedRegion.open(path, {
      access: "read-write",
      create: true,
      size: STEP * pageSize,
      capacity: MOST_PAGES * pageSize,
    });
    this.#evict = evict;
    this.words = this.#region.array(Uint32Array);
    this.#page = new Int32Array(frames).fill(NONE);
    this.#pins = new Uint16Array(frames);
    this.#used = new Uint8Array(frames);
  }

  /** Keeps a page until it is unpinned. Where it begins in `words`. */
  pin(page: number): number {
    let frame = this.#frame[page] ?? NONE;
    if (frame === NONE) frame = this.#miss(page);
    else this.hits++;
    this.#used[frame] = 1;
    this.#pins[frame] = (this.#pins[frame] ?? 0) + 1;
    return page * WORDS;
  }

  unpin(page: number, changed: boolean = false): void {
    const frame = this.#frame[page] ?? NONE;
    this.#pins[frame] = (this.#pins[frame] ?? 0) - 1;
    if (changed) this.#dirty[page] = 1;
  }

  /** Adds a page of zeros to the file. Its number; it isn't pinned. */
  add(): number {
    const region = this.#region;
    if ((this.pages + 1) * pageSize > region.length) {
      region.resize(region.length + STEP * pageSize); // nothing moves
      this.words = region.array(Uint32Array);
    }
    return this.pages++;
  }

  #miss(page: number): number {
    this.misses++;
    const frame = this.#victim();
    const evicted = this.#page[frame] ?? NONE;
    if (evicted !== NONE) {
      this.#region.advise(this.#evict, { offset: evicted * pageSize, length: pageSize });
      this.#frame[evicted] = NONE;
    }
    this.#page[frame] = page;
    this.#frame[page] = frame;
    return frame;
  }

  /**
   * Finds a frame by the "clock" algorithm. A hand goes round the frames. Those that were used since it last came by are
   * passed over, once: so pages that are used often stay, at less effort than keeping them in the order of their last use.
   */
  #victim(): number {
    const frames = this.#page.length;
    for (let steps = 0; steps <= 2 * frames; steps++) {
      const frame = this.#hand;
      this.#hand = (frame + 1) % frames;
      if (this.#pins[frame] !== 0) continue;
      if (this.#used[frame] === 0) return frame;
      this.#used[frame] = 0;
    }
    throw new Error(`all ${frames} frames are pinned: the pool needs more`);
  }

  /** Returns when the disk has all changes. How many pages were dirty, and how many calls of msync(2) it took. */
  flush(): { pages: number; calls: number } {
    let pages = 0;
    let calls = 0;
    for (let page = this.#dirty.indexOf(1); page !== -1;) {
      const first = page;
      let end = page;
      for (; page !== -1 && page <= end + GAP; page = this.#dirty.indexOf(1, end)) {
        end = page + 1;
        pages++;
      }
      this.#region.flushSync({ offset: first * pageSize, length: (end - first) * pageSize });
      calls++;
    }
    this.#dirty.fill(0);
    return { pages, calls };
  }

  [Symbol.dispose](): void {
    this.#region.close();
  }
}

// A page of the tree is a header of four numbers, then its keys in their order, then what belongs to each key: in a leaf a
// value, in an inner page the number of the page below. What is below a key is that key and those up to the next one.
const LEVEL = 0; // 0 in a leaf
const COUNT = 1;
const KEYS = 4;
/** The most keys of a page. */
const ROOM = (WORDS - KEYS) / 2;
const VALUES = KEYS + ROOM;

// Page 0 says what the file is, which page is the tree's root, and how many pages there are.
const MAGIC = 0x65657274;
const ROOT = 1;
const PAGES = 2;

/** A page that had no room was split: what its upper half begins with, and where that is. */
interface Split {
  readonly key: number;
  readonly page: number;
}

/** A B+tree from 32-bit keys to 32-bit values. */
class Tree implements Disposable {
  readonly pool: BufferPool;
  #root: number;

  /** Opens the tree in a file, or makes an empty one. */
  constructor(path: string, frames: number, evict: Advice) {
    const pool = new BufferPool(path, frames, evict);
    this.pool = pool;
    const at = pool.pin(0);
    if (pool.words[at] === MAGIC) {
      this.#root = pool.words[at + ROOT] ?? 0;
      pool.pages = pool.words[at + PAGES] ?? 0;
    } else {
      this.#root = pool.add();
    }
    pool.unpin(0);
  }

  get(key: number): number | undefined {
    const { pool } = this;
    let page = this.#root;
    for (;;) {
      const at = pool.pin(page);
      const { words } = pool;
      const index = this.#find(at, key);
      const leaf = words[at + LEVEL] === 0;
      const met = index >= 0 && words[at + KEYS + index] === key;
      const below = words[at + VALUES + index] ?? 0;
      pool.unpin(page);
      if (leaf) return met ? below : undefined;
      page = below;
    }
  }

  set(key: number, value: number): void {
    const split = this.#insert(this.#root, key, value);
    if (split === undefined) return;
    const { pool } = this;
    const root = pool.add();
    const at = pool.pin(root);
    const { words } = pool;
    words[at + LEVEL] = (words[this.#root * WORDS + LEVEL] ?? 0) + 1;
    words[at + COUNT] = 2;
    words.set([0, split.key], at + KEYS);
    words.set([this.#root, split.page], at + VALUES);
    pool.unpin(root, true);
    this.#root = root;
  }

  /** Stores to a page or to those below it. */
  #insert(page: number, key: number, value: number): Split | undefined {
    const { pool } = this;
    const at = pool.pin(page);
    const index = this.#find(at, key);
    const entry = at + VALUES + index;
    let split: Split | undefined;
    let changed = true;
    if (pool.words[at + LEVEL] !== 0) {
      const below = this.#insert(pool.words[entry] ?? 0, key, value);
      changed = below !== undefined;
      if (below !== undefined) split = this.#put(at, index + 1, below.key, below.page);
    } else if (index >= 0 && pool.words[at + KEYS + index] === key) {
      pool.words[entry] = value;
    } else {
      split = this.#put(at, index + 1, key, value);
    }
    pool.unpin(page, changed);
    return split;
  }

  /** Puts a key at its place in the page that begins at a word. If the page is full, its upper half gets a new page. */
  #put(at: number, index: number, key: number, value: number): Split | undefined {
    const { pool } = this;
    const count = pool.words[at + COUNT] ?? 0;
    if (count < ROOM) {
      const { words } = pool;
      for (const [start, word] of [[at + KEYS, key], [at + VALUES, value]] as const) {
        words.copyWithin(start + index + 1, start + index, start + count);
        words[start + index] = word;
      }
      words[at + COUNT] = count + 1;
      return undefined;
    }
    const page = pool.add();
    const to = pool.pin(page);
    const { words } = pool;
    const half = count >>> 1;
    for (const start of [KEYS, VALUES]) words.copyWithin(to + start, at + start + half, at + start + count);
    words[to + LEVEL] = words[at + LEVEL] ?? 0;
    words[to + COUNT] = count - half;
    words[at + COUNT] = half;
    if (index > half) this.#put(to, index - half, key, value);
    else this.#put(at, index, key, value);
    const split = { key: words[to + KEYS] ?? 0, page };
    pool.unpin(page, true);
    return split;
  }

  /** The place of the last key of a page that is not greater than a key; -1 if a leaf has none. */
  #find(at: number, key: number): number {
    const { words } = this.pool;
    let low = words[at + LEVEL] === 0 ? 0 : 1; // below the first key of an inner page is also whatever is less
    let high = words[at + COUNT] ?? 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((words[at + KEYS + middle] ?? 0) <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Returns when the disk has the tree as it is now. */
  flush(): { pages: number; calls: number } {
    const { pool } = this;
    const at = pool.pin(0);
    const grown = pool.words[at + PAGES] !== pool.pages;
    if (grown) pool.words.set([MAGIC, this.#root, pool.pages], at);
    pool.unpin(0, grown);
    return pool.flush();
  }

  [Symbol.dispose](): void {
    this.pool[Symbol.dispose]();
  }
}

/** What this program needs of SQLite: Bun's own, or the node:sqlite of Node and Deno. */
interface Sqlite {
  exec(sql: string): unknown;
  prepare(sql: string): { get(...values: number[]): unknown; run(...values: number[]): unknown };
  close(): void;
}

interface SqliteModule {
  readonly name: string;
  readonly open: (path: string) => Sqlite;
}

async function importSqlite(): Promise<SqliteModule> {
  try {
    if (process.versions["bun"] !== undefined) {
      const { Database } = await import("bun:sqlite");
      return { name: "bun:sqlite", open: (path) => new Database(path) as Sqlite };
    }
    const { DatabaseSync } = await import("node:sqlite");
    return { name: "node:sqlite", open: (path) => new DatabaseSync(path) as Sqlite };
  } catch (cause) {
    throw new Missing("this runtime was built without SQLite; the official builds have it", { cause });
  }
}

// Keys in no order: multiplied by an odd number, modulo 2^32, different indices make different keys.
const keyOf = (index: number): number => Math.imul(index, 0x9e3779b1) >>> 0;
const valueOf = (index: number): number => Math.imul(index, 0x85ebca6b) >>> 0;

/** Keys to look up, the same ones each time. One in eleven isn't there. */
function questions(lookups: number, count: number): Uint32Array {
  let state = 1; // of a linear congruential generator
  return Uint32Array.from({ length: lookups }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return keyOf(Math.floor(state / 2 ** 32 * 1.1 * count));
  });
}

const shown = (number: number): string => Math.round(number).toLocaleString("en");

/** Shows how far the program is, and hears of Ctrl+C. */
async function tell(text: string): Promise<void> {
  progress(text);
  await setImmediate();
}

/** Makes the tree, all of it in the cache. How many pages it has. */
async function buildTree(path: string, count: number): Promise<number> {
  using tree = new Tree(path, MOST_PAGES, "dont-need");
  for (let index = 0; index < count; index++) {
    if (index % 10_000 === 0) await tell(`B+tree: ${shown(index)} of ${shown(count)} keys`);
    tree.set(keyOf(index), valueOf(index));
  }
  const { pages, calls } = tree.flush();
  progress("");
  console.log(`A B+tree of ${shown(count)} keys: ${shown(pages)} dirty pages, flushed by ${calls} msync`);
  return tree.pool.pages;
}

async function buildSqlite({ name, open }: SqliteModule, path: string, count: number): Promise<void> {
  const database = open(path);
  database.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = off; PRAGMA synchronous = off`);
  database.exec("CREATE TABLE numbers (key INTEGER PRIMARY KEY, value INTEGER); BEGIN");
  const insert = database.prepare("INSERT INTO numbers VALUES (?, ?)");
  for (let index = 0; index < count; index++) {
    if (index % 10_000 === 0) await tell(`${name}: ${shown(index)} of ${shown(count)} keys`);
    insert.run(keyOf(index), valueOf(index));
  }
  database.exec("COMMIT");
  database.close();
  progress("");
}

/** Looks keys up. What was found, -1 for nothing, and how many a second. */
function lookUp(
  keys: Uint32Array,
  get: (key: number) => number | undefined,
): { found: Float64Array; rate: string } {
  const found = new Float64Array(keys.length);
  const start = performance.now();
  for (const [index, key] of keys.entries()) found[index] = get(key) ?? -1;
  return { found, rate: shown(1000 * keys.length / (performance.now() - start)) };
}

async function compare(
  directory: string,
  sqlite: SqliteModule,
  pages: number,
  frames: number,
  evict: Advice,
  keys: Uint32Array,
): Promise<void> {
  using tree = new Tree(join(directory, "tree"), frames, evict);
  const { pool } = tree;
  await tell(`B+tree, ${shown(frames)} frames`);
  const ours = lookUp(keys, (key) => tree.get(key));
  const hits = 100 * pool.hits / (pool.hits + pool.misses);

  const database = sqlite.open(join(directory, "sqlite"));
  // All of its pages, where the tree has all of its own: SQLite's file has more. In one transaction: outside of one, SQLite
  // locks the file for each lookup, and asks whether it was changed.
  database.exec(`PRAGMA cache_size = ${frames < pages ? frames : MOST_PAGES}; BEGIN`);
  const query = database.prepare("SELECT value FROM numbers WHERE key = ?");
  await tell(`${sqlite.name}, ${shown(frames)} pages`);
  const theirs = lookUp(keys, (key) => (query.get(key) as { value: number } | null | undefined)?.value);
  database.close();

  progress("");
  console.log(
    `${shown(frames)} of ${shown(pages)} pages`.padEnd(24) + `${hits.toFixed(1)} %`.padEnd(12) +
      ours.rate.padEnd(20) + theirs.rate,
  );
  if (ours.found.some((value, index) => value !== theirs.found[index])) {
    throw new Error("the tree and SQLite found different values");
  }
}

async function main(count: number, frames: number, lookups: number, evict: Advice): Promise<void> {
  const sqlite = await importSqlite();
  using folder = temporaryFolder("buffer-pool");
  const path = join(folder.path, "tree");
  const pages = await buildTree(path, count);
  await buildSqlite(sqlite, join(folder.path, "sqlite"), count);

  const keys = questions(lookups, count);
  console.log(`${shown(lookups)} keys looked up at random; the same were found by both:`);
  console.log(`in the cache            hit rate    B+tree, a second    ${sqlite.name}, a second`);
  for (const some of new Set([Math.min(frames, pages), pages])) {
    await compare(folder.path, sqlite, pages, some, evict, keys);
  }

  using tree = new Tree(path, frames, evict);
  for (let index = 0; index < 10; index++) tree.set(keyOf(index), 7);
  const flushed = tree.flush();
  console.log(`10 values changed: ${flushed.pages} dirty pages, flushed by ${flushed.calls} msync`);
}

const USAGE =
  `usage: buffer_pool.ts [--keys COUNT] [--frames COUNT] [--lookups COUNT] [--evict dont-need|cold|page-out]

  --keys COUNT     how many keys the tree has (1000000)
  --frames COUNT   how many pages the pool keeps in this process (1024)
  --lookups COUNT  how many keys are looked up (200000)
  --evict ADVICE   how a page is evicted (dont-need)`;

await command("buffer_pool.ts", async () => {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean" },
      keys: { type: "string", default: "1000000" },
      frames: { type: "string", default: "1024" },
      lookups: { type: "string", default: "200000" },
      evict: { type: "string", default: "dont-need" },
    },
  });
  const { help, evict } = values;
  if (evict !== "dont-need" && evict !== "cold" && evict !== "page-out") throw new TypeError(USAGE);
  if (help === true) {
    console.log(USAGE);
  } else {
    await main(
      wholeNumber(values.keys, "--keys"),
      wholeNumber(values.frames, "--frames", 8),
      wholeNumber(values.lookups, "--lookups"),
      evict,
    );
  }
});
