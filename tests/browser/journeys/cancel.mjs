import { base, journey, logIn, statusIs } from "../browser.mjs";

/* `slow` waits for a health check that nothing answers. */
await journey(async (person) => {
  const page = await person();
  await logIn(page);
  await page.goto(`${base}/project/shop/production/service/slow`);
  await page.getByRole("button", { name: "Deploy", exact: true }).click();
  await page.waitForURL(/deployments\/dpl_/);
  await page.getByText(/Waiting at most/).waitFor({ timeout: 60_000 });
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel", exact: true }).last().click();
  await statusIs(page, "Cancelled");
});
