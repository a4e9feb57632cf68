import process from "node:process";
import { Once, openSharedMemory } from "../../../src/ipc/mod.ts";

const [name = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
new Once(region).runSync(() => void process.kill(process.pid, "SIGKILL"));
