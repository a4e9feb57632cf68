/**
 * What the tests of installing share: folders as a user's, programs run in them, and the package as npm would unpack it.
 *
 * @module
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));
/** What scripts/build_npm.ts made. */
export const PACKAGE: string = join(ROOT, "npm");
/** The tools of this folder's own lock file. */
export const TOOLS: string = join(ROOT, "tests/install/node_modules");
export const PROGRAMS: string = join(ROOT, "tests/install/programs");

const BIN = join(ROOT, "node_modules/.bin");
export const BUN: string = join(BIN, "bun");
export const DENO: string = join(BIN, "deno");
export const NODE: string = process.execPath;

/** The runtimes that run a program, each with the least that it has to be told. */
export const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  bun: [BUN],
  deno: [DENO, "run", "--no-prompt", "--allow-ffi", "--allow-read=.", "--allow-write=."],
  node: [NODE, "--disable-warning=ExperimentalWarning"],
};

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** An empty folder, removed when the process ends. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "mapped-region-install-"));
  folders.push(folder);
  return folder;
}

/** A folder with files in it. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = emptyFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** A folder in which the package is installed, as unpacked from what `npm pack` makes, and the programs lie. */
export async function installed(package_ = PACKAGE): Promise<string> {
  const folder = folderWith({ "package.json": '{ "private": true, "type": "module" }' });
  const to = join(folder, "node_modules/@mapped/region");
  mkdirSync(to, { recursive: true });
  const { stdout } = await run(folder, ["npm", "pack", "--json", package_]);
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await run(folder, ["tar", "-xzf", filename, "--strip-components=1", "-C", to]);
  cpSync(PROGRAMS, folder, { recursive: true });
  return folder;
}

/** A home of its own, so that no cache, no configuration and no lock of the machine's user is in the way. */
const home = emptyFolder();

/** The environment of a user who has nothing but our runtimes. */
export function environment(
  extra: Readonly<Record<string, string>> = {},
): Record<string, string | undefined> {
  return {
    ...process.env,
    HOME: home,
    XDG_CACHE_HOME: join(home, ".cache"),
    npm_config_cache: join(home, "npm"),
    BUN_INSTALL_CACHE_DIR: join(home, "bun"),
    DENO_DIR: join(home, "deno"),
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    NO_PROXY: "127.0.0.1",
    NODE_TEST_CONTEXT: undefined, // a child of a test is no test
    PATH: `${BIN}${delimiter}${process.env["PATH"]}`,
    ...extra,
  };
}

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever that is. */
export function attempt(
  cwd: string,
  [program = "", ...options]: readonly string[],
  extra: Readonly<Record<string, string>> = {},
): Promise<Result> {
  return new Promise((resolve) => {
    const settings = { cwd, env: environment(extra), timeout: 900_000, maxBuffer: 64 << 20 };
    const child = execFile(program, options, settings, (error, stdout, stderr) => {
      // A number is the program's own exit code; anything else says why there is none.
      const failure = error === null || typeof error.code === "number" ? "" : `${error.message}\n`;
      resolve({ code: child.exitCode, stdout, stderr: `${failure}${stderr}` });
    });
    child.stdin?.end();
  });
}

/** Runs a program that has to succeed. */
export async function run(
  cwd: string,
  command: readonly string[],
  extra: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const result = await attempt(cwd, command, extra);
  if (result.code !== 0) {
    throw new Error(`${command.join(" ")}: exit code ${result.code}\n${result.stdout}${result.stderr}`);
  }
  return result;
}

/** A port that nobody listens on, now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** A server on loopback. */
export interface Served {
  readonly server: ChildProcess;
  /** Where it answers, without a slash at the end. */
  readonly url: string;
}

/** Starts a server at a free port; returns it when it answers at the path. */
export async function serve(
  cwd: string,
  command: (port: number) => readonly string[],
  path: string,
): Promise<Served> {
  for (let tries = 1;; tries++) {
    const port = await freePort();
    try {
      return await serveAt(cwd, command(port), `http://127.0.0.1:${port}`, path);
    } catch (error) {
      if (tries === 5) throw error; // before that, somebody else may have taken the port
    }
  }
}

async function serveAt(
  cwd: string,
  [program = "", ...options]: readonly string[],
  url: string,
  path: string,
): Promise<Served> {
  const server = spawn(program, options, { cwd, env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  process.once("exit", () => server.kill());
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream.on("data", (text) => (output += text));
  }
  for (let tries = 0; tries < 3000 && server.exitCode === null; tries++) {
    const answered = await fetch(`${url}${path}`).then(
      (response) => response.ok,
      () => false,
    );
    if (answered) return { server, url };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  server.kill();
  throw new Error(`${program} ${options.join(" ")} doesn't answer at ${url}${path}\n${output}`);
}

/** A tool of this folder's lock file, as a command. */
export function tool(path: string): string[] {
  const file = join(TOOLS, path);
  if (!existsSync(file)) {
    throw new Error(`${file} is missing: run npm ci in tests/install`);
  }
  return [NODE, file];
}

/** A program of tests/install/tools, by the name npm gives its command. */
export function command(name: string): string[] {
  return [join(TOOLS, ".bin", name)];
}

export const text = (file: string): string => readFileSync(file, "utf8");
