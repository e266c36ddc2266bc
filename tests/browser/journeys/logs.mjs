import { base, given, journey, logIn } from "../browser.mjs";

/* Lines while they come, then the same ones in the history; the one who started this journey asks the app for `given.said`
 * at the word "ready". */
await journey(async (person) => {
  const page = await person();
  const log = `${base}/project/shop/production/service/web/logs`;
  await logIn(page);
  await page.goto(log);
  await page.getByText("New lines come by themselves").waitFor();
  let loads = 0;
  page.on("load", () => (loads += 1));
  console.log("ready");
  const line = page.getByRole("region", { name: "Log lines" }).getByText(given.said).first();
  await line.waitFor();
  if (loads) throw new Error("the page was loaded again: it is not live");

  await page.getByRole("searchbox").fill(given.said);
  await page.waitForURL(/q=/);
  await line.waitFor();
  await page.getByRole("button", { name: "Debug", exact: true }).click();
  await page.getByText("No line matches").waitFor();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await line.waitFor();

  await page.goto(`${log}?range=1h&q=${encodeURIComponent(given.said)}`); // a link to what was looked for
  await line.waitFor();
  await page.getByRole("button", { name: /Show what came around this line/ }).first().click();
  await page.getByRole("dialog", { name: "Around this line" }).getByText(given.said).first().waitFor();
  const link = page.url();
  await page.goto(link);
  await page.getByRole("dialog", { name: "Around this line" }).getByText(given.said).first().waitFor();
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Download", exact: true }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "As text" }).click();
  const stream = await (await download).createReadStream();
  let text = "";
  for await (const chunk of stream) text += chunk;
  if (!text.includes(given.said)) throw new Error("the downloaded file has not the line");
});
