/**
 * Kills those who write to a channel, and those who read from it, at random, and counts what came of the messages. A short
 * form is a test; by hand: `node tests/ipc/soak.ts --kills=1000 --runtimes=bun,deno,node,c --readers=read`.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Channel, createSharedMemory } from "../../src/ipc/mod.ts";
import { compiled } from "../helpers/mod.ts";
import { type Peer, peer, type RuntimeName, start, uniqueName } from "./support.ts";

/** What writes and reads: a runtime, or the program in C. */
export type SoakRuntime = RuntimeName | "c";

/** What became of the messages. */
export interface SoakResult {
  readonly kills: number;
  readonly readerKills: number;
  readonly read: number;
  readonly again: number;
  readonly missing: number;
}

const CAPACITY = 1 << 16;

/**
 * Kills so many, and asserts that no message was lost, none came twice, none was torn: but for the one that a reader which is
 * killed has at that moment.
 *
 * @param kills How many are killed, readers and writers in turn.
 * @param runtimes What they run in, one after the other.
 * @param readers What readers do: see `programs/soak.ts`.
 */
export async function soak(
  kills: number,
  runtimes: readonly SoakRuntime[],
  readers: "read" | "take",
): Promise<SoakResult> {
  using unique = uniqueName();
  using region = createSharedMemory(unique.name, (1 << 20) + Channel.byteLength(CAPACITY));
  const cells = region.array(Int32Array, 0, 1 << 18);
  // It is open for as long as the test lasts: so the end of all others doesn't end the channel.
  using channel = new Channel(region, { offset: 1 << 20, capacity: CAPACITY });
  await channel.send(Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, ...new Uint8Array(37).fill(1)));
  cells[1024] = 1;
  using program = runtimes.includes("c") ? compiled("tests/ipc/peer.c", "-pthread", "-lrt") : undefined;
  let writers = 0;
  const begin = async (role: string, index: number): Promise<Peer> => {
    const id = role === "write" ? String(++writers) : "0";
    const runtime = runtimes[index % runtimes.length] ?? "node";
    const begun = runtime !== "c"
      ? peer(runtime, "soak", unique.name, role, id)
      : start(program?.path ?? "", ["soak", unique.name, role, id]);
    all.use(begun);
    await begun.printed("started");
    return begun;
  };
  await using all = new AsyncDisposableStack(); // nothing runs on if something goes wrong
  const stay = [await begin("write", 0), await begin(readers, 1), await begin(readers, 2)];
  let readerKills = 0;
  for (let kill = 0; kill < kills; kill++) {
    const role = kill % 2 === 0 ? "write" : readers;
    const victim = await begin(role, Math.floor(kill / 2));
    await setTimeout(Math.random() * 25);
    victim.process.kill("SIGKILL");
    const { signal, stderr } = await victim.ended;
    assert.equal(signal, "SIGKILL", stderr);
    if (role !== "write") readerKills++;
    assert.equal(cells[1], 0);
  }
  Atomics.store(cells, 0, 1);
  const [writer, ...rest] = stay;
  const ends = [await writer?.ended];
  channel.close();
  for (const each of rest) ends.push(await each.ended);
  for (const end of ends) assert.deepEqual([end?.status, end?.stderr], [0, ""]);
  // Who is killed between sending a message and noting that has sent one more than it noted.
  let missing = cells[3] ?? 0;
  for (let id = 0; id <= writers; id++) {
    const sent = cells[1024 + id] ?? 0;
    const read = cells[65_536 + id] ?? 0;
    assert(read <= sent + 1, `${read} of ${sent} messages were read`);
    missing += Math.max(0, sent - read);
  }
  const again = cells[2] ?? 0;
  const allowed = readers === "read" ? [readerKills, 0] : [0, readerKills];
  assert(again <= (allowed[0] ?? 0), `${again} messages came twice`);
  assert(missing <= (allowed[1] ?? 0), `${missing} messages are missing`);
  return { kills, readerKills, read: cells[4] ?? 0, again, missing };
}

if (process.argv[1]?.endsWith("soak.ts") === true) {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "1000" },
      runtimes: { type: "string", default: "bun,deno,node,c" },
      readers: { type: "string", default: "read" },
    },
  });
  const before = performance.now();
  const result = await soak(
    Number(values.kills),
    values.runtimes.split(",") as SoakRuntime[],
    values.readers === "take" ? "take" : "read",
  );
  const seconds = ((performance.now() - before) / 1000).toFixed(0);
  process.stdout.write(`${JSON.stringify({ ...values, ...result, seconds })}\n`);
}
