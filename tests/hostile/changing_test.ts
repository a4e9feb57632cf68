// Text is read from copies: bytes that change under a runtime's decoder would end the process.
import { programs } from "./programs/changing.ts";
import { expectAll } from "./support.ts";

expectAll(
  "changing",
  programs,
  Object.fromEntries(Object.keys(programs).map((name) => [name, ["string", true]])),
);
