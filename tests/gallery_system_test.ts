// The programs that look at the system: executables, devices, the network. What they print, in each runtime.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import {
  type Condition,
  linuxOnly,
  PAGE,
  printed,
  root,
  run,
  runtimeName,
  temporaryDirectory,
  where,
} from "./helpers/mod.ts";

/** A number as a file has it. */
function u32(value: number, littleEndian = true): Buffer {
  const bytes = Buffer.alloc(4);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, value, littleEndian);
  return bytes;
}

/** An ELF file: a segment, and four symbols, of which one is the empty one, one a file's name, and one is defined elsewhere. */
function elf(): Buffer {
  const names = "\0main\0puts\0main.c\0";
  const u16s = (...values: readonly number[]): Buffer => Buffer.from(Uint16Array.from(values).buffer);
  const u64s = (...values: readonly number[]): Buffer =>
    Buffer.from(BigUint64Array.from(values, BigInt).buffer);
  const symbols = 64 + 56;
  const strings = symbols + 4 * 24;
  const sections = Math.ceil((strings + names.length) / 8) * 8;
  const symbol = (name: number, info: number, section: number, value: number): Buffer =>
    Buffer.concat([u32(name), Buffer.of(info, 0), u16s(section), u64s(value, 0)]);
  const section = (type: number, link: number, offset: number, size: number): Buffer =>
    Buffer.concat([u32(0), u32(type), u64s(0, 0, offset, size), u32(link), u32(0), u64s(8, 24)]);
  const parts = [
    Buffer.from("\x7fELF\x02\x01\x01".padEnd(16, "\0"), "latin1"),
    u16s(2, 62), // ET_EXEC, EM_X86_64
    u32(1),
    u64s(0x400000, 64, sections),
    u32(0),
    u16s(64, 56, 1, 64, 3, 0),
    u32(1), // PT_LOAD
    u32(5),
    u64s(0, 0x400000, 0, 4096, 8192, 4096),
    symbol(0, 0, 0, 0),
    symbol(11, 4, 0xfff1, 0), // STT_FILE
    symbol(1, 0x12, 1, 0x400f00),
    symbol(6, 0x12, 0, 0),
    Buffer.from(names.padEnd(sections - strings, "\0")),
    section(0, 0, 0, 0),
    section(2, 2, symbols, 4 * 24), // SHT_SYMTAB
    section(3, 0, strings, names.length),
  ];
  return Buffer.concat([Buffer.concat(parts), Buffer.alloc(4096)], 4096);
}

/** A Mach-O file for a CPU: a segment, and three symbols, of which one is a debugger's and one is defined elsewhere. */
function machO(cpu: number): Buffer {
  const names = "\0_main\0_puts\0main.c\0";
  const text = [
    ...[0x19, 72].map((value) => u32(value)), // LC_SEGMENT_64, its size
    Buffer.from("__TEXT".padEnd(16, "\0")),
    ...[0, 1, 8192, 0, 0, 0, 4096, 0, 5, 5, 0, 0].map((value) => u32(value)),
  ];
  const header = [0xfeedfacf, cpu, 0, 2, 2, 72 + 24, 0, 0];
  const table = 32 + 72 + 24;
  const symbol = (name: number, type: number, low: number, high: number): Buffer =>
    Buffer.concat([u32(name), Buffer.of(type, 1, 0, 0), u32(low), u32(high)]);
  const parts = [
    ...header.map((value) => u32(value)),
    ...text,
    ...[2, 24, table, 3, table + 48, names.length].map((value) => u32(value)), // LC_SYMTAB
    symbol(13, 0x64, 0, 0), // N_SO
    symbol(1, 0x0f, 0xf00, 1), // N_SECT | N_EXT
    symbol(7, 0x01, 0, 0), // N_EXT
    Buffer.from(names),
  ];
  return Buffer.concat([Buffer.concat(parts), Buffer.alloc(4096)], 4096);
}

/** A file of several Mach-O files, each 4096 bytes. */
function universal(...images: readonly Buffer[]): Buffer {
  const parts = images.flatMap((image, index) => {
    const cpu = image.readUInt32LE(4);
    return [cpu, 0, 4096 * (index + 1), image.length, 12];
  });
  const header = Buffer.concat([0xcafebabe, images.length, ...parts].map((value) => u32(value, false)));
  return Buffer.concat([header, Buffer.alloc(4096 - header.length), ...images]);
}

const NETWORK = join(root, "examples/zero_copy_network.ts");

/** Whether this process has CAP_NET_RAW, the 13th of the rights in capabilities(7). */
function mayReadPackets(): boolean {
  const [, rights = "0"] = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return (BigInt(`0x${rights}`) >> 13n & 1n) === 1n;
}

/** For a test that takes a right away from root. */
const setprivOnly: Condition = where(
  () => process.getuid?.() === 0 && spawnSync("setpriv", ["--bounding-set", "-net_raw", "true"]).status === 0,
  "needs root and setpriv",
);

describe("system examples", () => {
  for (const name of ["executable_loading", "devices", "zero_copy_network"]) {
    test(`${name} says how it is used`, () =>
      assert.match(printed(name, "--help"), new RegExp(`^usage: ${name}\\.ts`)));
  }

  test("executable_loading: this runtime, and where the kernel has it", linuxOnly, () => {
    const text = printed("executable_loading", "--symbols", "1", process.execPath);
    assert.match(text, /^.*: ELF, (x86-64|arm64), /);
    assert.match(text, /this process has loaded it at .*:\n {4}LOAD r-- is 0x[0-9a-f]+-0x[0-9a-f]+ r--\n/);
    assert.doesNotMatch(text, /nowhere|isn't where/);
    assert.match(text, /\n +\d+ symbols are defined in it\n$/);
  });

  test("executable_loading: an ELF file", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, elf());
    assert.equal(
      printed("executable_loading", path),
      `${path}: ELF, x86-64, executable\n` +
        "  LOAD           r-x  4096 bytes at 0, in memory 8192 at 0x400000\n" +
        "  0x400f00 main\n  1 symbols are defined in it\n",
    );
  });

  test("executable_loading: a Mach-O file of two architectures", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, universal(machO(0x01000007), machO(0x0100000c)));
    const part = (offset: number, cpu: string): string =>
      `${path}, at ${offset}: Mach-O, ${cpu}, executable\n` +
      "  __TEXT         r-x  4096 bytes at 0, in memory 8192 at 0x100000000\n" +
      "  0x100000f00 _main\n  1 symbols are defined in it\n";
    assert.equal(printed("executable_loading", path), part(4096, "x86-64") + part(8192, "arm64"));

    assert.match(printed("executable_loading", "--find", "_main", path), /\n {2}0x100000f00 _main\n/);
    const missing = run(join(root, "examples/executable_loading.ts"), { args: ["--find", "_puts", path] });
    assert.equal(missing.status, 1);
    writeFileSync(path, "neither of them".repeat(10));
    const wrong = run(join(root, "examples/executable_loading.ts"), { args: [path] });
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /^executable_loading\.ts: .*: it is neither ELF nor Mach-O\n$/);
  });

  test("devices: /dev/zero, and what else there is or why not", linuxOnly, () => {
    const zero = `${4 * PAGE} of ${
      4 * PAGE
    } bytes were 0; "stored" is in the mapping that it was stored to, 0 in another one`;
    const lines = printed("devices").trim().split("\n");
    assert.equal(lines[0], `/dev/zero, MAP_PRIVATE  ${zero}`);
    assert.equal(lines[1], `/dev/zero, MAP_SHARED   ${zero}`);
    assert.match(lines[2] ?? "", /^PCI +.{20,}$/);
    assert.match(lines[3] ?? "", /^framebuffer +.{20,}$/);
  });

  test("devices: of PCI devices only what is prefetchable is read", linuxOnly, () => {
    using directory = temporaryDirectory();
    const device = (name: string, resources: string): void => {
      const folder = join(directory.path, "bus/pci/devices", name);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "resource"), resources);
      writeFileSync(
        join(folder, "resource1"),
        Uint32Array.of(1, 2, 3, 0xfeedface, ...new Uint32Array(PAGE / 4 - 4)),
      );
    };
    const ports = "0x0000000000001000 0x000000000000107f 0x0000000000000101\n";
    const range = (flags: string): string =>
      `0x00000000fe000000 0x00000000fe${(PAGE - 1).toString(16).padStart(6, "0")} 0x${flags}\n`;
    const fb = join(directory.path, "class/graphics/fb0");
    mkdirSync(fb, { recursive: true });
    for (const [name, text] of Object.entries({ virtual_size: "8,4", stride: "32", bits_per_pixel: "32" })) {
      writeFileSync(join(fb, name), `${text}\n`);
    }
    writeFileSync(join(directory.path, "fb0"), new Uint8Array(128).fill(9, 0, 32));
    const there = ["--sys", directory.path, "--dev", directory.path];

    device("0000:00:01.0", ports + range("00040200"));
    assert.match(printed("devices", ...there), /^PCI +1 ranges, none of them prefetchable/m);
    device("0000:00:02.0", ports + range("00042208"));
    const text = printed("devices", ...there);
    assert.match(text, /^\/dev\/zero, MAP_PRIVATE +there is no .*zero$/m);
    assert.match(
      text,
      /^PCI +0000:00:02\.0, resource1, \d+ bytes, begins with 0x00000001 0x00000002 0x00000003 0xfeedface$/m,
    );
    assert.match(text, /^framebuffer +8 x 4 pixels of 32 bits; 75 % of the bytes are 0$/m);
  });

  test("devices: says so if there are none", () => {
    using directory = temporaryDirectory();
    const args = ["--sys", directory.path, "--dev", directory.path];
    const { status, stderr } = run(join(root, "examples/devices.ts"), { args });
    assert.deepEqual({ status, stderr }, {
      status: 3,
      stderr: "devices.ts: there is no device here that could be mapped\n",
    });
  });

  const SERVED = new RegExp(
    "^serving 1048576 bytes on loopback\n" +
      "GET +200 +1048576 bytes, of 1048576; as in the file: true\n" +
      "GET +bytes=100-299 +206 +200 bytes, bytes 100-299/1048576; as in the file: true\n" +
      "GET +bytes=-5 +206 +5 bytes, bytes 1048571-1048575/1048576; as in the file: true\n" +
      "GET +bytes=1048574- +206 +2 bytes, bytes 1048574-1048575/1048576; as in the file: true\n" +
      "GET +bytes=1048576- +416 +0 bytes, bytes \\*/1048576; as in the file: true\n" +
      "HEAD +200 +0 bytes, of 1048576; as in the file: true\n" +
      "server: .*\n" +
      "truncated after half of it was sent: broken off: true; what came is right: true\n" +
      "the next request gets what there is: 200, 262144 bytes\n",
  );

  test(
    "zero_copy_network: serves ranges of a file, survives its truncation, sees its own packets",
    linuxOnly,
    () => {
      const { status, stdout, stderr } = run(NETWORK, { args: ["--size", "1"] });
      assert.match(stdout, SERVED);
      if (status === 3) {
        // Without the right, in a kernel that has no such sockets, or in QEMU, which passes no such options on.
        const reason = mayReadPackets()
          ? /: (EAFNOSUPPORT: socket|ENOPROTOOPT: setsockopt): /
          : /: EPERM: socket: .*\n.*CAP_NET_RAW/;
        assert.match(stderr, reason);
      } else {
        assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
        const packets = stdout.replace(SERVED, "");
        assert.match(
          packets,
          /^a ring of .*\n.* bytes: GET \/ HTTP\/1\.1\n.* bytes: HTTP\/1\.1 206 Partial Content\n$/,
        );
      }
    },
  );

  test("zero_copy_network: serves nothing but files", () => {
    const { status, stdout, stderr } = run(NETWORK, { args: ["--serve", root] });
    assert.deepEqual({ status, stdout }, { status: 2, stdout: "" });
    assert.equal(stderr, `zero_copy_network.ts: ${root} is no file\n`);
  });

  test("zero_copy_network: says what right is missing, and how to get it", setprivOnly, () => {
    const flags =
      { bun: ["run"], deno: ["run", "-A"], node: ["--disable-warning=ExperimentalWarning"] }[runtimeName];
    const { status, stdout, stderr } = spawnSync("setpriv", [
      "--bounding-set",
      "-net_raw",
      process.execPath,
      ...flags,
      NETWORK,
      "--size",
      "1",
    ], { encoding: "utf8", timeout: 180_000 });
    assert.match(stdout, SERVED);
    assert.equal(status, 3, stderr);
    assert.match(stderr, /^zero_copy_network\.ts: EPERM: socket: .*\n.*CAP_NET_RAW: .* sudo setcap /);
  });
});
