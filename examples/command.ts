/**
 * What the programs here have in common: how they end, read numbers from the command line, and say how far they are.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { parseArgs } from "node:util";

/** The system lacks what a program needs. The message says what that is, and how to get it. */
export class Missing extends Error {}

/** Runs a program. If it throws, the message is printed, and the exit code is 3 for {@linkcode Missing}, or else 2. */
export async function command(name: string, main: () => void | Promise<void>): Promise<void> {
  surviveClosedPipe();
  try {
    await main();
    progress("");
  } catch (error) {
    progress("");
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof Missing ? 3 : 2;
  }
}

/**
 * Goes on if nobody reads what is printed any more, as in `program | head -1`, so that the program can still clean up. Bun
 * and Deno do so anyway; Node ends the program with an error.
 */
function surviveClosedPipe(): void {
  if (process.versions["bun"] !== undefined || process.versions["deno"] !== undefined) return;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/**
 * Runs a program that takes no options, and so many arguments. `usage` is printed for `--help`, and is the message where
 * the number of arguments is wrong.
 */
export async function simpleCommand(
  usage: string,
  least: number,
  most: number,
  main: (...given: readonly string[]) => void | Promise<void>,
): Promise<void> {
  await command(usage.split(" ")[1] ?? "", async () => {
    const { values: { help }, positionals } = parseArgs({
      options: { help: { type: "boolean" } },
      allowPositionals: true,
    });
    if (help === true) console.log(usage);
    else if (positionals.length < least || positionals.length > most) throw new TypeError(usage);
    else await main(...positionals);
  });
}

/** The whole number that an option was given. */
export function wholeNumber(text: string, option: string, least: number = 1): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least) {
    throw new RangeError(`${option} must be a whole number, ${least} or more: received "${text}"`);
  }
  return number;
}

/** What removes the line that is being written on a terminal, and with it the progress that is shown there. */
export const ERASE = "\r\x1b[K";

let shown = false;

/**
 * Shows on a terminal how far the program is, if that takes longer than a second. What was shown before goes away: call
 * it with an empty text before anything else is printed.
 */
export function progress(text: string): void {
  if (text === "" ? !shown : performance.now() < 1000 || !process.stderr.isTTY) return;
  process.stderr.write(ERASE + text);
  shown = text !== "";
}
