/**
 * The order of the files, which are called rooms here, and the check that holds it: a file imports only files that
 * stand below it, types included. So there are no import cycles.
 *
 * It also checks that nothing outside `ffi/` names a runtime or an operating system.
 *
 * @module
 */
import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";

// From the top to the ground. Put a new file on a line below every file that imports it, and above every file that it
// imports. Files on one line don't import each other.
const HOUSE = `
  src/ipc/mod.ts
  src/ipc/channel.ts src/ipc/mutex.ts src/ipc/read_write_lock.ts src/ipc/once.ts src/ipc/semaphore.ts src/ipc/event.ts
  src/ipc/lock_file.ts src/ipc/word.ts
  src/ipc/owned.ts src/ipc/ring.ts src/ipc/anonymous.ts src/ipc/shared_memory.ts
  src/ipc/waits.ts src/ipc/place.ts
  src/ipc/options.ts

  mod.ts
  src/region.ts
  src/create.ts src/pages.ts src/resizing.ts
  src/records.ts
  src/columns.ts
  src/rows.ts
  src/cursor.ts src/lines.ts src/stream.ts src/windows.ts
  src/copying.ts src/window.ts src/struct.ts src/search.ts
  src/simd/scan.ts
  src/simd/copies.ts
  src/memory.ts src/simd/code.ts src/simd/plain.ts
  src/unclosed.ts src/remapping.ts
  src/mapping.ts
  src/file.ts src/retirement.ts src/protections.ts
  src/views.ts src/remedies.ts src/handle.ts
  src/options.ts src/residency.ts src/errors.ts
  src/checks.ts src/numbers.ts src/simd/layout.ts

  ffi/mod.ts
  ffi/futex.ts ffi/owner.ts ffi/shm.ts
  ffi/futex_linux.ts ffi/futex_darwin.ts
  ffi/kernels/mod.ts
  ffi/constants.ts ffi/regions.ts ffi/pages.ts ffi/syscalls.ts ffi/waiting.ts
  ffi/files.ts ffi/opening.ts ffi/untransferable.ts ffi/callers.ts
  ffi/robust_mutex.ts ffi/guard/mod.ts
  ffi/libc.ts
  ffi/guard/guard.ts ffi/guard/table.ts
  ffi/guard/members.ts
  ffi/guard/discovery.ts ffi/guard/lost_ranges.ts ffi/guard/index.ts
  ffi/kernels/code.ts ffi/kernels/layout.ts
  ffi/guard/calls.ts ffi/guard/code.ts ffi/guard/layout.ts ffi/guard/wait.ts
  ffi/runtime.ts ffi/platform.ts ffi/substitutes.ts ffi/signal_listeners.ts
  ffi/bun.ts ffi/deno.ts ffi/node.ts ffi/linux.ts ffi/darwin.ts
  ffi/adapt.ts ffi/offload.ts ffi/errors.ts ffi/system.ts
  ffi/signatures.ts ffi/constant_table.ts ffi/builtins.ts
  ffi/abi.ts ffi/versions.ts ffi/machine.ts ffi/captured.ts
`;

const FLOORS = HOUSE.trim().split("\n").map((line) => line.trim().split(/\s+/).filter((file) => file !== ""));

/** The document that says what each file is for. */
const ARCHITECTURE = ".github/ARCHITECTURE.md";

/** Returns what is wrong with the files of the repository at `root`; "" if all is well. */
export function checkRooms(root: string): string {
  const floorOf = new Map(
    FLOORS.flatMap((files, floor) => files.map((file): [string, number] => [file, floor])),
  );
  const files = globSync("{mod.ts,src/**/*.ts,ffi/**/*.ts}", { cwd: root }).sort();
  const complaints: string[] = [];
  for (const file of floorOf.keys()) {
    if (!files.includes(file)) complaints.push(`${file} is gone: take it off the list in scripts/rooms.ts`);
  }
  const architecture = readFileSync(posix.join(root, ARCHITECTURE), "utf8");
  for (const file of files) {
    if (!architecture.includes(`\`${nameOf(file)}\``)) {
      complaints.push(`${file} is not in ${ARCHITECTURE}: say there what it is for`);
    }
    const floor = floorOf.get(file);
    if (floor === undefined) {
      complaints.push(
        `${file} is not on the list in scripts/rooms.ts: add it below every file that imports it`,
      );
      continue;
    }
    const text = readFileSync(posix.join(root, file), "utf8");
    for (const opened of importsOf(text)) {
      const other = posix.join(posix.dirname(file), opened);
      const below = floorOf.get(other);
      if (below === undefined || below > floor) continue; // a file that isn't on the list is complained of elsewhere
      const where = below === floor ? "on the same line as it" : "above it";
      complaints.push(`${file} imports ${other}, which stands ${where} in scripts/rooms.ts`);
    }
    if (/^(?:import (?!type)|\} from ).*"node:/m.test(text)) {
      complaints.push(`${file} imports a built-in module: take it by builtin() when it is first needed`);
    }
    if (!file.startsWith("ffi/")) {
      complaints.push(...namesIn(text).map((name) => `${file} names ${name}: ask ffi/`));
    }
  }
  return complaints.join("\n");
}

/** How a file is named in ARCHITECTURE.md: in the table of its folder. */
function nameOf(file: string): string {
  return file.startsWith("src/simd/") ? file.slice("src/".length) : posix.basename(file);
}

/** The files that a module imports or exports from. Formatted code has such a statement at a line's beginning. */
function importsOf(text: string): string[] {
  const statements = text.matchAll(
    /^(?:import|export)\b(?:[^;"]*\bfrom)? "(\.[^"]+)";|^[^*\n]*\bimport\("(\.[^"]+)"\)/gm,
  );
  return Array.from(statements, ([, from, dynamic]) => from ?? dynamic ?? "");
}

/** The runtimes and platforms that a module's code names; comments may name them. */
function namesIn(text: string): string[] {
  const code = text.replace(/^\s*(?:\/?\*|\/\/).*$|\s\/\/ .*$/gm, "");
  return [...new Set(code.match(/\b(?:Bun|Deno)\b|\bprocess\??\.(?:platform|arch|versions?|release)\b/g))];
}
