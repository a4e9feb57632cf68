/**
 * The constant tables against numbers taken from the platforms' own headers (tests/facts/). Runs the same
 * whatever the machine: no table depends on where it is looked at.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as exported from "../ffi/constants.ts";
import { darwin, darwinConstants } from "../ffi/darwin.ts";
import { linux, linuxConstants } from "../ffi/linux.ts";
import { constants } from "../ffi/platform.ts";

type Numbers = Readonly<Record<string, number>>;

const FAMILY = /^(PROT|MAP|MS|MADV|MREMAP|MLOCK|MCL|MINCORE)_/;

function facts(file: string): Numbers {
  return JSON.parse(readFileSync(new URL(`./facts/${file}`, import.meta.url), "utf8"));
}

/** The facts that are about mappings: the files have error numbers and open(2)'s flags as well. */
function mappingFacts(file: string): Numbers {
  return Object.fromEntries(Object.entries(facts(file)).filter(([name]) => FAMILY.test(name)));
}

const X64 = mappingFacts("linux-x64.json");
const { MAP_32BIT: _, ...ARM64 } = X64;
const DARWIN = mappingFacts("darwin.json");

/** What the tables have beyond the facts. Linux's from the kernel's uapi headers, 6.13. */
const BEYOND_LINUX: Numbers = {
  MAP_FILE: 0,
  MAP_DROPPABLE: 0x08,
  MAP_UNINITIALIZED: 0x4000000,
  MAP_HUGE_MASK: 0x3f,
  MAP_HUGE_2MB: 21 << 26,
  MAP_HUGE_1GB: 30 << 26,
  MADV_DONTNEED_LOCKED: 24,
  MADV_COLLAPSE: 25,
  MADV_SOFT_OFFLINE: 101,
  MADV_GUARD_INSTALL: 102,
  MADV_GUARD_REMOVE: 103,
};
const BEYOND_DARWIN: Numbers = { MAP_FILE: 0 };

const TABLES = [
  { name: "Linux x64", table: linuxConstants("x64"), known: X64, beyond: BEYOND_LINUX },
  { name: "Linux arm64", table: linuxConstants("arm64"), known: ARM64, beyond: BEYOND_LINUX },
  { name: "macOS", table: darwinConstants(), known: DARWIN, beyond: BEYOND_DARWIN },
];

for (const { name, table, known, beyond } of TABLES) {
  test(`${name}: the table is the facts, and the few constants newer than they`, () => {
    assert.deepEqual({ ...table }, { ...known, ...beyond });
  });

  test(`${name}: no advice beyond the facts has a number that the facts give to another`, () => {
    for (const [constant, value] of Object.entries(beyond)) {
      if (!constant.startsWith("MADV_")) continue;
      const other = Object.keys(known).find((other) => other.startsWith("MADV_") && known[other] === value);
      assert.equal(other, undefined, `${constant} is ${value}, and so is ${other}`);
    }
  });

  test(`${name}: every constant is an int to C`, () => {
    for (const [constant, value] of Object.entries(table)) assert.equal(value, value | 0, constant);
  });
}

test("MAP_32BIT exists on Linux x64 and on macOS, not on Linux arm64", () => {
  assert.equal(linuxConstants("x64").MAP_32BIT, 0x40);
  assert.equal(Object.hasOwn(linuxConstants("arm64"), "MAP_32BIT"), false);
  assert.equal(darwinConstants().MAP_32BIT, 0x8000);
});

test("a platform's constants are those of its table", () => {
  assert.deepEqual(linux("x64").constants, linuxConstants("x64"));
  assert.deepEqual(linux("arm64").constants, linuxConstants("arm64"));
  assert.deepEqual(darwin("arm64").constants, darwinConstants());
});

test("every constant of the running platform is exported with its value", () => {
  const values: Record<string, number | undefined> = { ...exported };
  for (const [name, value] of Object.entries(constants)) assert.equal(values[name], value, name);
});

test("nothing else is exported but the constants of other platforms, as undefined", () => {
  const everywhere = new Set(TABLES.flatMap(({ table }) => Object.keys(table)));
  assert.deepEqual(Object.keys(exported).sort(), [...everywhere].sort());
  for (const [name, value] of Object.entries(exported)) {
    if (!Object.hasOwn(constants, name)) assert.equal(value, undefined, name);
  }
});
