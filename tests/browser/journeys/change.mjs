import { answersLate, base, journey, logIn, statusIs } from "../browser.mjs";

/* A variable and a domain as waiting changes, one of them discarded, the rest deployed; then the version before it
 * brought back. */
await journey(async (person) => {
  const page = await person();
  const web = `${base}/project/shop/production/service/site`;
  await logIn(page);
  await page.goto(`${web}/variables`);
  await answersLate(page, "/request-service-changes/"); // what waits is shown before: the next one is typed meanwhile
  const add = page.getByRole("form", { name: "Add variable" });
  await add.getByLabel("Name").fill("GREETING");
  await add.getByLabel("Value").fill("hello there");
  await add.getByRole("button", { name: "Add variable" }).click();
  await page.getByText("1 change waits for the next deployment").waitFor();
  await add.getByLabel("Name").fill("DROPPED");
  await add.getByLabel("Value").fill("x");
  await add.getByRole("button", { name: "Add variable" }).click();
  await page.getByText("2 changes wait for the next deployment").waitFor();

  await page.getByRole("button", { name: "Review" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("DROPPED").first().waitFor();
  if (await dialog.getByText("hello there").count()) throw new Error("a value is shown before anybody asked");
  await dialog.getByRole("button", { name: "Discard", exact: true }).nth(1).click();
  await dialog.getByText("DROPPED").first().waitFor({ state: "hidden" });
  await dialog.getByLabel("What is this deployment for?").fill("says hello");
  await answersLate(page, "/deploy-service/"); // the event of the change is here first and takes the bar away
  await dialog.getByRole("button", { name: "Deploy now" }).click();
  await page.getByRole("heading", { level: 1, name: /says hello/ }).waitFor();
  await statusIs(page, "Healthy");

  await page.goto(`${web}/deployments`);
  await page.getByRole("button", { name: "Redeploy" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Redeploy" }).click();
  await page.waitForURL(/deployments\/dpl_/);
  await statusIs(page, "Healthy");
  await page.goto(`${web}/variables`);
  await page.getByText("MODE").first().waitFor();
  if (await page.getByText("GREETING").count()) throw new Error("the redeployed version has the later variable");
});
