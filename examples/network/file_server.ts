/**
 * Serves a file over HTTP from memory that it is mapped to: whole, or a range of it, as video players and downloads ask for.
 * The program copies nothing: what it hands to the socket is the page cache's memory.
 *
 * @module
 */
import { once } from "node:events";
import { statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { MappedRegion } from "../../mod.ts";

/** What is given to the socket at once. */
const PIECE = 2 ** 20;
/** What is mapped at once. Bun's ArrayBuffers end at 4 GiB. */
const WINDOW = 2 ** 30;

/** From where to where a client wants to have a file. */
interface Part {
  readonly begin: number;
  readonly end: number;
}

/** What a Range header asks for: undefined if that is the whole file, "none" if the file has no such bytes. */
function partOf(header: string | undefined, size: number): Part | "none" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined; // none, several, or not understood: all of these may be ignored
  if (first === "") {
    return last === "0" || size === 0 ? "none" : { begin: Math.max(0, size - Number(last)), end: size };
  }
  const begin = Number(first);
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  if (last !== "" && Number(last) < begin) return undefined;
  return begin < size ? { begin, end } : "none";
}

/** Sends a mapped part of a file; throws if it isn't there any more, or if the client has gone. */
async function sendRegion(
  response: ServerResponse,
  region: MappedRegion,
  sent: (count: number) => void,
): Promise<void> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // it may come when nobody waits for it any more
  const left = (): void => failed.reject(new Error("the client has closed the connection"));
  response.once("close", left);
  // To write lost pages fails with EFAULT. In Bun 1.4 the write then never ends, so the file is looked at from time to
  // time, too.
  const watch = setInterval(() => {
    try {
      region.assertIntact();
    } catch (error) {
      failed.reject(error);
    }
  }, 100);
  const write = (bytes: Uint8Array): Promise<void> =>
    Promise.race([
      failed.promise,
      new Promise<void>((resolve, reject) => {
        response.write(bytes, (error) => error ? reject(error) : resolve());
      }),
    ]);
  try {
    // The region stays open until the promise is settled: as long as the socket may still be reading its memory.
    await region.use(async (bytes) => {
      for (let at = 0; at < bytes.length; at += PIECE) {
        const piece = bytes.subarray(at, at + PIECE);
        await write(piece);
        region.assertIntact();
        sent(piece.length);
      }
    });
  } finally {
    clearInterval(watch);
    response.off("close", left);
  }
}

/**
 * Sends a part of a file. The last byte is kept back until all that comes before has been sent, and the file is still as long
 * as it was. If somebody truncates it meanwhile, the client has less than was announced, and can't take that for the file.
 */
async function send(
  response: ServerResponse,
  path: string,
  { begin, end }: Part,
  sent: (count: number) => void,
): Promise<void> {
  for (let offset = begin; offset < end - 1; offset += WINDOW) {
    using region = MappedRegion.open(path, { offset, length: Math.min(WINDOW, end - 1 - offset) });
    await sendRegion(response, region, sent);
  }
  using last = MappedRegion.open(path, { offset: end - 1, length: 1 });
  response.end(last.read(0, 1));
}

async function answer(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  sent: (count: number) => void,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { "Allow": "GET, HEAD", "Content-Length": 0 }).end();
    return;
  }
  const { size } = statSync(path);
  const part = partOf(request.headers.range, size);
  if (part === "none") {
    response.writeHead(416, { "Content-Range": `bytes */${size}`, "Content-Length": 0 }).end();
    return;
  }
  const { begin, end } = part ?? { begin: 0, end: size };
  const headers = {
    "Accept-Ranges": "bytes",
    "Content-Length": end - begin,
    "Content-Type": "application/octet-stream",
  };
  if (part === undefined) response.writeHead(200, headers);
  else response.writeHead(206, { ...headers, "Content-Range": `bytes ${begin}-${end - 1}/${size}` });
  if (request.method === "HEAD" || begin === end) {
    response.end();
    return;
  }
  await send(response, path, { begin, end }, sent);
}

/** A server, and where it listens. */
export interface FileServer {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
}

/**
 * Serves a file on loopback.
 *
 * @param path The file.
 * @param port The port; 0 for any that is free.
 * @param sent Called with a number of bytes when so many more of a response were sent.
 * @param failed Called with what went wrong with a response.
 */
export async function serveFile(
  path: string,
  port: number,
  sent: (count: number) => void,
  failed: (error: unknown) => void,
): Promise<FileServer> {
  const server = createServer((request, response) => {
    answer(path, request, response, sent).catch((error: unknown) => {
      failed(error);
      if (response.headersSent) response.destroy(); // the client sees that the body ends too early
      else response.writeHead(500, { "Content-Length": 0 }).end();
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${address.port}/`, port: address.port, server };
}
