/**
 * Runs one hostile program and prints, as JSON, what it found: `run_program.ts TOPIC NAME`.
 *
 * @module
 */
import process from "node:process";
import type { Programs } from "./support.ts";

const [topic = "", name = ""] = process.argv.slice(2);
const { programs } = await import(`./programs/${topic}.ts`) as { programs: Programs };
const program = programs[name];
if (program === undefined) throw new TypeError(`there is no program ${topic} ${name}`);
const found = await program();
if (found !== undefined) process.stdout.write(`${JSON.stringify(found)}\n`);
