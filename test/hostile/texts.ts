/** A thousand texts that mean harm, the same in every run. Imports nothing of `src`. */
import { pick, seeded } from "../property/random.ts";

const quotes = ["'", "''", "'''", '"', '""', "`", "\\", "\\'", "\\\\'", "‘", "’", "“", "＇", "ʼ", "´", "«"];
const comments = ["--", "-- ", "/*", "*/", "/**/", "#", "//", ";", ";;", "--\n", "/*/*"];
const marks = ["?", "??", "$1", ":name", "@p", "{0}", "${x}", "%s", "%27", "%", "_", "%_", "\\%", "\\_", "*"];
const escapes = [
  "\\u0027",
  "\\x27",
  "&#39;",
  "&apos;",
  "U&'\\0027'",
  "\\0",
  "\\n",
  "E'\\''",
  "%00",
  "\\u0000",
];
const spaces = [
  "",
  " ",
  "  ",
  "\t",
  "\n",
  "\r\n",
  "\r",
  "\v",
  "\f",
  "\u00a0",
  "\u2028",
  "\u2029",
  "\u3000",
  "\ufeff",
];
const invisible = [
  "\u200b",
  "\u200d",
  "\u200e",
  "\u202e",
  "\u2066",
  "\u00ad",
  "\u0001",
  "\u0007",
  "\u0008",
  "\u001b",
  "\u007f",
  "\u0085",
];
const letters = [
  "e\u0301",
  "é",
  "ß",
  "ẞ",
  "İ",
  "ı",
  "ǅ",
  "ﬀ",
  "Å",
  "Å",
  "日本",
  "مرحبا",
  "שלום",
  "ไทย",
  "a\u0335",
];
const farPoints = [
  "\uffff",
  "\uffee",
  "\ufffd",
  "\ue000",
  "😀",
  "👩‍👩‍👧",
  "🇩🇪",
  "𝒳",
  "\u{10ffff}",
  "\u{10000}",
  "\ud7ff",
];
const numbers = [
  "0",
  "1",
  "-1",
  "007",
  "1e3",
  "0x27",
  "NaN",
  "Infinity",
  "1.0",
  "9007199254740993",
  "1_000",
  "٣",
];
const words = [
  "NULL",
  "null",
  "TRUE",
  "SELECT",
  "DROP",
  "UNION ALL SELECT",
  "or",
  "FROM",
  "rollup",
  "DATE",
  "ARRAY[1]",
];
const names = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "__typename",
  "prototype",
  "sluice_question",
  "total",
];
const injections = [
  "' OR 1=1 --",
  "' OR '1'='1",
  "'; DROP TABLE letters; --",
  "') OR (1=1",
  "x' AND 1=(SELECT count(*) FROM letters) --",
  "' UNION SELECT NULL, NULL --",
  "1; SELECT 1",
  "?' = ?",
  "TIMESTAMP '2001-01-01'",
  "' || (SELECT 1) || '",
  "\\' OR 1=1 --",
  '" OR ""="',
  "admin'/*",
  "`id`",
  "$(id)",
  "../../etc/passwd",
];
const fragments = [
  '{"a": 1}',
  '["a",null]',
  "{ products { name } }",
  "query($a: String!) { product(name: $a) { name } }",
  '"}) { __typename }',
  '{"variables": {"t0": "x"}}',
  "<script>alert(1)</script>",
  "a,b\r\nc;d",
  '"a","b"',
  "=1+1",
  "#d#[null]",
  '["ORD"]',
];

const pieces = [
  quotes,
  comments,
  marks,
  escapes,
  spaces,
  invisible,
  letters,
  farPoints,
  numbers,
  words,
  names,
  injections,
  fragments,
];

/** The texts whose literals, quotes included, are just short enough or just too long for a parameter of Athena. */
const edges = [1_022, 1_023, 1_024, 1_025, 1_026].flatMap((length) => [
  "x".repeat(length - 2),
  `${"'".repeat(100)}${"y".repeat(length - 202)}`,
]);

/** What no statement can carry: it is no text of Unicode, or holds U+0000. */
const broken = [
  "\ud800",
  "\udc00",
  "a\ud83d",
  "\ude00b",
  "\udc00\ud800",
  "\0",
  "a\0b",
  "'\0--",
  "\0'",
  "\u0000\ud800",
];

const count = 1_000;

function generated(): string[] {
  const random = seeded(4);
  const texts = new Set([...pieces.flat(), ...edges, ...broken]);
  while (texts.size < count) {
    const length = 1 + Math.floor(random() * 6);
    const text = Array.from({ length }, () => pick(random, pick(random, pieces))).join("");
    texts.add(random() < 0.05 ? `${text}${pick(random, broken)}` : text);
  }
  return [...texts];
}

export const hostileTexts: readonly string[] = generated();

const literalLimit = 1_024;

/** Whether a parameter can hold the text: what Athena allows, and what Unicode is. */
function isCarried(text: string): boolean {
  return isText(text) && text.replaceAll("'", "''").length + 2 <= literalLimit;
}

/** Whether it is a text of Unicode without U+0000. */
export function isText(text: string): boolean {
  return !/\p{Surrogate}|\0/u.test(text);
}

/** What statements carry, and what is refused. */
export const carried = hostileTexts.filter(isCarried);
export const uncarried = hostileTexts.filter((text) => !isCarried(text));
