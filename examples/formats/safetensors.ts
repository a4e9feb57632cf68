// The tensors of a .safetensors file, as machine learning keeps its weights. A tensor's numbers are the file's own pages: a
// model of many gigabytes is opened in no time, and only the tensors that are looked at are ever read.
//
//     node examples/formats/safetensors.ts
//     bun examples/formats/safetensors.ts --size 512
//     deno run --allow-env --allow-ffi --allow-read --allow-write --allow-run examples/formats/safetensors.ts model.safetensors NAME
//
// In Python: safetensors.safe_open("model.safetensors", "np").get_tensor(name), which maps the file, too.
//
// The file is the length of a header in 8 bytes, the header in JSON (for each tensor its type, its shape, and from where to
// where it goes), and the tensors' bytes. Writers fill the header up with spaces, so that these begin at a multiple of 8.
//
// Without FILE it makes one. Exit code: 0; 2 if the file is no .safetensors, or something else went wrong.
import { MappedRegion } from "../../mod.ts";
import { program } from "./beside_read.ts";

interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From where to where behind the header, in bytes. */
  readonly data_offsets: readonly [number, number];
}

/** How a number of a type is read. BF16 is the upper half of an F32. */
const READ: Readonly<Record<string, readonly [size: number, get: (view: DataView, at: number) => unknown]>> =
  {
    BOOL: [1, (view, at) => view.getUint8(at) !== 0],
    U8: [1, (view, at) => view.getUint8(at)],
    I8: [1, (view, at) => view.getInt8(at)],
    U16: [2, (view, at) => view.getUint16(at, true)],
    I16: [2, (view, at) => view.getInt16(at, true)],
    U32: [4, (view, at) => view.getUint32(at, true)],
    I32: [4, (view, at) => view.getInt32(at, true)],
    U64: [8, (view, at) => view.getBigUint64(at, true)],
    I64: [8, (view, at) => view.getBigInt64(at, true)],
    BF16: [2, (view, at) => fromBits(view.getUint16(at, true) << 16)],
    F16: [2, (view, at) => view.getFloat16(at, true)],
    F32: [4, (view, at) => view.getFloat32(at, true)],
    F64: [8, (view, at) => view.getFloat64(at, true)],
  };

const scratch = new DataView(new ArrayBuffer(4));

/** The F32 of these bits. */
function fromBits(bits: number): number {
  scratch.setInt32(0, bits);
  return scratch.getFloat32(0);
}

const LAYERS = 8;

function write(path: string, size: number): void {
  const width = Math.floor(Math.sqrt(size / LAYERS / 4));
  const tensors: Record<string, Tensor> = {};
  let end = 0;
  for (let layer = 0; layer < LAYERS; layer++) {
    const begin = end;
    end += 4 * width * width;
    tensors[`layer.${layer}.weight`] = { dtype: "F32", shape: [width, width], data_offsets: [begin, end] };
    tensors[`layer.${layer}.scale`] = { dtype: "BF16", shape: [4], data_offsets: [end, end + 8] };
    end += 8;
  }
  const json = JSON.stringify({ __metadata__: { format: "sample" }, ...tensors });
  const header = json.padEnd(Math.ceil(json.length / 8) * 8);
  const start = 8 + header.length;
  using file = MappedRegion.open(path, { access: "read-write", create: true, size: start + end });
  file.cursor().writeU64(BigInt(header.length));
  file.write(8, header);
  for (const [layer, { dtype, data_offsets: [from, to] }] of Object.values(tensors).entries()) {
    if (dtype === "BF16") file.array(Uint16Array, start + from, 4).set([0x3f80, 0x3f00, 0x3e80, 0xbf80]); // 1, ½, ¼, -1
    else file.array(Float32Array, start + from, (to - from) / 4).fill((layer + 1) / 16);
  }
}

function answer(bytes: Uint8Array<ArrayBuffer>, [wanted]: readonly string[]): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < 8 ? NaN : Number(view.getBigUint64(0, true));
  if (!(length <= bytes.length - 8)) throw new TypeError("this is no .safetensors file");
  const start = 8 + length;
  const { __metadata__, ...tensors } = JSON.parse(new TextDecoder().decode(bytes.slice(8, start))) as
    & Readonly<Record<string, Tensor>>
    & { readonly __metadata__?: object };

  const names = Object.keys(tensors);
  const name = wanted ?? names[Math.floor(names.length / 2)] ?? "";
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  if (tensor === undefined) throw new RangeError(`there is no tensor '${name}', but ${names.join(", ")}`);
  const { dtype, shape, data_offsets: [from, to] } = tensor;
  const [size, get] = READ[dtype] ?? [];
  if (size === undefined || get === undefined) {
    throw new TypeError(`numbers of type ${dtype} aren't known here`);
  }
  // A DataView reads at any offset. For loops over all of a tensor, a typed array of its type is faster where it may begin.
  const numbers = new DataView(bytes.buffer, bytes.byteOffset + start + from, to - from);
  const first = Array.from(
    { length: Math.min(4, numbers.byteLength / size) },
    (_, index) => get(numbers, index * size),
  );
  return `${names.length} tensors; ${name}, ${dtype} [${shape.join(", ")}], begins with ${first.join(" ")}`;
}

await program({ name: "safetensors.ts", query: "[TENSOR]", size: 128, write, answer });
