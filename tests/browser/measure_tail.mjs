/* What a page of live lines costs while many come, for tests/bench/bench_web.py: the longest task of its thread and the
 * memory of its process. Says "ready", then waits for a line: the last one that was sent. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { base, given, journey, logIn, until } from "./browser.mjs";

/** Memory of the browser's largest page process, with its share of what it has in common with others. */
async function largestPage(session) {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const sizes = processInfo.filter((p) => p.type === "renderer").map((p) => {
    try {
      return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${p.id}/smaps_rollup`, "utf8"))?.[1] ?? 0) * 1024;
    } catch {
      return 0; // it ended meanwhile
    }
  });
  return Math.max(0, ...sizes);
}

await journey(async (person) => {
  const page = await person();
  await logIn(page);
  await page.goto(`${base}${given.path}`);
  await page.getByText("New lines come by themselves").waitFor();
  await page.evaluate(() => {
    globalThis.tasks = [];
    new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
  });
  const session = await page.context().browser().newBrowserCDPSession();
  const before = await largestPage(session);
  let most = before;
  const sampling = setInterval(() => void largestPage(session).then((n) => (most = Math.max(most, n)), () => {}), 500);
  const input = createInterface({ input: process.stdin });
  console.log("ready");
  const last = await new Promise((resolve) => input.once("line", resolve));
  await page.getByRole("region", { name: "Log lines" }).getByText(last).waitFor();
  clearInterval(sampling);
  const tasks = await page.evaluate(() => globalThis.tasks);
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
  input.close();
  await page.evaluate(() => setTimeout(() => { for (const until = performance.now() + 100; performance.now() < until; ); }));
  await until(() => page.evaluate((n) => globalThis.tasks.length > n, tasks.length), "a task of 100 ms to be noticed"); // else none ever was
  return { before, most, heap, longest: Math.max(0, ...tasks), long: tasks.length };
});
