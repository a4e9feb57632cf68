/**
 * Text that is read while another thread stores to it all the time: letters of one byte and of several, in turn, so that
 * a decoder that looks twice finds something else the second time.
 */
import { array, char, type LinesOptions, MappedRegion, struct } from "../../../mod.ts";
import { together } from "../../helpers/mod.ts";
import { failure, type Programs } from "../support.ts";

const LIBRARY = JSON.stringify(new URL("../../../mod.ts", import.meta.url).href);
const SIZE = 2 ** 16;
const MILLISECONDS = 250;

/** A worker that stores to every byte but those at both ends, until it is terminated. */
const WRITER = `
  import { parentPort } from "node:worker_threads";
  import { MappedRegion } from ${LIBRARY};
  parentPort.on("message", (handle) => {
    const { bytes } = MappedRegion.attach(handle);
    const part = bytes.subarray(64, bytes.length - 64);
    parentPort.postMessage("ready");
    for (;;) {
      part.fill(0x61);
      for (let at = 0; at < part.length; at += 3) part.set([0xe2, 0x82, 0xac], Math.min(at, part.length - 3));
      part.fill(0xf0);
    }
  });
`;

/** The same, with a newline that comes and goes, far behind the first bytes that are looked at. */
const NEWLINE_WRITER = WRITER.replace(
  "part.fill(0xf0);",
  "part.fill(0xf0); part[part.length * 3 >> 2] = 0x0a;",
);

/** Reads for a while, and tells what came of it: the types of what was read, and what was thrown. */
async function reading(
  prepare: (region: MappedRegion) => () => unknown,
  size = SIZE,
  program = WRITER,
): Promise<unknown> {
  using region = MappedRegion.anonymous(size, { shared: true });
  region.fill(0x61);
  const read = prepare(region);
  const writer = together(program);
  await writer.ask(region.handle());
  const found = new Set<string>();
  const end = performance.now() + MILLISECONDS;
  let count = 0;
  while (performance.now() < end) {
    for (let round = 0; round < 20; round++) {
      try {
        const value = read();
        found.add(typeof value);
        count++;
      } catch (error) {
        found.add(failure(error));
      }
    }
  }
  await writer.end();
  return [...found, count >= 20];
}

/** Reads at the start of the region each time. */
const fromStart =
  (read: (cursor: ReturnType<MappedRegion["cursor"]>) => unknown) => (region: MappedRegion) => {
    const cursor = region.cursor();
    return () => {
      cursor.seek(0);
      return read(cursor);
    };
  };

/** Walks lines that are longer than what is looked through at a time. */
const lines = (options: LinesOptions): Promise<unknown> =>
  reading(
    (region) => () => {
      const walk = Reflect.apply(region.lines, region, [options]) as Iterable<unknown>;
      let count = 0;
      for (const line of walk) count += line === undefined ? 0 : 1;
      return count > 0 && count <= 4 * SIZE ? "text" : count;
    },
    4 * SIZE,
    NEWLINE_WRITER,
  );

export const programs: Programs = {
  lines: () => lines({}),
  linesBackwards: () => lines({ reverse: true }),
  linesAsBytes: () => lines({ encoding: "bytes" }),
  linesAsOffsets: () => lines({ encoding: "offsets", reverse: true }),
  readString: () => reading(fromStart((cursor) => cursor.readString(SIZE))),
  readLine: () => reading(fromStart((cursor) => cursor.readLine())),
  readLines: () =>
    reading((region) => {
      region.write(SIZE - 1, "\n");
      return fromStart((cursor) => cursor.readLine())(region);
    }),
  readCString: () =>
    reading((region) => {
      region.fill(0, { offset: SIZE - 1 });
      return fromStart((cursor) => cursor.readCString())(region);
    }),
  readPrefixedString: () =>
    reading((region) => {
      region.cursor().writeU32(SIZE - 4);
      return fromStart((cursor) => cursor.readPrefixedString("u32"))(region);
    }),
  longText: () =>
    reading((region) => {
      const records = region.records(struct({ text: char(SIZE) }));
      return () => records.get(0).text;
    }),
  shortTexts: () =>
    reading((region) => {
      const records = region.records(struct({ texts: array(char(31), 64) }));
      let index = 0;
      return () => records.get(index++ % 32).texts.join("");
    }),
  column: () =>
    reading((region) => {
      const column = region.records(struct({ text: char(SIZE / 2) })).column("text");
      return () => column.get(1);
    }),
};
