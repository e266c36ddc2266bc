import { base, given, journey, logIn, statusIs } from "../browser.mjs";

/* A new service with an address, from its form to the answer; then one whose image is not to be had. */
await journey(async (person) => {
  const page = await person();
  await logIn(page);
  await page.goto(`${base}/project/shop/production`);
  await page.getByRole("link", { name: "New service" }).first().click();
  await page.getByLabel("Image").fill(given.tags.nginx);
  await page.getByLabel("Name", { exact: false }).first().fill("Not A Name");
  await page.getByRole("button", { name: "Create and deploy" }).click();
  await page.locator('[aria-invalid="true"]').waitFor(); // said beside the field, and nothing was cleared
  if ((await page.getByLabel("Image").inputValue()) !== given.tags.nginx) throw new Error("the image was cleared");
  await page.getByLabel("Name", { exact: false }).first().fill("site");
  await page.getByLabel("Port the app listens on").fill("8080");
  await page.getByLabel("Domain").fill("site.zane.localhost");
  await page.getByLabel("Variables").fill("MODE=live\nCOLOUR=blue");
  await page.getByRole("button", { name: "Create and deploy" }).click();
  await statusIs(page, "Healthy");
  await page.getByRole("list", { name: "Steps" }).getByRole("listitem").nth(3).waitFor(); // four at least, once they are loaded

  await page.goto(`${base}/project/shop/production/new-service`);
  await page.getByLabel("Image").fill("zane/no-such-image:1");
  await page.getByLabel("Name", { exact: false }).first().fill("absent");
  await page.getByRole("button", { name: "Create and deploy" }).click();
  await statusIs(page, "Failed");
  await page.getByText("This deployment failed").waitFor();
  await page.getByRole("link", { name: "See the app's log" }).waitFor();
});
