// Runs the simulator's first seeds compiled for wasm32, and compares their trace hashes with the native ones:
// `node tests/sim/wasm/hashes.mjs MODULE SEEDS`, native hashes (`sim --hashes`) on standard input.

import { readFileSync } from "node:fs";

const [modulePath, seeds] = process.argv.slice(2);
const native = new Map(
  readFileSync(0, "utf8")
    .split("\n")
    .map((line) => line.match(/^(\d+) ([0-9a-f]{64})$/))
    .filter(Boolean)
    .map(([, seed, hash]) => [seed, hash]),
);
const { instance } = await WebAssembly.instantiate(readFileSync(modulePath), {});

function hash(seed) {
  const bytes = Buffer.alloc(32);
  for (let word = 0; word < 4; word++) {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, instance.exports.trace_word(BigInt(seed), word)), word * 8);
  }
  return bytes.toString("hex");
}

for (let seed = 0; seed < Number(seeds); seed++) {
  if (native.get(String(seed)) !== hash(seed)) {
    console.error(`seed ${seed}: native ${native.get(String(seed))}, wasm32 ${hash(seed)}`);
    process.exit(1);
  }
}
console.log(`${seeds} seeds have the same trace natively and on wasm32`);
