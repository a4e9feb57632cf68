/**
 * Programs that listen to SIGBUS or SIGSEGV.
 *
 * For a listener, each runtime replaces the guard's handler by its own. Node's and Bun's would try an access to a
 * lost page again for ever, and when the last listener has gone, they restore the default handler. Deno's calls the
 * handler that it replaced, but also tells the listeners of every fault, and ends the process when there are none
 * left. So the guard is told at once when a program listens, and replaces the runtime's handler in turn: it passes on
 * to it the signals that were sent.
 *
 * @module
 */
import { denoGlobal, isBun, nodeProcess } from "./builtins.ts";

/** The signals that faults raise. */
const SIGNALS = ["SIGBUS", "SIGSEGV"] as const;

/** Their numbers on Linux. */
const NUMBERS: readonly unknown[] = [7, 11];

/** A signal that a fault raises. */
export type FaultSignal = typeof SIGNALS[number];

/** What is told of listeners that come and go. */
export interface SignalWatcher {
  /** A program listens: the runtime may have installed its own handler. */
  taken(signal: FaultSignal): void;
  /** A listener has gone. If it was the last one, the runtime may have removed the handler. */
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

/** Tells `watcher` of listeners that come and go. It doesn't keep the process alive. */
export function watchSignals(watcher: SignalWatcher): void {
  const deno = denoGlobal() as DenoSignals | undefined;
  const emitter = deno === undefined ? nodeProcess() as unknown as Emitter : undefined;
  if (emitter === undefined) watchDeno(deno, watcher);
  else if (isBun()) watchBun(emitter, watcher);
  else watchNode(emitter, watcher);
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
    // Nobody listens any more: a signal that is sent has its default effect again.
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
    // When the process sends itself a signal, Bun restores the default handler first, unless the handler is Bun's
    // own.
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
