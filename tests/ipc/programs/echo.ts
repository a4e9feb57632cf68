/** Sends back all that comes: `echo.ts NAME`. */
import process from "node:process";
import { Channel, openSharedMemory } from "../../../src/ipc/mod.ts";

const [name = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
using inbox = new Channel(region);
using outbox = new Channel(region, { offset: 1 << 16 });
process.stdout.write("started\n");
let count = 0;
for await (const message of inbox) {
  if (count++ % 2 === 0) await outbox.send(message);
  else outbox.sendSync(message);
}
