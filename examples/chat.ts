// Two people talk, in two terminals and any two runtimes: chat.ts NAME
//
//     node examples/chat.ts /tea     and     bun examples/chat.ts /tea
//     deno run --allow-all examples/chat.ts /tea
//
// A line that is typed here is printed there. It ends when one of them ends: at the end of the input, or killed.
// In C: shm_open, ftruncate, mmap with MAP_SHARED; pthread_mutex_t with PTHREAD_MUTEX_ROBUST; futex(2) to wait for a message.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { createInterface } from "node:readline";
import { MmapError } from "../mod.ts";
import { Channel, createSharedMemory, Mutex, unlinkSharedMemory } from "../src/ipc/mod.ts";
import { simpleCommand } from "./command.ts";

const CAPACITY = 1 << 12;
/** Two seats, of which each is taken by who has its mutex; a channel for what is said from each. */
const SEATS = [0, Mutex.byteLength] as const;
const CHANNELS = [128, 128 + Channel.byteLength(CAPACITY)] as const;

async function main(name: string = ""): Promise<void> {
  using region = createSharedMemory(name, CHANNELS[1] + Channel.byteLength(CAPACITY));
  using first = new Mutex(region, SEATS[0]).tryLock();
  using second = first === undefined ? new Mutex(region, SEATS[1]).tryLock() : undefined;
  if (first === undefined && second === undefined) throw new Error("two are talking already");
  const [here, there] = first === undefined ? [CHANNELS[1], CHANNELS[0]] : CHANNELS;
  using outbox = new Channel(region, { offset: here, capacity: CAPACITY });
  using inbox = new Channel(region, { offset: there, capacity: CAPACITY });
  await outbox.send("(is here)");

  const input = createInterface({ input: process.stdin });
  const speaking = (async (): Promise<void> => {
    for await (const line of input) await outbox.send(line);
    outbox.close();
  })();
  try {
    for await (const message of inbox) console.log(`> ${new TextDecoder().decode(message)}`);
    console.log("(the other one has gone)");
  } catch (error) {
    if (!(error instanceof MmapError) || error.code !== "ECONNRESET") throw error;
    console.log("(the other one was killed)");
  }
  input.close();
  await speaking;
  if (first !== undefined) unlinkSharedMemory(name);
}

await simpleCommand("usage: chat.ts NAME", 1, 1, main);
