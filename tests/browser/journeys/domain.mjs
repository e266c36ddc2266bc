import { base, given, journey, logIn, statusIs } from "../browser.mjs";

/* A second address for a service: refused where it is another's, then deployed. */
await journey(async (person) => {
  const page = await person();
  const site = `${base}/project/shop/production/service/site`;
  await logIn(page);
  await page.goto(`${site}/domains`);
  await page.getByRole("button", { name: "Add domain" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Domain", { exact: true }).fill("web.zane.localhost");
  await dialog.getByLabel("Port of the service").fill("8080");
  await dialog.getByRole("button", { name: "Add domain" }).click();
  await dialog.locator('[aria-invalid="true"]').waitFor();
  await dialog.getByLabel("Domain", { exact: true }).fill(given.domain);
  await dialog.getByRole("button", { name: "Add domain" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("link", { name: given.domain }).waitFor();
  await page.getByText("1 change waits for the next deployment").waitFor();
  await page.getByRole("button", { name: "Review" }).click();
  await dialog.getByRole("button", { name: "Deploy now" }).click();
  await page.waitForURL(/deployments\/dpl_/);
  await statusIs(page, "Healthy");

  await page.goto(`${site}/domains`);
  const row = page.getByRole("listitem").filter({ hasText: given.domain });
  await row.getByText("Only on this machine").waitFor();
  await row.getByText("Browsers warn of the certificate").waitFor();
  await row.getByText(/signed by Caddy/).waitFor();
});
