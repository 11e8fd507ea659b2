// Hadal in a browser (or Node): loads a trained model and predicts, with the same bits as natively.
//
//     import { load } from "./hadal.js";
//     const hadal = await load(fetch("hadal_wasm.wasm"));
//     const model = hadal.model(await (await fetch("digits.safetensors")).arrayBuffer());
//     const [probabilities] = model.run({ dtype: "float32", shape: [1, 1, 28, 28], data: new Float32Array(784) });
//     model.free();

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, uint8: Uint8Array, int8: Int8Array, bool: Uint8Array,
  uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, int32: Int32Array,
  uint64: BigUint64Array, int64: BigInt64Array,
  float16: Uint16Array, bfloat16: Uint16Array, // their bits
};

/** Starts Hadal: `source` is the response of fetching `hadal_wasm.wasm`, or its bytes. */
export async function load(source) {
  let instance;
  const text = (at, bytes) => new TextDecoder().decode(new Uint8Array(instance.exports.memory.buffer, at, bytes));
  const imports = {
    hadal: {
      // Only a mistake in Hadal ends here; the instance must not be used any more.
      panicked(at, bytes) {
        throw new Error(`Hadal stopped, load it again: ${text(at, bytes)}`);
      },
    },
  };
  source = await source;
  const bytes = source instanceof Response ? await source.arrayBuffer() : source;
  ({ instance } = await WebAssembly.instantiate(bytes, imports));
  return new Hadal(instance.exports, text);
}

class Hadal {
  constructor(functions, text) {
    this.functions = functions;
    this.said = () => text(functions.hadal_text(), functions.hadal_text_length());
  }

  /** A model from the bytes of a `.safetensors` file of `hadal train`, or of an ONNX file. `exact`: with the bits of the
   * model as it was trained, instead of folding batch normalization. */
  model(file, { exact = false } = {}) {
    const bytes = new Uint8Array(file);
    const session = this.functions.hadal_load(this.given([bytes]), bytes.length, exact);
    if (session === 0) throw new Error(this.said());
    return new Model(this, session, JSON.parse(this.said()));
  }

  /** Copies parts into the module's memory, one after the other. */
  given(parts) {
    const at = this.functions.hadal_allocate(parts.reduce((sum, part) => sum + part.byteLength, 0));
    let next = at;
    for (const part of parts) {
      new Uint8Array(this.functions.memory.buffer, next, part.byteLength).set(part);
      next += part.byteLength;
    }
    return at;
  }
}

/** `inputs` and `outputs` list names, dtypes and shapes (-1: any size); `labels` names the classes; with `pixels`, uint8
 * images [batch, channels, height, width] of any size are taken too. */
class Model {
  constructor(hadal, session, description) {
    Object.assign(this, description);
    this.hadal = hadal;
    this.session = session;
  }

  /** The outputs, `{ name, dtype, shape, data }`, for inputs `{ dtype, shape, data }` in the model's order. */
  run(...inputs) {
    if (this.session === 0) throw new Error("the model was freed");
    const { functions } = this.hadal;
    const data = inputs.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const described = inputs.map(({ dtype, shape }, i) => ({ dtype, shape, bytes: data[i].byteLength }));
    const header = new TextEncoder().encode(JSON.stringify(described));
    const bytes = data.reduce((sum, part) => sum + part.byteLength, header.length);
    const fine = functions.hadal_run(this.session, this.hadal.given([header, ...data]), bytes, header.length);
    if (!fine) throw new Error(this.hadal.said());
    let at = functions.hadal_bytes();
    return JSON.parse(this.hadal.said()).map(({ dtype, shape, bytes }, i) => {
      const data = new ARRAYS[dtype](functions.memory.buffer.slice(at, at + bytes));
      at += bytes;
      return { name: this.outputs[i].name, dtype, shape, data };
    });
  }

  /** Gives the model's memory back. */
  free() {
    if (this.session !== 0) this.hadal.functions.hadal_unload(this.session);
    this.session = 0;
  }
}
