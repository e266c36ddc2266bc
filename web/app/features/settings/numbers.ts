/** What a number's field says: null if it is empty. Other text goes to the API as it is, which says what is wrong. */
export function numberOf(text: string): number | string | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const n = Number(trimmed.replace(",", "."));
  return Number.isFinite(n) ? n : trimmed;
}

export function textOf(n: number | null): string {
  return n === null ? "" : String(n);
}
