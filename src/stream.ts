/**
 * A region as a stream of bytes.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { ByteArray, Math, setBytes } from "../ffi/captured.ts";
import type { RegionMemory } from "./memory.ts";
import { type StreamOptions, streamOptions } from "./options.ts";

/** The size of a chunk, where none is asked for, in bytes. */
const CHUNK = 2 ** 18;

/** Pages are dropped after so many bytes: a call for each chunk would cost more than it saves. */
const BEHIND = 2 ** 24;

/**
 * After so many bytes the event loop runs once. A loop over chunks, which are there as soon as they are asked for, would
 * keep timers and other requests waiting to the end of the region.
 */
const TURN = 2 ** 23;

/**
 * The bytes as a stream. Each chunk is a copy, since streams transfer buffers, and go on using them after `close()`.
 */
export function stream(
  memory: RegionMemory,
  options: StreamOptions | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const call = "stream";
  const checked = streamOptions(options);
  const { chunkSize = CHUNK, dropBehind = false } = checked;
  const { offset: start, length } = memory.range(checked, call);
  // Undefined: the region's end, even if the region is resized meanwhile.
  const end = checked.length === undefined ? undefined : start + length;
  let offset = start;
  let dropped = start;
  let turn = start + TURN;

  const left = (): number => {
    const total = memory.length(call);
    return Math.min(end ?? total, total) - offset;
  };
  const fill = (target: Uint8Array): void => {
    const bytes = memory.borrow(offset, target.length, call);
    memory.watch(call, offset, target.length, () => setBytes(target, bytes));
    offset += target.length;
    if (left() === 0) memory.confirm(call, start, offset - start);
    if (dropBehind && offset - dropped >= BEHIND) {
      memory.drop(dropped, offset - dropped, call);
      dropped = offset;
    }
  };

  const give = (controller: ReadableByteStreamController): void => {
    const rest = left();
    const request = controller.byobRequest;
    const view = request?.view ?? undefined;
    if (rest <= 0) {
      if (dropBehind) memory.drop(dropped, offset - dropped, call);
      controller.close();
      request?.respond(0); // only this gives a reader's own buffer back to it
    } else if (request !== null && view !== undefined) {
      const count = Math.min(rest, view.byteLength);
      fill(new ByteArray(view.buffer, view.byteOffset, count));
      request.respond(count);
    } else {
      const chunk = new ByteArray(Math.min(rest, chunkSize));
      fill(chunk);
      controller.enqueue(chunk);
    }
  };

  return new ReadableStream({
    type: "bytes",
    pull(controller): void | Promise<void> {
      if (offset < turn) return give(controller);
      turn = offset + TURN;
      return builtin("node:timers/promises").setImmediate().then(() => give(controller));
    },
  }, { highWaterMark: 0 });
}
