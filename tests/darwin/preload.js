// Loaded before a test: makes the process take itself for macOS on x86-64, as far as the library can see.
import os from "node:os";
import process from "node:process";
import util from "node:util";

const { constants } = os;

/** Where Darwin's numbers of errors are others: <sys/errno.h>. */
const ERRORS = {
  ...{
    EAGAIN: 35,
    EWOULDBLOCK: 35,
    EDEADLK: 11,
    ENAMETOOLONG: 63,
    ENOLCK: 77,
    ENOSYS: 78,
    ENOTEMPTY: 66,
    ELOOP: 62,
  },
  ...{ EOVERFLOW: 84, EILSEQ: 92, EOPNOTSUPP: 102, ENOTSUP: 45, ETIMEDOUT: 60, ESTALE: 70, EDQUOT: 69 },
};

const own = { ...constants.errno };
const texts = Object.fromEntries(
  Object.entries(own).map(([name, number]) => [name, util.getSystemErrorMessage(-number)]),
);
constants.errno = { ...own, ...ERRORS };
const names = new Map(Object.entries(constants.errno).map(([name, number]) => [-number, name]));

util.getSystemErrorName = (number) => names.get(number);
util.getSystemErrorMessage = (number) => texts[names.get(number)];

Object.defineProperty(process, "platform", { value: "darwin" });
Object.defineProperty(process, "arch", { value: "x64" });
if (globalThis.Deno !== undefined) {
  const build = {
    ...Deno.build,
    os: "darwin",
    arch: "x86_64",
    vendor: "apple",
    target: "x86_64-apple-darwin",
  };
  Object.defineProperty(Deno, "build", { value: build });
}
