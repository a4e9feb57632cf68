// Not one wrong number, however many are read while the file goes: the true one, or EFAULT.
import { programs } from "./programs/racing.ts";
import { expectAll } from "./support.ts";

const right = Object.keys(programs).filter((name) => name !== "afterAnotherOwner")
  .map((name) => [name, [0, "EFAULT"]] as const);

expectAll("racing", programs, {
  ...Object.fromEntries(right),
  afterAnotherOwner: Array.from({ length: 9 }, () => ["EFAULT", 0, true]),
});
