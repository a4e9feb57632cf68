import process from "node:process";
import { openSharedMemory, ReadWriteLock } from "../../../src/ipc/mod.ts";

const [name = "", how = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
const lock = new ReadWriteLock(region);
using _guard = how === "write" ? await lock.write() : await lock.read();
process.stdout.write("locked\n");
await new Promise((resolve) => setTimeout(resolve, 600_000));
