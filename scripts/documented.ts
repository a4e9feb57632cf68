/**
 * Checks that everything the doors export is documented. Every export, property and method has a doc comment.
 * Classes, functions and methods have an example, which another check runs. Functions and methods say what they
 * throw.
 *
 * @module
 */

/** What a doc comment has, as `deno doc --json` gives it. */
interface DocComment {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string; readonly doc?: string }[];
}

/** A property, a method or an accessor of a class or an interface. */
interface Member {
  readonly name: string;
  readonly kind?: "method" | "getter" | "setter";
  readonly accessibility?: "public" | "protected" | "private";
  readonly jsDoc?: DocComment;
  readonly location?: Location;
  readonly functionDef?: { readonly hasBody?: boolean };
}

interface Location {
  readonly filename: string;
  readonly line: number;
}

/** One declaration of an export. Overloads are declarations of one name. */
interface Declaration {
  readonly kind: "class" | "function" | "interface" | "typeAlias" | "variable" | string;
  readonly location: Location;
  readonly jsDoc?: DocComment;
  readonly def?: { readonly properties?: readonly Member[]; readonly methods?: readonly Member[] };
}

/** What `deno doc --json` prints, as far as it is used here. */
interface Documentation {
  readonly nodes: Readonly<
    Record<
      string,
      {
        readonly symbols?: readonly {
          readonly name: string;
          readonly declarations: readonly Declaration[];
        }[];
      }
    >
  >;
}

/** Methods that throw nothing. All others need `@throws`: decide for each new one. */
const THROWS_NOTHING: ReadonlySet<string> = new Set([
  "AnonymousSharedMemory.close",
  "Channel.close",
  "Cursor.tell",
  "FileLock.unlock",
  "MappedRegion.toJSON",
  "Message.release",
  "MutexGuard.markRecovered",
  "Reservation.cancel",
  "Residency.toString",
  "WriteGuard.markRecovered",
]);

/** Returns a line for everything that is missing; "" if all is well. */
export function checkDocumentation(json: string): string {
  const { nodes } = JSON.parse(json) as Documentation;
  const complaints = new Set<string>();
  for (const { symbols = [] } of Object.values(nodes)) {
    for (const { name, declarations } of symbols) {
      for (const complaint of complaintsOf(name, declarations)) complaints.add(complaint);
    }
  }
  return [...complaints].join("\n");
}

function complaintsOf(name: string, declarations: readonly Declaration[]): string[] {
  const [first] = declarations;
  if (first === undefined || first.kind === "reference") return []; // exported, and documented, by another door
  const { kind, def = {} } = first;
  const complaints = declarations.flatMap((each) => missing(name, each, ["doc"]));
  if (kind === "function") complaints.push(...missing(name, first, ["example", "throws"]));
  if (kind === "class") complaints.push(...missing(name, first, ["example"]));
  for (const property of def.properties ?? []) {
    if (isPublic(property)) complaints.push(...missing(`${name}.${property.name}`, property, ["doc"]));
  }
  const methods = (def.methods ?? []).filter(isPublic).filter((each, _, all) =>
    // The implementation behind overloads isn't documented.
    each.functionDef?.hasBody !== true ||
    all.every((other) => other.name !== each.name || other.functionDef?.hasBody === true)
  );
  for (const method of methods) {
    const path = `${name}.${method.name}`;
    complaints.push(...missing(path, method, ["doc"]));
    // Accessors need no example, nor do methods that the language calls. Of overloads the first has it.
    const isOwn = kind === "class" && !/^(get|set)ter$/.test(method.kind ?? "") &&
      !method.name.startsWith("[");
    const isFirst = methods.find((each) => each.name === method.name) === method;
    if (isOwn && isFirst) complaints.push(...missing(path, method, ["example", "throws"]));
  }
  return complaints;
}

const isPublic = ({ accessibility, name }: Member): boolean =>
  accessibility !== "private" && accessibility !== "protected" && !name.startsWith("#");

function missing(
  name: string,
  { jsDoc, location }: { readonly jsDoc?: DocComment; readonly location?: Location },
  parts: readonly ("doc" | "example" | "throws")[],
): string[] {
  const { doc = "", tags = [] } = jsDoc ?? {};
  const has = {
    doc: doc.trim() !== "",
    example: tags.some((tag) => tag.kind === "example" && /^\s*(?:.*\n)*?```ts\n/.test(tag.doc ?? "")),
    throws: THROWS_NOTHING.has(name) || tags.some((tag) => tag.kind === "throws"),
  };
  const place = location === undefined
    ? ""
    : `${location.filename.replace(/^.*\/(?=(?:src|ffi)\/)/, "")}:${location.line}: `;
  return parts.filter((part) => !has[part]).map((part) =>
    `${place}${name} has no ${part === "doc" ? "documentation" : `@${part}`}`
  );
}
