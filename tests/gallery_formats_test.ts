// The programs that read files as other programs write them: what they answer, in each runtime, from a mapping and from a copy.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { tableFromArrays, tableToIPC } from "apache-arrow";
import { writeMaxMind } from "../examples/formats/maxmind_writer.ts";
import { printed, root, run, temporaryDirectory } from "./helpers/mod.ts";

const program = (name: string): string => join(root, `examples/formats/${name}.ts`);

/** What a program answers from a mapping of a file. */
function answer(name: string, file: Uint8Array, ...query: readonly string[]): string {
  const { text, milliseconds, memory } = withFile(
    file,
    (path) => JSON.parse(printed(`formats/${name}`, "--way", "mapped", path, ...query)),
  );
  assert(milliseconds > 0 && memory >= 0);
  return text;
}

/** A file with these contents, made for one call. */
function withFile<T>(contents: string | Uint8Array, work: (path: string) => T): T {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, contents);
  return work(path);
}

describe("formats", () => {
  for (const name of ["arrow", "nearest"]) { // the others do it as arrow does
    test(`${name} says how it is used`, () => {
      assert.match(printed(`formats/${name}`, "--help"), new RegExp(`^usage: ${name}\\.ts`));
    });
  }

  for (const name of ["arrow", "npy", "safetensors", "maxmind", "webassembly"]) {
    test(`${name} says so if a file is something else`, () => {
      const { status, stdout, stderr } = withFile(
        "something else",
        (path) => run(program(name), { args: ["--way", "mapped", path] }),
      );
      assert.deepEqual({ status, stdout }, { status: 2, stdout: "" });
      assert.match(stderr, new RegExp(`^${name}\\.ts: .{5,}\n$`));
    });
  }

  test("arrow: a row, from columns that aren't copied", () => {
    const table = tableFromArrays({ id: Int32Array.of(1, 2, 3), score: Float64Array.of(0.5, 1.5, 2.5) });
    assert.equal(
      answer("arrow", tableToIPC(table, "file"), "2"),
      'row 2 of 3: {"id": 3, "score": 2.5}\nnot copied: id (Int32), score (Float64)',
    );
  });

  test("arrow: the same from a mapping and from a copy, with what both took", () => {
    assert.match(
      printed("formats/arrow", "--size", "1"),
      /^row 40329 of 80659: .*\n.*\n +first answer +memory\nmapped +[\d.]+ ms +[\d.]+ MiB\nreadFileSync +[\d.]+ ms +[\d.]+ MiB\n$/,
    );
  });

  test("npy: an element of an array as numpy.save() writes it", () => {
    // numpy.save("file", numpy.asfortranarray(numpy.arange(6, dtype="<i4").reshape(2, 3)))
    const header = "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }".padEnd(117) + "\n";
    const file = Buffer.concat([
      Buffer.from(`\x93NUMPY\x01\0\x76\0${header}`, "latin1"),
      new Uint8Array(Int32Array.of(0, 3, 1, 4, 2, 5).buffer),
    ]);
    assert.equal(answer("npy", file, "1", "2"), "<i4 (2, 3), Fortran's order; [1, 2] is 5");
  });

  test("safetensors: the tensors of a file", () => {
    const header = JSON.stringify({
      a: { dtype: "F16", shape: [2], data_offsets: [0, 4] },
      b: { dtype: "F32", shape: [1, 2], data_offsets: [4, 12] },
    });
    const length = new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer);
    const numbers = [Uint16Array.of(0x3c00, 0xc000), Float32Array.of(0.25, -8)];
    const file = Buffer.concat([
      length,
      Buffer.from(header),
      ...numbers.map(({ buffer }) => new Uint8Array(buffer)),
    ]);
    assert.equal(answer("safetensors", file, "a"), "2 tensors; a, F16 [2], begins with 1 -2");
  });

  test("maxmind: what is known of addresses", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const city = { names: { en: "Ålesund" }, geoname_id: Uint32Array.of(3_163_392) };
    writeMaxMind(path, "Test", [
      { address: 0x0a000000, prefix: 8, entry: { city } },
      { address: 0xc0000200, prefix: 24, entry: { location: { latitude: -12.25 }, tags: ["a", "b"] } },
    ]);
    const addresses = ["10.1.2.3", "192.0.2.77", "192.0.3.1"];
    assert.equal(
      answer("maxmind", readFileSync(path), ...addresses),
      "Test, a tree of 31 nodes\n" +
        '10.1.2.3/8: {"city":{"names":{"en":"Ålesund"},"geoname_id":3163392}}\n' +
        '192.0.2.77/24: {"location":{"latitude":-12.25},"tags":["a","b"]}\n' +
        "192.0.3.1/24: nothing is known",
    );
  });

  test("webassembly: a function of a module", () => {
    const code = Uint8Array.from(
      "\0asm\x01\0\0\0" + "\x01\x07\x01\x60\x02\x7f\x7f\x01\x7f" + "\x03\x02\x01\0" +
        "\x07\x07\x01\x03add\0\0" +
        "\x0a\x09\x01\x07\0\x20\0\x20\x01\x6a\x0b",
      (character) => character.charCodeAt(0),
    );
    assert.equal(
      answer("webassembly", code, "add", "2", "40"),
      "sections, in bytes: type 7, function 2, export 7, code 9\nadd(2, 40) is 42",
    );
  });

  test("nearest: the same vectors by one core and by workers", () => {
    assert.match(
      printed("formats/nearest", "--count", "2000", "--dimensions", "8", "--workers", "2"),
      /^2000 vectors of 8 numbers\n.*\nmapped, 2 workers .*\nmapped, one core .*\nreadFileSync, one core .*\nnearest: (\d+ \(\d\.\d{3}\)(, )?){10}\n$/,
    );
  });
});
