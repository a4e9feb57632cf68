/**
 * Making regions: from what a program asks for to what mmap(2) is asked for.
 *
 * @module
 */
import type { Call } from "../ffi/callers.ts";
import { append, Math } from "../ffi/captured.ts";
import { pageSizeOf } from "../ffi/files.ts";
import { processId } from "../ffi/builtins.ts";
import { libc } from "../ffi/libc.ts";
import { isSharedMapping } from "../ffi/pages.ts";
import { constants } from "../ffi/platform.ts";
import { wholeNumber } from "./checks.ts";
import { RegionClosedError } from "./errors.ts";
import { borrowFile, type MappedFile, openFile, toPath } from "./file.ts";
import { type RegionHandle, regionHandle } from "./handle.ts";
import { attachMapping, createMapping } from "./mapping.ts";
import { RegionMemory } from "./memory.ts";
import {
  type Access,
  type AnonymousOptions,
  anonymousOptions,
  type DescriptorOptions,
  descriptorOptions,
  type MapOptions,
  type MapRequest,
  mapRequest,
  type OpenOptions,
  openOptions,
} from "./options.ts";
import { protectionBits } from "./protections.ts";
import { mapRemedy, needed } from "./remedies.ts";

/** Opens a file and maps it, or a part of it. */
export function mapPath(path: string | URL, options: OpenOptions | undefined, caller: Call): RegionMemory {
  return openAs(path, options, "MappedRegion.open", "read", caller);
}

/** The same, without a warning when the memory is collected: that is how mapFile's is given back. */
export function openSilently(path: string | URL, options: OpenOptions | undefined): RegionMemory {
  // Its pages are writable, since the bytes that readFileSync returns are, too.
  return openAs(path, options, "mapFile", "copy-on-write", undefined);
}

function openAs(
  path: string | URL,
  options: OpenOptions | undefined,
  call: string,
  defaultAccess: Access,
  caller: Call | undefined,
): RegionMemory {
  const checked = openOptions(options, call);
  const file = openFile(toPath(path, call), checked);
  try {
    return mapFile(file, checked, checked.access ?? defaultAccess, call, caller);
  } catch (error) {
    file.undo();
    throw error;
  }
}

/** Maps a file that the program has opened. */
export function mapDescriptor(
  fd: number,
  options: DescriptorOptions | undefined,
  caller: Call,
): RegionMemory {
  const call = "MappedRegion.fromDescriptor";
  const checked = descriptorOptions(options);
  wholeNumber(fd, `${call}: the descriptor`);
  return mapFile(borrowFile(fd), checked, checked.access ?? "read", call, caller);
}

/** Maps memory that no file stands behind. */
export function mapMemory(length: number, options: AnonymousOptions | undefined, caller: Call): RegionMemory {
  const call = "MappedRegion.anonymous";
  const checked = anonymousOptions(options);
  wholeNumber(length, `${call}: the length`);
  if (checked.capacity !== undefined && checked.capacity < length) {
    throw tooSmall(checked.capacity, length, call);
  }
  const { shared = false, protection = "read-write", hugePages = false, stack, growsDown } = checked;
  let flags = mapFlags(checked, call) | constants.MAP_ANONYMOUS |
    (shared ? constants.MAP_SHARED : constants.MAP_PRIVATE);
  if (hugePages !== false) flags |= needed("MAP_HUGETLB", "option 'hugePages'", call);
  if (hugePages === "2MB") flags |= needed("MAP_HUGE_2MB", "option 'hugePages'", call);
  if (hugePages === "1GB") flags |= needed("MAP_HUGE_1GB", "option 'hugePages'", call);
  if (stack === true) flags |= needed("MAP_STACK", "option 'stack'", call);
  if (growsDown === true) flags |= needed("MAP_GROWSDOWN", "option 'growsDown'", call);
  const bits = protectionBits(protection);
  const access: Access = (bits & constants.PROT_WRITE) !== 0 ? "read-write" : "read";
  const request = { address: mapAddress(checked, call), length, protection: bits, flags, fd: -1, offset: 0 };
  const mapping = createMapping(request, {
    file: undefined,
    guarded: true,
    capacity: checked.capacity ?? 0,
    explain: (code) => mapRemedy(code, checked, access),
  });
  return RegionMemory.of({
    mapping,
    delta: 0,
    length,
    fileOffset: 0,
    access,
    sparse: false,
    raw: false,
    path: undefined,
  }, caller);
}

/** mmap(2) itself. */
export function mapAsAsked(request: MapRequest, caller: Call): RegionMemory {
  const call = "MappedRegion.map";
  const { address = 0n, length, protection, flags, fd = -1, offset = 0 } = mapRequest(request);
  if (address === 0n && (flags & constants.MAP_FIXED) !== 0) {
    throw new RangeError(`${call}: MAP_FIXED needs an address above 0n`);
  }
  const isAnonymous = (flags & constants.MAP_ANONYMOUS) !== 0;
  if (!isAnonymous && fd < 0) {
    throw new RangeError(`${call}: option 'fd' must be a descriptor, unless 'flags' has MAP_ANONYMOUS`);
  }
  const file = isAnonymous ? undefined : borrowFile(fd);
  const writable = (protection & constants.PROT_WRITE) !== 0;
  const access: Access = !writable
    ? "read"
    : isAnonymous || isSharedMapping(flags)
    ? "read-write"
    : "copy-on-write";
  const mapping = createMapping(
    { address: Number(address), length, protection, flags, fd, offset },
    { file, guarded: true, capacity: 0, explain: (code) => mapRemedy(code, {}, access) },
  );
  return RegionMemory.of({
    mapping,
    delta: 0,
    length,
    fileOffset: offset,
    access,
    sparse: false,
    raw: true,
    path: undefined,
  }, caller);
}

/** What another worker of the process needs to attach to the same memory. */
export function handleOf(memory: RegionMemory): RegionHandle {
  const mapping = memory.live("handle");
  const { delta, fileOffset, access, path } = memory;
  memory.share(mapping);
  const protections: { end: number; bits: number }[] = [];
  mapping.protections.forEach((_, end, bits) => append(protections, { end, bits }));
  return {
    type: "MappedRegion",
    process: processId(),
    ...mapping.slot.handle,
    delta,
    length: memory.size,
    fileOffset,
    access,
    flags: mapping.request.flags,
    pageSize: mapping.pageSize,
    protections,
    ...(path === undefined ? {} : { path }),
  };
}

/** What another worker of the process has mapped. */
export function attachTo(handle: RegionHandle, caller: Call): RegionMemory {
  const checked = regionHandle(handle);
  const mapping = attachMapping(checked);
  if (mapping === undefined) throw new RegionClosedError("MappedRegion.attach", checked.path);
  const { delta, length, fileOffset, access, path } = checked;
  return RegionMemory.of(
    { mapping, delta, length, fileOffset, access, path, sparse: false, raw: false },
    caller,
  );
}

/** Maps a file, or a part of one, that is open. */
function mapFile(
  file: MappedFile,
  options: DescriptorOptions,
  access: Access,
  call: string,
  caller: Call | undefined,
): RegionMemory {
  const { offset = 0, size, sparse = false } = options;
  if (size !== undefined) file.grow(size, sparse);
  const fileSize = file.size();
  if (fileSize === Infinity && options.length === undefined) {
    throw new RangeError(`${call}: ${nameOf(file)} is a device, which has no size: pass option 'length'`);
  }
  const length = options.length ?? Math.max(0, fileSize - offset);
  if (offset > fileSize || length > fileSize - offset) {
    throw new RangeError(
      `${call}: ${length} bytes from offset ${offset} reach past the end of ${nameOf(file)}, which has ` +
        `${fileSize} bytes: ask for less, or grow it with option 'size'`,
    );
  }
  if (options.capacity !== undefined && options.capacity < length) {
    throw tooSmall(options.capacity, length, call);
  }
  const delta = offset === 0 ? 0 : offset % file.use(pageSizeOf);
  const { PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, MAP_RESILIENT_MEDIA = 0 } = constants;
  const guarded = options.guard ?? true;
  // macOS's kernel can give zeros for lost pages by itself, to regions that don't write.
  const resilient = access === "read" && guarded ? MAP_RESILIENT_MEDIA : 0;
  const address = mapAddress(options, call);
  const protection = access === "read" ? PROT_READ : PROT_READ | PROT_WRITE;
  const flags = mapFlags(options, call) | resilient | (access === "read-write" ? MAP_SHARED : MAP_PRIVATE);
  const explain = (code: string): string | undefined => mapRemedy(code, options, access);
  const context = {
    file,
    guarded,
    capacity: options.capacity === undefined ? 0 : delta + options.capacity,
    explain,
  };
  const mapping = file.use((fd) => {
    const whole = length === 0 ? 0 : delta + length;
    return createMapping({ address, length: whole, protection, flags, fd, offset: offset - delta }, context);
  });
  if (length > 0) file.rest();
  const parts = { mapping, delta, length, fileOffset: offset, access, sparse, raw: false, path: undefined };
  return RegionMemory.of(parts, caller);
}

function nameOf({ path }: MappedFile): string {
  return path === undefined ? "the file" : `'${path}'`;
}

function tooSmall(capacity: number, length: number, call: string): RangeError {
  return new RangeError(
    `${call}: option 'capacity' must be at least the length, ${length} bytes: received ${capacity}`,
  );
}

function mapFlags({ populate, lock, reserve, placement }: MapOptions, call: string): number {
  let flags = 0;
  if (populate === true) flags |= needed("MAP_POPULATE", "option 'populate'", call);
  if (lock === true) flags |= needed("MAP_LOCKED", "option 'lock'", call);
  if (reserve === false) flags |= constants.MAP_NORESERVE;
  if (placement === "fixed") flags |= constants.MAP_FIXED;
  if (placement === "fixed-noreplace") {
    flags |= needed("MAP_FIXED_NOREPLACE", 'placement "fixed-noreplace"', call);
  }
  return flags;
}

function mapAddress({ address, placement }: MapOptions, call: string): number {
  if (address === undefined) return 0;
  const { pageSize } = libc();
  if (address % BigInt(pageSize) !== 0n) {
    throw new RangeError(
      `${call}: option 'address' must be a multiple of the page size, ${pageSize}: received 0x${
        address.toString(16)
      }`,
    );
  }
  if (address === 0n && placement !== undefined && placement !== "hint") {
    throw new RangeError(`${call}: placement "${placement}" needs an address above 0n`);
  }
  return Number(address);
}
