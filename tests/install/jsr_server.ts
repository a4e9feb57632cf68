/**
 * A server that speaks as much of JSR's protocol as `deno publish`, `deno add` and `deno run` do, on loopback: it takes
 * what is published, and serves exactly that. `node jsr_server.ts PORT`.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";

interface Published {
  readonly exports: Readonly<Record<string, string>>;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** By `@scope/name`, then by version. */
const packages = new Map<string, Map<string, Published>>();

/** The files of a tar archive. */
function unpack(archive: Uint8Array): Map<string, Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "mapped-region-jsr-"));
  try {
    const { status, stderr } = spawnSync("tar", ["-x", "-C", folder], { input: archive });
    if (status !== 0) throw new Error(`tar: ${stderr}`);
    const files = globSync("**/*", { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile());
    return new Map(
      files.map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path.slice(folder.length), readFileSync(path)];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What JSR says of a version: where its doors are, and every file's checksum. */
function describe({ exports, files }: Published): object {
  const manifest = [...files].map(([path, bytes]) => [
    path,
    { size: bytes.length, checksum: `sha256-${createHash("sha256").update(bytes).digest("hex")}` },
  ]);
  return { exports, manifest: Object.fromEntries(manifest) };
}

async function publish(
  request: IncomingMessage,
  name: string,
  version: string,
  config: string,
): Promise<object> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const files = unpack(gunzipSync(Buffer.concat(chunks)));
  const { exports } = JSON.parse(new TextDecoder().decode(files.get(config)));
  const versions = packages.get(name) ?? new Map<string, Published>();
  packages.set(name, versions.set(version, { exports, files }));
  return { id: "00000000-0000-4000-8000-000000000000", status: "success", error: null };
}

/** What is sent back: JSON or a file; `undefined` is 404. */
async function answer(request: IncomingMessage): Promise<object | Uint8Array | undefined> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
  const api = /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/.exec(pathname);
  if (api !== null) {
    const [, scope, name, version] = api;
    const full = `@${scope}/${name}`;
    if (version === undefined) return { scope, name };
    if (request.method === "POST") {
      return await publish(request, full, version, searchParams.get("config") ?? "");
    }
    return packages.get(full)?.has(version) === true ? { scope, package: name, version } : undefined;
  }
  const [, name = "", rest = ""] = /^\/(@[^/]+\/[^/]+)\/(.+)$/.exec(pathname) ?? [];
  const versions = packages.get(name);
  if (versions === undefined) return undefined;
  if (rest === "meta.json") {
    const [scope, short] = name.slice(1).split("/");
    const known = [...versions.keys()];
    return {
      scope,
      name: short,
      latest: known.at(-1),
      versions: Object.fromEntries(known.map((key) => [key, {}])),
    };
  }
  const version = /^([^/]+)_meta\.json$/.exec(rest)?.[1];
  if (version !== undefined) {
    const published = versions.get(version);
    return published === undefined ? undefined : describe(published);
  }
  const slash = rest.indexOf("/");
  return versions.get(rest.slice(0, slash))?.files.get(rest.slice(slash));
}

const server = createServer((request, response) => {
  if (request.url === "/") {
    response.end("ready");
    return;
  }
  answer(request)
    .then((body) => {
      if (body === undefined) return response.writeHead(404).end("{}");
      const isFile = body instanceof Uint8Array;
      response.setHeader("content-type", isFile ? "text/plain" : "application/json");
      return response.end(isFile ? body : JSON.stringify(body));
    })
    .catch((error: unknown) => response.writeHead(500).end(String(error)));
});
server.listen(Number(process.argv[2]), "127.0.0.1");
