// From the start of the process to the first byte of a file.
import process from "node:process";
import { MappedRegion } from "../../../mod.ts";

using region = MappedRegion.open(process.execPath);
if (region.bytes[0] !== 0x7f) throw new Error("not an ELF file");
