import { defineConfig } from "vite";

export default defineConfig({
  // In this repository `tidelock` is a link to a folder with a React of its own; from the registry neither line is needed.
  resolve: { dedupe: ["react", "react-dom"] },
  server: { fs: { allow: [".", "../../bindings-wasm"] } },
});
