/**
 * Installing the fault guard: the signal handler of `x86_64.S` and `aarch64.S`.
 *
 * @module
 */
import type { ConstantTable } from "../constant_table.ts";
import type { GuardCalls } from "./calls.ts";
import { CODE } from "./code.ts";
import type { TableMapping } from "./discovery.ts";
import { GuardState, LAYOUT } from "./layout.ts";
import { waitUntil } from "./wait.ts";

/** <asm-generic/signal.h>, x86-64 and arm64. */
const SIGBUS = 7;
const SIGSEGV = 11;
const SA_SIGINFO = 0x0000_0004;
const SA_ONSTACK = 0x0800_0000;
const SA_RESETHAND = 0x8000_0000;

/** `struct sigaction` of glibc and musl on 64-bit Linux. */
const SIGACTION = { handler: 0, mask: 8, flags: 136, restorer: 144, size: 152 };

/** How long another thread may take to install the handler. It makes six calls. */
const PATIENCE = 2000;

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
  const code = Uint8Array.from(atob(CODE[architecture] ?? ""), (character) => character.charCodeAt(0));
  new Uint8Array(table.buffer, LAYOUT.CODE, code.length).set(code);
  const address = table.address + LAYOUT.CODE;
  const size = LAYOUT.RANGES - LAYOUT.CODE;
  if (calls.mprotect(address, size, constants.PROT_READ | constants.PROT_EXEC) === -1) {
    return GuardState.notExecutable;
  }
  return setHandler(calls, table, SIGBUS, LAYOUT.HEADER_FORMER_SIGBUS, address) &&
      setHandler(calls, table, SIGSEGV, LAYOUT.HEADER_FORMER_SIGSEGV, address)
    ? GuardState.installed
    : GuardState.noSigaction;
}

/**
 * Puts our handler before the one that is there, which gets what isn't ours and must not see a difference: its flags
 * (SA_RESTART) stay in force, and its mask is set before it is called. While ours runs, all signals are blocked: the
 * frames of two of them, 3 KiB each with AVX-512, are too much for an alternate stack of 8 KiB. SA_ONSTACK is added:
 * faults by stack overflow can't be handled on the stack that overflowed, and without an alternate stack it changes
 * nothing. SA_RESETHAND would take us away with the first fault; the handler does what it asks for when it calls the
 * other.
 */
function setHandler(
  calls: GuardCalls,
  table: TableMapping,
  signal: number,
  former: number,
  handler: number,
): boolean {
  const ours = LAYOUT.HEADER_SCRATCH;
  const theirs = LAYOUT.HEADER_SCRATCH + SIGACTION.size;
  const view = new DataView(table.buffer, 0, LAYOUT.CODE);
  const remember = (): bigint => {
    const address = view.getBigUint64(theirs + SIGACTION.handler, true);
    view.setBigUint64(former, address, true);
    view.setUint32(former + 8, view.getUint32(theirs + SIGACTION.flags, true), true);
    view.setBigUint64(former + 16, view.getBigUint64(theirs + SIGACTION.mask, true), true);
    return address;
  };

  // It has to be known before the first signal arrives ...
  if (calls.sigaction(signal, 0, table.address + theirs) === -1) return false;
  const before = remember();
  const flags = view.getUint32(theirs + SIGACTION.flags, true);
  for (let offset = 0; offset < SIGACTION.size; offset += 8) {
    view.setBigUint64(ours + offset, view.getBigUint64(theirs + offset, true), true);
  }
  view.setBigUint64(ours + SIGACTION.handler, BigInt(handler), true);
  for (let offset = SIGACTION.mask; offset < SIGACTION.flags; offset += 8) {
    view.setBigUint64(ours + offset, ~0n, true);
  }
  view.setUint32(ours + SIGACTION.flags, (flags & ~SA_RESETHAND | SA_SIGINFO | SA_ONSTACK) >>> 0, true);
  if (calls.sigaction(signal, table.address + ours, table.address + theirs) === -1) return false;
  // ... and again if someone else came in between.
  if (view.getBigUint64(theirs + SIGACTION.handler, true) !== before) remember();
  return true;
}
