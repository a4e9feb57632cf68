/**
 * One pass over a region that may be larger than memory: as a stream, and as an asynchronous iteration.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import type { Memory } from "./memory.ts";
import type { ScanOptions, StreamOptions } from "./options.ts";

/** What `stream` copies at a time, in bytes. */
const CHUNK = 2 ** 18;

/** What `scan` gives at a time, in bytes. */
const WINDOW = 2 ** 24;

/** How much a stream leaves behind before it drops it: a call for each chunk would cost more than it saves. */
const BEHIND = 2 ** 24;

/** The part of a region that one pass goes over, of which the start moves on. */
interface Pass {
  offset: number;
  /** Undefined for the region's end, wherever that is by then. */
  readonly end: number | undefined;
}

function start(memory: Memory, { offset = 0, length }: ScanOptions, operation: string): Pass {
  memory.check(offset, length, operation);
  return { offset, end: length === undefined ? undefined : offset + length };
}

function rest(memory: Memory, { offset, end }: Pass, operation: string): number {
  const length = memory.length(operation);
  return Math.min(end ?? length, length) - offset;
}

/** The bytes as a stream. Each chunk is a copy: streams hand buffers on by transfer, and keep them past `close()`. */
export function stream(memory: Memory, options: StreamOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  const call = "stream";
  const { chunkSize = CHUNK, dropBehind = false } = options;
  const pass = start(memory, options, call);
  let dropped = pass.offset;

  const fill = (target: Uint8Array): void => {
    const bytes = memory.borrow(pass.offset, target.length, call);
    memory.watch(call, pass.offset, target.length, () => target.set(bytes));
    pass.offset += target.length;
    if (dropBehind && pass.offset - dropped >= BEHIND) {
      memory.drop(dropped, pass.offset - dropped, call);
      dropped = pass.offset;
    }
  };

  return new ReadableStream({
    type: "bytes",
    pull(controller): void {
      const left = rest(memory, pass, call);
      const request = controller.byobRequest;
      const view = request?.view ?? undefined;
      if (left <= 0) {
        if (dropBehind) memory.drop(dropped, pass.offset - dropped, call);
        controller.close();
        request?.respond(0); // a reader's own buffer is given back only so
      } else if (request !== null && view !== undefined) {
        const count = Math.min(left, view.byteLength);
        fill(new Uint8Array(view.buffer, view.byteOffset, count));
        request.respond(count);
      } else {
        const chunk = new Uint8Array(Math.min(left, chunkSize));
        fill(chunk);
        controller.enqueue(chunk);
      }
    },
  }, { highWaterMark: 0 });
}

/** The bytes in parts, with a turn of the event loop between two of them. */
export async function* scan(
  memory: Memory,
  options: ScanOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
  const call = "scan";
  const { chunkSize = WINDOW, dropBehind = true } = options;
  const pass = start(memory, options, call);
  for (let left; (left = rest(memory, pass, call)) > 0;) {
    const { offset } = pass;
    const size = Math.min(left, chunkSize);
    yield memory.lend(offset, size, call);
    pass.offset += size;
    memory.length(call);
    if (dropBehind) memory.drop(offset, size, call);
    await setImmediate();
  }
}
