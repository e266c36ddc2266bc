/* Colours of terminals (SGR sequences) as pieces of text with the names of our own colours. */

export interface Piece {
  text: string;
  className: string;
}

interface Style {
  colour: string;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
}

const plain: Style = { colour: "", bold: false, dim: false, italic: false, underline: false };
const colours = ["", "text-bad", "text-ok", "text-warn", "text-info", "text-accent", "text-info", ""];

function classOf(s: Style): string {
  return [s.colour || (s.dim ? "text-muted" : ""), s.bold && "font-semibold", s.italic && "italic", s.underline && "underline"].filter(Boolean).join(" ");
}

/* How many numbers an extended colour (38;5;n or 38;2;r;g;b) takes beside its own. */
function extended(codes: readonly number[], i: number): number {
  return codes[i + 1] === 5 ? 2 : codes[i + 1] === 2 ? 4 : 0;
}

function apply(style: Style, codes: readonly number[]): Style {
  const next = { ...style };
  for (let i = 0; i < codes.length; i += 1) {
    const c = codes[i] ?? 0;
    if (c === 0) Object.assign(next, plain);
    else if (c === 1) next.bold = true;
    else if (c === 2) next.dim = true;
    else if (c === 3) next.italic = true;
    else if (c === 4) next.underline = true;
    else if (c === 22) next.bold = next.dim = false;
    else if (c === 23) next.italic = false;
    else if (c === 24) next.underline = false;
    else if (c === 39) next.colour = "";
    else if (c >= 30 && c <= 37) next.colour = colours[c - 30] ?? "";
    else if (c === 90) next.colour = "text-muted";
    else if (c >= 91 && c <= 97) next.colour = colours[c - 90] ?? "";
    else if (c === 38 || c === 48) i += extended(codes, i);
  }
  return next;
}

const sequence = /\u001b\[([0-9;]*)([A-Za-z])|\u001b\][^\u0007]*\u0007?|\u001b./g;

export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let style = plain;
  let from = 0;

  const add = (to: number) => {
    if (to > from) found.push({ text: text.slice(from, to), className: classOf(style) });
  };
  for (const m of text.matchAll(sequence)) {
    add(m.index);
    from = m.index + m[0].length;
    if (m[2] === "m") style = apply(style, (m[1] || "0").split(";").map(Number));
  }
  add(text.length);
  return found;
}
