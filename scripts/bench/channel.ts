/**
 * Messages between two processes, or two threads, in nanoseconds each. usage: channel.ts trip|stream WAY SIZE COUNT
 *
 * `trip`: there and back, one after the other. `stream`: one way, in batches of 64, until the other side has them all.
 * A stream of bytes gets each message's length before it, and is taken apart again, as a program has to do.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Duplex, PassThrough, type Readable, type Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";
import { Channel, createSharedMemory, openSharedMemory, unlinkSharedMemory } from "../../src/ipc/mod.ts";
import { report } from "./measure.ts";

const given = isMainThread ? process.argv.slice(2) : workerData as string[];
const [task = "", way = "", length = "", total = "", where = ""] = given;
const size = Number(length);
const count = Number(total);
const BATCH = 64;
const CAPACITY = 2 ** Math.max(20, Math.ceil(Math.log2(size)) + 3);
const SECOND = Channel.byteLength(CAPACITY);
const FILE = fileURLToPath(import.meta.url);

/** The other side, as this one sees it. */
interface Side {
  /** Sends so many messages. */
  send(messages: number): void | Promise<void>;
  /** Waits for so many messages, and takes them. */
  take(messages: number): void | Promise<void>;
  end?(): unknown;
}

function child(to: string, stdio: ("pipe" | "inherit" | "ignore")[]): ChildProcess {
  const flags = process.execArgv.length > 0 ? process.execArgv : "Deno" in globalThis ? ["run", "-A"] : [];
  return spawn(process.execPath, [...flags, FILE, task, way, length, total, to], { stdio });
}

/** A side over channels in shared memory; `here` is where its own begins. */
function channels(memory: string, here: number, there: number, blocking: boolean): Side {
  const region = openSharedMemory(memory);
  const outbox = new Channel(region, { offset: here, capacity: CAPACITY, senders: "one" });
  const inbox = new Channel(region, { offset: there, capacity: CAPACITY, receivers: "one" });
  const message = new Uint8Array(size);
  const batch = Array.from({ length: BATCH }, () => message);
  const closed = (): never => {
    throw new Error("the other side has gone");
  };
  let bytes = 0;
  const look = (_: Uint8Array, start: number, end: number): void => {
    bytes += end - start;
  };
  const end = (): void => {
    outbox.close();
    inbox.close();
    region.close();
    if (bytes % size !== 0) closed();
  };
  if (blocking) {
    return {
      send(messages): void {
        if (messages === 1) outbox.sendSync(message);
        else for (let sent = 0; sent < messages; sent += BATCH) outbox.sendAllSync(batch);
      },
      take(messages): void {
        for (let taken = 0; taken < messages;) {
          if (!inbox.readySync()) closed();
          taken += inbox.drain(look, messages - taken);
        }
      },
      end,
    };
  }
  return {
    async send(messages): Promise<void> {
      if (messages === 1) await outbox.send(message);
      else for (let sent = 0; sent < messages; sent += BATCH) await outbox.sendAll(batch);
    },
    async take(messages): Promise<void> {
      for (let taken = 0; taken < messages;) {
        if (!await inbox.ready()) closed();
        taken += inbox.drain(look, messages - taken);
      }
    },
    end,
  };
}

/** What comes before a message in a stream: its length. */
const LENGTH = 4;

/** A side over streams, through which messages go one behind the other. `together`: how many are written at a time. */
function streams(input: Readable, output: Writable, together: number): Side {
  let arrived = 0;
  let missing = 0; // of the message that is arriving
  let wake = (): void => undefined;
  const header = Buffer.alloc(LENGTH);
  let known = 0; // bytes of a header that came in two parts
  input.on("data", (data: Buffer) => {
    for (let at = 0; at < data.length;) {
      if (missing === 0) {
        if (known === 0 && data.length - at >= LENGTH) {
          missing = data.readUInt32LE(at);
          at += LENGTH;
        } else {
          header[known++] = data[at++] ?? 0;
          if (known < LENGTH) continue;
          known = 0;
          missing = header.readUInt32LE(0);
        }
      }
      const part = Math.min(missing, data.length - at);
      missing -= part;
      at += part;
      if (missing === 0) arrived++;
    }
    wake();
  });
  const message = Buffer.alloc(size);
  const write = async (messages: number): Promise<void> => {
    const data = Buffer.allocUnsafe(messages * (LENGTH + size));
    for (let at = 0; at < data.length; at += size) {
      at = data.writeUInt32LE(size, at);
      data.set(message, at);
    }
    if (!output.write(data)) await once(output, "drain");
  };
  return {
    async send(messages): Promise<void> {
      if (messages === 1) await write(1);
      else for (let sent = 0; sent < messages; sent += together) await write(together);
    },
    async take(messages): Promise<void> {
      while (arrived < messages) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      arrived -= messages;
    },
  };
}

/** A batch of small messages is written in one piece; of large ones, up to 64 KiB. */
const TOGETHER = way === "socket-each"
  ? 1
  : 2 ** Math.floor(Math.log2(Math.max(1, Math.min(BATCH, 2 ** 16 / size))));

/** A side over something that posts messages. */
function posts(post: (message: unknown) => void, listen: (heard: (message: unknown) => void) => void): Side {
  let arrived = 0;
  let wake = (): void => undefined;
  listen((message) => {
    arrived += Array.isArray(message) ? message.length : 1;
    wake();
  });
  const make = (): unknown => way === "process.send" ? "x".repeat(size) : new Uint8Array(size);
  const message = make();
  const batch = Array.from({ length: BATCH }, make); // one that stood there 64 times would be copied once
  return {
    send(messages): void {
      if (messages === 1) post(message);
      else for (let sent = 0; sent < messages; sent += BATCH) post(batch);
    },
    async take(messages): Promise<void> {
      while (arrived < messages) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      arrived -= messages;
    },
  };
}

/** Starts the other side. */
async function begin(): Promise<Side> {
  switch (way) {
    case "Channel":
    case "ChannelSync": {
      const name = `/bench-channel-${process.pid}`;
      createSharedMemory(name, 2 * SECOND).close();
      const other = child(name, ["ignore", "inherit", "inherit"]);
      const side = channels(name, 0, SECOND, way === "ChannelSync");
      return {
        ...side,
        async end(): Promise<void> {
          side.end?.();
          await once(other, "exit");
          unlinkSharedMemory(name);
        },
      };
    }
    case "pipe": {
      const { stdin, stdout } = child("stdio", ["pipe", "pipe", "inherit"]);
      const side = streams(stdout ?? new PassThrough(), stdin ?? new PassThrough(), TOGETHER);
      return { ...side, end: () => stdin?.end() };
    }
    case "socket":
    case "socket-each": {
      const path = join(tmpdir(), `bench-channel-${process.pid}`);
      const server = createServer().listen(path);
      await once(server, "listening");
      child(path, ["ignore", "inherit", "inherit"]);
      const [socket] = await once(server, "connection") as [Duplex];
      server.close();
      rmSync(path, { force: true });
      return { ...streams(socket, socket, TOGETHER), end: () => socket.end() };
    }
    case "postMessage": {
      const worker = new Worker(new URL(import.meta.url), { workerData: [...given, "worker"] });
      const side = posts((message) => worker.postMessage(message), (heard) => worker.on("message", heard));
      return { ...side, end: () => worker.terminate() };
    }
    default: {
      const other = fork(FILE, [task, way, length, total, "ipc"]);
      const side = posts((message) => other.send(message as string), (heard) => other.on("message", heard));
      return { ...side, end: () => other.disconnect() };
    }
  }
}

/** What the other side is for itself. */
async function join_(): Promise<Side> {
  switch (way) {
    case "Channel":
    case "ChannelSync":
      return channels(where, SECOND, 0, way === "ChannelSync");
    case "pipe":
      return streams(process.stdin, process.stdout, TOGETHER);
    case "socket":
    case "socket-each": {
      const socket = createConnection(where);
      await once(socket, "connect");
      return { ...streams(socket, socket, TOGETHER), end: () => socket.end() };
    }
    case "postMessage": {
      const port = parentPort as MessagePort;
      return posts((message) => port.postMessage(message), (heard) => port.on("message", heard));
    }
    default:
      return posts((message) => process.send?.(message), (heard) => process.on("message", heard));
  }
}

/** So many messages come before those that are measured. */
const WARM = task === "trip"
  ? Math.min(500, count)
  : BATCH * Math.max(1, Math.min(400, Math.floor(2 ** 26 / BATCH / size), Math.floor(count / BATCH)));

if (where === "" && isMainThread) {
  const side = await begin();
  await side.take(1); // it is there
  const go = async (messages: number): Promise<void> => {
    if (task === "stream") {
      await side.send(messages);
      await side.take(1);
    } else {
      for (let message = 0; message < messages; message++) {
        // Not awaited where there is nothing to wait for: what blocks returns nothing.
        const sent = side.send(1);
        if (sent !== undefined) await sent;
        const taken = side.take(1);
        if (taken !== undefined) await taken;
      }
    }
  };
  await go(WARM);
  const start = performance.now();
  await go(count);
  const spent = (performance.now() - start) * 1e6;
  await side.end?.();
  report([spent / count]);
} else {
  const side = await join_();
  await side.send(1);
  for (const messages of [WARM, count]) {
    if (task === "stream") {
      await side.take(messages);
      await side.send(1);
    } else {
      for (let message = 0; message < messages; message++) {
        const taken = side.take(1);
        if (taken !== undefined) await taken;
        const sent = side.send(1);
        if (sent !== undefined) await sent;
      }
    }
  }
  side.end?.();
}
