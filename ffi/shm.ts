/**
 * Shared memory, with a name or without one: where the system keeps it, and how it is sealed.
 *
 * @module
 */
import { builtin } from "./builtins.ts";
import { errorNumber, MmapError } from "./errors.ts";
import { libc } from "./libc.ts";
import { machine } from "./machine.ts";

/**
 * The directory whose files are the system's named shared memory: shm_overview(7). Undefined if there is none; then
 * `shmOpen` is the only way.
 */
export function sharedMemoryDirectory(): string | undefined {
  return machine.system === "linux" ? "/dev/shm" : undefined;
}

/** The longest name in bytes, without the slash. macOS: `PSHMNAMLEN`, with it. */
export function longestName(): number {
  return machine.system === "linux" ? 255 : 30;
}

const text = (name: string): Uint8Array => new TextEncoder().encode(`${name}\0`);

/** shm_open(3), for systems without a directory. Returns a descriptor, or throws. Its mode doesn't reach macOS's. */
export function shmOpen(name: string, flags: number, mode: number): number {
  const { functions, errno } = libc();
  const fd = functions.shm_open(text(`/${name}`), flags, mode);
  if (fd === -1) throw new MmapError(errno(), "shm_open", { path: name });
  return fd;
}

/** shm_unlink(3), for systems without a directory. */
export function shmUnlink(name: string): void {
  const { functions, errno } = libc();
  if (functions.shm_unlink(text(`/${name}`)) === -1) {
    throw new MmapError(errno(), "shm_unlink", { path: name });
  }
}

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;

/** A descriptor of memory without a name: by memfd_create(2), or as near to it as the platform comes. */
export function memoryDescriptor(name: string): number {
  const { functions, errno, has } = libc();
  if (!has("memfd_create")) return unnamed();
  const fd = functions.memfd_create(text(name), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd === -1) throw new MmapError(errno(), "memfd_create");
  return fd;
}

/** Memory whose name is taken away as soon as it has a descriptor. */
function unnamed(): number {
  const { O_CREAT, O_EXCL, O_RDWR } = builtin("node:fs").constants;
  const name = crypto.randomUUID().slice(0, 24);
  const fd = shmOpen(name, O_CREAT | O_EXCL | O_RDWR, 0o600);
  shmUnlink(name);
  return fd;
}

/** The seals, each with its bit: fcntl(2), "File sealing". */
const SEALS = { "seal": 1, "shrink": 2, "grow": 4, "write": 8, "future-write": 16 } as const;

/** What can be forbidden for good. */
export type SealName = keyof typeof SEALS;

/** Their names. */
export const SEAL_NAMES: readonly SealName[] = Object.keys(SEALS) as SealName[];

/** Seals memory. */
export function addSeals(fd: number, seals: readonly SealName[]): void {
  if (seals.length === 0) return;
  const { functions, errno, has } = libc();
  if (!has("memfd_create")) {
    throw new MmapError(errorNumber("ENOTSUP"), "fcntl", {
      explanation: "this platform's memory can't be sealed; leave out 'seal'",
    });
  }
  if (functions.fcntl(fd, F_ADD_SEALS, seals.reduce((bits, seal) => bits | SEALS[seal], 0)) === -1) {
    const number = errno();
    throw new MmapError(number, "fcntl", { explanation: sealRemedy(number) });
  }
}

function sealRemedy(number: number): string | undefined {
  if (number === errorNumber("EPERM")) return 'the memory is sealed against further seals ("seal")';
  if (number === errorNumber("EBUSY")) {
    return 'somebody has it mapped to write to: "write" comes when all such regions are closed; "future-write" lets ' +
      "those there are be";
  }
  return undefined;
}

/** The seals that memory has. */
export function sealsOf(fd: number): SealName[] {
  const { functions, errno, has } = libc();
  if (!has("memfd_create")) return [];
  const bits = functions.fcntl(fd, F_GET_SEALS, 0);
  if (bits === -1) throw new MmapError(errno(), "fcntl");
  return SEAL_NAMES.filter((seal) => (bits & SEALS[seal]) !== 0);
}

/**
 * The path under which other processes that have the right can open a descriptor of this process; undefined if the
 * platform has none.
 */
export function descriptorPath(pid: number, fd: number): string | undefined {
  return machine.system === "linux" ? `/proc/${pid}/fd/${fd}` : undefined;
}

/** close(2), of a descriptor that came from here: Deno's `node:fs` knows only its own. */
export function closeDescriptor(fd: number): void {
  libc().functions.close(fd);
}
