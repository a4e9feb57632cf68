/**
 * Installing the fault guard: the signal handler of `x86_64.S` and `aarch64.S`.
 *
 * @module
 */
import { Atomics, ByteArray, setBytes, toBigInt } from "../captured.ts";
import type { ConstantTable } from "../constant_table.ts";
import { CODE as KERNELS } from "../kernels/code.ts";
import type { GuardCalls } from "./calls.ts";
import { CODE } from "./code.ts";
import type { TableMapping } from "./discovery.ts";
import { GuardState, LAYOUT } from "./layout.ts";
import { waitUntil } from "./wait.ts";

/** The handler addresses 0 and 1 are SIG_DFL and SIG_IGN; flags as in <asm-generic/signal.h>, x86-64 and arm64. */
const SIG_IGN = 1n;
const SA_SIGINFO = 0x0000_0004;
const SA_RESTORER = 0x0400_0000;
const SA_ONSTACK = 0x0800_0000;
const SA_RESETHAND = 0x8000_0000;

/** `struct sigaction` of glibc and musl on 64-bit Linux. */
const SIGACTION = { handler: 0, mask: 8, flags: 136, restorer: 144, size: 152 };

/**
 * How long to wait for another thread to install the handler, in milliseconds. That takes six system calls, but the thread
 * may have to wait for a processor.
 */
const PATIENCE = 10_000;

/** Whether there is a handler for an architecture, as `process.arch` names it, on a platform. */
export function hasHandler(platform: string, architecture: string): boolean {
  return platform === "linux" && CODE[architecture] !== undefined;
}

/**
 * Makes sure that the handler is installed, once for the process, whichever thread asks first.
 *
 * @returns One of `GuardState`: that it is, or why not.
 */
export function installGuard(
  calls: GuardCalls,
  architecture: string,
  table: TableMapping,
  constants: ConstantTable,
): number {
  const states = new Uint32Array(table.buffer, LAYOUT.HEADER_GUARD, 1);
  const found = Atomics.compareExchange(states, 0, GuardState.absent, GuardState.busy);
  if (found === GuardState.absent) {
    const state = install(calls, architecture, table, constants);
    Atomics.store(states, 0, state);
    return state;
  }
  if (!waitUntil(() => Atomics.load(states, 0) !== GuardState.busy, PATIENCE)) {
    Atomics.compareExchange(states, 0, GuardState.busy, GuardState.abandoned);
  }
  return Atomics.load(states, 0);
}

function install(
  calls: GuardCalls,
  architecture: string,
  table: TableMapping,
  constants: ConstantTable,
): number {
  const memory = new ByteArray(table.buffer, 0, LAYOUT.RANGES);
  setBytes(memory, Uint8Array.fromBase64(CODE[architecture] ?? ""), LAYOUT.CODE);
  setBytes(memory, Uint8Array.fromBase64(KERNELS[architecture] ?? ""), LAYOUT.KERNELS);
  const address = table.address + LAYOUT.CODE;
  const size = LAYOUT.RANGES - LAYOUT.CODE;
  if (calls.mprotect(address, size, constants.PROT_READ | constants.PROT_EXEC) === -1) {
    return GuardState.notExecutable;
  }
  const actions = new Actions(calls, table, table.address + LAYOUT.HEADER_SCRATCH);
  const isInstalled = installFor(actions, SIGNALS.SIGBUS) && installFor(actions, SIGNALS.SIGSEGV);
  return isInstalled ? GuardState.installed : GuardState.noSigaction;
}

function installFor(actions: Actions, { number, former }: Signal): boolean {
  // The former handler has to be known before the first signal arrives ...
  const before = actions.read(number);
  if (before === undefined) return false;
  actions.remember(before, former);
  const replaced = actions.takeOver(number, before);
  if (replaced === undefined) return false;
  // ... and again if someone else came in between.
  if (replaced.handler !== before.handler) actions.remember(replaced, former);
  return true;
}

/** The signals that faults raise, by their names in Node. */
export type FaultSignal = "SIGBUS" | "SIGSEGV";

interface Signal {
  /** The number on x86-64 and arm64 (<asm-generic/signal.h>). */
  readonly number: number;
  /** Where in the table the actions behind ours are kept. */
  readonly former: number;
  readonly listener: number;
}

const SIGNALS: Readonly<Record<FaultSignal, Signal>> = {
  SIGBUS: { number: 7, former: LAYOUT.HEADER_FORMER_SIGBUS, listener: LAYOUT.HEADER_LISTENER_SIGBUS },
  SIGSEGV: { number: 11, former: LAYOUT.HEADER_FORMER_SIGSEGV, listener: LAYOUT.HEADER_LISTENER_SIGSEGV },
};

/**
 * Keeps our handler in force while a program listens to its signals by `process.on`. For that, a runtime puts its own
 * handler in the place of ours, and the default one when the last listener has gone.
 */
export class GuardKeeper {
  readonly #actions: Actions;
  readonly #listeners: BigUint64Array;

  /** @param scratch The address of memory of this thread's own, `SCRATCH_SIZE` bytes. */
  constructor(calls: GuardCalls, table: TableMapping, scratch: number) {
    this.#actions = new Actions(calls, table, scratch);
    this.#listeners = new BigUint64Array(table.buffer, 0, LAYOUT.CODE / 8);
  }

  /**
   * The runtime has just replaced our handler by its own. That one now gets the signals that are sent; faults go
   * where they went before.
   */
  taken(signal: FaultSignal): void {
    const { number, listener } = SIGNALS[signal];
    const now = this.#actions.read(number);
    if (now === undefined || now.handler === this.#actions.ours || now.handler <= SIG_IGN) return;
    this.#actions.remember(now, listener);
    this.#actions.takeOver(number, now);
  }

  /** Runs `work` while the runtime's own handler is in our place, if a program listens. */
  aside(signal: FaultSignal, work: () => void): void {
    const { number, former, listener } = SIGNALS[signal];
    const now = this.#actions.read(number);
    // A listener that was there before our handler is the former handler.
    const newer = this.#actions.recall(listener);
    const theirs = newer.handler === 0n ? this.#actions.recall(former) : newer;
    const stepsAside = now !== undefined && now.handler === this.#actions.ours;
    if (stepsAside) this.#actions.install(number, theirs);
    try {
      work();
    } finally {
      if (stepsAside) this.#actions.takeOver(number, theirs);
    }
  }

  /**
   * A listener has gone. If it was the last one, our handler has been replaced by the default one, or has other
   * flags.
   */
  left(signal: FaultSignal): void {
    const { number, former, listener } = SIGNALS[signal];
    const now = this.#actions.read(number);
    if (now === undefined) return;
    const isOurs = now.handler === this.#actions.ours;
    if (isOurs ? (now.flags & SA_SIGINFO) !== 0 : now.handler > SIG_IGN) return;
    // One that was there before our handler is the former handler.
    const wasNewer = Atomics.exchange(this.#listeners, listener / 8, 0n) !== 0n;
    if (!wasNewer && !isOurs) this.#actions.remember(now, former);
    this.#actions.takeOver(number, this.#actions.recall(former));
  }
}

/** How much memory {@linkcode GuardKeeper} needs. */
export const SCRATCH_SIZE = 2 * SIGACTION.size;

interface Action {
  readonly handler: bigint;
  readonly mask: bigint;
  readonly flags: number;
}

/** Memory as numbers. The elements of typed arrays can't be replaced, as the methods of a DataView can. */
interface Memory {
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
}

function memoryOf(buffer: ArrayBuffer, offset: number, length: number): Memory {
  return {
    u32: new Uint32Array(buffer, offset, length / 4),
    u64: new BigUint64Array(buffer, offset, length / 8),
  };
}

/** sigaction(2), by memory that one thread at a time uses. */
class Actions {
  /** The address of our handler. */
  readonly ours: bigint;
  readonly #calls: GuardCalls;
  readonly #header: Memory;
  readonly #scratch: number;
  readonly #view: Memory;

  constructor(calls: GuardCalls, table: TableMapping, scratch: number) {
    this.ours = toBigInt(table.address + LAYOUT.CODE);
    this.#calls = calls;
    this.#header = memoryOf(table.buffer, 0, LAYOUT.CODE);
    this.#scratch = scratch;
    this.#view = scratch >= table.address && scratch < table.address + LAYOUT.CODE
      ? memoryOf(table.buffer, scratch - table.address, SCRATCH_SIZE)
      : memoryOf(calls.arrayBuffer(scratch, SCRATCH_SIZE), 0, SCRATCH_SIZE);
  }

  /** What is installed; `undefined` when the system doesn't say. */
  read(signal: number): Action | undefined {
    return this.#calls.sigaction(signal, 0, this.#scratch) === -1 ? undefined : this.#found();
  }

  /** Stores the action that is to be taken for signals that no region has caused. */
  remember({ handler, mask, flags }: Action, where: number): void {
    this.#header.u64[(where + 16) / 8] = mask;
    this.#header.u32[(where + 8) / 4] = flags;
    this.#header.u64[where / 8] = handler;
  }

  /** The action that was stored. */
  recall(where: number): Action {
    return {
      handler: this.#header.u64[where / 8] ?? 0n,
      flags: this.#header.u32[(where + 8) / 4] ?? 0,
      mask: this.#header.u64[(where + 16) / 8] ?? 0n,
    };
  }

  /**
   * Installs our handler in the place of the one that is there. Ours passes on the signals that no region has caused,
   * and the former handler must not notice a difference: its flags (SA_RESTART) stay in force, and its mask is set
   * before it is called. All signals are blocked while ours runs, since two signal frames, of 3 KiB each with
   * AVX-512, don't fit an alternate stack of 8 KiB. SA_ONSTACK is added: a stack overflow can't be handled on the
   * stack that overflowed. SA_RESETHAND is taken out, which would remove our handler at the first fault; the handler
   * does by itself what that flag asks for.
   *
   * @returns What was there; `undefined` on failure.
   */
  takeOver(signal: number, before: Action): Action | undefined {
    const flags = before.flags & ~SA_RESETHAND | SA_SIGINFO | SA_ONSTACK;
    return this.install(signal, { handler: this.ours, mask: ~0n, flags });
  }

  /** Installs an action; returns what was there. */
  install(signal: number, { handler, mask, flags }: Action): Action | undefined {
    const at = SIGACTION.size;
    this.#view.u64[(at + SIGACTION.handler) / 8] = handler;
    // The kernel knows 64 signals, libc 1024.
    for (let offset = SIGACTION.mask; offset < SIGACTION.flags; offset += 8) {
      this.#view.u64[(at + offset) / 8] = mask;
    }
    this.#view.u32[(at + SIGACTION.flags) / 4] = flags & ~SA_RESTORER;
    return this.#calls.sigaction(signal, this.#scratch + at, this.#scratch) === -1
      ? undefined
      : this.#found();
  }

  #found(): Action {
    return {
      handler: this.#view.u64[SIGACTION.handler / 8] ?? 0n,
      mask: this.#view.u64[SIGACTION.mask / 8] ?? 0n,
      flags: this.#view.u32[SIGACTION.flags / 4] ?? 0,
    };
  }
}
