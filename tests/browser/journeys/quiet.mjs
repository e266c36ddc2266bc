import { base, fetchedScripts, journey, logIn, settled, until } from "../browser.mjs";

/* An idle page asks for nothing: what is new comes by its one stream. */
await journey(async (person) => {
  const page = await person();
  await logIn(page);
  await settled(page);
  await page.getByText("Live", { exact: true }).waitFor();
  const scripts = await fetchedScripts(page);
  const asked = [];
  page.on("request", (r) => asked.push(r.url()));
  await new Promise((r) => setTimeout(r, 20_000)); // the length of the silence is what is tested
  const other = asked.filter((u) => !u.startsWith(`${base}/api/events/`));
  if (other.length) throw new Error(`an idle page asked for ${other.join(", ")}`);

  const slug = `live-${Date.now()}`;
  await page.evaluate(async (s) => {
    const token = document.cookie.match(/csrftoken=([^;]*)/)[1];
    await fetch("/api/projects/", { method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": token }, body: JSON.stringify({ slug: s }) });
  }, slug);
  await page.getByRole("link", { name: slug, exact: true }).waitFor();
  await until(() => asked.some((u) => u === `${base}/api/projects/`), "the list to be fetched anew");
  return scripts;
});
