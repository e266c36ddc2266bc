import readline from "node:readline";
import { expectErrors, journey, logIn, settled } from "../browser.mjs";

/* The server goes away and comes back: the page says so, keeps what it knew, and recovers by itself. The one who
 * started this journey kills it at the word "live". */
expectErrors(/502|503|504|ERR_|Failed to load resource/);
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

await journey(async (person) => {
  const page = await person();
  await logIn(page);
  await settled(page);
  await page.getByText("Live", { exact: true }).waitFor();
  console.log("live");
  await page.getByText("Connection lost").waitFor({ timeout: 60_000 });
  await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
  await page.getByRole("link", { name: "default", exact: true }).waitFor();
  console.log("lost");
  await lines.next();
  await page.getByText("Live", { exact: true }).waitFor({ timeout: 60_000 });
  await page.getByText("Connection lost").waitFor({ state: "hidden" });
});
