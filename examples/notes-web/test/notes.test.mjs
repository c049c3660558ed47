// The app as a person uses it, in two windows of Chromium with a profile each, on `tidelock serve`.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { createServer } from "vite";
import { launch, site } from "../../../bindings-wasm/ts/test/browser.mjs";
import { serve } from "../../../bindings-wasm/ts/test/server.mjs";

const axe = createRequire(import.meta.url).resolve("axe-core");
let browser, pages, store;

before(async () => {
  [browser, pages, store] = await Promise.all([launch(), site({ "": join(import.meta.dirname, "../dist") }), serve()]);
});
after(async () => {
  await browser?.close();
  pages?.close();
  store?.close();
});

/** A window, in a profile of its own or in one that is there. */
async function open(context, url = `${pages.origin}/index.html`) {
  context ??= await browser.newContext({ viewport: { width: 1100, height: 720 } });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(url);
  return page;
}

/** Looks for barriers, in light and dark. */
async function accessible(page, where) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    if (!(await page.evaluate(() => "axe" in globalThis))) await page.addScriptTag({ path: axe });
    const violations = await page.evaluate(async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]));
    assert.deepEqual(violations, [], `${where}, ${colorScheme}`);
  }
}

async function fill(page, prefix) {
  await page.getByLabel("Bucket").fill(`s3://tidelock/${prefix}?endpoint=${store.endpoint}&path_style=true`);
  await page.getByLabel("Access key").fill(store.credentials.accessKey);
  await page.getByLabel("Secret key").fill(store.credentials.secretKey);
}

async function create(page, prefix) {
  await fill(page, prefix);
  await page.getByLabel("Name of this device").fill("laptop");
  await page.getByRole("button", { name: "Make the vault" }).click();
  const code = await page.locator(".code").textContent();
  assert.ok(await page.getByRole("button", { name: "Go on" }).isDisabled());
  await page.getByLabel("I have written it down").check();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("No notes yet").waitFor();
  return code;
}

async function join_(page, prefix, code) {
  await page.getByLabel("Join with a recovery code").check();
  await fill(page, prefix);
  await page.getByLabel("Recovery code", { exact: true }).fill(code);
  await page.getByLabel("Name of this device").fill("phone");
  await page.getByRole("button", { name: "Join the vault" }).click();
}

/** Waits until a new note can be written. */
async function focusOnTitle(page) {
  await page.getByLabel("Title", { exact: true }).and(page.locator(":focus")).waitFor();
}

async function sync(...windows) {
  for (const page of windows) {
    await page.getByRole("button", { name: "Sync now" }).click();
    await page.getByRole("button", { name: "Sync now" }).and(page.locator(":enabled")).waitFor();
  }
}

/** Writes a field, and leaves it, which stores it. */
async function write(page, label, text) {
  const field = page.getByLabel(label, { exact: true });
  await field.fill(text);
  await field.blur();
}

/** Waits until a field has a value. */
async function has(page, label, text) {
  await page.waitForFunction(([label, text]) => document.querySelector(`[aria-label="${label}"]`)?.value === text, [label, text])
    .catch(async () => assert.equal(await page.getByLabel(label, { exact: true }).inputValue(), text));
}

test("two windows share notes: merged, in conflict, offline, in two tabs", async () => {
  const laptop = await open();
  await accessible(laptop, "the first page");
  const code = await create(laptop, "notes");

  const phone = await open();
  await join_(phone, "notes", code.replace(/.$/u, (last) => (last === "A" ? "B" : "A")));
  await phone.getByRole("alert").waitFor();
  await accessible(phone, "a refusal");
  await phone.getByLabel("Recovery code", { exact: true }).fill(code);
  await phone.getByRole("button", { name: "Join the vault" }).click();
  await phone.getByText("No notes yet").waitFor();

  // With the keyboard alone: a note, its title, its text.
  await laptop.keyboard.press("Control+Enter");
  await focusOnTitle(laptop);
  await laptop.keyboard.type("Packing list");
  await laptop.keyboard.press("Tab");
  await laptop.keyboard.type("tent, stove");
  await laptop.keyboard.press("Control+k");
  await laptop.getByText("Synced just now").waitFor(); // by itself
  await sync(phone);
  await phone.getByRole("button", { name: "Packing list" }).click();
  await has(phone, "Text", "tent, stove");

  // Different fields merge, also what was written offline.
  await phone.context().setOffline(true);
  await phone.getByText("Offline").waitFor();
  await write(phone, "Text", "tent, stove, map");
  await phone.getByText("Offline, 1 change waits").waitFor();
  await write(laptop, "Title", "Packing for Brest");
  await sync(laptop);
  await phone.context().setOffline(false);
  await phone.getByText("Synced just now").waitFor();
  await sync(laptop, phone);
  for (const page of [laptop, phone]) {
    await has(page, "Title", "Packing for Brest");
    await has(page, "Text", "tent, stove, map");
    assert.equal(await page.getByText("changed in two places").count(), 0);
  }

  // The same field does not: both versions are shown side by side, and one is kept.
  await phone.context().setOffline(true);
  await write(phone, "Text", "tent, map");
  await write(laptop, "Text", "tent, stove, map, water");
  await sync(laptop);
  await phone.context().setOffline(false);
  await phone.getByText("Synced just now").waitFor();
  await sync(laptop);
  await laptop.getByRole("region", { name: "The text was changed in two places" }).waitFor();
  await laptop.getByText("1 note was changed in two places").waitFor();
  await accessible(laptop, "a conflict");
  assert.deepEqual((await laptop.locator(".conflict .version").allTextContents()).sort(), ["tent, map", "tent, stove, map, water"]);
  await laptop.getByRole("button", { name: /Keep this one.*the version of this device/u }).click();
  await laptop.getByRole("region", { name: "The text was changed in two places" }).waitFor({ state: "detached" });
  await sync(laptop, phone);
  for (const page of [laptop, phone]) await has(page, "Text", "tent, stove, map, water");
  assert.equal(await phone.getByText("changed in two places").count(), 0);

  // Two tabs of one profile, and the first one reloaded.
  const tab = await open(phone.context());
  await tab.getByRole("button", { name: "Packing for Brest" }).click();
  await write(tab, "Title", "Packing for Oslo");
  await has(phone, "Title", "Packing for Oslo");
  await phone.reload();
  await phone.getByRole("button", { name: "Packing for Oslo" }).click();
  await write(tab, "Title", "Packing for Bergen");
  await has(phone, "Title", "Packing for Bergen");
  await tab.close();

  // A deleted note comes back; a search finds it.
  await phone.getByRole("button", { name: "Pin", exact: true }).click();
  await phone.getByRole("button", { name: "Unpin" }).waitFor();
  await phone.getByRole("button", { name: "Delete" }).click();
  await phone.getByText("No notes yet").waitFor();
  await phone.getByRole("button", { name: "Undo" }).click();
  await has(phone, "Title", "Packing for Bergen");
  await phone.getByLabel("Search").fill("nowhere");
  await phone.getByText("Nothing has “nowhere” in it").waitFor();
  await phone.getByLabel("Search").fill("WATER");
  await phone.getByText("1 note found").waitFor();
  await accessible(phone, "the notes");

  // Settings: a dialog that the keyboard leaves, both devices, dark.
  await laptop.getByRole("button", { name: "Settings" }).click();
  const dialog = laptop.getByRole("dialog", { name: "Settings" });
  await dialog.getByText("phone").waitFor();
  await dialog.getByLabel("Dark").check();
  assert.equal(await laptop.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(18, 23, 22)");
  await accessible(laptop, "settings");
  await laptop.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await laptop.reload();
  await laptop.getByRole("button", { name: "Packing for" }).waitFor();
  assert.equal(await laptop.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(18, 23, 22)");

  // The way out, after a question.
  laptop.on("dialog", (question) => question.accept());
  await laptop.getByRole("button", { name: "Settings" }).click();
  await laptop.getByRole("button", { name: "Remove my notes from this browser" }).click();
  await laptop.getByRole("button", { name: "Make the vault" }).waitFor();
  assert.deepEqual(await laptop.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name)), []);
});

test("the development server gives the same app", async () => {
  const root = join(import.meta.dirname, "..");
  const server = await createServer({ root, logLevel: "warn", server: { port: 0, host: "127.0.0.1" } });
  await server.listen();
  const page = await open(undefined, `http://127.0.0.1:${server.httpServer.address().port}/`);
  await create(page, "development");
  await page.getByRole("button", { name: "New note" }).click();
  await focusOnTitle(page);
  await page.keyboard.type("From the development server");
  await page.getByText("Synced just now").waitFor();
  await page.reload();
  await page.getByRole("button", { name: "From the development server" }).waitFor();
  await page.getByText("Synced just now").waitFor();
  await page.close();
  await server.close();
});

test("a narrow window shows the list or a note", async () => {
  const page = await open();
  await create(page, "narrow");
  await page.setViewportSize({ width: 390, height: 760 });
  await page.getByRole("button", { name: "New note" }).click();
  await focusOnTitle(page);
  await page.keyboard.type("On the phone");
  await accessible(page, "a note on a narrow window");
  await page.getByRole("button", { name: "Back to the list" }).click();
  await page.getByRole("button", { name: "On the phone" }).waitFor();
  await accessible(page, "the list on a narrow window");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways");
});
