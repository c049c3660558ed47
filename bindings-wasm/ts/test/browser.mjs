// A Chromium without a window, and pages from a server of our own.
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json", ".css": "text/css" };

/** Serves folders by their first path segment (`""`: the rest) on a free port; gives the origin. */
export async function site(folders) {
  const server = createServer((request, answer) => {
    const [, first, ...rest] = normalize(new URL(request.url, "http://x").pathname).split("/");
    const file = folders[first] === undefined ? join(folders[""], first, ...rest) : join(folders[first], ...rest);
    if (!existsSync(file) || extname(file) === "") return answer.writeHead(404).end();
    answer.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(answer);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => (server.close(), server.closeAllConnections()) };
}

/** Debian's Chromium, or the one that `CHROMIUM` names. */
export function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}
