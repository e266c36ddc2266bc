import { base, expectErrors, journey, logIn } from "../browser.mjs";

/* A component is killed while its row is watched; the one who started this journey kills it at the word "ready". */
expectErrors(/status of 50\d/);

await journey(async (person) => {
  const page = await person();
  await logIn(page);
  await page.goto(`${base}/system`);
  const row = page.getByRole("row").filter({ hasText: "log lines" }).filter({ hasText: "loki" });
  await row.getByText("Ready", { exact: true }).waitFor();
  const before = Number(await row.getByRole("cell").nth(3).innerText());
  let loads = 0;
  page.on("load", () => (loads += 1));
  console.log("ready");
  await row.getByRole("cell").nth(3).getByText(String(before + 1), { exact: true }).waitFor({ timeout: 90_000 });
  await row.getByText("Ready", { exact: true }).waitFor({ timeout: 120_000 });
  if (loads) throw new Error("the page was loaded again: it is not live");
  await page.getByRole("link", { name: "Upgrade" }).click();
  await page.getByText("Upgrades from here are not there yet").waitFor();

  await page.getByRole("link", { name: "About" }).click();
  const texts = await page.getByRole("link", { name: "Their licence texts" }).getAttribute("href");
  const [status, text] = await page.evaluate(async (address) => {
    const answer = await fetch(address);
    return [answer.status, await answer.text()];
  }, texts);
  if (status !== 200 || !/^react-dom [\s\S]*Permission is hereby granted/m.test(text)) throw new Error(`licence texts: ${status}`);
});
