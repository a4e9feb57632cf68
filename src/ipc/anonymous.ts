/**
 * Shared memory without a name: memfd_create(2).
 *
 * @module
 */
import { nodeProcess } from "../../ffi/builtins.ts";
import { callOf } from "../../ffi/callers.ts";
import {
  addSeals,
  closeDescriptor,
  descriptorPath,
  memoryDescriptor,
  SEAL_NAMES,
  sealsOf,
} from "../../ffi/shm.ts";
import { oneOf, show, wholeNumber } from "../checks.ts";
import { mapDescriptor } from "../create.ts";
import type { RegionMemory } from "../memory.ts";
import type { CloseOptions } from "../options.ts";
import { MappedRegion } from "../region.ts";
import { ownOptions } from "./options.ts";

/**
 * What is forbidden to everybody, for good:
 *
 * - `"shrink"`: to make the memory shorter. A peer then can't take pages away from under others.
 * - `"grow"`: to make it longer.
 * - `"write"`: to write to it. Refused (EBUSY) while anybody has it mapped for writing, the region itself included.
 * - `"future-write"`: to write to it, but for the mappings there are now (Linux 5.1).
 * - `"seal"`: to seal it further.
 */
export type Seal = "seal" | "shrink" | "grow" | "write" | "future-write";

/** Options of {@linkcode anonymousSharedMemory}. */
export interface AnonymousSharedMemoryOptions {
  /** What is forbidden to everybody from the beginning. Linux only. Default: nothing. */
  seal?: Seal | readonly Seal[] | undefined;
  /** Address space to grow into, in bytes: see `MappedRegion.resize`. Default: none. */
  capacity?: number | undefined;
  /**
   * A name to be shown in `/proc`, among open files and mappings. Nothing can be opened by it. Default:
   * `"mapped-region"`.
   */
  name?: string | undefined;
}

/**
 * Makes memory that has no name, and maps it. Other processes get it by its descriptor, in a child's `stdio`; or, if
 * they have the right, by {@linkcode AnonymousSharedMemory.path}. It is freed when nobody has it any more.
 *
 * Its memory is allocated at once. It can be resized, unless it is sealed against that.
 *
 * @param length The number of bytes.
 * @param options What is forbidden from the beginning.
 * @throws {TypeError} If an argument has the wrong type, or an option is unknown.
 * @throws {RangeError} If a number is out of range.
 * @throws {MmapError} What memfd_create(2), posix_fallocate(3) and mmap(2) fail with: EMFILE, ENOMEM, ENOSPC; ENOTSUP for seals
 * on macOS, where nothing of this has been tried.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { anonymousSharedMemory } from "@mapped/region/ipc";
 *
 * using memory = anonymousSharedMemory(4096, { seal: "shrink" });
 * memory.write(0, "hello");
 * // spawn("bun", ["child.ts"], { stdio: ["inherit", "inherit", "inherit", memory.descriptor] }); and in the child
 * // MappedRegion.fromDescriptor(3, { access: "read-write" }):
 * using other = MappedRegion.fromDescriptor(memory.descriptor, { access: "read-write" });
 * console.log(other.length); // 4096
 * ```
 */
export function anonymousSharedMemory(
  length: number,
  options?: AnonymousSharedMemoryOptions,
): AnonymousSharedMemory {
  const call = "anonymousSharedMemory";
  const given = ownOptions(options, ["seal", "name", "capacity"], call);
  const { seal = [], name = "mapped-region" } = given;
  const seals = checkSeals(Array.isArray(seal) ? seal : [seal], `${call}: option 'seal'`);
  if (typeof name !== "string") {
    throw new TypeError(`${call}: option 'name' must be a string: received ${show(name)}`);
  }
  if (name.includes("\0") || new TextEncoder().encode(name).length > 249) {
    throw new RangeError(
      `${call}: option 'name' must have 249 bytes at most, and no NUL: received ${show(name)}`,
    );
  }
  const size = wholeNumber(length, `${call}: the length`);
  const capacity = given.capacity === undefined
    ? undefined
    : wholeNumber(given.capacity, `${call}: option 'capacity'`);
  const fd = memoryDescriptor(name);
  let memory: RegionMemory | undefined;
  try {
    memory = mapDescriptor(fd, { access: "read-write", size, capacity }, callOf(anonymousSharedMemory));
    addSeals(fd, seals);
    return make(memory, fd);
  } catch (error) {
    memory?.close(false);
    closeDescriptor(fd);
    throw error;
  }
}

function checkSeals(seals: readonly unknown[], what: string): Seal[] {
  return seals.map((seal) => oneOf(seal, SEAL_NAMES, what));
}

/** Closes the descriptors of regions that a program forgot to close. */
let forgotten: FinalizationRegistry<number> | undefined;

/** The constructor, which is private to programs. */
let make: (memory: RegionMemory, fd: number) => AnonymousSharedMemory;

/**
 * A region of memory that has no name, and its descriptor: made by {@linkcode anonymousSharedMemory}.
 *
 * @example
 * ```ts
 * import { anonymousSharedMemory } from "@mapped/region/ipc";
 *
 * using memory = anonymousSharedMemory(4096);
 * memory.write(0, "hello");
 * console.log(memory.descriptor, memory.path); // 17 /proc/1234/fd/17
 * ```
 */
export class AnonymousSharedMemory extends MappedRegion {
  readonly #fd: number;
  #let = false;

  /** Made by {@linkcode anonymousSharedMemory}. */
  private constructor(memory: RegionMemory, fd: number) {
    super(memory);
    this.#fd = fd;
    forgotten ??= new FinalizationRegistry(closeDescriptor);
    forgotten.register(this, fd, this);
  }

  static {
    make = (memory, fd) => new AnonymousSharedMemory(memory, fd);
  }

  /** The descriptor, for a child's `stdio` and for `MappedRegion.fromDescriptor`; -1 once it is closed. */
  get descriptor(): number {
    return this.#let ? -1 : this.#fd;
  }

  /**
   * The path under which another process of the same user may open it for as long as this one has it open:
   * `/proc/1234/fd/17`. Undefined on macOS, and once it is closed.
   */
  override get path(): string | undefined {
    return this.#let ? undefined : descriptorPath(nodeProcess()?.pid ?? 0, this.#fd);
  }

  /**
   * What is forbidden.
   *
   * @throws {MmapError} EBADF once it is closed.
   */
  get seals(): Seal[] {
    return sealsOf(this.descriptor);
  }

  /**
   * Forbids something to everybody, for good.
   *
   * @param seals What is forbidden.
   * @throws {TypeError} If there is no such seal.
   * @throws {MmapError} EPERM if it is sealed against seals; EBUSY for `"write"` while it is mapped to write to; EINVAL if the
   * system doesn't know it; EBADF once it is closed; ENOTSUP on macOS.
   *
   * @example
   * ```ts
   * import { anonymousSharedMemory } from "@mapped/region/ipc";
   *
   * using memory = anonymousSharedMemory(4096);
   * memory.seal("shrink", "grow");
   * console.log(memory.seals); // [ "shrink", "grow" ]
   * ```
   */
  seal(...seals: readonly Seal[]): void {
    addSeals(this.descriptor, checkSeals(seals, "seal: each"));
  }

  /**
   * Closes the region and the descriptor. Others keep the memory. Again it does nothing.
   *
   * @param options As for `MappedRegion.close`.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   *
   * @example
   * ```ts
   * import { anonymousSharedMemory } from "@mapped/region/ipc";
   *
   * const memory = anonymousSharedMemory(4096);
   * memory.close();
   * console.log(memory.closed, memory.descriptor); // true -1
   * ```
   */
  override close(options?: CloseOptions): void {
    super.close(options);
    this.#letGo();
  }

  /** The same as {@linkcode AnonymousSharedMemory.close}. */
  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#letGo();
  }

  #letGo(): void {
    if (this.#let) return;
    this.#let = true;
    forgotten?.unregister(this);
    closeDescriptor(this.#fd);
  }
}
