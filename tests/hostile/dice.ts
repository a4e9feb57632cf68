/**
 * Random numbers that are the same for the same seed.
 *
 * @module
 */

/** Makes a function that gives whole numbers from 0 up, less than the one that it is given. */
export function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}
