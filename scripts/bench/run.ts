/**
 * The benchmarks, in all three runtimes and against C: `node scripts/bench/run.ts [NAME…] [--rounds=N]
 * [--scale=N] [--before=FOLDER]`. A scale makes the files of a GiB or so smaller, to try a benchmark: `--scale=0.05`.
 * `open` shows an older version beside this one, from a folder with a checkout of it.
 *
 * Run by hand, on a machine that does nothing else. Everything that is compared runs in the same run, in turns, each
 * time in a process of its own; what is shown is the median over the rounds, and the minimum, which noise can't lower.
 * Prints tables in Markdown. Needs cc, GNU's tools and hexdump, 6 GiB of disk among the temporary files, and 12 GiB of memory. `peers`
 * compares with Rust (cargo, memchr, memmap2) and Go too, where the machine has them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HERE = join(ROOT, "scripts/bench");
const BIN = join(ROOT, "node_modules/.bin");

const RUNTIMES = {
  Bun: [join(BIN, "bun"), "run"],
  Deno: [join(BIN, "deno"), "run", "--allow-all", "--no-check"],
  Node: [join(BIN, "node"), "--disable-warning=ExperimentalWarning"],
} as const;
type RuntimeName = keyof typeof RUNTIMES;
const NAMES = Object.keys(RUNTIMES) as RuntimeName[];

/** One thing that is measured: a cell of the table. */
interface Cell {
  readonly row: string;
  readonly column: string;
  /** Runs it once; returns nanoseconds. */
  measure(): number[];
  /** What it is compared with. */
  readonly against?: Cell | readonly Cell[];
}

interface Benchmark {
  readonly title: string;
  /** What the library means to reach. */
  readonly aim: string;
  readonly rounds: number;
  /** How a time is shown: as a duration unless told otherwise. */
  readonly show?: (time: number) => string;
  /** How a time compares with the other's: `time / other` unless told otherwise. */
  readonly compare?: (time: number, other: number) => string;
  cells(): readonly Cell[];
}

const { values: OPTIONS, positionals: CHOSEN } = parseArgs({
  options: {
    rounds: { type: "string" },
    scale: { type: "string", default: "1" },
    before: { type: "string" },
  },
  allowPositionals: true,
});

const directory = mkdtempSync(join(tmpdir(), "mapped-region-bench-"));

// New benchmarks go here.
const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  pair: {
    title: "`mmap` + `munmap` of one page",
    aim: "at most 1.1 times C",
    rounds: 9,
    cells(): readonly Cell[] {
      const c = { row: "`./libc`", column: "C", measure: () => floor("pair", "100") };
      return [c, ...inEach((name) => ({ row: c.row, ...script(name, "pair.ts", "200"), against: c }))];
    },
  },
  open: {
    title: "Open a file, see its first byte, close it",
    aim: "at most 1.3 times C for `read(0, 1)`, 1.6 times for `bytes[0]`",
    rounds: 3,
    cells: () =>
      ([["4 KiB", 2 ** 12], ["64 MiB", 2 ** 26]] as const).flatMap(([size, bytes]) => {
        const path = file(size, bytes);
        const c = {
          row: `${size}: \`region.bytes[0]\``,
          column: "C",
          measure: () => floor("open", path, "100"),
        };
        const measured =
          (row: string, key: string, warmUp = "250", before = false) => (name: RuntimeName): Cell => ({
            row: `${size}: ${row}`,
            ...script(name, "open.ts", key, path, "250", warmUp, ...(before ? [otherModule(name)] : [])),
            against: c,
          });
        const own = (row: string, key: string, warmUp?: string): readonly Cell[] => [
          ...inEach(measured(row, key, warmUp)),
          ...(OPTIONS.before === undefined ? [] : inEach(measured(`${row}, before`, key, warmUp, true))),
        ];
        return [
          c,
          ...own("`region.bytes[0]`", "bytes"),
          ...own("`region.read(0, 1)`", "read"),
          ...(bytes > 2 ** 12 ? [] : [
            ...own("`region.bytes[0]`, after a second", "bytes", "1000"),
            ...own("`region.read(0, 1)`, after a second", "read", "1000"),
            ...inEach(measured("`region.bytes[0]`, `{ guard: true }`", "guarded")), // options have to be checked
            ...inEach(measured("`region.bytes[0]`, `{ guard: false }`", "guardless")),
          ]),
          measured("`Bun.mmap(path)[0]`", "Bun.mmap")("Bun"),
          ...inEach(measured("`fs.readFileSync(path)[0]`", "readFileSync")),
          ...inEach(measured("`fs.openSync`, `readSync` of 1 byte, `closeSync`", "readSync")),
        ];
      }),
  },
  sum: {
    title: "Sum of the bytes of a file of 1 GiB",
    aim: "at most 1.05 times a plain Uint8Array",
    rounds: 5,
    cells(): readonly Cell[] {
      const path = file("1 GiB", scaled(2 ** 30));
      return inEach((name) => {
        const array = { row: "plain `Uint8Array`", ...script(name, "sum.ts", "array", path, "3") };
        return [
          array,
          { row: "`region.bytes`", ...script(name, "sum.ts", "region", path, "3"), against: array },
          {
            row: "the same, `{ guard: false }`",
            ...script(name, "sum.ts", "guardless", path, "3"),
            against: array,
          },
        ];
      }).flat();
    },
  },
  random: {
    title: "A random read of 8 bytes in a file of 4 GiB",
    aim: "at least 20 times faster than `fs.readSync`",
    rounds: 3,
    compare: asFast,
    cells(): readonly Cell[] {
      const path = file("4 GiB", scaled(2 ** 32));
      const row = "`region.array(Float64Array)[i]`";
      const c = { row, column: "C", measure: () => floor("random", path, "1e6") };
      const cells = inEach((name) => {
        const readSync = { row: "`fs.readSync`", ...script(name, "random.ts", "readSync", path, "1e6") };
        return [{ row, ...script(name, "random.ts", "region", path, "1e6"), against: readSync }, readSync];
      });
      return [c, ...cells.flat()];
    },
  },
  start: {
    title: "Start of the process to the first byte of a file",
    aim: "over an empty script at most what importing zod/mini costs, and 5 ms",
    rounds: 21,
    compare: (time, other) => `+${((time - other) / 1e6).toFixed(1)} ms`,
    cells: () =>
      inEach((name) => {
        const empty = { row: "empty script", ...started(name, "start/empty.ts") };
        return [
          empty,
          { row: '`import "zod/mini"`', ...started(name, "start/zod.ts"), against: empty },
          { row: "first byte of a file", ...started(name, "start/region.ts"), against: empty },
        ];
      }).flat(),
  },
  peers: {
    title: "A log file of 1 GiB, in lines of 80 bytes, searched and walked in C, Rust, Go and here",
    aim: "at most the time of Rust's memchr for what is rare or counted, twice C's for lines as offsets",
    rounds: 5,
    cells(): readonly Cell[] {
      const { path, lines, needle, word } = log(2 ** 30);
      const lastLine = (lines - 1) * 80;
      const rows = [
        ["newlines, counted", "search.ts", "count", "\n", lines],
        ["a literal with a rare byte: `indexOf`", "search.ts", "indexOf", "ZZ", lastLine + 10],
        ["… that begins with frequent ones", "search.ts", "indexOf", `a ${needle}, ZZ`, lastLine],
        ["… that has no other", "search.ts", "indexOf", needle, lastLine + 2],
        ["a literal in each line: `count`", "search.ts", "count", word, lines - 1],
        ["lines as offsets", "lines.ts", "offsets", "", lines * 79],
        ["lines as bytes", "lines.ts", "bytes", "", lines * 79],
        ["lines as strings", "lines.ts", "strings", "", lines * 79],
        ["text decoded and cut at known places", "lines.ts", "slices", "", lines * 79],
      ] as const;
      return rows.flatMap(([row, path_, way, literal, answer]): Cell[] => {
        const options = [path, "3", `${answer}`];
        const others = way === "slices" ? [] : PEERS.filter(({ build }) => build() !== undefined).map(
          ({ column, build }): Cell => ({
            row,
            column,
            measure: () => JSON.parse(run([build() ?? "", way, literal, ...options])) as number[],
          }),
        );
        const against = others.find(({ column }) => column === "Rust") ?? others[0];
        const own = path_ === "search.ts" ? [way, literal, ...options] : [way, ...options];
        return [
          ...others,
          ...inEach((name) => ({
            row,
            ...script(name, path_, ...own),
            ...(against === undefined ? {} : { against }),
          })),
        ];
      });
    },
  },
  tools: {
    title:
      "The examples beside the tools that they imitate, on 1 GiB of words in lines, without the start of a process",
    aim: "at most the time of the tool, and twice ripgrep's",
    rounds: 3,
    cells(): readonly Cell[] {
      const [all, part, small] = [prose(2 ** 30), prose(2 ** 26), prose(2 ** 24)];
      const { lines } = all;
      return [
        ...tool("`grep -nF`: 128 lines", all, 'grep -nF ERROR "$1"', "grep.ts ERROR", 'rg -nF ERROR "$1"'),
        ...tool("… a line in a hundred", all, 'grep -nF 00.42 "$1"', "grep.ts 00.42", 'rg -nF 00.42 "$1"'),
        ...tool("… a line in nine", all, 'grep -nF :00.4 "$1"', "grep.ts :00.4", 'rg -nF :00.4 "$1"'),
        ...tool("… each line", all, 'grep -nF T09 "$1"', "grep.ts T09", 'rg -nF T09 "$1"'),
        ...tool("`wc`", all, 'wc "$1" | xargs', "wc.ts"),
        ...tool("`wc -l`", all, 'wc -l "$1"', "wc.ts -l"),
        ...tool("`tail`: half of the lines", all, `tail -n ${lines >> 1} "$1"`, `tail.ts -n ${lines >> 1}`),
        ...tool("`hexdump -vC` of 16 MiB", small, 'hexdump -vC "$1"', "hexdump.ts"),
        ...tool(
          "`tr`, `sort`, `uniq -c`, `sort`, `head` of 64 MiB",
          part,
          `tr -cs A-Za-z '\\n' < "$1" | sort | uniq -c | sort -k1,1rn -k2 | head`,
          "top_words.ts",
        ),
      ];
    },
  },
  literal: {
    title:
      "A literal in a log file of 1 GiB: rare (once, at its end) and frequent (in each line of 80 bytes)",
    aim: "for a rare one at most 1.05 times C's `memmem`",
    rounds: 5,
    show: through(2 ** 30),
    cells(): readonly Cell[] {
      const { path, lines, needle, word } = log(2 ** 30);
      return ([["rare", needle, 1], ["frequent", word, lines - 1]] as const).flatMap(
        ([kind, literal, hits]) => {
          const row = `${kind}: \`region.count\`; C: \`memmem\``;
          const measure = (): number[] => floor("peer", "count", literal, path, "3", `${hits}`);
          const c = { row, column: "C", measure };
          const way = (row: string, key: string, answer = hits) => (name: RuntimeName): Cell => ({
            row,
            ...script(name, "search.ts", key, literal, path, "3", `${answer}`),
            against: c,
          });
          const grepped = 'grep -o -F -- "$1" "$2" | wc -l';
          return [
            c,
            ...inEach(way(row, "count")),
            ...(kind === "rare"
              ? []
              : inEach(way(`${kind}: \`region.matches\`, summed`, "matches", log(2 ** 30).wordsAt))),
            ...inEach(way(`${kind}: \`readFileSync\`, \`Buffer.indexOf\``, "Buffer")),
            {
              row: `${kind}: \`grep -c -F\``,
              ...program(hits, "grep", "-c", "-F", literal, path),
              against: c,
            },
            {
              row: `${kind}: \`grep -o -F \\| wc -l\``,
              ...program(hits, "sh", "-c", grepped, "sh", literal, path),
              against: c,
            },
          ];
        },
      );
    },
  },
  newlines: {
    title: "The newlines of a log file of 1 GiB",
    aim: "at most the time of `wc -l`, of which the whole process is measured",
    rounds: 5,
    show: through(2 ** 30),
    cells(): readonly Cell[] {
      const { path, lines } = log(2 ** 30);
      const wc = { row: "`wc -l`", ...program(lines, "wc", "-l", path) };
      const memchr = (): number[] => floor("peer", "count", "\n", path, "3", `${lines}`);
      const way = (row: string, key: string) => (name: RuntimeName): Cell => ({
        row,
        ...script(name, "search.ts", key, "\n", path, "3", `${lines}`),
        against: wc,
      });
      return [
        wc,
        { row: "a loop around `memchr`", column: "C", measure: memchr, against: wc },
        ...inEach(way('`region.count("\\n")`', "count")),
        ...inEach(way("the same, opened and closed in each pass", "opened")), // as wc has to
      ];
    },
  },
  lines: {
    // Not 1 GiB: V8's strings end at half of that.
    title: "Walking the lines of a log file of 256 MiB, 80 bytes each",
    aim: "as strings at least 10 times as fast as `node:readline` of the same runtime",
    rounds: 5,
    show: through(2 ** 28),
    compare: asFast,
    cells(): readonly Cell[] {
      const { path, lines } = log(2 ** 28);
      const way = (row: string, key: string) => (name: RuntimeName): Cell => ({
        row,
        ...script(name, "lines.ts", key, path, "5", `${lines * 79}`),
      });
      const cells = inEach((name) => {
        const readline = way("`for await` over `node:readline`", "readline")(name);
        const others = [
          way("`region.lines()`", "strings")(name),
          way('`region.lines({ encoding: "bytes" })`', "bytes")(name),
          way('`readFileSync(path, "utf8").split("\\n")`', "split")(name),
          ...(name === "Bun" ? [way("`Bun.file(path).stream()`, decoded and split", "Bun.file")(name)] : []),
        ];
        return [readline, ...others.map((cell) => ({ ...cell, against: readline }))];
      });
      return [{ row: "`wc -l`", ...program(lines, "wc", "-l", path) }, ...cells.flat()];
    },
  },
  records: {
    title: "A field of each record of a file of 64 MiB, 32 bytes each, summed; per record",
    aim:
      "a column as fast as a `DataView`. The first ratio is to C, the second to a `DataView` over what was read",
    rounds: 5,
    show: (time) => duration(time / (scaled(2 ** 26) / 32)),
    cells(): readonly Cell[] {
      const { path, sum } = structs(scaled(2 ** 26));
      const row = "C: `struct`; `DataView` over `readFileSync(path)`";
      const c = { row, column: "C", measure: () => floor("records", path, "5", `${sum}`) };
      const way = (row: string, key: string) => (name: RuntimeName) => ({
        row,
        ...script(name, "records.ts", key, path, "5", `${sum}`),
      });
      const cells = inEach((name) => {
        const buffer = { ...way(row, "buffer")(name), against: c };
        const others = [
          way("the same, read again in each pass", "read")(name),
          way("`DataView`: `region.view`", "view")(name),
          way('`records.column("price")`: `get`', "column.get")(name),
          way('`records.column("price")`: `for … of`', "column.iterate")(name),
          way("`records.get(index).price`", "get")(name),
          way("`for (const { price } of records)`", "iterate")(name),
        ];
        return [buffer, ...others.map((cell) => ({ ...cell, against: [c, buffer] }))];
      });
      return [c, ...cells.flat()];
    },
  },
  cursor: {
    title: "Reading numbers in a row out of files of 32 and 256 MiB; per number",
    aim: "at most twice a bare `DataView` over what `readFileSync` returned",
    rounds: 3,
    cells(): readonly Cell[] {
      const [small, large] = [file("32 MiB", scaled(2 ** 25)), file("256 MiB", scaled(2 ** 28))];
      return ([
        ["u8", "readU8", "32 MiB", small],
        ["u32", "readU32", "32 MiB", small],
        ["f64", "readF64", "32 MiB", small],
        // In Bun, the library sees a region beyond 64 MiB through windows.
        ["u8", "readU8", "256 MiB", large],
        ["u32", "readU32", "256 MiB", large],
        ["f64", "readF64", "256 MiB", large],
      ] as const).flatMap(([type, method, size, path]) =>
        inEach((name) => {
          const measured = (kind: string) => script(name, "cursor.ts", kind, type, path, "3");
          const bare = { row: `${size}, \`${type}\`: \`DataView\` and a position`, ...measured("dataview") };
          const row = `${size}, \`${type}\`: \`cursor.${method}()\``;
          return [bare, { row, ...measured("cursor"), against: bare }];
        }).flat()
      );
    },
  },
  storing: {
    title: "Storing numbers and records in a row; each",
    aim: "at most 3 times what stores the same by hand: a `DataView`'s setters, for text `Buffer.write`",
    rounds: 5,
    cells(): readonly Cell[] {
      const path = join(directory, "stored");
      return ([
        ["f64", "cursor", "`cursor.writeF64()`"],
        ["f64", "column.set", "`column.set()`"],
        ["numbers", "records.set", "`records.set()`, four numbers"],
        ["trade", "records.set", "`records.set()`, three numbers and 12 bytes of text"],
      ] as const).flatMap(([what, kind, row]) =>
        inEach((name) => {
          const measured = (kind: string) => script(name, "storing.ts", kind, what, path, "5");
          const bare = { row: `by hand instead of ${row}`, ...measured("dataview") };
          return [bare, { row, ...measured(kind), against: bare }];
        }).flat()
      );
    },
  },
  scan: {
    title: "The newlines of a log file of 4 GiB, by workers that share one mapping of it",
    aim: "faster than `wc -l`, and by two workers as much faster again as by two threads of C",
    rounds: 3,
    show: through(2 ** 32),
    compare: asFast,
    cells(): readonly Cell[] {
      const { path, lines } = log(2 ** 32);
      const wc = { row: "`wc -l`", ...program(lines, "wc", "-l", path) };
      const ways = [["one worker; C: thread", "1"], ["two workers, half of the file each", "2"]] as const;
      const cells = ways.map(([row, workers]) => {
        const options = [workers, path, "3", `${lines}`];
        return [
          { row, column: "C", measure: () => floor("scan", ...options), against: wc },
          ...inEach((name) => ({ row, ...script(name, "scan.ts", ...options), against: wc })),
        ];
      });
      return [wc, ...cells.flat()];
    },
  },
  mutex: {
    title: "Lock and unlock a mutex that processes share",
    aim: "under 100 ns alone, and at most 3 times C's robust pthread mutex",
    rounds: 5,
    cells: () =>
      ([["alone", "one process, alone", "3000000"], [
        "contended",
        "two processes at once",
        "500000",
      ]] as const)
        .flatMap(([kind, row, times]) => {
          const c = { row, column: "C", measure: () => floor("mutex", kind, times) };
          return [c, ...inEach((name) => ({ row, ...script(name, "mutex.ts", kind, times), against: c }))];
        }),
  },
  trip: {
    title: "A message there and back, between two processes (`postMessage`: two threads)",
    aim: "at most half of a Unix socket's time",
    rounds: 3,
    compare: asFast,
    cells: () => messages("trip", [["64 B", 64, 3000], ["64 KiB", 2 ** 16, 500], ["1 MiB", 2 ** 20, 50]]),
  },
  stream: {
    title: "Messages one way, in batches of 64, each",
    aim: "10 times the speed of a Unix socket at 64 B, and 100 ns",
    rounds: 2,
    compare: asFast,
    cells: () =>
      messages("stream", [
        ["16 B", 16, 2 ** 19],
        ["64 B", 64, 2 ** 19],
        ["1 KiB", 2 ** 10, 2 ** 16],
        ["64 KiB", 2 ** 16, 2 ** 11],
        ["1 MiB", 2 ** 20, 2 ** 7],
      ]),
  },
};

/** Ways for messages, each compared with a Unix socket in the same runtime. */
function messages(
  task: "trip" | "stream",
  sizes: readonly (readonly [row: string, size: number, count: number])[],
): readonly Cell[] {
  return sizes.flatMap(([length, size, count]) => {
    const ring = { row: `${length}: \`Channel\`, blocking`, column: "C" };
    const c: Cell = { ...ring, measure: () => floor("channel", task, `${size}`, `${count}`) };
    const others = inEach((name) => {
      const way = (row: string, key: string, messages: number = count): Cell => ({
        row: `${length}: ${row}`,
        ...script(name, "channel.ts", task, key, `${size}`, `${messages}`),
      });
      // Deno's takes up to 0.5 µs for each byte.
      const [posted, most] = name === "Deno" ? [Math.ceil(count / 64), 2 ** 10] : [count, Infinity];
      const socket = way("Unix socket", "socket");
      return [
        { ...way("`Channel`, blocking", "ChannelSync"), against: socket },
        { ...way("`Channel`, async", "Channel"), against: socket },
        ...(task === "stream"
          ? [{ ...way("Unix socket, a write each", "socket-each"), against: socket }]
          : []),
        socket,
        way("pipe", "pipe"),
        ...(size > most ? [] : [way("`postMessage` to a worker", "postMessage", posted)]),
        ...(name === "Deno" ? [] : [way("`process.send`", "process.send")]),
      ];
    });
    return [c, ...others.flat()];
  });
}

/**
 * A tool, and the example that imitates it. `$1` is the file.
 *
 * Output goes into a pipe: GNU's grep stops at the first hit if it is thrown away. The shortest time of the same command
 * on an empty file is subtracted.
 */
function tool(
  row: string,
  { path }: { readonly path: string },
  command: string,
  example: string,
  ripgrep?: string,
): readonly Cell[] {
  const empty = file("empty", 0);
  let expected: string | undefined;
  const timing = (command: string): () => number[] => {
    let [checked, start] = [false, Infinity];
    const shell = (command: string, path: string): readonly string[] => ["sh", "-c", command, "sh", path];
    return () => {
      if (!checked) {
        const answer = run(shell(`${command} | b2sum`, path));
        if (answer !== (expected ??= answer)) throw new Error(`${command}: another answer than the others'`);
        checked = true;
      }
      const piped = `${command} | cat > /dev/null`;
      start = Math.min(start, timed(shell(piped, empty)).spent);
      return [timed(shell(piped, path)).spent - start];
    };
  };
  const own = (name: RuntimeName): string => {
    const [path = "", ...options] = example.split(" ");
    const program = name === "Node" ? javaScript(`examples/${path}`) : join(ROOT, "examples", path);
    const quoted = [...RUNTIMES[name], program, ...options].map((word) =>
      `'${word.replaceAll("'", "'\\''")}'`
    );
    return `${quoted.join(" ")} "$1"`;
  };
  const others: Cell[] = [{ row, column: "the tool", measure: timing(command) }];
  if (ripgrep !== undefined && spawnSync("rg", ["--version"]).status === 0) {
    others.push({ row, column: "ripgrep", measure: timing(ripgrep) });
  }
  return [
    ...others,
    ...inEach((name) => ({ row, column: name, measure: timing(own(name)), against: others })),
  ];
}

function inEach<Result>(make: (name: RuntimeName) => Result): Result[] {
  return NAMES.map(make);
}

/** A script of this folder that reports its measurements. */
function script(name: RuntimeName, path: string, ...options: string[]): Pick<Cell, "column" | "measure"> {
  const measure = (): number[] => {
    const program = name === "Node" ? javaScript(`scripts/bench/${path}`) : join(HERE, path);
    return JSON.parse(run([...RUNTIMES[name], program, ...options])) as number[];
  };
  return { column: name, measure };
}

/** The front door of the older version that is compared with. */
function otherModule(name: RuntimeName): string {
  const folder = resolve(OPTIONS.before ?? "");
  return name === "Node" ? javaScript("mod.ts", folder, join(directory, "before")) : join(folder, "mod.ts");
}

/**
 * A script as JavaScript.
 *
 * Node runs TypeScript too, but takes the types away by WebAssembly, whose memory grows, which detaches a buffer. From
 * the first that is detached on, V8's loops over typed arrays and DataViews are slower: up to four times. A program that
 * was built is spared that, and so is what it is compared with.
 */
function javaScript(path: string, root: string = ROOT, built: string = join(directory, "built")): string {
  if (!existsSync(built)) {
    const options = [
      "--noEmit",
      "false",
      "--noCheck",
      "--rewriteRelativeImportExtensions",
      "--outDir",
      built,
    ];
    run([join(BIN, "tsc"), "-p", root, ...options]);
    symlinkSync(join(ROOT, "node_modules"), join(built, "node_modules"));
    copyFileSync(join(root, "package.json"), join(built, "package.json")); // says that they are modules
  }
  return join(built, path.replace(/ts$/, "js"));
}

/** A script whose whole process is measured. */
function started(name: RuntimeName, path: string): Pick<Cell, "column" | "measure"> {
  const command = [...RUNTIMES[name], join(HERE, path)];
  return { column: name, measure: () => [timed(command).spent] };
}

/** A program whose whole process is measured; it prints a number, which has to be the one that is expected. */
function program(expected: number, ...command: string[]): Pick<Cell, "column" | "measure"> {
  const measure = (): number[] => {
    const { output, spent } = timed(command);
    const answer = Number.parseInt(output, 10);
    if (answer !== expected) throw new Error(`${command.join(" ")}: ${answer} instead of ${expected}`);
    return [spent];
  };
  return { column: "C", measure };
}

function timed(command: readonly string[]): { readonly output: string; readonly spent: number } {
  const start = performance.now();
  const output = run(command);
  return { output, spent: (performance.now() - start) * 1e6 };
}

const compiled = new Set<string>();

/** A C program of this folder that reports its measurements. */
function floor(name: string, ...options: string[]): number[] {
  return JSON.parse(run([compile(name), ...options])) as number[];
}

/** A C program of this folder. */
function compile(name: string): string {
  const program = join(directory, `${name}.out`);
  if (!compiled.has(name)) {
    run(["cc", "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, join(HERE, `${name}.c`)]);
  }
  compiled.add(name);
  return program;
}

interface Peer {
  readonly column: string;
  /** The program; undefined where the machine lacks what it takes to make it. */
  build(): string | undefined;
}

/** The same work in other languages: peer.c, peer.rs, peer.go. */
const PEERS: readonly Peer[] = [
  { column: "C", build: once(() => compile("peer")) },
  { column: "Rust", build: once(buildRust) },
  { column: "Go", build: once(buildGo) },
];

function once(build: () => string): () => string | undefined {
  let program: string | undefined;
  let tried = false;
  return () => {
    if (tried) return program;
    tried = true;
    try {
      return program = build();
    } catch (error) {
      process.stderr.write(`left out: ${String(error).split("\n")[0]}\n`);
      return undefined;
    }
  };
}

/** Where Debian's librust-memchr-dev and librust-memmap2-dev are. */
const DEBIAN_CRATES = "/usr/share/cargo/registry";

function buildRust(): string {
  const project = join(directory, "rust");
  mkdirSync(join(project, "src"), { recursive: true });
  copyFileSync(join(HERE, "peer.rs"), join(project, "src/main.rs"));
  writeFileSync(
    join(project, "Cargo.toml"),
    '[package]\nname = "peer"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nmemchr = "2"\nmemmap2 = "0"\n',
  );
  const crates = existsSync(DEBIAN_CRATES)
    ? [
      "--offline",
      "--config=source.crates-io.replace-with='debian'",
      `--config=source.debian.directory='${DEBIAN_CRATES}'`,
    ]
    : [];
  run(["cargo", "build", "--release", "--quiet", `--manifest-path=${project}/Cargo.toml`, ...crates]);
  return join(project, "target/release/peer");
}

function buildGo(): string {
  const program = join(directory, "peer.go.out");
  run(["go", "build", "-o", program, join(HERE, "peer.go")]);
  return program;
}

function run(command: readonly string[]): string {
  const [program = "", ...options] = command;
  const { status, signal, stdout, stderr, error } = spawnSync(program, options, {
    cwd: ROOT,
    encoding: "utf8",
    // Text is bytes to grep and wc in the locale C, in which they are fastest.
    env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", LC_ALL: "C" },
  });
  if (status === 0) return stdout;
  throw new Error(`${command.join(" ")}: ${error?.message ?? signal ?? `exit code ${status}`}\n${stderr}`);
}

/** A file that is in memory: its first 64 MiB have contents, and the rest is a hole, which reads as zeros. */
function file(name: string, size: number): string {
  const path = join(directory, name.replace(" ", ""));
  const fd = openSync(path, "w+");
  const block = new Uint8Array(Math.min(size, 2 ** 26));
  for (let index = 0; index < block.length; index++) block[index] = index * 31 & 0xff;
  writeSync(fd, block);
  ftruncateSync(fd, size);
  for (let done = 0; done < size; done += block.length) readSync(fd, block, 0, block.length, done);
  closeSync(fd);
  return path;
}

interface Log {
  readonly path: string;
  readonly lines: number;
  /** Stands in the last line. */
  readonly needle: string;
  /** Stands once in every other line. */
  readonly word: string;
  /** The sum of the offsets at which the word stands. */
  readonly wordsAt: number;
}

/** Makes something once for each size. */
function perSize<Made>(make: (unscaled: number) => Made): (unscaled: number) => Made {
  const made = new Map<number, Made>();
  return (unscaled) => {
    const result = made.get(unscaled) ?? make(unscaled);
    made.set(unscaled, result);
    return result;
  };
}

/** A file of lines of 80 bytes. */
const log = perSize((unscaled): Log => {
  const lines = Math.floor(scaled(unscaled) / 80);
  const [needle, word] = ["needle", "index"];
  const line = (index: number): string => {
    const milliseconds = `${index % 1000}`.padStart(3, "0");
    const text = `2026-03-14T09:00:00.${milliseconds} GET /${word}.html?id=${index} 200 ${"x".repeat(40)}`;
    return `${text.slice(0, 79)}\n`;
  };
  const block = Buffer.from(Array.from({ length: 10_000 }, (_, index) => line(index)).join(""));
  const path = join(directory, `log${unscaled}`);
  const others = lines - 1;
  fill(path, block, others * 80, `a ${needle}, ZZ`.padEnd(79) + "\n");
  const wordsAt = others * line(0).indexOf(word) + 80 * (others * (others - 1) / 2);
  return { path, lines, needle, word, wordsAt };
});

interface Prose {
  readonly path: string;
  readonly lines: number;
}

/** A file of words in lines of 40 to 110 bytes: as many words as in a language, and some much more frequent. */
const prose = perSize((unscaled): Prose => {
  let seed = 1;
  const below = (end: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(seed / 2 ** 32 * end);
  };
  const letters = (): string => String.fromCharCode(97 + below(26));
  const vocabulary = Array.from(
    { length: 20_000 },
    () => Array.from({ length: 2 + below(9) }, letters).join(""),
  );
  const line = (): string => {
    let text = `2026-03-14T09:${10 + below(50)}:00.${100 + below(900)} INFO`;
    for (const size = text.length + below(70); text.length < size;) {
      text += ` ${vocabulary[Math.floor(vocabulary.length * (below(1000) / 1000) ** 3)]}`;
    }
    return text;
  };
  const size = scaled(unscaled);
  const block = size / 64;
  const text: string[] = [];
  for (let left = block; left > 0; left -= (text.at(-1)?.length ?? 0) + 1) text.push(line());
  for (const at of [1, text.length >> 1]) text[at] = text[at]?.replace("INFO", "ERROR") ?? "";
  const bytes = Buffer.from(`${text.join("\n")}\n`).subarray(0, block);
  bytes[block - 1] = 0x0a;
  const path = join(directory, `prose${unscaled}`);
  fill(path, bytes, size);
  return { path, lines: 64 * bytes.filter((byte) => byte === 0x0a).length };
});

/** A file of the structs of records.ts, and the sum of their prices: fourths, which floating point adds exactly. */
function structs(size: number): { readonly path: string; readonly sum: number } {
  const block = Buffer.alloc(2 ** 10 * 32);
  let sum = 0;
  for (let index = 0; index < 2 ** 10; index++) {
    const at = index * 32;
    block.writeBigUInt64LE(BigInt(index), at);
    block.writeDoubleLE(index / 4, at + 8);
    block.writeUInt32LE(index, at + 16);
    block.write(`name ${index}`, at + 20);
    sum += index / 4;
  }
  const path = join(directory, "structs");
  fill(path, block, size);
  return { path, sum: sum * (size / block.length) };
}

/** Makes a file of a block over and over, and at its end a rest. */
function fill(path: string, block: Uint8Array, size: number, rest = ""): void {
  const fd = openSync(path, "w");
  for (let left = size; left > 0; left -= block.length) writeSync(fd, block, 0, Math.min(left, block.length));
  writeSync(fd, rest);
  fsyncSync(fd); // lest it be written to the disk while something is measured
  closeSync(fd);
}

/** A file's size by the option --scale: a power of two, as random.ts needs it. */
function scaled(size: number): number {
  return 2 ** Math.round(Math.log2(size * Number(OPTIONS.scale)));
}

/** For {@linkcode Benchmark.compare}. */
function asFast(time: number, other: number): string {
  const times = other / time;
  return `${times.toFixed(times < 10 ? 1 : 0)}× as fast`;
}

/** Shows the time of a pass through a file together with the bytes per second. */
function through(unscaled: number): (time: number) => string {
  return (time) => `${duration(time)}, ${(scaled(unscaled) / time).toPrecision(3)} GB/s`;
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle] ?? NaN
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
};

function duration(nanoseconds: number): string {
  const [value, unit] = nanoseconds < 1e3
    ? [nanoseconds, "ns"] as const
    : nanoseconds < 1e6
    ? [nanoseconds / 1e3, "µs"] as const
    : nanoseconds < 1e9
    ? [nanoseconds / 1e6, "ms"] as const
    : [nanoseconds / 1e9, "s"] as const;
  return `${value.toPrecision(3).replace(/e\+2$/, "00")} ${unit}`;
}

/** One number for each cell. */
type Results = ReadonlyMap<Cell, number>;

function table(cells: readonly Cell[], results: Results, { show = duration, compare }: Benchmark): string {
  const columns = [...new Set(cells.map((cell) => cell.column))];
  const rows = [...new Set(cells.map((cell) => cell.row))];
  const ratio = compare ?? ((time, other) => `${(time / other).toFixed(2)}×`);
  const text = (row: string, column: string): string => {
    const cell = cells.find((each) => each.row === row && each.column === column);
    if (cell === undefined) return "";
    const time = results.get(cell) ?? NaN;
    const others = [cell.against ?? []].flat().map((other) => results.get(other) ?? NaN);
    return [show(time), ...others.map((other) => ratio(time, other))].join(", ");
  };
  const line = (parts: readonly string[]): string => `| ${parts.join(" | ")} |`;
  return [
    line(["", ...columns]),
    line(["---", ...columns.map(() => "---:")]),
    ...rows.map((row) => line([row, ...columns.map((column) => text(row, column))])),
  ].join("\n");
}

function measure(benchmark: Benchmark, rounds: number): void {
  const cells = benchmark.cells();
  const samples = new Map<Cell, number[]>(cells.map((cell) => [cell, []]));
  for (let round = 0; round < rounds; round++) {
    // Back and forth, so that a drift of the machine's speed favours nobody.
    for (const cell of round % 2 === 0 ? cells : cells.toReversed()) {
      samples.get(cell)?.push(...cell.measure());
    }
    process.stderr.write(`\r${benchmark.title}: round ${round + 1} of ${rounds} `);
  }
  process.stderr.write("\n");
  const scale = OPTIONS.scale === "1" ? "" : ` (large files times ${OPTIONS.scale})`;
  print(`\n### ${benchmark.title}${scale}\n\nAim: ${benchmark.aim}.`);
  for (
    const [name, choose] of [["Median", median], ["Minimum", (all: number[]) => Math.min(...all)]] as const
  ) {
    const results = new Map([...samples].map(([cell, values]) => [cell, choose(values)]));
    print(`\n${name} of ${rounds} rounds:\n\n${table(cells, results, benchmark)}`);
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

function main(): void {
  const names = CHOSEN.length === 0 ? Object.keys(BENCHMARKS) : CHOSEN;
  for (const name of names) {
    const benchmark = BENCHMARKS[name];
    if (benchmark === undefined) {
      throw new TypeError(`there is no benchmark '${name}': ${Object.keys(BENCHMARKS).join(", ")}`);
    }
    measure(benchmark, Number(OPTIONS.rounds ?? benchmark.rounds));
  }
}

try {
  main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
