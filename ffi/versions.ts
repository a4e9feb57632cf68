/**
 * Which versions of the runtimes the library works on.
 *
 * @module
 */

/** The oldest of each. `package.json` says the same under `engines`. */
export const OLDEST = { bun: "1.4.5", deno: "2.7.12", node: "26.10.0" } as const;

/** The same in words. */
export const REQUIREMENTS: string = `Bun ${OLDEST.bun}, Deno ${OLDEST.deno} or Node ${OLDEST.node}, or later`;

/** Whether a version, `"2.7.12-rc.1"` say, is older than another. What follows the three numbers doesn't count. */
export function isOlder(version: string, than: string): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part, 10));
  for (const [index, needed] of than.split(".").map(Number).entries()) {
    const part = parts[index] ?? 0;
    if (part !== needed) return part < needed;
  }
  return false;
}
