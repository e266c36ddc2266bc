/* How well a text fits what was typed: all letters in order, better at the beginnings of words and side by side. */

/** 0 = does not fit; higher is better. */
export function score(typed: string, text: string): number {
  const want = typed.toLowerCase().replaceAll(/\s+/g, "");
  const have = text.toLowerCase();

  if (!want) return 1;
  const whole = have.indexOf(typed.trim().toLowerCase());
  if (whole === 0) return 1000 - have.length;
  if (whole > 0) return (startsWord(have, whole) ? 800 : 600) - whole - have.length / 10;
  return inOrder(want, have);
}

function startsWord(text: string, at: number): boolean {
  return at === 0 || /[\s/:_.-]/.test(text.charAt(at - 1));
}

function inOrder(want: string, have: string): number {
  let at = -1;
  let points = 300;
  for (const letter of want) {
    const next = have.indexOf(letter, at + 1);
    if (next < 0) return 0;
    if (next !== at + 1) points -= Math.min(20, next - at) * (startsWord(have, next) ? 0.3 : 2);
    at = next;
  }
  return Math.max(1, points - have.length / 10);
}

/** Those that fit, best first; of equal ones the earlier. */
export function ranked<T>(typed: string, list: readonly T[], textOf: (item: T) => string): T[] {
  return list
    .map((item, i) => ({ item, i, points: score(typed, textOf(item)) }))
    .filter((x) => x.points > 0)
    .sort((a, b) => b.points - a.points || a.i - b.i)
    .map((x) => x.item);
}
