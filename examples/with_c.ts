// Talks with a program in C, by a mutex and two channels: with_c.ts
//
//     node examples/with_c.ts
//     bun examples/with_c.ts
//     deno run --allow-all examples/with_c.ts
//
// The C side is with_c.c, with ipc.h; it is compiled first, by cc.
//
// Exit code: 0; 2 if something went wrong; 3 where there is no C compiler.
// deno-lint-ignore-file no-console -- a program's output
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Channel, createSharedMemory, Mutex, unlinkSharedMemory } from "../src/ipc/mod.ts";
import { Missing, simpleCommand } from "./command.ts";
import { ended } from "./start_in.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const CAPACITY = 1 << 12;
const SECOND = 128 + Channel.byteLength(CAPACITY);

async function main(): Promise<void> {
  using folder = temporaryFolder("with-c");
  const program = join(folder.path, "with_c");
  const source = fileURLToPath(new URL("./with_c.c", import.meta.url));
  const { status, stderr, error } = spawnSync("cc", ["-O2", "-pthread", "-o", program, source, "-lrt"], {
    encoding: "utf8",
  });
  if (error !== undefined) throw new Missing(`there is no C compiler, cc: install one (${error.message})`);
  if (status !== 0) throw new Error(stderr);

  const name = `/with-c-${process.pid}`;
  using region = createSharedMemory(name, SECOND + Channel.byteLength(CAPACITY), { exclusive: true });
  try {
    const mutex = new Mutex(region);
    using outbox = new Channel(region, { offset: 128, capacity: CAPACITY });
    using inbox = new Channel(region, { offset: SECOND, capacity: CAPACITY });
    const end = ended(spawn(program, [name, String(SECOND)], { stdio: "inherit" }));
    for (const message of ["hello", "C", "from JavaScript"]) {
      await outbox.send(message);
      console.log(`${message}: ${new TextDecoder().decode(await inbox.receive())}`);
    }
    outbox.close();
    await end;
    using _guard = mutex.lockSync();
    console.log(`C has counted ${region.view.getUint32(64, true)} messages`);
  } finally {
    unlinkSharedMemory(name);
  }
}

await simpleCommand("usage: with_c.ts", 0, 0, main);
