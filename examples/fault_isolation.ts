// Keeps memory from code that isn't trusted: its pages are made read-only while that code runs. A store to them is found,
// reported, and undone.
//
//     node examples/fault_isolation.ts
//     bun examples/fault_isolation.ts
//     deno run --allow-ffi examples/fault_isolation.ts
//
// In C: mprotect(address, length, PROT_READ), a handler of SIGSEGV, mprotect(address, length, PROT_READ | PROT_WRITE).
// Here the library's fault guard is that handler: a store to a read-only page changes a private copy and is counted.
//
// Exit code: 0; 2 if something went wrong; 3 where there is no fault guard.
// deno-lint-ignore-file no-console -- a program's output
import { MappedRegion } from "../mod.ts";
import { Missing, simpleCommand } from "./command.ts";

/** What a plugin is given: a place for its output, and ours to look at. */
type Plugin = (output: Uint8Array, ours: Uint8Array) => void;

const PLUGINS: Readonly<Record<string, Plugin>> = {
  good: (output, ours) => void output.set([ours[0] ?? 0, 2, 3]),
  stray: (output, ours) => {
    output[0] = 1;
    ours[5000] = 99; // it has no business there
  },
};

function run(name: string, plugin: Plugin): void {
  const { pageSize } = MappedRegion;
  using output = MappedRegion.anonymous(pageSize);
  using ours = MappedRegion.anonymous(2 * pageSize);
  ours.fill(7);
  const kept = ours.read(0, ours.length); // to undo what a plugin did

  ours.protect("read");
  plugin(output.bytes, ours.bytes);
  try {
    ours.assertIntact();
    console.log(`${name}: stayed in its place`);
  } catch {
    const offset = ours.mismatch(kept);
    ours.protect("read-write");
    ours.write(0, kept);
    console.log(`${name}: ${ours.faults} page stored to without the right to, at offset ${offset}; undone`);
  }
  console.log(`${name}: ours is whole: ${ours.count(7) === ours.length}`);
}

await simpleCommand("usage: fault_isolation.ts", 0, 0, () => {
  using probe = MappedRegion.anonymous(1);
  if (!probe.guarded) throw new Missing(`there is no fault guard: ${probe.unguardedReason}`);
  for (const [name, plugin] of Object.entries(PLUGINS)) run(name, plugin);
});
