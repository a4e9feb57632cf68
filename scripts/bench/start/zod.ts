// What a program pays that imports zod, and nothing else.
import { object } from "zod/mini";

if (typeof object !== "function") throw new Error("zod has no object");
