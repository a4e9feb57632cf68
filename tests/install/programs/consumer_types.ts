// What a TypeScript user writes: this is type-checked, never run.
import { type Access, bytes, char, type Cursor, MappedRegion, MmapError, struct } from "@mapped/region";
import { mmap, PROT_READ } from "@mapped/region/libc";

const access: Access = "read";
using region = MappedRegion.open(new URL("file:///tmp/data.bin"), { access, offset: 3 });
const disposable: Disposable = region;
const all: Uint8Array<ArrayBuffer> = region.bytes;
const floats: Float64Array = region.array(Float64Array, 0, 2);
const lines: Iterable<string> = region.lines();
const raw: Iterable<Uint8Array> = region.lines({ encoding: "bytes" });
const chunks: ReadableStream<Uint8Array> = region.stream({ chunkSize: 4096 });
const cursor: Cursor = region.cursor();
const trades = region.records(struct({ id: "u64", name: char(16), raw: bytes(4) }));
const id: bigint = trades.get(0).id;
for (const record of trades) record.name.toUpperCase();
const flushed: Promise<void> = region.flush();
const address: bigint = region.address;
const code: string = new MmapError(22, "mmap").code;
const flags: number = PROT_READ;

// @ts-expect-error -- an access that isn't there
MappedRegion.open("data.bin", { access: "write" });
// @ts-expect-error -- a length is a number
MappedRegion.anonymous("4096");
// @ts-expect-error -- there is no such option
MappedRegion.anonymous(4096, { shred: true });

export { address, all, chunks, code, cursor, disposable, flags, floats, flushed, id, lines, mmap, raw };
