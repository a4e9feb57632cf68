// A program that forgets a region. It prints the warnings that it gets.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { MappedRegion } from "@mapped/region";

process.on("warning", ({ code, message }) => {
  if (code !== "MAPPED_REGION_NOT_CLOSED") return;
  console.log(message);
  process.exit(0);
});

function forgetful() {
  for (let round = 0; round < 100; round++) MappedRegion.anonymous(4096);
}

function collect(rounds) {
  if (rounds === 0) process.exit(1);
  globalThis.gc?.();
  globalThis.Bun?.gc(true);
  setTimeout(collect, 10, rounds - 1);
}

forgetful();
collect(5000);
