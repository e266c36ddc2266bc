/* A person with a browser: Chromium on the real platform. Whatever a page does that it must not (a request to another
 * origin, a breach of its content policy, an error in the console) fails the journey at its end. */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";

const root = new URL("../../", import.meta.url);
const require = createRequire(new URL("web/package.json", root));
const { chromium } = require("playwright-core");
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const given = JSON.parse(process.env.JOURNEY ?? "{}");
export const base = given.base ?? "http://zane.localhost";
const pictures = new URL("build/browser/", root);
const WAIT_MS = 20_000;

export const WIDTHS = [
  [1440, 900],
  [390, 844],
];
export const LOOKS = ["light", "dark"];

/** Errors that the browser itself reports for what a journey provokes, e.g. a server that was killed. */
const expected = [/status of 4\d\d/]; // refusals are the pages to show; they are no faults

export function expectErrors(...patterns) {
  expected.push(...patterns);
}

function watch(page, faults) {
  page.on("request", (r) => {
    const url = new URL(r.url());
    if (url.protocol !== "data:" && url.protocol !== "blob:" && url.origin !== base) faults.push(`request to another origin: ${r.url()}`);
  });
  page.on("console", (m) => {
    const text = `${m.text()} ${m.location().url}`;
    if (m.type() === "error" && !expected.some((e) => e.test(text))) faults.push(`console: ${text}`);
  });
  page.on("pageerror", (e) => faults.push(`error: ${e.message}`));
}

/** Runs walk(person), a person being a browser context of its own with its page; then says what was wrong. */
export async function journey(walk) {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const faults = [];
  const pages = [];
  const person = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light", acceptDownloads: true, ...options });
    context.setDefaultTimeout(WAIT_MS);
    const page = await context.newPage();
    if (!options.bypassCSP) watch(page, faults);
    pages.push(page);
    return page;
  };

  try {
    const result = await walk(person);
    if (faults.length) throw new Error(faults.join("\n"));
    console.log(JSON.stringify(result ?? {}));
  } catch (e) {
    mkdirSync(pictures, { recursive: true });
    for (const [i, p] of pages.entries()) {
      const file = new URL(`${given.name}-${i}.png`, pictures);
      await p.screenshot({ path: file.pathname }).catch(() => {});
      console.error(`page ${i}: ${p.url()}, picture ${file.pathname}`);
    }
    console.error([...new Set(faults)].join("\n"));
    console.error(e.stack ?? String(e));
    process.exitCode = 1;
  } finally {
    await browser.close();
    process.stdin.destroy(); // a journey that listens would wait for ever
  }
}

export async function logIn(page, username = given.username, password = given.password) {
  await page.goto(`${base}/login`);
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
}

/** What axe finds on the page as it is, a line for each. The page's context must bypass the content policy. */
export async function axe(page) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${v.help}: ${n.target.join(" ")} ${n.failureSummary?.split("\n")[1]?.trim() ?? ""}`));
}

/** On this page the answers of addresses with such a part take a second more on their way. */
export function answersLate(page, part) {
  return page.evaluate((part) => {
    const { fetch } = globalThis;
    globalThis.fetch = async (request, ...rest) => {
      const answer = await fetch(request, ...rest);
      if (request.url?.includes(part)) await new Promise((r) => setTimeout(r, 1000));
      return answer;
    };
  }, part);
}

function packedSize(address) {
  const file = new URL(`web/dist${new URL(address).pathname}`, root);
  const gz = new URL(`${file}.gz`);
  return statSync(existsSync(gz) ? gz : file).size;
}

/** The scripts that the page has fetched so far: how many, and their bytes as gzip has them. */
export async function fetchedScripts(page) {
  const scripts = await page.evaluate(() => performance.getEntriesByType("resource").map((r) => r.name).filter((n) => n.endsWith(".js")));
  return { gzip: scripts.reduce((n, address) => n + packedSize(address), 0), scripts: scripts.length };
}

/** Until nothing is loading any more: the pages say so themselves. */
export async function settled(page) {
  await page.waitForLoadState("load");
  await page.waitForFunction(() => document.querySelector("h1") && !document.querySelector('[role="status"][aria-label="Loading"]'));
}

/** Polls until look() returns something. */
export async function until(look, what, deadlineMs = WAIT_MS) {
  const end = Date.now() + deadlineMs;
  let pause = 50;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((r) => setTimeout(r, pause));
    pause = Math.min(pause * 1.5, 500);
  }
}

/** The page's heading says this status; deployments take their time. */
export async function statusIs(page, word, timeout = 90_000) {
  await page.locator("h1").getByText(word, { exact: true }).waitFor({ timeout });
}
