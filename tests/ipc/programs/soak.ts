/**
 * Writes to a channel, or reads from it, until it is told to end or is killed: `soak.ts NAME ROLE ID`.
 *
 * Each message says who wrote it and how many it had written before; its other bytes follow from that. Memory, in words of
 * 4 bytes: 0: to end. 1: what was wrong. 2: messages that came again. 3: messages that are missing. 4: messages read.
 * 1024 + ID: how many a writer has sent; 65536 + ID: the last of its messages that was read, or how many were taken. The
 * channel is at 1 MiB.
 *
 * A reader (`read`) notes a message first, and consumes it then: if it is killed between the two, the next one finds it noted
 * already. One that takes (`take`) consumes first: if it is killed then, one message has been read by nobody.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { Channel, openSharedMemory } from "../../../src/ipc/mod.ts";

const [name = "", role = "", id = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
const cells = region.array(Int32Array, 0, 1 << 18);
using channel = new Channel(region, { offset: 1 << 20 });
// Readers are among those who receive before anything is killed: else their end may be taken for that of the last.
if (role !== "write") await channel.ready();
process.stdout.write("started\n");

/** Checks a message, and notes it. Those that are taken may be noted in another order: so many readers do it at a time. */
function note(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const writer = view.getInt32(0, true);
  const sequence = view.getInt32(4, true);
  assert.equal(bytes.length, 8 + sequence * 37 % 500);
  for (const byte of bytes.subarray(8)) assert.equal(byte, (writer + sequence) & 255);
  Atomics.add(cells, 4, 1);
  if (role === "take") {
    Atomics.add(cells, 65_536 + writer, 1);
    return;
  }
  const last = Atomics.load(cells, 65_536 + writer);
  if (sequence === last) Atomics.add(cells, 2, 1);
  else if (sequence < last) assert.fail(`message ${sequence} of ${writer} came after ${last}`);
  else Atomics.add(cells, 3, sequence - last - 1);
  Atomics.store(cells, 65_536 + writer, sequence);
}

try {
  if (role === "write") {
    const writer = Number(id);
    for (let sequence = 1; Atomics.load(cells, 0) === 0; sequence++) {
      const bytes = new Uint8Array(8 + sequence * 37 % 500).fill((writer + sequence) & 255);
      new DataView(bytes.buffer).setInt32(0, writer, true);
      new DataView(bytes.buffer).setInt32(4, sequence, true);
      if (sequence % 3 === 0) await channel.send(bytes);
      else if (sequence % 3 === 1) channel.sendSync(bytes);
      else {
        using reservation = channel.reserveSync(bytes.length);
        reservation.bytes.set(bytes);
        reservation.commit();
      }
      Atomics.store(cells, 1024 + writer, sequence);
    }
  } else if (role === "read") {
    for (let count = 0;; count++) {
      using message = count % 8 === 0 ? await channel.peek() : channel.peekSync();
      if (message === undefined) break;
      note(message.bytes.slice());
      message.consume();
    }
  } else {
    for await (const message of channel) note(message);
  }
} catch (error) {
  if ((error as { code?: unknown }).code !== "ECONNRESET") {
    Atomics.store(cells, 1, 1);
    throw error;
  }
}
