/* The licence texts of the packages that are built into the dashboard, as one file beside its scripts. */
import { readdirSync, readFileSync } from "node:fs";
import type { Plugin } from "vite";

const ID = "virtual:licences";
const here = new URL("./", import.meta.url);

interface Locked {
  version?: string;
  license?: string;
  dev?: boolean;
  optional?: boolean;
}

function textOf(path: string): string {
  const folder = new URL(`${path}/`, here);
  const name = readdirSync(folder).find((n) => /^licen[sc]e(\.(md|txt))?$/i.test(n));
  return name ? readFileSync(new URL(name, folder), "utf8").trim() : "";
}

/** Each package that is no tool: its name, version, licence and the text that came with it. */
export function licences(): string {
  const lock = JSON.parse(readFileSync(new URL("package-lock.json", here), "utf8")) as { packages: Record<string, Locked> };
  const used = Object.entries(lock.packages).filter(([path, p]) => path && !p.dev && !p.optional);
  const parts = used.map(([path, p]) => `${path.replace(/^.*node_modules\//, "")} ${p.version ?? ""}\nLicence: ${p.license ?? "see below"}\n\n${textOf(path)}`);
  return `${parts.join(`\n\n${"-".repeat(78)}\n\n`)}\n`;
}

/** The module virtual:licences is the address of that file; empty while developing. */
export function licencesFile(): Plugin {
  let building = false;
  return {
    name: "licences",
    configResolved: (config) => {
      building = config.command === "build";
    },
    resolveId: (id) => (id === ID ? `\0${ID}` : null),
    load(id) {
      if (id !== `\0${ID}`) return null;
      if (!building) return 'export default ""';
      const file = this.emitFile({ type: "asset", name: "licences.txt", source: licences() });
      return `export default import.meta.ROLLUP_FILE_URL_${file};`;
    },
  };
}
