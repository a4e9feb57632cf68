// A WebAssembly module, compiled straight from the pages of its file.
//
//     node examples/formats/webassembly.ts
//     bun examples/formats/webassembly.ts --size 16
//     deno run --allow-env --allow-ffi --allow-read --allow-write --allow-run examples/formats/webassembly.ts module.wasm add 1 2
//
// In C: mmap, and the engine's compile function: wasm_module_new(store, &bytes).
//
// Compiling takes most of the time, and engines keep a copy of the bytes. So a mapping saves less here than for formats of
// which a part is looked at. Its sections are listed without reading more than a few pages.
//
// Without FILE it makes a module. Exit code: 0; 2 if the file is no module, needs imports, or something else went wrong.
import { writeFileSync } from "node:fs";
import { program } from "./beside_read.ts";

const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]; // "\0asm", version 1
const SECTIONS =
  "custom type import function table memory global export start element code data datacount tag".split(" ");

/** A number as WebAssembly writes it: LEB128, seven bits a byte. */
function leb128(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

/** Writes a module of many functions, of which `last` is exported: each adds its number to its parameter, many times over. */
function write(path: string, size: number): void {
  const times = 50;
  const body = (index: number): number[] => {
    const add = [0x41, ...leb128(index % 64), 0x6a]; // i32.const index, i32.add
    const code = [0, 0x20, 0, ...Array.from({ length: times }, () => add).flat(), 0x0b]; // no locals; local.get 0 …; end
    return [...leb128(code.length), ...code];
  };
  const count = Math.max(1, Math.floor(size / body(0).length));
  const section = (id: number, contents: Uint8Array): Uint8Array =>
    Buffer.concat([Uint8Array.of(id, ...leb128(contents.length)), contents]);
  const code = Buffer.concat(Array.from({ length: count }, (_, index) => Uint8Array.from(body(index))));
  writeFileSync(
    path,
    Buffer.concat([
      Uint8Array.from(MAGIC),
      section(1, Uint8Array.of(1, 0x60, 1, 0x7f, 1, 0x7f)), // one type: (i32) -> i32
      section(3, Uint8Array.from([...leb128(count), ...new Array<number>(count).fill(0)])),
      section(7, Uint8Array.of(1, 4, ...Buffer.from("last"), 0, ...leb128(count - 1))),
      section(10, Buffer.concat([Uint8Array.from(leb128(count)), code])),
    ]),
  );
}

/** The names of a module's sections, with their sizes. */
function sections(bytes: Uint8Array): string[] {
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw new TypeError("this is no WebAssembly module");
  }
  const found: string[] = [];
  let at = MAGIC.length;
  while (at < bytes.length) {
    const id = bytes[at++] ?? 0;
    let size = 0;
    for (let shift = 1, more = true; more; shift *= 128) {
      const byte = bytes[at++] ?? 0;
      size += (byte & 0x7f) * shift;
      more = byte > 0x7f;
    }
    found.push(`${SECTIONS[id] ?? id} ${size}`);
    at += size;
  }
  return found;
}

async function answer(bytes: Uint8Array<ArrayBuffer>, query: readonly string[]): Promise<string> {
  const list = sections(bytes);
  const module = await WebAssembly.compile(bytes);
  const needed = WebAssembly.Module.imports(module);
  if (needed.length > 0) throw new TypeError(`the module needs ${needed.length} imports, which aren't here`);
  const { exports } = await WebAssembly.instantiate(module);
  const [name = "last", ...values] = query;
  const f = exports[name];
  if (typeof f !== "function") {
    throw new TypeError(`there is no function '${name}', but ${Object.keys(exports).join(", ")}`);
  }
  const parameters = query.length === 0 ? [1] : values.map(Number);
  return `sections, in bytes: ${list.join(", ")}\n${name}(${parameters.join(", ")}) is ${f(...parameters)}`;
}

await program({ name: "webassembly.ts", query: "[FUNCTION [NUMBER…]]", size: 8, write, answer });
