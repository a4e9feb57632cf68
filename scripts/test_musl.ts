/**
 * Runs the tests in Bun's build for musl: `node scripts/test_musl.ts [WORD…]`, where words choose files as those of
 * `npm test` do.
 *
 * Run by hand, on Debian for x86-64, with its packages musl and gcc; Bun comes from npm, in the version of
 * node_modules. There are no builds of Deno and Node for musl on npm. Debian's musl has no C++ library: glibc's is
 * used, with a stub for the few functions of glibc that it calls. That tests how the library uses musl, not how Bun
 * does.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ROOT, runIn, RUNNERS, summary, testFiles } from "./suite.ts";

const CACHE = join(tmpdir(), "mapped-region-musl");
const LOADER = "/lib/ld-musl-x86_64.so.1";
const LENT = ["/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/lib/x86_64-linux-gnu/libgcc_s.so.1"];

/** What libstdc++ and libgcc_s call of glibc, and musl 1.2.3 doesn't have. */
const STUB = `
  #include <stddef.h>
  #include <time.h>
  char __libc_single_threaded;
  unsigned __cpu_model[4];
  int __cpu_indicator_init(void) { return 0; }
  int _dl_find_object(void *address, void *result) { return -1; }
  int __cxa_thread_atexit_impl(void (*run)(void *), void *object, void *library) { return 0; }
  unsigned arc4random(void) { return 4; }
  size_t __strftime_l(char *text, size_t size, const char *format, const struct tm *time, void *locale) {
    return strftime(text, size, format, time);
  }
`;

function need(path: string, debian: string): void {
  if (existsSync(path)) return;
  process.stderr.write(`${path} is missing: apt-get install ${debian}\n`);
  process.exit(2);
}

/** The program, and the folder of libraries that it needs beside musl. */
function install(version: string): { program: string; libraries: string } {
  const folder = join(CACHE, version);
  const program = join(folder, "package/bin/bun");
  const libraries = join(folder, "lib");
  if (!existsSync(program)) {
    mkdirSync(libraries, { recursive: true });
    const packageName = `@oven/bun-linux-x64-musl@${version}`;
    const archive = execFileSync("npm", ["pack", "--silent", packageName], { cwd: folder, encoding: "utf8" });
    execFileSync("tar", ["-xf", archive.trim()], { cwd: folder });
  }
  for (const library of LENT) {
    copyFileSync(realpathSync(library), join(libraries, library.split("/").at(-1) ?? ""));
  }
  const source = join(folder, "stub.c");
  writeFileSync(source, STUB);
  // Under the name of glibc's loader, which both libraries ask for.
  const stub = join(libraries, "ld-linux-x86-64.so.2");
  execFileSync("cc", ["-shared", "-fPIC", "-nostdlib", "-w", "-o", stub, source]);
  return { program, libraries };
}

need(LOADER, "musl");
need("/usr/bin/cc", "gcc");
for (const library of LENT) need(library, "libstdc++6 libgcc-s1");
const { version } = JSON.parse(readFileSync(join(ROOT, "node_modules/bun/package.json"), "utf8")) as {
  version: string;
};
const { program, libraries } = install(version);
for (const runner of RUNNERS.filter(({ name }) => name === "bun")) {
  const env = { LD_LIBRARY_PATH: libraries };
  const counts = await runIn({ ...runner, program }, testFiles(process.argv.slice(2)), { env });
  process.stdout.write(`\n${counts.seconds.toFixed(1)} s ${counts.remark}\n${summary(counts)}\n`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
}
