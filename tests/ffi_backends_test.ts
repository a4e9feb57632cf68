/**
 * The backends over stand-ins for their runtimes' FFI modules, and libc over a stand-in for a runtime: all three
 * are tested in each runtime, and so are versions and failures that can't be had for real.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { constants as os } from "node:os";
import { test } from "node:test";
import { type BunFfi, createBunRuntime, loadBunFfi } from "../ffi/bun.ts";
import { createDenoRuntime, type DenoFfi } from "../ffi/deno.ts";
import { MmapError } from "../ffi/errors.ts";
import { type Libc, openLibc } from "../ffi/libc.ts";
import { createNodeRuntime, loadNodeFfi, type NodeFfi } from "../ffi/node.ts";
import { platform } from "../ffi/platform.ts";
import { isOlder, OLDEST, REQUIREMENTS } from "../ffi/versions.ts";
import type { Runtime, Signature } from "../ffi/abi.ts";
import { type FunctionName, SIGNATURES } from "../ffi/signatures.ts";

type Native = (...values: unknown[]) => unknown;

const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** A signature with every type in it, in an order that no C function has. */
const EVERYTHING = {
  parameters: ["address", "size", "int", "offset", "bytes"],
  result: "address",
} as const satisfies Signature;

/** What a backend asked of its module, and what C answers. */
interface StandIn {
  readonly opened: [library: string, definitions: unknown][];
  readonly views: unknown[][];
  readonly calls: unknown[][];
  answer: unknown;
}

function standIn(): StandIn {
  return { opened: [], views: [], calls: [], answer: undefined };
}

function record(state: StandIn): Native {
  return (...values) => {
    state.calls.push(values);
    return state.answer;
  };
}

/** Functions for the symbols asked for, save those that C "doesn't have". */
function functions(state: StandIn, definitions: object): Record<string, Native> {
  return Object.fromEntries(
    Object.keys(definitions).filter((name) => name !== "missing").map((name) => [name, record(state)]),
  );
}

function view(state: StandIn, values: unknown[]): ArrayBuffer {
  state.views.push(values);
  return new ArrayBuffer(8);
}

function bunFfi(state: StandIn): BunFfi {
  return {
    dlopen(library, symbols): { symbols: Record<string, Native> } {
      state.opened.push([library, symbols]);
      return { symbols: functions(state, symbols) };
    },
    toArrayBuffer: (...values) => view(state, values),
  };
}

function denoFfi(state: StandIn, version: string): DenoFfi {
  return {
    version: { deno: version },
    dlopen(library, symbols): { symbols: Record<string, Native> } {
      state.opened.push([library, structuredClone(symbols)]); // definitions have no prototype
      return { symbols: functions(state, symbols) };
    },
    UnsafePointer: { create: (address) => ({ address }) },
    UnsafePointerView: { getArrayBuffer: (...values) => view(state, values) },
  };
}

function nodeFfi(state: StandIn): NodeFfi {
  return {
    dlopen(library, definitions): { functions: Record<string, Native> } {
      state.opened.push([library, definitions]);
      return { functions: functions(state, definitions) };
    },
    toArrayBuffer: (...values) => view(state, values),
  };
}

/** A check that an error is an ENOTSUP MmapError whose message matches. */
function unsupported(...patterns: readonly RegExp[]): (error: unknown) => true {
  return (error) => {
    assert(error instanceof MmapError);
    assert.equal(error.code, "ENOTSUP");
    assert.equal(error.errno, -os.errno.ENOTSUP);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  };
}

test("Bun: types, and arguments as they are", () => {
  const state = standIn();
  const runtime = createBunRuntime(bunFfi(state), "1.4.5");
  const call = runtime.bind("libx.so", "everything", EVERYTHING);
  const bytes = new Uint8Array(3);
  state.answer = 4096;
  assert.equal(call(1, 2, 3, 4, bytes), 4096);
  assert.equal(runtime.name, "Bun 1.4.5");
  assert.deepEqual(state.opened, [[
    "libx.so",
    { everything: { args: ["usize", "usize", "i32", "i64", "ptr"], returns: "ptr" } },
  ]]);
  assert.deepEqual(state.calls, [[1, 2, 3, 4, bytes]]);
  assert.equal(state.calls[0]?.[4], bytes);
});

test("Bun: an address is a number, NULL is 0, MAP_FAILED is -1", () => {
  const state = standIn();
  const call = createBunRuntime(bunFfi(state), "1.4.5").bind("l", "f", { parameters: [], result: "address" });
  for (const [answer, expected] of [[0x7fff_ffff_f000, 0x7fff_ffff_f000], [null, 0], [MAP_FAILED, -1]]) {
    state.answer = answer;
    assert.equal(call(), expected);
  }
});

test("Bun: ints and offsets are numbers, -1 among them", () => {
  const state = standIn();
  const runtime = createBunRuntime(bunFfi(state), "1.4.5");
  for (const result of ["int", "offset"] as const) {
    const call = runtime.bind("l", "f", { parameters: [], result });
    for (const answer of [0, 5, -1]) {
      state.answer = answer;
      assert.equal(call(), answer);
    }
  }
  assert.deepEqual(state.opened.map(([, definitions]) => definitions), [
    { f: { args: [], returns: "i32" } },
    { f: { args: [], returns: "i64_fast" } },
  ]);
});

test("Bun: a view starts at the address", () => {
  const state = standIn();
  createBunRuntime(bunFfi(state), "1.4.5").arrayBuffer(8192, 100);
  assert.deepEqual(state.views, [[8192, 0, 100]]);
});

// Deno and Node both want bigints, and differ in the names of things.
for (const name of ["Deno", "Node"] as const) {
  const create = (state: StandIn): Runtime =>
    name === "Deno"
      ? createDenoRuntime(denoFfi(state, "2.9.6"))
      : createNodeRuntime(nodeFfi(state), "26.10.0");

  test(`${name}: types, and 64-bit arguments as bigints`, () => {
    const state = standIn();
    const runtime = create(state);
    const call = runtime.bind("libx.so", "everything", EVERYTHING);
    const bytes = new Uint8Array(3);
    state.answer = 4096n;
    assert.equal(call(1, 2, 3, 4, bytes), 4096);
    assert.equal(runtime.name, name === "Deno" ? "Deno 2.9.6" : "Node 26.10.0");
    assert.deepEqual(state.opened, [[
      "libx.so",
      name === "Deno"
        ? {
          everything: {
            parameters: ["usize", "usize", "i32", "i64", "buffer"],
            result: "usize",
            nonblocking: false,
          },
        }
        : {
          everything: {
            arguments: ["function", "uint64", "int32", "function", "pointer"],
            return: "function",
          },
        },
    ]]);
    assert.deepEqual(state.calls, [[1n, 2n, 3, 4n, bytes]]);
    assert.equal(state.calls[0]?.[4], bytes);
  });

  test(`${name}: every number of parameters that our functions have`, () => {
    for (const [symbol, signature] of Object.entries(SIGNATURES) as [FunctionName, Signature][]) {
      const state = standIn();
      const call: Native = create(state).bind("l", symbol, signature) as Native;
      state.answer = signature.result === "int" ? 7 : 7n;
      const values = signature.parameters.map((type, index) => type === "bytes" ? new Uint8Array(1) : index);
      assert.equal(call(...values), 7, symbol);
      const expected = signature.parameters.map((type, index) =>
        type === "bytes" ? values[index] : type === "int" ? index : BigInt(index)
      );
      assert.deepEqual(state.calls, [expected], symbol);
    }
  });

  test(`${name}: an address is a number, NULL is 0, MAP_FAILED is -1`, () => {
    const state = standIn();
    const call = create(state).bind("l", "f", { parameters: [], result: "address" });
    for (const [answer, expected] of [[0x7fff_ffff_f000n, 0x7fff_ffff_f000], [0n, 0], [MAP_FAILED, -1]]) {
      state.answer = answer;
      assert.equal(call(), expected);
    }
  });

  test(`${name}: ints and offsets are numbers, -1 among them`, () => {
    const state = standIn();
    const int = create(state).bind("l", "f", { parameters: [], result: "int" });
    const offset = create(state).bind("l", "f", { parameters: [], result: "offset" });
    for (const expected of [0, 5, -1]) {
      state.answer = expected;
      assert.equal(int(), expected);
      state.answer = BigInt(expected);
      assert.equal(offset(), expected);
    }
  });
}

test("Deno: a view is made over a pointer to the address", () => {
  const state = standIn();
  createDenoRuntime(denoFfi(state, "2.9.6")).arrayBuffer(8192, 100);
  assert.deepEqual(state.views, [[{ address: 8192n }, 100]]);
});

test("Node: a view is a view, not a copy", () => {
  const state = standIn();
  createNodeRuntime(nodeFfi(state), "26.10.0").arrayBuffer(8192, 100);
  assert.deepEqual(state.views, [[8192n, 100, false]]);
});

test("Deno: calls off the event loop", async () => {
  const state = standIn();
  const call = createDenoRuntime(denoFfi(state, "2.9.6")).bindAsync?.("l", "msync", SIGNATURES.msync);
  assert(call !== undefined);
  state.answer = Promise.resolve(-1);
  assert.equal(await call(4096, 10, 4), -1);
  assert.deepEqual(state.calls, [[4096n, 10n, 4]]);
  assert.deepEqual(state.opened, [[
    "l",
    { msync: { parameters: ["usize", "usize", "i32"], result: "i32", nonblocking: true } },
  ]]);
});

test("Bun and Node are refused when they are too old, with the version that is needed", () => {
  for (const version of ["1.2.23", "1.3.14", "1.4.4"]) {
    assert.throws(
      () => loadBunFfi(version),
      unsupported(new RegExp(`Bun ${version} .*Bun 1\\.4\\.5 or later`)),
    );
  }
  for (const version of ["20.20.2", "24.0.0", "26.9.1"]) {
    assert.throws(
      () => loadNodeFfi(version),
      unsupported(new RegExp(`Node ${version} .*Node 26\\.10\\.0 or later`)),
    );
  }
});

test("versions are compared by number", () => {
  for (const version of ["26.9.9", "26.2.100", "3.0.0", "25.11.0-nightly"]) {
    assert(isOlder(version, "26.10.0"), version);
  }
  for (const version of ["26.10.0", "26.10.0-rc.1", "26.11.0", "100.0.0"]) {
    assert(!isOlder(version, "26.10.0"), version);
  }
});

test("the versions that are needed are those that package.json asks for", () => {
  const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  assert.deepEqual(
    engines,
    Object.fromEntries(Object.entries(OLDEST).map(([name, oldest]) => [name, `>=${oldest}`])),
  );
  for (const oldest of Object.values(OLDEST)) assert(REQUIREMENTS.includes(oldest));
});

test("Deno older than 2.7.12 is refused: its descriptors are none", () => {
  for (const version of ["1.46.3", "2.0.0", "2.5.0", "2.7.0", "2.7.11"]) {
    const state = standIn();
    assert.throws(
      () => createDenoRuntime(denoFfi(state, version)),
      unsupported(new RegExp(version.replaceAll(".", "\\.")), /2\.7\.12/),
    );
    assert.deepEqual(state.opened, []);
  }
});

test("Deno from 2.7.12 on is accepted, by number and not by letter", () => {
  for (
    const version of [
      "2.7.12",
      "2.7.12-rc.1",
      "2.7.100",
      "2.8.0",
      "2.10.0",
      "2.10.0+abcdef0",
      "3.0.0",
      "10.0.0",
    ]
  ) {
    assert.equal(createDenoRuntime(denoFfi(standIn(), version)).name, `Deno ${version}`);
  }
});

test("Bun and Node: a symbol that isn't there is an error that names it", () => {
  for (
    const runtime of [createBunRuntime(bunFfi(standIn()), "1"), createNodeRuntime(nodeFfi(standIn()), "26")]
  ) {
    assert.throws(() => runtime.bind("libx.so", "missing", { parameters: [], result: "int" }), (error) => {
      assert(error instanceof Error);
      assert.match(error.message, /'missing'/);
      assert.match(error.message, /libx\.so/);
      return true;
    });
  }
});

test("what the FFI throws passes through", () => {
  const thrown = new TypeError("Could not load symbol");
  const fail = (): never => {
    throw thrown;
  };
  const runtimes = [
    createBunRuntime({ ...bunFfi(standIn()), dlopen: fail }, "1"),
    createDenoRuntime({ ...denoFfi(standIn(), "2.9.6"), dlopen: fail }),
    createNodeRuntime({ ...nodeFfi(standIn()), dlopen: fail }, "26"),
  ];
  for (const runtime of runtimes) {
    assert.throws(
      () => runtime.bind("l", "f", { parameters: [], result: "int" }),
      (error) => error === thrown,
    );
  }
});

/** A C library for openLibc: every function returns what `answers` has for it, or 0; `errno` is ours to set. */
interface StandInLibc {
  readonly runtime: Runtime;
  readonly errno: Int32Array<ArrayBuffer>;
  /** "library symbol", in the order asked for. */
  readonly bound: string[];
}

function standInLibc(
  refuse: (library: string) => unknown = () => undefined,
  answers: Readonly<Record<string, number | bigint>> = {},
): StandInLibc {
  const errno = new Int32Array(new ArrayBuffer(4));
  const bound: string[] = [];
  const ffi: NodeFfi = {
    dlopen(library, definitions): { functions: Record<string, Native> } {
      const refusal = refuse(library);
      bound.push(...Object.keys(definitions).map((symbol) => `${library} ${symbol}`));
      if (refusal !== undefined) throw refusal;
      return {
        functions: Object.fromEntries(
          Object.entries(definitions).map(([symbol, definition]) => [symbol, () => {
            if (symbol === "getpagesize") return 16384;
            if (symbol === "__errno_location") return 0x1000n;
            return answers[symbol] ?? (definition.return === "int32" ? 0 : 0n);
          }]),
        ),
      };
    },
    toArrayBuffer(address, length): ArrayBuffer {
      assert.deepEqual([address, length], [0x1000n, 4]);
      return errno.buffer;
    },
  };
  return { runtime: createNodeRuntime(ffi, "26.10.0"), errno, bound };
}

const refuseNothing = (): undefined => undefined;
const linux = platform("linux", "x64");

test("libc: the first name that opens is kept for everything", () => {
  const { runtime, bound } = standInLibc((library) =>
    library === "libc.so.6" ? new Error("libc.so.6: cannot open shared object file") : undefined
  );
  const libc = openLibc(runtime, linux);
  libc.functions.munmap(0, 0);
  assert.equal(bound[0], "libc.so.6 getpagesize");
  assert(bound.slice(1).every((entry) => entry.startsWith("libc.musl-x86_64.so.1 ")), bound.join("; "));
  assert(bound.includes("libc.musl-x86_64.so.1 munmap"));
});

test("libc: names after the one that opened are not tried", () => {
  const { runtime, bound } = standInLibc(refuseNothing);
  openLibc(runtime, linux);
  assert(bound.every((entry) => entry.startsWith("libc.so.6 ")), bound.join("; "));
});

test("libc: the names of each platform", () => {
  assert.deepEqual(linux.libraries, ["libc.so.6", "libc.musl-x86_64.so.1"]);
  assert.deepEqual(platform("linux", "arm64").libraries, ["libc.so.6", "libc.musl-aarch64.so.1"]);
  assert.equal(platform("darwin", "arm64").libraries[0], "libSystem.B.dylib");
  assert.equal(platform("darwin", "arm64").errnoLocation, "__error");
});

test("libc: a runtime's permission error passes through at once, as it is", () => {
  const refusals = [
    Object.assign(new Error("Requires ffi access"), { name: "NotCapable" }),
    Object.assign(new Error("Requires ffi access"), { name: "PermissionDenied" }),
    Object.assign(new Error("Access to this API has been restricted"), { code: "ERR_ACCESS_DENIED" }),
  ];
  for (const refusal of refusals) {
    const { runtime, bound } = standInLibc(() => refusal);
    assert.throws(() => openLibc(runtime, linux), (error) => error === refusal);
    assert.equal(bound.length, 1);
  }
});

test("libc: no name opens: ENOTSUP with the names tried and the reasons", () => {
  const { runtime, bound } = standInLibc((library) => new Error(`no ${library}`));
  assert.throws(() => openLibc(runtime, linux), (error) => {
    unsupported(/libc\.so\.6/, /libc\.musl-x86_64\.so\.1/, /Node 26\.10\.0/)(error);
    assert(error instanceof Error && error.cause instanceof AggregateError);
    assert.deepEqual(error.cause.errors.map(String), [
      "Error: no libc.so.6",
      "Error: no libc.musl-x86_64.so.1",
    ]);
    return true;
  });
  assert.deepEqual(bound, ["libc.so.6 getpagesize", "libc.musl-x86_64.so.1 getpagesize"]);
});

test("libc: a function is bound when first looked at, and once", () => {
  const { runtime, bound } = standInLibc();
  const { functions } = openLibc(runtime, linux);
  const count = (): number => bound.filter((entry) => entry.endsWith(" msync")).length;
  assert.equal(count(), 0);
  const first = functions.msync;
  assert.equal(count(), 1);
  assert.equal(functions.msync, first);
  functions.msync(0, 0, 0);
  functions.msync(0, 0, 0);
  assert.equal(count(), 1);
  assert(!bound.some((entry) => entry.endsWith(" mmap")), bound.join("; "));
});

test("libc: a function that the platform lacks is ENOTSUP and named, and has() says so", () => {
  const libc: Libc = openLibc(standInLibc().runtime, { ...linux, lacks: ["__error", "mremap"] });
  assert.equal(libc.has("mremap"), false);
  assert.equal(libc.has("mmap"), true);
  assert.throws(() => libc.functions.mremap, unsupported(/mremap/));
});

test("libc: pages are as large as the platform says, errors are what errno says", () => {
  const { runtime, errno } = standInLibc(refuseNothing, { mmap: MAP_FAILED, munmap: -1 });
  const libc = openLibc(runtime, linux);
  assert.equal(libc.pageSize, 16384);
  assert.equal(libc.functions.mmap(0, 4096, 0, 0, -1, 0), -1);
  errno[0] = os.errno.EACCES;
  assert.equal(libc.errno(), os.errno.EACCES);
  const error = new MmapError(libc.errno(), "mmap", { address: 0x1000n, length: 4096 });
  assert.equal(error.code, "EACCES");
  assert.equal(error.errno, -os.errno.EACCES);
  assert.equal(error.syscall, "mmap");
});

test("platforms and architectures that the library doesn't work on are ENOTSUP, and named", () => {
  assert.throws(() => platform("win32", "x64"), unsupported(/'win32'/));
  assert.throws(() => platform("freebsd", "x64"), unsupported(/'freebsd'/));
  assert.throws(() => platform("linux", "ia32"), unsupported(/'ia32'/));
  assert.throws(() => platform("linux", "riscv64"), unsupported(/'riscv64'/));
});

test("macOS lacks mremap, memrchr and memfd_create", () => {
  assert.deepEqual([...platform("darwin", "x64").lacks].filter((name) => name.startsWith("m")).sort(), [
    "memfd_create",
    "memrchr",
    "mremap",
  ]);
});
