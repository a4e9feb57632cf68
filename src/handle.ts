/**
 * What another worker of the process needs to use the same region.
 *
 * @module
 */
import { processId } from "../ffi/builtins.ts";
import * as z from "zod/mini";
import { show } from "./checks.ts";
import { type Access, ACCESSES, unpolluted } from "./options.ts";

/**
 * Names a region in every worker of the process: plain data, made by `MappedRegion.handle`, sent by `postMessage`, and
 * turned into a region again by `MappedRegion.attach`.
 */
export interface RegionHandle {
  /** Always `"MappedRegion"`. */
  readonly type: "MappedRegion";
  /** The process that has the region. */
  readonly process: number;
  /** The address of the process's table of regions. */
  readonly table: number;
  /** The region's slot in it. */
  readonly slot: number;
  /** Which of the slot's regions is meant. */
  readonly generation: number;
  /** Where in its first page the region begins, in bytes. */
  readonly delta: number;
  /** The number of bytes. */
  readonly length: number;
  /** Where in the file the region begins, in bytes. */
  readonly fileOffset: number;
  /** What the region was opened to do. */
  readonly access: Access;
  /** The `MAP_*` flags it was mapped with. To read: `attach` asks the slot. */
  readonly flags: number;
  /** The size of its pages in bytes. To read: `attach` asks the slot. */
  readonly pageSize: number;
  /** The `PROT_*` bits of its pages, each with the byte where they end. */
  readonly protections: readonly { readonly end: number; readonly bits: number }[];
  /** The path it was opened by. */
  readonly path?: string | undefined;
}

function makeSchema(): z.ZodMiniType<RegionHandle> {
  const whole = z.int().check(z.nonnegative());
  return z.strictObject({
    type: z.literal("MappedRegion"),
    process: z.int(),
    table: whole,
    slot: whole,
    generation: whole,
    delta: whole,
    length: whole,
    fileOffset: whole,
    access: z.enum(ACCESSES),
    flags: z.int(),
    pageSize: whole,
    protections: z.array(z.strictObject({ end: whole, bits: z.int() })).check(z.minLength(1)),
    path: z.optional(z.string()),
  });
}

let schema: z.ZodMiniType<RegionHandle> | undefined;

/** Checks a handle that came from another worker. */
export function regionHandle(value: unknown): RegionHandle {
  const copy = plain(value);
  const result = unpolluted(() => (schema ??= makeSchema()).safeParse(copy));
  if (!result.success) {
    throw new TypeError(`MappedRegion.attach: not a handle of a region: received ${show(value)}`);
  }
  if (result.data.process !== processId()) {
    throw new TypeError(
      `MappedRegion.attach: the handle is of process ${result.data.process}, and this is ${processId()}: ` +
        `open the file again, or use shared memory with a name`,
    );
  }
  return result.data;
}

/** A copy that has no getters; undefined of what can't be copied. */
function plain(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return undefined;
  }
}
