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
  console.log("ready");
  await row.getByText("Ready", { exact: true }).waitFor({ state: "hidden", timeout: 60_000 });
  await row.getByText("Ready", { exact: true }).waitFor({ timeout: 120_000 });
  const after = Number(await row.getByRole("cell").nth(3).innerText());
  if (after !== before + 1) throw new Error(`restarts: ${before}, then ${after}`);
  await page.getByRole("link", { name: "Upgrade" }).click();
  await page.getByText("Upgrades from here are not there yet").waitFor();
});
