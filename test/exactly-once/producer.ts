/** Puts records of one or many visits, some of them poisoned, late, or ahead of their arrival. */
import { dayMs, hourMs, latenessMs, type Line, type Oracle, type Visit } from "./oracle.ts";
import type { World } from "./world.ts";

const poison: readonly (readonly [text: string, reason: string])[] = [
  ['{"at":', "BAD_JSON"],
  ["[]", "BAD_JSON"],
  ['{"at":"2024-03-09T18:00:00Z","id":1.5,"shop":"a","amount":1,"member":true}', "BAD_VALUE"],
  ['{"at":"yesterday","id":1,"shop":"a","amount":1,"member":true}', "BAD_VALUE"],
  ['{"at":1710007200000,"id":1,"shop":"a","amount":NaN,"member":true}', "BAD_JSON"],
  ['{"at":1710007200000,"shop":"a","amount":1,"member":true}', "BAD_VALUE"],
  ['{"sluice":"visit"}', "BAD_ENVELOPE"],
];
const partitionKeys = ["p", "q", "r", "s", "t", "u"];
const shops = ["a", "a", "b", null];

export class Producer {
  readonly #world: World;
  readonly #oracle: Oracle;
  readonly #random: () => number;
  #id = 0;

  constructor(world: World, oracle: Oracle, random: () => number) {
    this.#world = world;
    this.#oracle = oracle;
    this.#random = random;
  }

  async putRecord(): Promise<void> {
    const partitionKey = this.#pick(partitionKeys);
    const count = this.#random() < 0.4 ? 1 : 1 + Math.floor(this.#random() * 6);
    let lines: readonly Line[] = [];
    const placed = await this.#world.place(partitionKey, (arrival) => {
      lines = Array.from({ length: count }, () => this.#line(arrival));
      return Buffer.from(lines.map(({ text }) => text).join("\n"));
    });
    this.#oracle.produce(placed, partitionKey, lines);
  }

  #line(arrival: number): Line {
    if (this.#random() < 0.03) {
      const [text, reason] = this.#pick(poison);
      return { text, visit: null, reason };
    }
    const visit: Visit = {
      id: ++this.#id,
      at: arrival - this.#age(),
      shop: this.#pick(shops),
      amount: this.#random() < 0.1 ? null : Math.floor(this.#random() * 100) - 10,
      member: this.#random() < 0.5,
    };
    const at = this.#random() < 0.5 ? visit.at : new Date(visit.at).toISOString();
    return { text: JSON.stringify({ ...visit, at }), visit };
  }

  /** How long before its arrival a visit was. */
  #age(): number {
    const kind = this.#random();
    if (kind < 0.55) return Math.floor(this.#random() * hourMs * 0.1);
    if (kind < 0.81) return Math.floor(this.#random() * latenessMs);
    if (kind < 0.89) return latenessMs;
    if (kind < 0.91) return latenessMs + 1;
    if (kind < 0.94) return latenessMs + Math.floor(this.#random() * 8 * hourMs);
    if (kind < 0.98) return -Math.floor(this.#random() * 4 * hourMs);
    if (kind < 0.99) return -dayMs;
    return -dayMs - 1 - Math.floor(this.#random() * hourMs);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }
}
