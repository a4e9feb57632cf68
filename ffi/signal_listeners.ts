/**
 * Programs that listen to SIGBUS or SIGSEGV.
 *
 * Each runtime then puts a handler of its own in the place of whatever is there. With Node's and Bun's, an access to a
 * lost page would be tried again for ever, and when the last listener has gone, they restore the default. Deno's calls
 * the one that it replaced, but tells the listeners of every fault too, and ends the process when there is none any
 * more. So the guard is told at once, and takes their place in turn: it hands on to them what was sent.
 *
 * @module
 */
import { nodeProcess } from "./builtins.ts";

/** The signals that faults raise. */
const SIGNALS = ["SIGBUS", "SIGSEGV"] as const;

/** Their numbers on Linux. */
const NUMBERS: readonly unknown[] = [7, 11];

/** A signal that a fault raises. */
export type FaultSignal = typeof SIGNALS[number];

/** Who is told. */
export interface SignalWatcher {
  /** A runtime's own handler may have been installed, since a program listens. */
  taken(signal: FaultSignal): void;
  /** A listener has gone; if it was the last one, so may have the handler. */
  left(signal: FaultSignal): void;
  /** Runs `work` while the runtime's own handler is installed. */
  aside(signal: FaultSignal, work: () => void): void;
}

type Listener = (...values: readonly unknown[]) => void;

interface Emitter {
  readonly pid: number;
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
  listenerCount(event: string): number;
  removeAllListeners(event?: string): unknown;
  kill(pid: number, signal?: string | number): unknown;
}

interface DenoSignals {
  addSignalListener(signal: string, listener: () => void): void;
}

/** Tells `watcher` what becomes of the signals' handlers. Keeps nothing alive. */
export function watchSignals(watcher: SignalWatcher): void {
  const deno = (globalThis as { readonly Deno?: DenoSignals }).Deno;
  // `process` is made by Deno when it is first looked at, in 13 ms.
  const emitter = deno === undefined || isBun() ? nodeProcess() as unknown as Emitter : undefined;
  if (emitter === undefined) watchDeno(deno, watcher);
  else if (isBun()) watchBun(emitter, watcher);
  else watchNode(emitter, watcher);
}

/** Some programs define a global `Deno` in Bun; in Deno, nothing is called `Bun`. */
function isBun(): boolean {
  return (globalThis as { readonly Bun?: unknown }).Bun !== undefined;
}

function isFaultSignal(event: unknown): event is FaultSignal {
  return (SIGNALS as readonly unknown[]).includes(event);
}

/** Node's own listeners to these two events, which come before ours, install the handler and take it away. */
function watchNode(emitter: Emitter, watcher: SignalWatcher): void {
  emitter.on("newListener", (event) => {
    if (isFaultSignal(event) && emitter.listenerCount(event) === 0) watcher.taken(event);
  });
  emitter.on("removeListener", (event) => {
    if (isFaultSignal(event)) watcher.left(event);
  });
}

/** Deno installs its handler with the first listener, for ever. `process.on` calls this function, too. */
function watchDeno(deno: DenoSignals | undefined, watcher: SignalWatcher): void {
  if (typeof deno?.addSignalListener !== "function") return;
  replace(deno, "addSignalListener", (add) =>
    function (this: unknown, ...values): void {
      Reflect.apply(add, this, values);
      if (isFaultSignal(values[0])) watcher.taken(values[0]);
    });
}

/**
 * Bun installs its handler after the event, when the first listener is added, and says nothing when one goes. So a
 * listener of ours comes first, inside the event, and stays: the handler is installed once.
 */
function watchBun(emitter: Emitter, watcher: SignalWatcher): void {
  const stay = (signal: unknown): void => {
    if (!isFaultSignal(signal) || emitter.listenerCount(signal) > 1) return;
    // Nobody listens any more: what was sent shall do what it does then.
    emitter.off(signal, stay);
    watcher.left(signal);
    emitter.kill(emitter.pid, signal);
  };
  const add = (event: unknown, listener?: unknown): void => {
    if (!isFaultSignal(event) || listener === stay || emitter.listenerCount(event) !== 0) return;
    emitter.on(event, stay);
    watcher.taken(event);
    replaceOnce();
  };
  let replaced = false;
  const replaceOnce = (): void => {
    if (replaced) return;
    replaced = true;
    replace(
      emitter,
      "removeAllListeners",
      (removeAllListeners) =>
        function (this: unknown, ...values): unknown {
          const result: unknown = Reflect.apply(removeAllListeners, this, values);
          for (const signal of SIGNALS) if (emitter.listenerCount(signal) === 0) watcher.left(signal);
          if (emitter.listenerCount("newListener") === 0) emitter.on("newListener", add);
          return result;
        },
    );
    // Bun resets a signal that the process sends itself, if the handler is none of its own.
    replace(emitter, "kill", (kill) =>
      function (this: unknown, ...values): unknown {
        const signal = isFaultSignal(values[1]) ? values[1] : SIGNALS[NUMBERS.indexOf(values[1])];
        let result: unknown;
        const send = (): void => void (result = Reflect.apply(kill, this, values));
        if (signal !== undefined && values[0] === emitter.pid) watcher.aside(signal, send);
        else send();
        return result;
      });
  };
  emitter.on("newListener", add);
  for (const signal of SIGNALS) {
    if (emitter.listenerCount(signal) === 0) continue;
    emitter.on(signal, stay);
    replaceOnce();
  }
}

type Method = (this: unknown, ...values: unknown[]) => unknown;

/** Replaces a method by one that calls it. Where that is refused, it stays as it is. */
function replace<Name extends string>(
  object: { [name in Name]: (...values: never) => unknown },
  name: Name,
  replacement: (method: Method) => Method,
): void {
  const value = replacement(object[name] as Method);
  try {
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
  } catch {
    // A frozen object: its listeners go without the guard.
  }
}
