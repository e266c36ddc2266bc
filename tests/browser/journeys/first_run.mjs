import { base, given, journey } from "../browser.mjs";

/* From the printed token to an account; the address leads there by itself. */
await journey(async (person) => {
  const page = await person();
  await page.goto(`${base}/`);
  await page.getByRole("heading", { level: 1, name: "Welcome" }).waitFor();
  await page.getByLabel("Setup token").fill("wrong");
  await page.getByLabel("Username").fill("admin");
  await page.getByLabel("Password").fill("short");
  await page.getByRole("button", { name: "Create administrator" }).click();
  await page.getByText("This password is too short").waitFor();
  await page.getByLabel("Password").fill(given.password);
  await page.getByRole("button", { name: "Create administrator" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Setup token").fill(given.token);
  if ((await page.getByLabel("Username").inputValue()) !== "admin") throw new Error("a field was cleared by a refusal");
  await page.getByRole("button", { name: "Create administrator" }).click();
  await page.waitForURL(`${base}/welcome`);
});
