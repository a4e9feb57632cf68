// Hands numbers to Python, which adds to each, without a copy: with_python.ts
//
//     node examples/with_python.ts
//     bun examples/with_python.ts
//     deno run --allow-all examples/with_python.ts
//
// In C: shm_open, ftruncate, mmap with MAP_SHARED. In Python: multiprocessing.shared_memory.
//
// Exit code: 0; 2 if something went wrong; 3 where there is no Python.
// deno-lint-ignore-file no-console -- a program's output
import { spawnSync } from "node:child_process";
import process from "node:process";
import { createSharedMemory, unlinkSharedMemory } from "../src/ipc/mod.ts";
import { Missing, simpleCommand } from "./command.ts";

/** Python before 3.13 would unlink at its end what it only opened: it is told to forget it. */
const PROGRAM = `
import sys
from multiprocessing import resource_tracker, shared_memory
memory = shared_memory.SharedMemory(sys.argv[1])
resource_tracker.unregister(memory._name, "shared_memory")
numbers = memory.buf.cast("d")
for index in range(len(numbers)):
    numbers[index] += 0.5
del numbers
memory.close()
`;

function main(): void {
  const name = `with-python-${process.pid}`;
  using region = createSharedMemory(name, 8 * 512, { exclusive: true });
  try {
    const numbers = region.array(Float64Array);
    for (let index = 0; index < numbers.length; index++) numbers[index] = index;
    const { status, stderr, error } = spawnSync("python3", ["-c", PROGRAM, name], { encoding: "utf8" });
    if (error !== undefined) throw new Missing(`there is no python3: install it (${error.message})`);
    if (status !== 0) throw new Error(stderr);
    console.log(
      `Python has added to ${numbers.length} numbers: ${numbers[1]}, ${numbers[2]}, …, ${numbers.at(-1)}`,
    );
  } finally {
    unlinkSharedMemory(name);
  }
}

await simpleCommand("usage: with_python.ts", 0, 0, main);
