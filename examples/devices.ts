// Devices that can be mapped: /dev/zero, which is memory; the memory of PCI devices; the framebuffer of a screen.
//
//     node examples/devices.ts
//     bun examples/devices.ts
//     deno run --allow-all examples/devices.ts
//
// In C: open("/dev/zero", O_RDWR), or open("/sys/bus/pci/devices/0000:00:02.0/resource0", O_RDONLY), and mmap. What is read
// at an address of a PCI device, or stored there, is answered by the device itself, and not by memory.
//
// Everything but /dev/zero is only read, and of PCI devices only what is prefetchable: that is the devices' own word for
// "reading has no side effects". Elsewhere a mere look may take a message out of a queue, or confirm an interrupt. PCI
// resources take root; Deno wants --allow-all for anything in /dev and /sys.
//
// Exit code: 0 if anything could be mapped; 3 if nothing could; 2 if something went wrong. What is missing is said.
// deno-lint-ignore-file no-console -- a program's output
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import * as c from "../ffi/mod.ts";
import { MappedRegion, MmapError } from "../mod.ts";
import { command, Missing } from "./command.ts";

const USAGE = `usage: devices.ts [--dev FOLDER] [--sys FOLDER]

  --dev FOLDER  where the devices are, to try it with files in their place (/dev)
  --sys FOLDER  where the kernel describes them (/sys)`;

/** Maps a device. Its length isn't asked for, since devices have none. */
function map(path: string, length: number, protection: number, flags: number): MappedRegion {
  const fd = openSync(path, (protection & c.PROT_WRITE) === 0 ? "r" : "r+");
  try {
    return MappedRegion.map({ length, protection, flags, fd });
  } finally {
    closeSync(fd); // the mapping stays
  }
}

/** What a part of the program found: in words, and whether it could map anything. */
interface Found {
  readonly text: string;
  readonly mapped: boolean;
}

const missing = (text: string): Found => ({ text, mapped: false });

/**
 * Memory from /dev/zero, as programs got it before there was MAP_ANONYMOUS. Private or shared makes a difference only for
 * who inherits the mapping, a child by fork(2): each open mapping of the device is memory of its own.
 */
function zero(path: string, how: "MAP_PRIVATE" | "MAP_SHARED"): Found {
  if (!existsSync(path)) return missing(`there is no ${path}`);
  const { pageSize } = MappedRegion;
  const open = (): MappedRegion => map(path, 4 * pageSize, c.PROT_READ | c.PROT_WRITE, c[how]);
  using first = open();
  using second = open();
  const zeros = first.count(0);
  first.write(pageSize, "stored");
  return {
    text:
      `${zeros} of ${first.length} bytes were 0; "${
        first.text({ offset: pageSize, length: 6 })
      }" is in the ` +
      `mapping that it was stored to, ${
        second.count(0) === second.length ? "0" : "something"
      } in another one`,
    mapped: true,
  };
}

/** A range of addresses of a PCI device. */
interface Resource {
  /** The file to map. */
  readonly path: string;
  readonly length: number;
  readonly prefetchable: boolean;
}

/** From <linux/ioport.h>: memory, and not I/O ports; memory that may be read ahead, since reading it changes nothing. */
const [IORESOURCE_MEM, IORESOURCE_PREFETCH] = [0x200, 0x2000];

/** The memory of the PCI devices: the lines of `resource` are its first and last address and flags. */
function resources(sys: string): Resource[] {
  const devices = join(sys, "bus/pci/devices");
  if (!existsSync(devices)) return [];
  return readdirSync(devices).sort().flatMap((device) =>
    readFileSync(join(devices, device, "resource"), "utf8").split("\n").slice(0, 6).flatMap((line, bar) => {
      const [first = 0n, last = 0n, flags = 0n] = line.split(" ").filter((word) => word !== "").map(BigInt);
      if ((Number(flags) & IORESOURCE_MEM) === 0) return [];
      return [{
        path: join(devices, device, `resource${bar}`),
        length: Number(last - first + 1n),
        prefetchable: (Number(flags) & IORESOURCE_PREFETCH) !== 0,
      }];
    })
  );
}

function pci(sys: string): Found {
  const all = resources(sys);
  if (all.length === 0) return missing("no device has memory here: a virtual machine often has no PCI bus");
  const safe = all.filter(({ prefetchable }) => prefetchable);
  if (safe.length === 0) {
    return missing(`${all.length} ranges, none of them prefetchable: looking at them may change the device`);
  }
  let why = "the kernel gives no files to map the devices' memory by";
  for (const { path, length } of safe.filter(({ path }) => existsSync(path))) {
    const name = `${basename(dirname(path))}, ${basename(path)}`;
    try {
      using region = map(path, length, c.PROT_READ, c.MAP_SHARED);
      // Whole words at multiples of their size, as devices want to be read.
      const words = region.array(Uint32Array, 0, 4);
      const shown = Array.from(words, (word) => `0x${word.toString(16).padStart(8, "0")}`);
      return { text: `${name}, ${length} bytes, begins with ${shown.join(" ")}`, mapped: true };
    } catch (error) {
      if (!(error instanceof MmapError) || error.code !== "EINVAL") throw error;
      why =
        `${name}: the kernel keeps it for the device's driver; it may be mapped with iomem=relaxed among ` +
        "the kernel's parameters";
    }
  }
  return missing(why);
}

function framebuffer(dev: string, sys: string): Found {
  const path = join(dev, "fb0");
  const about = (name: string): number[] =>
    readFileSync(join(sys, "class/graphics/fb0", name), "utf8").split(",").map(Number);
  if (!existsSync(path)) return missing(`there is no ${path}: no screen, or one that only DRM drives`);
  const [width = 0, height = 0] = about("virtual_size");
  const [stride = 0] = about("stride"); // bytes from a row to the next
  const [bits = 0] = about("bits_per_pixel");
  using region = map(path, stride * height, c.PROT_READ, c.MAP_SHARED);
  const dark = region.count(0);
  return {
    text: `${width} x ${height} pixels of ${bits} bits; ${
      Math.round(100 * dark / region.length)
    } % of the bytes are 0`,
    mapped: true,
  };
}

await command("devices.ts", () => {
  const { values: { help, dev, sys } } = parseArgs({
    options: {
      help: { type: "boolean" },
      dev: { type: "string", default: "/dev" },
      sys: { type: "string", default: "/sys" },
    },
  });
  if (help === true) return console.log(USAGE);
  const parts: Readonly<Record<string, () => Found>> = {
    "/dev/zero, MAP_PRIVATE": () => zero(join(dev, "zero"), "MAP_PRIVATE"),
    "/dev/zero, MAP_SHARED": () => zero(join(dev, "zero"), "MAP_SHARED"),
    "PCI": () => pci(sys),
    "framebuffer": () => framebuffer(dev, sys),
  };
  let mapped = false;
  for (const [name, part] of Object.entries(parts)) {
    let found: Found;
    try {
      found = part();
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      const refused = error.code === "EACCES" || error.code === "EPERM";
      found = missing(
        error.message + (refused ? ": it takes root, and a kernel that isn't locked down" : ""),
      );
    }
    console.log(`${name.padEnd(24)}${found.text}`);
    mapped ||= found.mapped;
  }
  if (!mapped) throw new Missing("there is no device here that could be mapped");
});
