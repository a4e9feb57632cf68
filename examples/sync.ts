// When a store reaches the file, the programs that read it, and the disk: msync(2) with MS_ASYNC, MS_SYNC and MS_INVALIDATE.
//
//     node examples/sync.ts
//     bun examples/sync.ts
//     deno run --allow-all examples/sync.ts
//
// In C: msync(address, length, MS_ASYNC), MS_SYNC, MS_SYNC | MS_INVALIDATE.
//
// A shared mapping is the file's own pages in the page cache. Whoever reads the file sees a store at once: nothing has to be
// flushed for that. What msync is for is the disk: until it returns, a power failure may lose the store.
//
// "dirty" is how much of the mapping isn't on the disk, as Linux tells it in /proc/self/smaps; Deno needs --allow-all to read
// that. Temporary directories that live in memory (tmpfs) have no disk to write to: there pages stay dirty.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MappedRegion } from "../mod.ts";
import { simpleCommand } from "./command.ts";
import { temporaryFolder } from "./temporary_folder.ts";

/** The bytes of a file's mapping that the disk doesn't have; undefined where there is no /proc. */
function dirty(path: string): number | undefined {
  let text;
  try {
    text = readFileSync("/proc/self/smaps", "utf8");
  } catch {
    return undefined;
  }
  const mapping = text.slice(text.indexOf(path));
  const [, shared] = /^Shared_Dirty: +(\d+) kB/m.exec(mapping) ?? [];
  const [, own] = /^Private_Dirty: +(\d+) kB/m.exec(mapping) ?? [];
  return 1024 * (Number(shared) + Number(own));
}

function show(step: string, path: string): void {
  const bytes = dirty(path);
  console.log(
    `${step.padEnd(36)} read(2) sees "${readFileSync(path, "utf8").slice(0, 6)}"` +
      (bytes === undefined ? "" : `  dirty: ${bytes} bytes`),
  );
}

async function main(): Promise<void> {
  using folder = temporaryFolder("sync");
  const path = join(folder.path, "file");
  using region = MappedRegion.open(path, {
    access: "read-write",
    create: true,
    size: MappedRegion.pageSize,
  });

  region.write(0, "first ");
  show("stored", path);

  region.flushSync({ wait: false }); // MS_ASYNC: the kernel writes when it likes; Linux does so anyway
  show("MS_ASYNC", path);

  region.flushSync(); // MS_SYNC: returns when the disk has it
  show("MS_SYNC: the disk has it", path);

  region.write(0, "second");
  show("stored again", path);

  // The same without blocking the event loop. To flush a part is enough if only that was changed.
  await region.flush({ offset: 0, length: 6 });
  show("MS_SYNC of a range, asynchronous", path);

  region.write(0, "third ");
  // MS_INVALIDATE asks other mappings of the file to look at it anew. On Linux all mappings are the same pages anyway: it
  // only fails, with EBUSY, if pages are locked.
  region.flushSync({ invalidate: true });
  show("MS_SYNC | MS_INVALIDATE", path);

  region.lock();
  try {
    region.flushSync({ invalidate: true });
    show("the same, of locked pages", path);
  } catch (error) {
    console.log(`the same, of locked pages: ${error instanceof Error ? error.message : error}`);
  }
}

await simpleCommand("usage: sync.ts", 0, 0, main);
