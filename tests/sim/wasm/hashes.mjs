// Runs the simulator's first seeds compiled for wasm32 and natively, and compares the hashes of their traces:
// `node tests/sim/wasm/hashes.mjs SEEDS`. The module is `cargo build --package tidelock-sim --example seeds` for wasm32.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const seeds = Number(process.argv[2]);
const target = process.env.CARGO_TARGET_DIR ?? "target";
const sim = ["xtask", "sim", "--hashes", "--seeds", String(seeds)];
const native = new Map(
  execFileSync("cargo", sim, { encoding: "utf8" })
    .split("\n")
    .map((line) => line.match(/^(\d+) ([0-9a-f]{64})$/))
    .filter(Boolean)
    .map(([, seed, hash]) => [Number(seed), hash]),
);
const module = readFileSync(join(target, "wasm32-unknown-unknown", "debug", "examples", "seeds.wasm"));
const { instance } = await WebAssembly.instantiate(module, {});

function hash(seed) {
  const bytes = Buffer.alloc(32);
  for (let word = 0; word < 4; word++) {
    const bits = instance.exports.trace_word(BigInt(seed), word);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, bits), word * 8);
  }
  return bytes.toString("hex");
}

for (let seed = 0; seed < seeds; seed++) {
  const onWasm = hash(seed);
  if (native.get(seed) !== onWasm) {
    console.error(`seed ${seed}: native ${native.get(seed)}, wasm32 ${onWasm}`);
    process.exit(1);
  }
}
console.log(`${seeds} seeds have the same traces natively and on wasm32`);
