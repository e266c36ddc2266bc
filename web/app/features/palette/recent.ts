/* Places that were opened from the palette, newest first, on this device. */
const KEY = "zane.recent";
const MOST = 6;

export interface Place {
  to: string;
  text: string;
  note: string;
}

function isPlace(v: unknown): v is Place {
  return typeof v === "object" && v !== null && "to" in v && "text" in v && "note" in v && typeof v.to === "string" && v.to.startsWith("/") && typeof v.text === "string" && typeof v.note === "string";
}

export function recentPlaces(): Place[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isPlace).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function remember(place: Place): void {
  try {
    localStorage.setItem(KEY, JSON.stringify([place, ...recentPlaces().filter((p) => p.to !== place.to)].slice(0, MOST)));
  } catch {
    /* storage is closed to us: nothing is remembered */
  }
}
