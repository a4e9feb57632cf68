import process from "node:process";
import { lockFileSync } from "../../../src/ipc/mod.ts";

const [file = ""] = process.argv.slice(2);
using _lock = lockFileSync(file, { create: true });
process.stdout.write("locked\n");
await new Promise((resolve) => setTimeout(resolve, 600_000));
