/**
 * The numbers of Linux's system calls that have no function in the C library.
 *
 * @module
 */
import { machine } from "./machine.ts";

const X64 = {
  gettid: 186,
  futex: 202,
  set_robust_list: 273,
  get_robust_list: 274,
  futex_waitv: 449,
} as const;
const ARM64 = {
  gettid: 178,
  futex: 98,
  set_robust_list: 99,
  get_robust_list: 100,
  futex_waitv: 449,
} as const;

/** The system calls' numbers on this CPU: `<asm/unistd.h>`. */
export const SYSCALLS: { readonly [Name in keyof typeof X64]: number } = machine.architecture === "arm64"
  ? ARM64
  : X64;
