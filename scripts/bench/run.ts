/**
 * The benchmarks, in all three runtimes and against C: `node scripts/bench/run.ts [NAME…] [--rounds=N]`.
 *
 * Run by hand, on a machine that does nothing else. Everything that is compared runs in the same run, in turns, each
 * time in a process of its own; what is shown is the median over the rounds, and the minimum, which noise can't lower.
 * Prints tables in Markdown. Needs cc, 12 GiB of disk among the temporary files, and 10 GiB of memory.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { Buffer } from "node:buffer";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
  readonly against?: Cell;
}

interface Benchmark {
  readonly title: string;
  /** What the library means to reach. */
  readonly aim: string;
  readonly rounds: number;
  /** How a time compares with the other's: `time / other` unless told otherwise. */
  readonly compare?: (time: number, other: number) => string;
  cells(): readonly Cell[];
}

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
    aim: "at most 2 times C",
    rounds: 7,
    cells: () =>
      ([["4 KiB", 2 ** 12], ["1 MiB", 2 ** 20], ["64 MiB", 2 ** 26]] as const).flatMap(([size, bytes]) => {
        const path = file(size, bytes);
        const c = {
          row: `${size}: \`region.bytes[0]\``,
          column: "C",
          measure: () => floor("open", path, "200"),
        };
        const way = (row: string, key: string) => (name: RuntimeName): Cell => ({
          row: `${size}: ${row}`,
          ...script(name, "open.ts", key, path, "600"),
          against: c,
        });
        return [
          c,
          ...inEach(way("`region.bytes[0]`", "bytes")),
          ...(bytes > 2 ** 12 ? [] : [
            ...inEach(way("the same, `{ guard: true }`", "guarded")), // as without options, which have to be checked
            ...inEach(way("the same, `{ guard: false }`", "guardless")),
          ]),
          ...inEach(way("`region.read(0, 1)`", "read")),
          way("`Bun.mmap(path)[0]`", "Bun.mmap")("Bun"),
          ...inEach(way("`fs.readFileSync(path)[0]`", "readFileSync")),
          ...inEach(way("`fs.openSync`, `readSync` of 1 byte, `closeSync`", "readSync")),
        ];
      }),
  },
  sum: {
    title: "Sum of the bytes of a file of 1 GiB",
    aim: "at most 1.05 times a plain Uint8Array",
    rounds: 5,
    cells(): readonly Cell[] {
      const path = file("1 GiB", 2 ** 30);
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
    compare: (time, other) => `${(other / time).toFixed(0)}× as fast`,
    cells(): readonly Cell[] {
      const path = file("4 GiB", 2 ** 32);
      const row = "`region.array(Float64Array)[i]`";
      const c = { row, column: "C", measure: () => floor("random", path, "1e6") };
      const cells = inEach((name) => {
        const readSync = { row: "`fs.readSync`", ...script(name, "random.ts", "readSync", path, "1e6") };
        return [{ row, ...script(name, "random.ts", "region", path, "1e6"), against: readSync }, readSync];
      });
      return [c, ...cells.flat()];
    },
  },
  rare: {
    title: "Counting a literal that stands once in a log of 1 GiB",
    aim: "at most 1.05 times C's memmem",
    rounds: 5,
    cells: () => literal("needle", 1),
  },
  frequent: {
    title: "Counting a literal that stands in every line of a log of 1 GiB",
    aim: "at most grep's time",
    rounds: 3,
    cells: () => literal("index", lines(2 ** 30)),
  },
  newlines: {
    title: "Counting the newlines of a log of 1 GiB",
    aim: "as fast as wc -l",
    rounds: 5,
    cells(): readonly Cell[] {
      const path = log("1 GiB", 2 ** 30);
      const count = `${lines(2 ** 30) + 1}`;
      const wc = command("`wc -l`", ["wc", "-l", path], count);
      return [
        wc,
        {
          row: "`memchr` for each",
          column: "C",
          measure: () => floor("count", path, "\n", count, "3"),
          against: wc,
        },
        ...inEach((name) => ({
          row: "`region.count`",
          ...script(name, "count.ts", "region", path, "\n", count, "3"),
          against: wc,
        })),
      ];
    },
  },
  lines: {
    title: "Walking the lines of a log of 256 MiB, a line of 80 bytes",
    aim: "as strings at least 10 times as fast as node:readline",
    rounds: 3,
    compare: (time, other) => `${(other / time).toFixed(1)}× as fast`,
    cells(): readonly Cell[] {
      const path = log("256 MiB", 2 ** 28); // more would not fit a string of V8's, for split
      const count = `${lines(2 ** 28) + 1}`;
      return inEach((name) => {
        const way = (row: string, key: string): Cell => ({
          row,
          ...script(name, "lines.ts", key, path, count, "3"),
        });
        const readline = way("`node:readline`", "readline");
        const ways = [
          way("`region.lines()`", "strings"),
          way('`region.lines({ encoding: "bytes" })`', "bytes"),
          way('`readFileSync(path, "utf8").split("\\n")`', "split"),
          ...(name === "Bun" ? [way("`Bun.file(path).stream()`, `split`", "stream")] : []),
        ];
        return [...ways.map((cell): Cell => ({ ...cell, against: readline })), readline];
      }).flat();
    },
  },
  records: {
    title: "The sum of a field of the records in a file of 256 MiB, a record of 32 bytes",
    aim: "none",
    rounds: 3,
    cells(): readonly Cell[] {
      const path = log("256 MiB", 2 ** 28); // any bytes are numbers
      const c = {
        row: "`DataView` over `readFileSync`",
        column: "C",
        measure: () => floor("records", path, "5"),
      };
      return [
        c,
        ...inEach((name) => {
          const way = (row: string, key: string): Cell => ({
            row,
            ...script(name, "records.ts", key, path, "3"),
          });
          const array = way("`DataView` over `readFileSync`", "array");
          return [
            { ...array, against: c },
            ...[
              way("`region.view`", "view"),
              way("`column.get(i)`", "column"),
              way("`for (const value of column)`", "columnOf"),
              way("`records.get(i)`", "get"),
            ].map((cell): Cell => ({ ...cell, against: array })),
          ];
        }).flat(),
      ];
    },
  },
  cursor: {
    title: "Reading numbers in a row",
    aim: "at most 1.2 times a DataView and a position",
    rounds: 5,
    cells(): readonly Cell[] {
      const path = file("64 MiB", 2 ** 26);
      return (["u8", "u32", "f64"] as const).flatMap((type) =>
        inEach((name) => {
          const view: Cell = {
            row: `${type}: \`DataView\``,
            ...script(name, "cursor.ts", "dataview", type, path, "9"),
          };
          return [
            {
              row: `${type}: \`cursor\``,
              ...script(name, "cursor.ts", "cursor", type, path, "9"),
              against: view,
            },
            view,
          ];
        }).flat()
      );
    },
  },
  scan: {
    title: "Counting the newlines of a log of 4 GiB by workers",
    aim: "two workers half the time of one",
    rounds: 3,
    cells(): readonly Cell[] {
      const path = log("4 GiB", 2 ** 32);
      const count = `${lines(2 ** 32) + 1}`;
      const wc = command("`wc -l`", ["wc", "-l", path], count);
      return [
        wc,
        ...["1", "2"].flatMap((workers) =>
          inEach((name) => ({
            row: workers === "1" ? "one worker" : "two workers",
            ...script(name, "scan.ts", workers, path, count, "3"),
            against: wc,
          }))
        ),
      ];
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
};

/** The cells of a literal that stands so often in the log. */
function literal(needle: string, times: number): Cell[] {
  const path = log("1 GiB", 2 ** 30);
  const count = `${times}`;
  const c = { row: "`memmem`", column: "C", measure: () => floor("count", path, needle, count, "3") };
  const way = (row: string, key: string) => (name: RuntimeName): Cell => ({
    row,
    ...script(name, "count.ts", key, path, needle, count, key === "readFileSync" ? "1" : "3"),
    against: c,
  });
  return [
    c,
    command("`grep -c -F`", ["grep", "-c", "-F", needle, path], count),
    command("`grep -o -F`, `wc -l`", ["sh", "-c", 'grep -o -F "$0" "$1" | wc -l', needle, path], count),
    ...inEach(way("`region.count`", "region")),
    ...inEach(way("`region.matches`", "matches")),
    ...inEach(way("`readFileSync`, `Buffer.indexOf`", "readFileSync")),
  ];
}

function inEach<Result>(make: (name: RuntimeName) => Result): Result[] {
  return NAMES.map(make);
}

/** A script of this folder that reports its measurements. */
function script(name: RuntimeName, path: string, ...options: string[]): Pick<Cell, "column" | "measure"> {
  const command = [...RUNTIMES[name], join(HERE, path), ...options];
  return { column: name, measure: () => JSON.parse(run(command)) as number[] };
}

/** A script whose whole process is measured. */
function started(name: RuntimeName, path: string): Pick<Cell, "column" | "measure"> {
  const command = [...RUNTIMES[name], join(HERE, path)];
  const measure = (): number[] => {
    const start = performance.now();
    run(command);
    return [(performance.now() - start) * 1e6];
  };
  return { column: name, measure };
}

/** A program that prints a number, of which the whole process is measured. */
function command(row: string, [program = "", ...options]: readonly string[], expected: string): Cell {
  const measure = (): number[] => {
    const start = performance.now();
    const output = run([program, ...options]);
    const spent = performance.now() - start;
    if (Number.parseInt(output, 10) !== Number(expected)) {
      throw new Error(`${program}: ${output}, not ${expected}`);
    }
    return [spent * 1e6];
  };
  return { row, column: "C", measure };
}

const compiled = new Set<string>();

/** A C program of this folder that reports its measurements. */
function floor(name: string, ...options: string[]): number[] {
  const program = join(directory, `${name}.out`);
  if (!compiled.has(name)) run(["cc", "-O2", "-Wall", "-Wextra", "-o", program, join(HERE, `${name}.c`)]);
  compiled.add(name);
  return JSON.parse(run([program, ...options])) as number[];
}

function run(command: readonly string[]): string {
  const [program = "", ...options] = command;
  const { status, signal, stdout, stderr, error } = spawnSync(program, options, {
    cwd: ROOT,
    encoding: "utf8",
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

/** The number of whole lines in a log of a size. */
function lines(size: number): number {
  return Math.floor(size / BLOCK.length) * LINES;
}

const LINES = 10_000;
const BLOCK = Buffer.from(
  Array.from({ length: LINES }, (_, index) => {
    const time = `2026-03-14T09:00:00.${index % 1000}`;
    return `${time} GET /index.html?id=${index} 200 ${"x".repeat(40)}`.slice(0, 79) + "\n";
  }).join(""),
);

/** A log of lines of 80 bytes, as large as whole blocks of them make it; and behind them the line "a needle". */
function log(name: string, size: number): string {
  const path = join(directory, `${name.replace(" ", "")}.log`);
  if (existsSync(path)) return path;
  const fd = openSync(path, "w");
  for (let line = 0; line < lines(size); line += LINES) writeSync(fd, BLOCK);
  writeSync(fd, "a needle\n");
  closeSync(fd);
  return path;
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
    : [nanoseconds / 1e6, "ms"] as const;
  return `${value < 1000 ? value.toPrecision(3) : value.toFixed(0)} ${unit}`;
}

/** One number for each cell. */
type Results = ReadonlyMap<Cell, number>;

function table(cells: readonly Cell[], results: Results, compare: Benchmark["compare"]): string {
  const columns = [...new Set(cells.map((cell) => cell.column))];
  const rows = [...new Set(cells.map((cell) => cell.row))];
  const ratio = compare ?? ((time, other) => `${(time / other).toFixed(2)}×`);
  const text = (row: string, column: string): string => {
    const cell = cells.find((each) => each.row === row && each.column === column);
    if (cell === undefined) return "";
    const time = results.get(cell) ?? NaN;
    const other = cell.against === undefined ? undefined : results.get(cell.against);
    return other === undefined ? duration(time) : `${duration(time)}, ${ratio(time, other)}`;
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
  print(`\n### ${benchmark.title}\n\nAim: ${benchmark.aim}.`);
  for (
    const [name, choose] of [["Median", median], ["Minimum", (all: number[]) => Math.min(...all)]] as const
  ) {
    const results = new Map([...samples].map(([cell, values]) => [cell, choose(values)]));
    print(`\n${name} of ${rounds} rounds:\n\n${table(cells, results, benchmark.compare)}`);
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

function main(): void {
  const { values, positionals } = parseArgs({
    options: { rounds: { type: "string" } },
    allowPositionals: true,
  });
  const names = positionals.length === 0 ? Object.keys(BENCHMARKS) : positionals;
  for (const name of names) {
    const benchmark = BENCHMARKS[name];
    if (benchmark === undefined) {
      throw new TypeError(`there is no benchmark '${name}': ${Object.keys(BENCHMARKS).join(", ")}`);
    }
    measure(benchmark, Number(values.rounds ?? benchmark.rounds));
  }
}

try {
  main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
