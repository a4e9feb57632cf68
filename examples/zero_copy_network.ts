// A file that is served over HTTP from a mapping of it, and packets that are read out of memory that the kernel shares: the
// network without copies of one's own.
//
//     node examples/zero_copy_network.ts
//     bun examples/zero_copy_network.ts --serve film.mp4 --port 8080
//     deno run --allow-env --allow-ffi --allow-net --allow-read --allow-write examples/zero_copy_network.ts
//
// In C: mmap of the file, and write(2) to the socket; socket(AF_PACKET, SOCK_RAW, 0), setsockopt with PACKET_RX_RING, and
// mmap of the socket. network/file_server.ts is the one, network/packet_ring.ts the other.
//
// With --serve it serves a file on loopback until Ctrl+C: curl -r 0-99 http://127.0.0.1:8080/. Without, it serves one that
// it makes, is its own client, truncates the file in the middle of a download, and then watches its own packets. That takes
// a right, CAP_NET_RAW.
//
// Exit code: 0; 3 where the right is missing, or the system has no such ring (what comes before has been done); 2 if something
// went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { once } from "node:events";
import { statSync, truncateSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MappedRegion, MmapError } from "../mod.ts";
import { command, Missing, progress, wholeNumber } from "./command.ts";
import { type FileServer, serveFile } from "./network/file_server.ts";
import { PacketRing } from "./network/packet_ring.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const USAGE = `usage: zero_copy_network.ts [--size MIB]
       zero_copy_network.ts --serve FILE [--port PORT]

  --size MIB    the size of the file that is made and served (64)
  --serve FILE  serves a file, until Ctrl+C
  --port PORT   where it is served (any port that is free)`;

/** Makes a file in which every few bytes tell where they are. */
function makeFile(path: string, size: number): void {
  using file = MappedRegion.open(path, { access: "read-write", create: true, size });
  const words = file.array(Uint32Array);
  for (let index = 0; index < words.length; index++) words[index] = index;
}

interface Received {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: Uint8Array;
  /** Whether the connection ended before all that was announced had come. */
  readonly broken: boolean;
}

/** Asks the server for something. By a socket, so that what ends too early is still there to be looked at. */
async function get(port: number, method: string, range?: string): Promise<Received> {
  const socket = connect(port, "127.0.0.1");
  const lines = [`${method} / HTTP/1.1`, "Host: 127.0.0.1", "Connection: close"];
  if (range !== undefined) lines.push(`Range: ${range}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const parts: Uint8Array[] = [];
  socket.on("data", (part) => {
    if (typeof part !== "string") parts.push(part); // as it never is, with no encoding set
    progress(`${parts.length} parts have come`);
  });
  socket.on("error", () => {}); // the connection was reset; "close" follows
  await once(socket, "close");
  progress("");
  const all = Buffer.concat(parts);
  const end = all.indexOf("\r\n\r\n");
  const [first = "", ...fields] = all.toString("latin1", 0, end).split("\r\n");
  const headers = new Map(fields.map((field) => {
    const [name = "", ...value] = field.split(": ");
    return [name.toLowerCase(), value.join(": ")] as const;
  }));
  const bytes = all.subarray(end + 4);
  const announced = method === "HEAD" ? 0 : Number(headers.get("content-length"));
  return { status: Number(first.split(" ")[1]), headers, bytes, broken: bytes.length < announced };
}

/** Asks for the file in all the ways there are. */
async function download({ port }: FileServer, size: number, whole: Uint8Array): Promise<void> {
  const requests: readonly (readonly [method: string, range?: string])[] = [
    ["GET"],
    ["GET", "bytes=100-299"],
    ["GET", "bytes=-5"],
    ["GET", `bytes=${size - 2}-`],
    ["GET", `bytes=${size}-`],
    ["HEAD"],
  ];
  for (const [method, range] of requests) {
    const { status, headers, bytes } = await get(port, method, range);
    const content = headers.get("content-range");
    const begin = Number(/^bytes (\d+)-/.exec(content ?? "")?.[1] ?? 0);
    const right = Buffer.compare(bytes, whole.subarray(begin, begin + bytes.length)) === 0;
    console.log(
      `${method.padEnd(4)} ${(range ?? "").padEnd(16)} ${status}  ${bytes.length} bytes, ` +
        `${content ?? `of ${headers.get("content-length")}`}; as in the file: ${right}`,
    );
  }
}

/** The text that a packet of TCP carries for a port; undefined if it is none, or carries nothing. */
function textOf(bytes: Uint8Array<ArrayBuffer>, port: number): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = (view.getUint8(0) & 15) * 4; // the length of the Internet Protocol's header
  if (view.getUint8(9) !== 6 || bytes.length < header + 20) return undefined; // 6 is TCP
  const ports = [view.getUint16(header), view.getUint16(header + 2)];
  const start = header + (view.getUint8(header + 12) >> 4) * 4;
  if (!ports.includes(port) || start >= view.getUint16(2)) return undefined;
  return new TextDecoder().decode(bytes.slice(start));
}

/** Watches a request and its response go by. */
async function watch({ port }: FileServer): Promise<void> {
  let ring: PacketRing;
  if (process.platform !== "linux") throw new Missing("only Linux has rings of packets");
  try {
    ring = new PacketRing("lo");
  } catch (error) {
    if (!(error instanceof MmapError)) throw error;
    throw new Missing(
      `${error.message}\nReading packets takes Linux and the right CAP_NET_RAW: run it as root, or give the right to a copy of the ` +
        `runtime: sudo setcap cap_net_raw+ep ${process.execPath}`,
    );
  }
  using _ = ring;
  // Other programs' packets go by in the same ring. If there are so many that ours found no room, it is tried again.
  for (const deadline = performance.now() + 30_000; performance.now() < deadline;) {
    const lines = await firstLines(ring, port);
    if (lines.length < 2) continue;
    console.log(`a ring of ${ring.length} bytes, shared with the kernel; a request of "bytes=0-9" in it:`);
    for (const line of lines) console.log(`  ${line}`);
    return;
  }
  throw new Error("the packets of the request were not in the ring");
}

/** Makes a request; the first lines of it and of its response, as far as their packets are found in the ring. */
async function firstLines(ring: PacketRing, port: number): Promise<string[]> {
  const lines: string[] = [];
  let done = false;
  const request = get(port, "GET", "bytes=0-9").finally(() => done = true);
  for (let last = false; !last;) {
    last = done; // and once more after that
    for (const { length, bytes } of ring.take()) {
      const [line] = textOf(bytes, port)?.split("\r\n") ?? [];
      if (line?.includes("HTTP/1.1") !== true) continue;
      const text = `a packet of ${length} bytes: ${line}`;
      if (!lines.includes(text)) lines.push(text); // TCP may send it again
    }
    await setTimeout(1);
  }
  await request;
  return lines;
}

async function demonstrate(path: string, size: number): Promise<void> {
  makeFile(path, size);
  const whole = new Uint8Array(size);
  const words = new Uint32Array(whole.buffer);
  for (let index = 0; index < words.length; index++) words[index] = index;

  let left = Infinity; // how much is sent before the file is truncated
  const sent = (count: number): void => {
    left -= count;
    if (left > 0) return;
    left = Infinity;
    truncateSync(path, size / 4);
  };
  const failed = (error: unknown): void => {
    console.log(`server: ${error instanceof Error ? error.message.replace(path, "FILE") : String(error)}`);
  };
  const server = await serveFile(path, 0, sent, failed);
  try {
    console.log(`serving ${size} bytes on loopback`);
    await download(server, size, whole);

    left = size / 2;
    const { bytes, broken } = await get(server.port, "GET");
    const right = Buffer.compare(bytes, whole.subarray(0, bytes.length)) === 0;
    console.log(`truncated after half of it was sent: broken off: ${broken}; what came is right: ${right}`);
    const after = await get(server.port, "GET");
    console.log(`the next request gets what there is: ${after.status}, ${after.bytes.length} bytes`);

    await watch(server);
  } finally {
    server.server.close();
    server.server.closeAllConnections();
  }
}

await command("zero_copy_network.ts", async () => {
  const { values: { help, size, serve, port } } = parseArgs({
    options: {
      help: { type: "boolean" },
      size: { type: "string", default: "64" },
      serve: { type: "string" },
      port: { type: "string", default: "0" },
    },
  });
  if (help === true) return console.log(USAGE);
  if (serve !== undefined) {
    if (!statSync(serve).isFile()) throw new TypeError(`${serve} is no file`);
    const report = (error: unknown): void => console.error(error instanceof Error ? error.message : error);
    const { url } = await serveFile(serve, wholeNumber(port, "--port", 0), () => {}, report);
    console.log(`${serve} is at ${url}`);
    return;
  }
  using folder = temporaryFolder("network");
  await demonstrate(join(folder.path, "file"), wholeNumber(size, "--size") * 2 ** 20);
});
