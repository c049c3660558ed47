// Real S3 servers for the tests: `tidelock serve` always, and what `cargo xtask servers` puts into the environment.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "../../..");

/** The command, as the suite built it. */
export const command = resolve(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/tidelock");

/** A folder that is removed when the process ends. */
export function folder() {
  const made = mkdtempSync(join(tmpdir(), "tidelock-npm-"));
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** `tidelock serve` on a free port, with a bucket `tidelock`: its endpoint, its keys, and how to end it. */
export async function serve() {
  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...env } = process.env;
  const buckets = join(folder(), "buckets");
  mkdirSync(join(buckets, "tidelock"), { recursive: true });
  const server = spawn(command, ["serve", buckets, "--port", "0", "--json"], { env, stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => server.kill());
  for await (const line of createInterface({ input: server.stdout })) {
    const { endpoint, access_key: accessKey, secret_key: secretKey } = JSON.parse(line);
    return { endpoint, credentials: { accessKey, secretKey }, close: () => server.kill() };
  }
  throw new Error("`tidelock serve` ended");
}

/** Every server there is: name, endpoint, credentials. */
export async function servers() {
  const found = [{ name: "tidelock serve", ...(await serve()) }];
  const endpoint = process.env.TIDELOCK_TEST_VERSITYGW;
  if (endpoint !== undefined) {
    const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = process.env;
    found.push({ name: "versitygw", endpoint, credentials: { accessKey, secretKey }, close() {} });
  }
  return found;
}
