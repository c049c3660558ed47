/** The same package with the library inside, for single files: bundlers that copy no assets, classic scripts, executables. */

import { useSource } from "./init.js";
import { source } from "./wasm/inlined.js";

useSource(source);

export * from "./index.js";
