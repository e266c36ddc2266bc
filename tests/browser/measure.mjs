/* Figures of the projects page, for tests/bench/bench_web.py: what is fetched, when it is painted, how long an input
 * waits, on a processor slowed down four times. */
import { base, fetchedScripts, given, journey, logIn, settled } from "./browser.mjs";

async function once(page) {
  await page.goto(base);
  await settled(page);
  await page.getByRole("link", { name: "project-49", exact: true }).waitFor();
  const painted = await page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) => resolve(list.getEntries().at(-1)?.startTime ?? 0)).observe({ type: "largest-contentful-paint", buffered: true });
      }),
  );
  await page.evaluate(() => {
    globalThis.waits = [];
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) globalThis.waits.push(e.processingStart - e.startTime);
    }).observe({ type: "event", durationThreshold: 16, buffered: true });
  });
  await page.getByPlaceholder("Filter by name").pressSequentially("project-4", { delay: 80 });
  await page.getByRole("link", { name: "project-12", exact: true }).waitFor({ state: "hidden" });
  const waits = await page.evaluate(() => globalThis.waits);
  return { painted, waited: Math.max(0, ...waits) };
}

await journey(async (person) => {
  const page = await person();
  await logIn(page);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  const runs = [];
  for (let i = 0; i < given.runs; i += 1) {
    await cdp.send("Network.clearBrowserCache");
    runs.push(await once(page));
  }
  return { runs, ...(await fetchedScripts(page)) };
});
