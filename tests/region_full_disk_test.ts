/** A full file system is an error now, not a fault at some later store. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MappedRegion } from "../mod.ts";
import { fails, rootOnly } from "./helpers/region.ts";
import { temporaryDirectory } from "./helpers/runtime.ts";

test(
  "growing past a full file system: ENOSPC at once, file and region as before; not when sparse",
  rootOnly,
  (t) => {
    using directory = temporaryDirectory();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory.path]);
    if (mounted.status !== 0) return t.skip("tmpfs can't be mounted here");
    try {
      const path = join(directory.path, "file");
      const options = { access: "read-write", create: true } as const;
      using region = MappedRegion.open(path, { ...options, size: 64 << 10 });
      region.write(0, "kept");
      fails(() => region.resize(4 << 20), "ENOSPC", /sparse: true/, path);
      fails(() => MappedRegion.open(path, { ...options, size: 4 << 20 }), "ENOSPC", /sparse: true/, path);
      assert.deepEqual([region.length, statSync(path).size], [64 << 10, 64 << 10]);
      assert.equal(new TextDecoder().decode(region.read(0, 4)), "kept");
      region.resize(128 << 10);
      region.write((128 << 10) - 1, "x");
      using sparse = MappedRegion.open(join(directory.path, "sparse"), {
        ...options,
        size: 4 << 20,
        sparse: true,
      });
      sparse.resize(8 << 20);
      assert.equal(sparse.length, 8 << 20);
    } finally {
      spawnSync("umount", ["-l", directory.path]);
    }
  },
);
