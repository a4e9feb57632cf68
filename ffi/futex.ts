/**
 * The futex, or what the platform has instead: the choice, and nothing else.
 *
 * @module
 */
import { darwinFutex } from "./futex_darwin.ts";
import { linuxFutex } from "./futex_linux.ts";
import { libc } from "./libc.ts";
import { machine } from "./machine.ts";
import type { Futex } from "./waiting.ts";

let opened: Futex | undefined;

/** The platform's way to wait for a word. */
export function futex(): Futex {
  opened ??= machine.system === "darwin" ? darwinFutex(libc()) : linuxFutex(libc());
  return opened;
}
