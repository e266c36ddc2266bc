/** Names of shared variables that a value refers to. */
export function references(value: string): string[] {
  return [...new Set([...value.matchAll(/\{\{env\.(.*?)\}\}/g)].map((m) => m[1] ?? ""))];
}

/** Whether a value is nothing but a reference, which is no secret. */
export function onlyReference(value: string): boolean {
  return /^\{\{env\.[A-Za-z_][A-Za-z0-9_]*\}\}$/.test(value);
}
