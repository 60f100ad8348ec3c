// What llama.cpp computes with what `export` writes for it, beside what transformers + PEFT compute: for each golden case on a
// file in GGUF the adapter is exported, loaded by llama.cpp on the case's model, and the probabilities behind a row are
// compared with the reference's (which the program equals: `prefix-workbench verify CASE`).
//
//   npm install --prefix DIR --ignore-scripts --omit=optional node-llama-cpp@3.21.1 @node-llama-cpp/linux-x64@3.21.1
//   node llama_cpp.mjs DIR/node_modules PROGRAM cases/gguf-*-prefix cases/gguf-*-lora
//
// Prints the Kullback-Leibler divergence with and without the adapter; ends with 1 where one is beyond its limit, and says what
// the program refuses. llama.cpp rounds activations to 8 bits where matrices are in blocks; it computes the windows of Phi-3 and
// Gemma 3 otherwise, with an adapter or without, and these cases are left out.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

// The second where matrices are in blocks.
const LIMITS = [0.001, 0.01];
const [, , modules, program, ...cases] = process.argv;
const { getLlama } = await import(pathToFileURL(path.resolve(modules, "node-llama-cpp/dist/index.js")));
const llama = await getLlama({ gpu: false, build: "never", maxThreads: 1, logLevel: "error", usePrebuiltBinaries: true });
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "llama-cpp-"));

// A tensor of a safetensors file, int64 or f32.
function tensor(file, name) {
    const bytes = fs.readFileSync(file);
    const length = Number(bytes.readBigUInt64LE(0));
    const { dtype, shape, data_offsets: [from, to] } = JSON.parse(bytes.subarray(8, 8 + length))[name];
    const data = new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to)).buffer;
    const values = dtype === "I64" ? Array.from(new BigInt64Array(data), Number) : Array.from(new Float32Array(data));
    const width = shape.at(-1);
    return Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));
}

function softmax(logits) {
    const largest = Math.max(...logits);
    const shares = logits.map((logit) => Math.exp(logit - largest));
    const sum = shares.reduce((a, b) => a + b);
    return shares.map((share) => share / sum);
}

function divergence(expected, found) {
    return expected.reduce((sum, p, id) => sum + (p > 0 ? p * Math.log(p / Math.max(found.get(id) ?? 0, 1e-12)) : 0), 0);
}

// Probabilities behind the last of some tokens.
async function probabilities(model, ids, { state, lora, flashAttention, type }) {
    const context = await model.createContext({
        contextSize: 256, batchSize: 64, threads: 1, flashAttention, lora,
        experimentalKvCacheKeyType: type, experimentalKvCacheValueType: type,
    });
    const sequence = context.getSequence();
    if (state) await sequence.loadStateFromFile(state, { acceptRisk: true });
    const asked = { generateNext: { probabilities: true, options: { temperature: 0 } } };
    const steps = await sequence.controlledEvaluate(ids.map((id, at) => (at === ids.length - 1 ? [id, asked] : id)));
    const found = new Map(steps.at(-1).next.probabilities);
    await context.dispose();
    return found;
}

const OTHERWISE = ["gguf-phi3-prefix", "gguf-gemma3-lora"];
let failed = false;
for (const folder of cases) {
    const name = path.basename(folder);
    if (OTHERWISE.includes(name)) continue;
    const [tensors, gguf, adapter] = ["tensors.safetensors", "model/model.gguf", "adapter"].map((file) => path.join(folder, file));
    const row = tensor(tensors, "in/right/attention_mask").findIndex((mask) => mask.every((seen) => seen === 1));
    const ids = tensor(tensors, "in/right/input_ids")[row];
    const expected = softmax(tensor(tensors, "out/right/logits_last")[row]);
    const is_lora = name.includes("lora");
    const forms = is_lora
        ? [{ type: "F32", flashAttention: false }]
        : [{ type: "F16", flashAttention: true }, { type: "F16", flashAttention: false }, { type: "F32", flashAttention: false }];
    const model = await llama.loadModel({ modelPath: path.resolve(gguf), gpuLayers: 0 });
    const without = divergence(expected, await probabilities(model, ids, forms[0]));
    for (const form of forms) {
        const to = path.join(scratch, `${name}.${is_lora ? "gguf" : "ggsq"}`);
        const flags = ["--cache-type", form.type.toLowerCase(), "--flash-attn", form.flashAttention ? "on" : "off"];
        const asked = ["export", "--adapter", adapter, "--model", gguf, "--to", to, ...flags];
        try {
            execFileSync(program, ["--workspace", path.join(scratch, "workspace"), ...asked], { stdio: ["ignore", "ignore", "pipe"] });
        } catch (error) {
            console.log(`${name}: ${String(error.stderr).trim().split("\n").at(0)}`);
            break;
        }
        const found = divergence(expected, await probabilities(model, ids, { ...form, ...(is_lora ? { lora: to } : { state: to }) }));
        const is_far = found > LIMITS[/-q\d/.test(name) ? 1 : 0];
        const verdict = is_far ? "  TOO FAR" : "";
        failed ||= is_far;
        const cache = is_lora ? "" : `, ${form.type.toLowerCase()} cache${form.flashAttention ? " with flash attention" : ""}`;
        console.log(`${name}${cache}: ${found.toFixed(6)} (without the adapter ${without.toFixed(3)})${verdict}`);
    }
    await model.dispose();
}
fs.rmSync(scratch, { recursive: true });
process.exit(failed ? 1 : 0);
