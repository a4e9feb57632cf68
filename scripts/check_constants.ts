/**
 * Compares Linux's constants with the machine's own headers, by compiling and running a C program that prints
 * them. A constant that the headers lack is newer than they are: allowed, and listed.
 *
 * `--allow-missing-cc` goes on without a C compiler.
 *
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { linuxConstants } from "../ffi/linux.ts";

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** The values that the headers give these constants; a name that they lack is absent. */
function compiled(names: readonly string[], compiler: string): Map<string, number> {
  const folder = mkdtempSync(join(tmpdir(), "mapped-region-constants-"));
  try {
    const source = join(folder, "constants.c");
    const program = join(folder, "constants");
    writeFileSync(
      source,
      [
        // _GNU_SOURCE: without it glibc hides what POSIX doesn't know.
        "#define _GNU_SOURCE",
        "#include <stdio.h>",
        "#include <sys/mman.h>",
        "#include <linux/mman.h>",
        "int main(void) {",
        ...names.map((name) => `#ifdef ${name}\n  printf("${name} %lld\\n", (long long)(${name}));\n#endif`),
        "  return 0;",
        "}",
        "",
      ].join("\n"),
    );
    execFileSync(compiler, ["-o", program, source], { stdio: ["ignore", "inherit", "inherit"] });
    const lines = execFileSync(program, { encoding: "utf8" }).trim().split("\n");
    return new Map(lines.map((line): [string, number] => {
      const [name = "", value = ""] = line.split(" ");
      return [name, Number(value)];
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function main(): number {
  if (process.platform !== "linux") {
    print("not on Linux: its constants can be compared with its headers only there");
    return 0;
  }
  const compiler = process.env["CC"] ?? "cc";
  if (spawnSync(compiler, ["--version"], { stdio: "ignore" }).error !== undefined) {
    print(`no C compiler '${compiler}' to compare the constants with the headers: install one (Debian: gcc`);
    print("libc6-dev), set CC, or go on without with --allow-missing-cc");
    return process.argv.includes("--allow-missing-cc") ? 0 : 1;
  }
  const constants = Object.entries(linuxConstants(process.arch)) as [string, number][];
  const headers = compiled(constants.map(([name]) => name), compiler);
  const missing = constants.filter(([name]) => !headers.has(name)).map(([name]) => name);
  const different = constants.filter(([name, value]) => (headers.get(name) ?? value) !== value);
  for (const [name, value] of different) {
    print(`${name} is ${value} here, and ${headers.get(name)} in the headers`);
  }
  print(`${headers.size - different.length} of ${constants.length} constants are as in the headers`);
  if (missing.length > 0) print(`not in these headers: ${missing.join(", ")}`);
  return different.length > 0 || headers.size === 0 ? 1 : 0;
}

process.exitCode = main();
