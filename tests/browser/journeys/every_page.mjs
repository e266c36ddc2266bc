import { mkdirSync } from "node:fs";
import { axe, base, given, journey, logIn, LOOKS, settled, WIDTHS } from "../browser.mjs";
import { pages } from "../pages.mjs";

/* Each page in both looks and widths: no request elsewhere, no breach of the policy, nothing that axe finds, nothing
 * wider than the screen; with given.pictures all four, and a picture of each. */
await journey(async (person) => {
  const found = [];
  const pictures = given.pictures ?? null;
  if (pictures) mkdirSync(pictures, { recursive: true });
  for (const [i, [width, height]] of WIDTHS.entries())
    for (const [k, look] of LOOKS.entries()) {
      if (!pictures && (i !== k || (given.once && i > 0))) continue; // wide and light, narrow and dark
      const options = { viewport: { width, height }, colorScheme: look, reducedMotion: "reduce" };
      const page = await person(options);
      const checked = await person({ ...options, bypassCSP: true });
      for (const p of [page, checked]) await logIn(p);
      for (const [name, path] of Object.entries(pages(given))) {
        const where = `${name} ${width} ${look}`;
        await page.goto(base + path);
        await settled(page);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wide > 0) found.push(`${where}: ${wide} px wider than the screen`);
        if (pictures) await page.screenshot({ path: `${pictures}/${name}-${width}-${look}.png`, fullPage: true });
        await checked.goto(base + path);
        await settled(checked);
        found.push(...(await axe(checked)).map((v) => `${where}: ${v}`));
      }
      await page.context().close();
      await checked.context().close();
    }
  if (found.length) throw new Error([...new Set(found)].join("\n"));
  return { pages: Object.keys(pages(given)).length };
});
