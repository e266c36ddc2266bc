/** Keys that a text like an .env file names; the API reads the values. */
export function parseEnv(text: string): string[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((l) => /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(l)?.[1])
    .filter((k) => k !== undefined);
}
