/** Answers "ping" with "pong", in shared memory that is given by its name, a path or a descriptor. */
import assert from "node:assert/strict";
import process from "node:process";
import { MappedRegion } from "../../../mod.ts";
import { openSharedMemory } from "../../../src/ipc/mod.ts";

const [where = ""] = process.argv.slice(2);
using region = where.startsWith("/proc/")
  ? MappedRegion.open(where, { access: "read-write" })
  : where.startsWith("/")
  ? openSharedMemory(where)
  : MappedRegion.fromDescriptor(Number(where), { access: "read-write" });
assert.equal(new TextDecoder().decode(region.read(0, 4)), "ping");
region.write(0, "pong");
