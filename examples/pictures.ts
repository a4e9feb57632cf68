/**
 * Pictures, for the programs here and for the README.
 *
 * @module
 */
import process from "node:process";
import { styleText } from "node:util";

const BLUE = "#2f81f7";
const GREY = "#8b949e";
/** How many squares a line has, how many lines there are at most, and how far squares are apart. */
const COLUMNS = 128;
const LINES = 8;
const SQUARE = 6;

/** Pages of a file or of memory, and what is said of them. */
export interface PageMap {
  readonly caption: string;
  /** A byte for each page: 1 if it is in memory, 0 if not. */
  readonly bitmap: Uint8Array;
}

/** A text as it must stand in SVG and HTML. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** A picture of so many units, in a font of equal widths. */
function svg(width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="12">`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

/** A text that begins at a point, or has its middle or its end there. */
function label(x: number, y: number, text: string, anchor?: "middle" | "end"): string {
  const attribute = anchor === undefined ? "" : ` text-anchor="${anchor}"`;
  return `<text x="${x}" y="${y}" fill="${GREY}"${attribute}>${escaped(text)}</text>`;
}

/**
 * Draws which pages are in memory, a square for each; if there are too many of them, a square for each few. A square is blue
 * for pages in memory, pale for pages that are not, and between the two for some of both.
 */
export function drawPages(maps: readonly PageMap[]): string {
  const parts: string[] = [];
  let top = 0;
  for (const { caption, bitmap } of maps) {
    const pages = bitmap.length;
    const squares = Math.min(pages, COLUMNS * LINES);
    const paths = { none: "", some: "", all: "" };
    for (let square = 0; square < squares; square++) {
      const first = Math.floor(square * pages / squares);
      const end = Math.floor((square + 1) * pages / squares);
      let resident = 0;
      for (let page = first; page < end; page++) resident += bitmap[page] ?? 0;
      const y = top + 20 + Math.floor(square / COLUMNS) * SQUARE;
      paths[resident === 0 ? "none" : resident === end - first ? "all" : "some"] += `M${
        (square % COLUMNS) * SQUARE
      } ${y}h5v5h-5z`;
    }
    parts.push(
      label(0, top + 13, caption),
      `<path fill="${GREY}" fill-opacity=".25" d="${paths.none}"/>`,
      `<path fill="${BLUE}" fill-opacity=".5" d="${paths.some}"/>`,
      `<path fill="${BLUE}" d="${paths.all}"/>`,
    );
    top += Math.ceil(squares / COLUMNS) * SQUARE + 30;
  }
  return svg(COLUMNS * SQUARE, top, parts.filter((part) => !part.endsWith('d=""/>')));
}

/** How far to the right, and how far up. */
export type Point = readonly [x: number, y: number];

/** A line through points, and what is said of it. */
export interface Line {
  readonly caption: string;
  readonly points: readonly Point[];
  readonly dashed?: boolean;
}

/** Draws lines over one another, each with its caption at its end. `what` is counted from left to right. */
export function drawLines(title: string, lines: readonly Line[], what: string): string {
  const [width, height, top] = [COLUMNS * SQUARE, 240, 30];
  const [across, bottom] = [Math.round(0.7 * width), top + height]; // to the right of it are the captions
  const points = lines.flatMap((line) => line.points);
  const right = Math.max(1, ...points.map(([x]) => x));
  const up = Math.max(1, ...points.map(([, y]) => y));
  const place = ([x, y]: Point): Point => [
    Math.round(across * x / right),
    Math.round(top + height * (1 - y / up)),
  ];
  const axes = [
    `<path fill="none" stroke="${GREY}" stroke-opacity=".5" d="M0 ${top}V${bottom}H${across}"/>`,
    label(0, bottom + 16, "0"),
    label(across / 2, bottom + 16, String(right / 2), "middle"),
    label(across, bottom + 16, `${right} ${what}`, "end"),
  ];
  const parts = lines.flatMap(({ caption, points, dashed = false }, index) => {
    const [x, y] = place(points.at(-1) ?? [0, 0]);
    const dashes = dashed ? ' stroke-dasharray="4"' : "";
    return [
      `<polyline fill="none" stroke="${index === 0 ? BLUE : GREY}" stroke-width="2"${dashes} points="${
        points.map(place).join(" ")
      }"/>`,
      label(x + 6, y + 4, caption),
    ];
  });
  return svg(width, bottom + 22, [label(0, 13, title), ...axes, ...parts]);
}

/** Draws numbers, from 0 up, as bars beside one another: at most so many, each of them the highest of a few. */
export function drawBars(numbers: readonly number[], columns: number = 64): string {
  const most = Math.max(1, ...numbers);
  const count = Math.min(columns, numbers.length);
  return Array.from({ length: count }, (_, column) => {
    const [from, to] = [column, column + 1].map((edge) => Math.floor(edge * numbers.length / count));
    const highest = Math.max(...numbers.slice(from, to));
    return "▁▂▃▄▅▆▇█"[Math.min(7, Math.floor(8 * highest / most))];
  }).join("");
}

/** A text in a colour, if standard output is a terminal. */
export function inColour(colour: "blue" | "cyan" | "dim" | "green", text: string): string {
  return process.stdout.isTTY ? styleText(colour, text) : text; // older styleText() doesn't look at where it goes
}

/** Colours the cells that a `Residency` draws itself with. */
export function coloured(drawing: string): string {
  return drawing.replaceAll(/█+/g, (cells) => inColour("blue", cells))
    .replaceAll(/▒+/g, (cells) => inColour("cyan", cells))
    .replaceAll(/·+/g, (cells) => inColour("dim", cells));
}
