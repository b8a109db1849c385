/** As much XML as S3's documents need. */

/** Text that is markup already. */
export class Xml {
  constructor(readonly text: string) {}
}

/** `<name>…</name>`: strings are escaped, numbers and booleans printed, elements nested. */
export function xml(name: string, ...content: readonly (Xml | string | number | boolean)[]): Xml {
  const inner = content.map((part) => (part instanceof Xml ? part.text : escape(String(part))));
  return new Xml(`<${name}>${inner.join("")}</${name}>`);
}

export const xmlDocument = (root: Xml): string => `<?xml version="1.0" encoding="UTF-8"?>\n${root.text}`;

const entities = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
]);

/** Control characters become character references, as S3 writes them, or a parser would drop or change them. */
function escape(text: string): string {
  return text.replace(/[&<>"]|\p{Cc}/gu, (char) => entities.get(char) ?? `&#${char.charCodeAt(0)};`);
}

const characters = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

/** The raw contents of every `<name>` in a document, in order; none of S3's nests in itself. */
export function contentsOf(name: string, document: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, "g");
  return [...document.matchAll(pattern)].map((match) => match[1] ?? "");
}

export function unescape(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#[0-9]+|[a-z]+);/gi, (entity: string, name: string) => {
    if (!name.startsWith("#")) return characters.get(name) ?? entity;
    const point = Number(name.startsWith("#x") ? `0${name.slice(1)}` : name.slice(1));
    return point <= 0x10ffff ? String.fromCodePoint(point) : entity;
  });
}
