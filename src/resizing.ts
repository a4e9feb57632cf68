/**
 * Changing the length of a region, and that of its file where it must.
 *
 * @module
 */
import { Math } from "../ffi/captured.ts";
import type { MmapError } from "../ffi/errors.ts";
import { constants } from "../ffi/platform.ts";
import { wholeNumber } from "./checks.ts";
import type { Mapping } from "./mapping.ts";
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
  check(memory, mapping, before, length, cut);
  const work = (): void => change(memory, mapping, before, length, cut);
  // What may change the file's length asks and does several things of it: for all of them it is opened once.
  if (mapping.file !== undefined && writesFile(mapping) && (length > before || cut)) mapping.file.use(work);
  else work();
}

function change(memory: RegionMemory, mapping: Mapping, before: number, length: number, cut: boolean): void {
  const { file } = mapping;
  // To become shorter, a region needs no file: its own may be gone.
  const known = length <= before && !cut ? file?.sizeIfKnown() : file?.size();
  const fileSize = known ?? Infinity;
  // A shared mapping of /dev/zero is memory without a file, too.
  if (file !== undefined && mapping.shared && fileSize === Infinity && length > before) {
    throw cannotGrow(memory);
  }
  const end = memory.fileOffset + length;
  const grows = length !== before && end > fileSize;
  if (grows) {
    if (!writesFile(mapping)) {
      throw new RangeError(
        `resize: ${length} bytes reach past the end of the file: it has ${fileSize} bytes, ` +
          `${Math.max(0, fileSize - memory.fileOffset)} of them from the region's first on`,
      );
    }
    file?.grow(end, memory.sparse);
  }
  const remap = (): void => {
    if (mapping.capacity === 0 && length !== before) memory.revoke(0);
    else if (length < before) memory.revoke(length);
    // Before any pages go, since this may be refused.
    if (cut && end < fileSize) file?.shrink(end);
    if (length === before) return;
    const size = length === 0 ? 0 : memory.delta + length;
    if (size === 0) file?.keepOpen();
    resizeMapping(mapping, size, (code) => mapRemedy(code, {}, memory.access));
    memory.resized(length);
  };
  try {
    if (mapping.capacity > 0 && length > before) mapping.slot.exclusively(remap);
    else if (!mapping.slot.alone(remap)) throw memory.attached("resize", "it can't be resized");
  } catch (error) {
    if (grows) file?.shrink(fileSize);
    throw error;
  } finally {
    memory.tellChanged();
    if (mapping.size > 0) file?.rest();
  }
}

/**
 * Makes a region of a file as long as the file has become, where the region ended where the file did; returns its length.
 */
export function refresh(memory: RegionMemory): number {
  const { file } = memory.live("refresh");
  const length = memory.length("refresh");
  if (file === undefined) return length;
  const now = Math.max(0, file.size() - memory.fileOffset);
  if (now !== Infinity && now !== length) resize(memory, now, undefined);
  return memory.length("refresh");
}

/** Refuses what can't be done, before anything has been. */
function check(memory: RegionMemory, mapping: Mapping, before: number, length: number, cut: boolean): void {
  if (cut && !writesFile(mapping)) {
    throw new TypeError("resize: option 'file' needs a region of a file with access \"read-write\"");
  }
  const { capacity } = memory;
  if (mapping.capacity > 0 && length > capacity) {
    throw new RangeError(
      `resize: ${length} bytes are more than the region's capacity of ${capacity}: open it with a larger 'capacity'`,
    );
  }
  const staysInPlace = mapping.capacity > 0 && length >= before;
  if (memory.busy && !staysInPlace) {
    throw memory.error("EBUSY", "resize", "its pages are in use by flush() or use(); await that first");
  }
  if (mapping.shared && mapping.anonymous && length > before && mapping.capacity === 0) {
    throw cannotGrow(memory);
  }
  if (mapping.file === undefined && !mapping.anonymous) {
    throw memory.attached("resize", "it is resized by the worker that opened it");
  }
}

/** Whether what is stored to a mapping reaches a file. */
function writesFile(mapping: Mapping): boolean {
  return mapping.shared && !mapping.anonymous && (mapping.request.protection & constants.PROT_WRITE) !== 0;
}

function cannotGrow(memory: RegionMemory): MmapError {
  return memory.error(
    "ENOTSUP",
    "resize",
    "shared memory without a file can't grow: the kernel would fault on the new pages; " +
      "use anonymousSharedMemory, or option 'capacity'",
  );
}
