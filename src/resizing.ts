/**
 * Changing the length of a region, and that of its file where it must.
 *
 * @module
 */
import type { MmapError } from "../ffi/errors.ts";
import { constants } from "../ffi/platform.ts";
import { wholeNumber } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import { type ResizeOptions, resizeOptions } from "./options.ts";
import { mapRemedy } from "./remedies.ts";
import { resizeMapping } from "./remapping.ts";

/** Makes a region longer or shorter. */
export function resize(memory: RegionMemory, length: number, options: ResizeOptions | undefined): void {
  const { file: cut = false } = resizeOptions(options);
  wholeNumber(length, "resize: the length");
  const mapping = memory.live("resize");
  const before = memory.length("resize");
  const { file } = mapping;
  const end = memory.fileOffset + length;
  const writesFile = mapping.shared && !mapping.anonymous &&
    (mapping.request.protection & constants.PROT_WRITE) !== 0;
  if (cut && !writesFile) {
    throw new TypeError("resize: option 'file' needs a region of a file with access \"read-write\"");
  }
  if (memory.busy) {
    throw memory.error("EBUSY", "resize", "its pages are in use by flush() or use(); await that first");
  }
  if (mapping.shared && mapping.anonymous && length > before) throw cannotGrow(memory);
  if (file === undefined && !mapping.anonymous) {
    throw memory.attached("resize", "it is resized by the worker that opened it");
  }
  // A region that becomes shorter can do without a file that has gone.
  const known = length <= before && !cut ? file?.sizeIfKnown() : file?.size();
  const fileSize = known ?? Infinity;
  // What /dev/zero shares is such memory too.
  if (file !== undefined && mapping.shared && fileSize === Infinity && length > before) {
    throw cannotGrow(memory);
  }
  if (length !== before) {
    if (end > fileSize) {
      if (!writesFile) {
        throw new RangeError(
          `resize: ${length} bytes reach past the end of the file: it has ${fileSize} bytes, ` +
            `${Math.max(0, fileSize - memory.fileOffset)} of them from the region's first on`,
        );
      }
      file?.grow(end, memory.sparse);
    }
    const size = length === 0 ? 0 : memory.delta + length;
    if (size === 0) file?.keepOpen();
    const explain = (code: string): string | undefined => mapRemedy(code, {}, memory.access);
    try {
      const done = mapping.slot.alone(() => {
        memory.revoke();
        resizeMapping(mapping, size, explain);
      });
      if (!done) throw memory.attached("resize", "it can't be resized");
    } catch (error) {
      if (end > fileSize) file?.shrink(fileSize);
      throw error;
    } finally {
      if (mapping.size > 0) file?.rest();
    }
    memory.resized(length);
  }
  if (cut && end < fileSize) file?.shrink(end);
}

function cannotGrow(memory: RegionMemory): MmapError {
  return memory.error(
    "ENOTSUP",
    "resize",
    "shared memory without a file can't grow: the kernel would fault on the new pages; " +
      "use anonymousSharedMemory, which can",
  );
}
