var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __decorateClass = (decorators, target, key, kind) => {
  var result = kind > 1 ? void 0 : kind ? __getOwnPropDesc(target, key) : target;
  for (var i = decorators.length - 1, decorator; i >= 0; i--)
    if ((decorator = decorators[i]))
      result = (kind ? decorator(target, key, result) : decorator(result)) || result;
  if (kind && result) __defProp(target, key, result);
  return result;
};

// test/exactly-once/oracle.ts
var hourMs = 36e5;
var dayMs = 24 * hourMs;
var latenessMs = hourMs;
var amounts = (visits2) => visits2.map(({ amount }) => amount).filter((amount) => amount !== null);
var sum = (visits2) => amounts(visits2).reduce((total, amount) => total + amount, 0);
var count = (visits2) => visits2.length;
var least = (visits2) => (amounts(visits2).length === 0 ? null : Math.min(...amounts(visits2)));
var most = (visits2) => (amounts(visits2).length === 0 ? null : Math.max(...amounts(visits2)));
var large = (visits2) => amounts(visits2).filter((amount) => amount >= 50).length;
var known = (visits2) => amounts(visits2).length;
var mean = (visits2) => (known(visits2) === 0 ? null : sum(visits2) / known(visits2));
var folds = {
  ShopVisits: {
    components: [count, sum, least, most, large, known],
    measures: { visits: count, amount: sum, least, most, large, mean },
  },
  DailyVisits: { components: [count, sum], measures: { visits: count, amount: sum } },
};
var dimensions = {
  total: [],
  shop: ["shop"],
  member: ["member"],
};
var Oracle = class {
  constructor() {
    this.counted = [];
    /** By shard, sequence and index. */
    this.dead = /* @__PURE__ */ new Map();
    /** No visit before this instant was to come any more, readers were told. */
    this.promised = -Infinity;
    this.#order = 0;
    this.#byShard = /* @__PURE__ */ new Map();
    this.#versions = /* @__PURE__ */ new Map();
  }
  #order;
  #byShard;
  #versions;
  produce(place, partitionKey, lines2) {
    const { shard, sequence, arrival } = place;
    lines2.forEach(({ text, visit: visit2, reason }, index) => {
      const position = `${shard}#${sequence}#${index}`;
      if (visit2 === null) return void this.dead.set(position, { reason, text });
      if (visit2.at < arrival - latenessMs || visit2.at > arrival + dayMs)
        return void this.dead.set(position, { reason: "TOO_LATE", text });
      if (visit2.at < this.promised)
        throw new Error(
          `Readers were told that all visits before ${iso(this.promised)} were counted, and visit ${visit2.id} of ${iso(visit2.at)} arrives at ${iso(arrival)}.`,
        );
      const counted = {
        ...visit2,
        shard,
        sequence,
        index,
        partitionKey,
        order: this.#order++,
        time: iso(visit2.at),
      };
      this.counted.push(counted);
      this.inShard(shard).push(counted);
    });
  }
  inShard(shard) {
    const found2 = this.#byShard.get(shard) ?? [];
    this.#byShard.set(shard, found2);
    return found2;
  }
  visits(rollup2, key, from2, to2) {
    const [column] = dimensions[rollup2];
    return this.counted.filter(
      (visit2) => visit2.at >= from2 && visit2.at < to2 && (column === void 0 || visit2[column] === key[0]),
    );
  }
  measure(product2, name, visits2) {
    return folds[product2].measures[name](visits2);
  }
  /** Throws unless the item is the fold of a prefix of each shard, under a version that it never had. */
  checkLiveItem(item) {
    const { pk, sk, version, watermarks, packed: packed2 } = item;
    const [product2 = "", , rollup2 = "", grain = "", period = ""] = pk.split("#");
    const id = `${pk} ${sk}`;
    if (version <= (this.#versions.get(id) ?? 0)) throw new Error(`Item ${id} has version ${version} again.`);
    this.#versions.set(id, version);
    const key = JSON.parse(sk);
    const [column] = dimensions[rollup2];
    const buckets = /* @__PURE__ */ new Map();
    for (const [shard, watermark] of Object.entries(watermarks))
      for (const visit2 of this.inShard(shard)) {
        if (visit2.sequence > watermark) continue;
        if (column !== void 0 && visit2[column] !== key[0]) continue;
        if (!visit2.time.startsWith(period)) continue;
        const bucket =
          grain === "HOUR" ? Number(visit2.time.slice(11, 13)) : Number(visit2.time.slice(8, 10)) - 1;
        const found2 = buckets.get(bucket);
        if (found2 === void 0) buckets.set(bucket, [visit2]);
        else found2.push(visit2);
      }
    const indexes = [...buckets.keys()].sort((a, b) => a - b);
    const states = folds[product2].components.map((fold) => indexes.map((index) => fold(buckets.get(index))));
    const expected = JSON.stringify([indexes, ...states]);
    if (packed2 !== expected)
      throw new Error(
        `Item ${id} holds ${packed2}, and the visits up to ${JSON.stringify(watermarks)} are ${expected}.`,
      );
  }
};
var iso = (at) => (Number.isFinite(at) ? new Date(at).toISOString() : String(at));

// test/exactly-once/end.ts
async function checkEnd(world, oracle, ear) {
  checkSame("The archive", await world.archived(), oracle.counted);
  await checkQueried(world, oracle);
  await checkLetters(world, oracle);
  ear.checkTold(await world.liveItems());
}
async function checkQueried(world, { counted }) {
  const days = /* @__PURE__ */ new Map();
  for (const visit2 of counted) {
    const day = new Date(visit2.at).toISOString().slice(0, 10);
    days.set(day, [...(days.get(day) ?? []), visit2]);
  }
  const first = new Date(world.clock.start - dayMs).toISOString().slice(0, 10);
  for (const [day, visits2] of days)
    if (day !== first) checkSame(`The table, on ${day},`, await world.queried(day), visits2);
}
function checkSame(what, found2, right) {
  const textOf3 = ({ id, at, shop, amount, member }) => JSON.stringify([id, at, shop, amount, member]);
  const [has, wanted] = [found2.map(textOf3).sort(), right.map(textOf3).sort()];
  if (has.join("\n") === wanted.join("\n")) return;
  const missing = wanted.filter((each) => !has.includes(each));
  const foreign2 = has.filter((each) => !wanted.includes(each));
  throw new Error(
    `${what} holds ${has.length} visits (${new Set(has).size} different) of ${wanted.length}. Missing: ${missing.join(" ")}. Not produced: ${foreign2.join(" ")}.`,
  );
}
async function checkLetters(world, { dead }) {
  const letters = await world.letters();
  for (const { shard, sequence, index, reason, bytes } of letters) {
    const right = dead.get(`${shard}#${sequence}#${index}`);
    const text = Buffer.from(bytes).toString();
    if (right?.reason !== reason || right.text !== text)
      throw new Error(
        `The dead letter ${shard} ${sequence} ${index} is ${reason} ${text}, not ${right?.reason ?? "one"} ${right?.text ?? ""}.`,
      );
  }
  if (letters.length !== dead.size)
    throw new Error(`There are ${letters.length} dead letters, not ${dead.size}.`);
}

// test/exactly-once/life.ts
var noFaults = { crash: 0, refused: 0, lost: 0, slow: 0 };
var latencyMs = 4;
var slowMs = 400;
var timeoutMs = 150;
var lateMs = 1500;
var Life = class {
  constructor(name, scheduler, random, rates) {
    this.name = name;
    this.scheduler = scheduler;
    this.random = random;
    this.rates = rates;
    this.alive = true;
    /** Whether one of its calls was failed: then it may fail. */
    this.hurt = false;
    this.stopping = new AbortController();
    this.#held = null;
    this.wait = (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        let over = false;
        const end = () => {
          if (over) return;
          over = true;
          signal?.removeEventListener("abort", end);
          this.#deliver(resolve);
        };
        signal?.addEventListener("abort", end);
        this.scheduler.in(ms, end);
      });
    this.died = new Promise((resolve) => (this.#die = resolve));
  }
  #die;
  #held;
  crash() {
    this.alive = false;
    this.#held = null;
    this.#die();
  }
  /** Nothing reaches the process; what it has sent is on its way. */
  freeze() {
    this.#held ??= [];
  }
  thaw() {
    const held = this.#held ?? [];
    this.#held = null;
    for (const run2 of held) this.#deliver(run2);
  }
  /** The end of what it runs; null when it died before. */
  async ended(run2) {
    run2.catch(() => {});
    return Promise.race([run2, this.died.then(() => null)]);
  }
  call(apply) {
    return new Promise((resolve, reject) => {
      if (!this.alive) return;
      const { crash, refused: refused2, lost, slow } = this.rates();
      const fate = this.random();
      if (fate < crash / 2) return this.crash();
      if (fate < crash / 2 + refused2) return this.#fail(latencyMs, () => reject(new Error("refused")));
      const isLost = fate > 1 - lost;
      const isLast = !isLost && fate > 1 - lost - crash / 2;
      const sent = isLost && this.random() < 0.5 ? lateMs : this.random() < slow ? slowMs : latencyMs;
      if (isLost) this.#fail(timeoutMs, () => reject(new Error("no answer")));
      this.scheduler.in(this.random() * sent, () => {
        if (!this.alive && this.random() < 0.3) return;
        void settle(apply).then((answer) => {
          if (isLost) return;
          if (isLast) return this.crash();
          this.#after(this.random() * latencyMs, () => answer(resolve, reject));
        });
      });
    });
  }
  /** The store as this process sees it; `streams` are its methods that answer bit by bit. */
  faulty(store, ...streams) {
    return new Proxy(store, {
      get: (target, property, receiver) => {
        const member = Reflect.get(target, property, receiver);
        if (typeof member !== "function") return member;
        const apply = (args) => Reflect.apply(member, target, args);
        if (pure.has(property)) return (...args) => apply(args);
        if (!streams.includes(property)) return (...args) => this.call(() => apply(args));
        return (...args) => this.#listed(() => apply(args));
      },
    });
  }
  async *#listed(list) {
    yield* await this.call(async () => {
      const all = [];
      for await (const each of list()) all.push(each);
      return all;
    });
  }
  #fail(ms, run2) {
    this.hurt = true;
    this.#after(ms, run2);
  }
  #after(ms, run2) {
    this.scheduler.in(ms, () => this.#deliver(run2));
  }
  #deliver(run2) {
    if (!this.alive) return;
    if (this.#held === null) run2();
    else this.#held.push(run2);
  }
};
var pure = /* @__PURE__ */ new Set(["url", "key", "subscribe", "retained"]);
async function settle(apply) {
  try {
    const value = await apply();
    return (resolve) => resolve(value);
  } catch (error) {
    return (_, reject) => reject(error);
  }
}

// test/exactly-once/visits.ts
import { GraphQLDateTime as GraphQLDateTime2 } from "graphql-scalars";
import { Int as Int2 } from "type-graphql";

// src/model/errors.ts
var SluiceError = class extends Error {
  constructor(code2, message, options) {
    super(message, options);
    this.code = code2;
    this.name = new.target.name;
  }
};
var DeclarationError = class extends SluiceError {
  constructor(message) {
    super("DECLARATION", message);
  }
};
var UserInputError = class extends SluiceError {
  constructor(message) {
    super("BAD_USER_INPUT", message);
  }
};
var AdHocPendingError = class extends SluiceError {
  constructor(jobId) {
    super(
      "AD_HOC_PENDING",
      `Athena is still computing this field. Ask again in a while, or follow adHocJobUpdated(id: "${jobId}"): asking again picks up the finished answer.`,
    );
    this.jobId = jobId;
  }
};
function inDeclaration(whose, read2) {
  try {
    return read2();
  } catch (error) {
    if (error instanceof SluiceError) throw new DeclarationError(`${whose}: ${error.message}`);
    throw error;
  }
}
function suggestion(wanted, candidates) {
  if (candidates.length === 0) return "";
  const ranked = candidates
    .map((candidate) => ({
      candidate,
      distance: editDistance(wanted.toLowerCase(), candidate.toLowerCase()),
    }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  if (best.distance <= Math.max(2, Math.floor(wanted.length / 3)))
    return ` Did you mean "${best.candidate}"?`;
  return ` There are: ${candidates.join(", ")}.`;
}
function editDistance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}

// src/model/expression.ts
var bracedColumn = /\{([^{}]*)\}/g;
function aggregateId(aggregate) {
  switch (aggregate.kind) {
    case "count":
      return "count(*)";
    case "countIf":
      return `countIf(${JSON.stringify(aggregate.where)})`;
    case "percentile":
    case "approxPercentile":
      return `${aggregate.kind}(${aggregate.column},${aggregate.fraction})`;
    case "sql":
      return `sql(${aggregate.text})`;
    default:
      return `${aggregate.kind}(${aggregate.column})`;
  }
}
var countAggregate = Object.freeze({ kind: "count" });
function aggregatesOf(expression) {
  switch (expression.kind) {
    case "avg":
      return [
        { kind: "sum", column: expression.column },
        { kind: "countOf", column: expression.column },
      ];
    case "ratio":
      return [];
    default:
      return [expression];
  }
}
function columnsOf(aggregate) {
  if ("column" in aggregate) return [aggregate.column];
  if ("where" in aggregate) return aggregate.where.map(({ column }) => column);
  if (aggregate.kind !== "sql") return [];
  return [...aggregate.text.matchAll(bracedColumn)].map(([, property]) => property);
}
function mergeOf(aggregate) {
  switch (aggregate.kind) {
    case "count":
    case "countIf":
    case "countOf":
    case "sum":
      return "add";
    case "min":
    case "max":
      return aggregate.kind;
    case "distinct":
    case "approxDistinct":
    case "percentile":
    case "approxPercentile":
    case "sql":
      return null;
  }
}
var countComponent = Object.freeze({
  id: "count(*)",
  merge: "add",
  aggregate: countAggregate,
});
function componentsOf(expression) {
  const components = [];
  for (const aggregate of aggregatesOf(expression)) {
    const merge2 = mergeOf(aggregate);
    if (merge2 === null) return null;
    components.push(Object.freeze({ id: aggregateId(aggregate), merge: merge2, aggregate }));
  }
  return components;
}
function typeOf(expression, columnType2) {
  switch (expression.kind) {
    case "count":
    case "countIf":
    case "distinct":
    case "approxDistinct":
      return "int";
    case "sum":
    case "min":
    case "max":
      return columnType2(expression.column) === "int" ? "int" : "float";
    case "avg":
    case "ratio":
    case "percentile":
    case "approxPercentile":
      return "float";
    case "sql":
      return expression.type;
  }
}

// src/model/time.ts
var grains = ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
var storedGrains = ["HOUR", "DAY", "MONTH"];
var firstInstant = Date.parse("0001-01-01T00:00:00Z");
var lastInstant = Date.parse("9999-12-31T23:59:59.999Z");
function isInstant(value) {
  return Number.isSafeInteger(value) && Number(value) >= firstInstant && Number(value) <= lastInstant;
}
function assertInstant(at) {
  if (isInstant(at)) return at;
  throw new UserInputError(
    `An instant lies in the years 1 to 9999, UTC. Got ${Math.abs(at) <= 864e13 ? new Date(at).toISOString() : at}.`,
  );
}
var hourMs2 = 36e5;
var dayMs2 = 864e5;
function floorTo(at, grain) {
  switch (grain) {
    case "HOUR":
      return Math.floor(at / hourMs2) * hourMs2;
    case "DAY":
      return Math.floor(at / dayMs2) * dayMs2;
    case "WEEK": {
      const day = floorTo(at, "DAY");
      return day - ((new Date(day).getUTCDay() + 6) % 7) * dayMs2;
    }
    case "MONTH":
      return monthStart(at, 1, 0);
    case "QUARTER":
      return monthStart(at, 3, 0);
    case "YEAR":
      return monthStart(at, 12, 0);
  }
}
function nextBucket(at, grain) {
  switch (grain) {
    case "HOUR":
      return floorTo(at, "HOUR") + hourMs2;
    case "DAY":
      return floorTo(at, "DAY") + dayMs2;
    case "WEEK":
      return floorTo(at, "WEEK") + 7 * dayMs2;
    case "MONTH":
      return monthStart(at, 1, 1);
    case "QUARTER":
      return monthStart(at, 3, 1);
    case "YEAR":
      return monthStart(at, 12, 1);
  }
}
function ceilTo(at, grain) {
  return isAligned(at, grain) ? at : nextBucket(at, grain);
}
function isAligned(at, grain) {
  return floorTo(at, grain) === at;
}
function monthStart(at, width, step) {
  const date = new Date(at);
  const month = Math.floor(date.getUTCMonth() / width) * width + step * width;
  return /* @__PURE__ */ new Date(0).setUTCFullYear(date.getUTCFullYear(), month, 1);
}
function bucketsOf(range, grain) {
  const buckets = [];
  for (let from2 = range.from; from2 < range.to; ) {
    const to2 = Math.min(nextBucket(from2, grain), range.to);
    buckets.push({ from: from2, to: to2 });
    from2 = to2;
  }
  return buckets;
}
function bucketCount(range, grain) {
  const width = {
    HOUR: hourMs2,
    DAY: dayMs2,
    WEEK: 7 * dayMs2,
    MONTH: 28 * dayMs2,
    QUARTER: 90 * dayMs2,
    YEAR: 365 * dayMs2,
  };
  return Math.ceil((range.to - range.from) / width[grain]);
}
var periodLength = { HOUR: 10, DAY: 7, MONTH: 4 };
function periodOf(at, grain) {
  return new Date(at).toISOString().slice(0, periodLength[grain]);
}
function periodRange(period) {
  const from2 = Date.parse(`${period}${"-01-01".slice(period.length - 4)}T00:00:00Z`);
  const width = period.length === 10 ? "DAY" : period.length === 7 ? "MONTH" : "YEAR";
  return { from: from2, to: nextBucket(from2, width) };
}
function bucketIndex(at, grain) {
  const date = new Date(at);
  if (grain === "HOUR") return date.getUTCHours();
  return grain === "DAY" ? date.getUTCDate() - 1 : date.getUTCMonth();
}
function formatInstant(at) {
  return new Date(at).toISOString();
}
var durationPattern = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;
function parseDuration(text) {
  const match = durationPattern.exec(text);
  const parts = match?.slice(1).map((part) => (part === void 0 ? 0 : Number(part)));
  if (parts === void 0 || !/\d/.test(text) || text.endsWith("T"))
    throw new UserInputError(
      `A duration is ISO 8601 in weeks, days, hours, minutes and seconds. Got "${text}". Use for example "PT1H" or "P7D".`,
    );
  const [weeks, days, hours, minutes, seconds] = parts;
  return Math.round((weeks * 7 + days) * dayMs2 + hours * hourMs2 + minutes * 6e4 + seconds * 1e3);
}

// src/model/values.ts
function typeProblem(value, type) {
  switch (type) {
    case "int":
    case "datetime":
      return Number.isSafeInteger(value) ? null : `is not a safe integer`;
    case "float":
      return typeof value === "number" && Number.isFinite(value) ? null : `is not a finite number`;
    case "string":
      return typeof value === "string" ? null : `is not a string`;
    case "boolean":
      return typeof value === "boolean" ? null : `is not a boolean`;
  }
}
function assertText(text) {
  if (text.includes("\0") || /\p{Surrogate}/u.test(text))
    throw new UserInputError(
      `A text is Unicode, without halves of surrogate pairs and without U+0000. Got ${JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}\u2026` : text)}. Leave those out.`,
    );
}
function compareValues(a, b) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "string" && typeof b === "string") return compareCodePoints(a, b);
  return Number(a) - Number(b);
}
function compareCodePoints(a, b) {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}
var isSurrogate = (unit) => unit >= 55296 && unit <= 57343;

// src/model/filter.ts
var operatorsOf = {
  string: ["eq", "in", "ne", "notIn", "startsWith", "isNull"],
  int: ["eq", "in", "gte", "lt", "isNull"],
  float: ["eq", "in", "gte", "lt", "isNull"],
  datetime: ["eq", "in", "gte", "lt", "isNull"],
  boolean: ["eq", "isNull"],
};
function conditions(spec) {
  return Object.entries(spec).flatMap(([column, operators]) =>
    Object.entries(operators ?? {})
      .filter(([, operand]) => operand !== void 0)
      .map(([op, operand]) => conditionOf(column, op, operand)),
  );
}
function conditionOf(column, op, operand) {
  if (operand === null || (Array.isArray(operand) && operand.includes(null)))
    throw new SluiceError(
      "BAD_USER_INPUT",
      `A filter compares with values, not with null. Got ${column}: { ${op}: ${JSON.stringify(operand)} }. Use ${column}: { isNull: true }.`,
    );
  if (op === "in" || op === "notIn") return { op, column, values: operand.map(plain) };
  if (op === "isNull") return { op, column, value: operand };
  if (op === "startsWith") return { op, column, value: plain(operand) };
  return { op, column, value: plain(operand) };
}
function plain(value) {
  if (typeof value === "string") assertText(value);
  return value instanceof Date ? instantOf(value) : value;
}
function instantOf(date) {
  const at = date.getTime();
  return Number.isNaN(at) ? at : assertInstant(at);
}
function pinning(columns2, values) {
  return columns2.map((column, i) => {
    const value = values[i] ?? null;
    return value === null ? { op: "isNull", column, value: true } : { op: "eq", column, value };
  });
}
function singleValues(where) {
  const pinned = {};
  for (const condition of where) {
    if (condition.op === "eq") pinned[condition.column] = condition.value;
    if (condition.op === "isNull" && condition.value) pinned[condition.column] = null;
    if (condition.op === "in" && new Set(condition.values).size === 1)
      pinned[condition.column] = condition.values[0];
  }
  return pinned;
}
function matcher(filter) {
  const tests = filter.map(test);
  return (event) => tests.every((matches) => matches(event));
}
function test(condition) {
  const { column } = condition;
  switch (condition.op) {
    case "eq":
      return (event) => event[column] === condition.value;
    case "ne":
      return (event) => event[column] != null && event[column] !== condition.value;
    case "gte":
      return (event) => event[column] != null && compareValues(event[column], condition.value) >= 0;
    case "lt":
      return (event) => event[column] != null && compareValues(event[column], condition.value) < 0;
    case "in": {
      const values = new Set(condition.values);
      return (event) => event[column] != null && values.has(event[column]);
    }
    case "notIn": {
      const values = new Set(condition.values);
      return (event) => event[column] != null && !values.has(event[column]);
    }
    case "startsWith":
      return (event) => typeof event[column] === "string" && event[column].startsWith(condition.value);
    case "isNull":
      return (event) => (event[column] == null) === condition.value;
  }
}

// src/model/source.ts
import "reflect-metadata";
import { isScalarType } from "graphql";
import { GraphQLDateTime, GraphQLSafeInt } from "graphql-scalars";
import { Field, Float, Int, ObjectType } from "type-graphql";

// src/model/gold.ts
var sourceRollup = "_source";
function goldTableName(product2) {
  const snake = product2.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "_").toLowerCase();
  return `${snake}_gold`;
}
function goldColumns(product2) {
  const partition2 = product2.source.partition.column;
  const free = freeNames([partition2]);
  return {
    partition: partition2,
    rollup: free("rollup"),
    bucket: free("bucket"),
    // before the components: a dimension keeps its name whatever is measured
    dimensions: product2.dimensions.map((dimension) => free(dimension.property)),
    components: product2.components.map(({ aggregate }) => free(componentName(aggregate))),
  };
}
var longestName = 60;
function componentName(aggregate) {
  if (aggregate.kind === "count") return "events";
  if (aggregate.kind === "countIf")
    return `events_where_${aggregate.where.map(conditionName).join("_and_")}`.slice(0, longestName);
  return "column" in aggregate
    ? `${aggregate.kind.replace("countOf", "count")}_${aggregate.column}`
    : "value";
}
function conditionName(condition) {
  const { column, op } = condition;
  const operand = "value" in condition ? condition.value : condition.values.join("_or_");
  return `${column}_${op}_${String(operand)}`.replaceAll(/[^A-Za-z0-9]+/g, "_").replace(/_$/, "");
}
function goldKeyColumns(product2, { dimensions: dimensions2 }) {
  const { rollup: rollup2, bucket, dimensions: names } = goldColumns(product2);
  const column = (property) => {
    const position = product2.dimensions.findIndex((candidate) => candidate.property === property);
    return { name: names[position], type: product2.dimensions[position].type };
  };
  return { rollup: rollup2, bucket, dimensions: dimensions2.map(column) };
}
function freeNames(taken) {
  const used2 = new Set(taken.map((name) => name.toLowerCase()));
  return (wanted) => {
    let name = wanted;
    while (used2.has(name.toLowerCase())) name += "_";
    used2.add(name.toLowerCase());
    return name;
  };
}
function componentType(source, { aggregate }) {
  if (aggregate.kind !== "sum" && aggregate.kind !== "min" && aggregate.kind !== "max") return "int";
  const column = source.columns.find((candidate) => candidate.property === aggregate.column);
  return column?.type === "float" ? "float" : "int";
}
function finestGrain(product2) {
  return storedGrains.find((grain) => product2.rollups.some((rollup2) => rollup2.finest === grain));
}
function spansPartitions({ source }, { finest }) {
  return grains.indexOf(finest) > grains.indexOf(source.partition.grain);
}
var partitionPatterns = {
  DAY: /^\d{4}-\d{2}-\d{2}$/,
  MONTH: /^\d{4}-\d{2}$/,
  YEAR: /^\d{4}$/,
};
function partitionRange(value, grain) {
  if (!partitionPatterns[grain].test(value)) return null;
  const from2 = Date.parse(`${value}${"-01-01".slice(value.length - 4)}T00:00:00Z`);
  const exists2 = !Number.isNaN(from2) && new Date(from2).toISOString().startsWith(value);
  return exists2 ? { from: from2, to: nextBucket(from2, grain) } : null;
}

// src/model/gold-tables.ts
var ofSources = /* @__PURE__ */ new Map();
var ofProducts = /* @__PURE__ */ new Map();
function claimSourceTable({ name, database, table }) {
  const wanted = `${database}.${table}`.toLowerCase();
  const product2 = ofProducts.get(wanted);
  if (product2 !== void 0) throw takenBySource(wanted, product2, name);
  ofSources.set(wanted, name);
}
function claimGoldTable({ name, source }) {
  const wanted = `${source.database}.${goldTableName(name)}`.toLowerCase();
  const taken = ofSources.get(wanted);
  if (taken !== void 0) throw takenBySource(wanted, name, taken);
  const twin = ofProducts.get(wanted);
  if (twin !== void 0)
    throw new DeclarationError(
      `The gold of a product has a table of its own. "${wanted}" is that of "${twin}" and of "${name}". Rename one of them.`,
    );
  ofProducts.set(wanted, name);
}
function takenBySource(table, product2, source) {
  return new DeclarationError(
    `The gold of a product has a table of its own. "${table}" is that of product "${product2}", and the table of source "${source}". Rename the product, or the source's table.`,
  );
}

// src/model/lookup.ts
import { createHash } from "node:crypto";
function lookupsOf(source, columns2, time, declared) {
  const enriched = declared.flatMap(({ take }) => Object.keys(take));
  const twice = enriched.find((property, i) => enriched.indexOf(property) !== i);
  if (twice !== void 0)
    throw new DeclarationError(
      `A column is filled by one lookup. Source "${source}" takes "${twice}" twice. Drop it from one of them.`,
    );
  return declared.map((options) => {
    const whose = `The lookup of source "${source}" in "${options.table}"`;
    const on = pairs(whose, "on", columns2, options.on);
    const take = pairs(whose, "take", columns2, options.take);
    checkTable(whose, options);
    checkOn(whose, on, enriched);
    checkTaken(whose, take, time);
    checkTypes(whose, [...on, ...take], options);
    return lookupOf(options, on, take);
  });
}
function pairs(whose, option, columns2, declared) {
  const properties = columns2.map(({ property }) => property);
  const found2 = Object.entries(declared).map(([property, name]) => {
    const column = columns2.find((candidate) => candidate.property === property);
    if (column !== void 0) return { column, name };
    throw new DeclarationError(
      `"${option}" names columns of the source, then those of the table. ${whose} names "${property}", which the source does not have.${suggestion(property, properties)}`,
    );
  });
  if (found2.length > 0) return found2;
  throw new DeclarationError(
    `A lookup goes by at least one column and takes at least one. ${whose} has none. Write ${option}: { property: "column of the table" }.`,
  );
}
function checkTable(whose, { table, valid }) {
  if (!/^[^.]+\.[^.]+$/.test(table))
    throw new DeclarationError(
      `A lookup's table is "database.table". ${whose} names another. Write for example "lake.${table.split(".").at(-1)}".`,
    );
  if (valid !== void 0 && sameName(valid.from, valid.to))
    throw new DeclarationError(
      `A validity has a column for its beginning and one for its end. ${whose} has "${valid.from}" for both.`,
    );
}
function checkOn(whose, on, enriched) {
  const taken = on.find(({ column }) => enriched.includes(column.property));
  if (taken !== void 0)
    throw new DeclarationError(
      `A lookup goes by the source's own columns. ${whose} goes by "${taken.column.property}", which is itself taken from a table. Take what is needed from one table.`,
    );
  const twin = on.find(({ name }, i) => on.findIndex((other) => sameName(other.name, name)) !== i);
  if (twin !== void 0)
    throw new DeclarationError(
      `A key column of a table is compared with one column of the source. ${whose} compares "${twin.name}" twice.`,
    );
}
function checkTaken(whose, take, time) {
  for (const { column } of take) {
    if (column === time)
      throw new DeclarationError(
        `The time of an event is its own. ${whose} takes "${column.property}", the time of the source. Take another column.`,
      );
    if (!column.nullable)
      throw new DeclarationError(
        `What is looked up may be missing. ${whose} takes "${column.property}", which is not nullable. Declare it with @Column(\u2026, { nullable: true }).`,
      );
  }
}
function checkTypes(whose, all, { valid }) {
  const types2 = [
    ...all.map(({ column, name }) => ({ name, type: column.type })),
    ...Object.values(valid ?? {}).map((name) => ({ name, type: "datetime" })),
  ];
  for (const { name, type } of types2) {
    const other = types2.find((each) => sameName(each.name, name) && each.type !== type);
    if (other !== void 0)
      throw new DeclarationError(
        `A column of a table has one type. ${whose} reads "${name}" as ${type} and as ${other.type}.`,
      );
  }
}
function sameName(a, b) {
  return a.toLowerCase() === b.toLowerCase();
}
function lookupOf({ table, valid }, on, take) {
  const [database, name] = table.split(".");
  const byKey = on.toSorted(byName);
  const keys = byKey.map(tableColumn);
  const taken = [...new Map(take.map((pair) => [pair.name, tableColumn(pair)])).values()].toSorted(byName);
  const read2 = { database, name, keys, taken, valid: valid ?? null };
  const id = createHash("sha256").update(JSON.stringify(read2)).digest("hex").slice(0, 8);
  const position = (wanted) => taken.findIndex((each) => each.name === wanted);
  return Object.freeze({
    table: Object.freeze({ id, ...read2 }),
    on: byKey.map(({ column }) => column),
    take: take.map((pair) => ({ column: pair.column, position: position(pair.name) })),
  });
}
function byName(a, b) {
  return a.name < b.name ? -1 : 1;
}
function tableColumn({ column, name }) {
  return { name, type: column.type };
}
function lookupTables(lookups) {
  return [...new Map(lookups.map(({ table }) => [table.id, table])).values()];
}
function lookupText(lookups, { property }) {
  for (const { table, on, take } of lookups) {
    const taken = take.find(({ column }) => column.property === property);
    if (taken !== void 0)
      return `${table.database}.${table.name}#${table.id}(${on.map(({ name }) => name).join(",")})[${taken.position}]`;
  }
  return null;
}

// src/model/source.ts
var graphqlName = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
var declaredColumns = /* @__PURE__ */ new WeakMap();
var sources = /* @__PURE__ */ new Map();
function Column(type, options = {}) {
  return (prototype, key) => {
    const property = String(key);
    const column = Object.freeze({
      property,
      name: options.name ?? property,
      type: columnType(type(), property),
      nullable: options.nullable ?? false,
      unit: options.unit ?? null,
      description: options.description ?? null,
    });
    const columns2 = declaredColumns.get(prototype) ?? [];
    declaredColumns.set(prototype, [...columns2, column]);
    Field(() => graphqlTypes[column.type], {
      nullable: column.nullable,
      ...columnDescription(column),
      simple: true,
    })(prototype, key);
  };
}
function columnType(type, property) {
  if (type === Int || type === GraphQLSafeInt) return "int";
  if (type === Float || type === Number) return "float";
  if (type === String) return "string";
  if (type === Boolean) return "boolean";
  if (type === Date || type === GraphQLDateTime) return "datetime";
  const got = isScalarType(type) ? type.name : String(type?.name ?? type);
  throw new DeclarationError(
    `A column is an Int, Float, String, Boolean or GraphQLDateTime. Column "${property}" is declared as ${got}.`,
  );
}
var graphqlTypes = {
  int: GraphQLSafeInt,
  float: Float,
  string: String,
  boolean: Boolean,
  datetime: GraphQLDateTime,
};
function describe(description, unit) {
  if (description === null) return unit === null ? {} : { description: `In ${unit}.` };
  const named3 = unit === null || description.toLowerCase().includes(unit.toLowerCase());
  return { description: named3 ? description : `${description.replace(/\.$/, "")}, in ${unit}.` };
}
function columnDescription(column) {
  const unit = column.type === "datetime" ? "UTC" : column.unit;
  return describe(column.description ?? `The column "${column.name}".`, unit);
}
function Source(options) {
  return (target) => {
    const source = sourceOf(target.name, target, options);
    claimSourceTable(source);
    sources.set(source.target, source);
    ObjectType(source.name, { description: source.description })(target);
  };
}
function sourceOf(name, target, options) {
  const columns2 = declaredColumns.get(target.prototype) ?? [];
  const [database, table, ...rest] = options.table.split(".");
  if (!database || !table || rest.length > 0)
    throw new DeclarationError(
      `A source's table is "database.table". Source "${name}" has "${options.table}". Write for example "lake.${options.table}".`,
    );
  for (const { property: property2 } of columns2)
    if (!graphqlName.test(property2) || property2.startsWith("__"))
      throw new DeclarationError(
        `Names are letters, digits and "_", without "__" in front (GraphQL). Source "${name}" has "${property2}". Keep the lake's name apart: @Column(\u2026, { name: "${property2}" }).`,
      );
  const time = columns2.find((column) => column.property === options.time);
  const property = columns2.map((column) => column.property);
  if (time === void 0)
    throw new DeclarationError(
      `Source "${name}" has no column "${options.time}" for its time.${suggestion(options.time, property)}`,
    );
  if (time.type !== "datetime" || time.nullable)
    throw new DeclarationError(
      `The time of a source is a datetime that is never null. Column "${time.property}" of "${name}" is ${time.nullable ? "nullable " : ""}${time.type}.`,
    );
  const partition2 = {
    column: options.partition?.column ?? "day",
    grain: options.partition?.grain ?? "DAY",
  };
  rejectEnvelopeKey(name, columns2, options);
  rejectTwins(name, [...columns2.map((column) => column.name), partition2.column]);
  const lookups = lookupsOf(name, columns2, time, options.lookups ?? []);
  const enriched = new Set(lookups.flatMap(({ take }) => take.map(({ column }) => column)));
  return Object.freeze({
    name,
    target,
    description: options.description,
    database,
    table,
    time,
    partition: partition2,
    stream: options.stream === void 0 ? null : streamOf(name, options.stream),
    columns: Object.freeze([...columns2]),
    ownColumns: Object.freeze(columns2.filter((column) => !enriched.has(column))),
    lookups: Object.freeze(lookups),
  });
}
function rejectEnvelopeKey(source, columns2, { stream }) {
  if (stream !== void 0 && columns2.some(({ name }) => name === "sluice"))
    throw new DeclarationError(
      `The key "sluice" of a stream's records is reserved. Source "${source}" has a stream and a column "sluice". Name the column otherwise, in the lake and in the stream.`,
    );
}
function rejectTwins(source, names) {
  const seen = /* @__PURE__ */ new Map();
  for (const name of names) {
    const twin = seen.get(name.toLowerCase());
    if (twin !== void 0)
      throw new DeclarationError(
        `Column names of a lake table differ by more than case, the partition column included. Source "${source}" has "${twin}" and "${name}".`,
      );
    seen.set(name.toLowerCase(), name);
  }
}
function streamOf(source, stream) {
  const options = typeof stream === "string" ? { name: stream } : stream;
  const duration = (name, usual) =>
    inDeclaration(`Source "${source}", ${name}`, () => parseDuration(options[name] ?? usual));
  return Object.freeze({
    name: options.name,
    latenessMs: duration("lateness", "PT1H"),
    skewMs: duration("skew", "PT0S"),
    replay: options.replay ?? false,
  });
}
function sourceFor(target) {
  const source = sources.get(target);
  if (source === void 0)
    throw new DeclarationError(
      `A product's source is a class with @Source. Got ${target?.name ?? String(target)}. Put @Source({ table, time, \u2026 }) on it, in a file that is loaded before.`,
    );
  return source;
}
function columnFor(source, property, whose) {
  const column = source.columns.find((candidate) => candidate.property === property);
  if (column === void 0)
    throw new DeclarationError(
      `${whose} has no column "${property}".${suggestion(
        property,
        source.columns.map((candidate) => candidate.property),
      )}`,
    );
  return column;
}

// src/model/expression-checks.ts
function checkExpression(source, expression, whose) {
  for (const aggregate of aggregatesOf(expression)) checkAggregate(source, aggregate, expression.kind, whose);
}
function checkAggregate(source, aggregate, kind, whose) {
  switch (aggregate.kind) {
    case "count":
      return;
    case "countIf":
      return checkConditions(source, aggregate.where, whose);
    case "countOf":
    case "distinct":
    case "approxDistinct":
      return void columnFor(source, aggregate.column, whose);
    case "sum":
    case "min":
    case "max":
      return checkNumeric(source, aggregate.column, kind, whose);
    case "percentile":
    case "approxPercentile":
      checkFraction(aggregate.fraction);
      return checkNumeric(source, aggregate.column, kind, whose);
    case "sql":
      return checkSql(source, aggregate.text, whose);
  }
}
var numericTypes = ["int", "float"];
function checkNumeric(source, property, kind, whose) {
  const column = columnFor(source, property, whose);
  if (!numericTypes.includes(column.type))
    throw new DeclarationError(
      `${kind} needs a number. Column "${property}" of "${source.name}" is a ${column.type}. Use count, countIf or distinct, or another column.`,
    );
}
function checkFraction(fraction) {
  if (!(fraction > 0 && fraction <= 1))
    throw new DeclarationError(
      `A percentile is a fraction in (0, 1]. Got ${fraction}.${fraction > 1 ? ` Did you mean ${fraction / 100}?` : ""}`,
    );
}
function checkConditions(source, where, whose) {
  for (const condition of where) checkCondition(columnFor(source, condition.column, whose), condition);
  if (where.length === 0)
    throw new DeclarationError(
      `countIf needs a condition. Got {}. Use count() for all events of "${source.name}".`,
    );
}
function checkCondition(column, condition) {
  const operators = operatorsOf[column.type];
  if (!operators.includes(condition.op))
    throw new DeclarationError(
      `A column of type ${column.type} is asked with ${operators.join(", ")}. Got ${column.property}: { ${condition.op}: \u2026 }.`,
    );
  const operands = "values" in condition ? condition.values : [condition.value];
  const type = condition.op === "isNull" ? "boolean" : column.type;
  for (const operand of operands) {
    const problem = typeProblem(operand, type);
    if (problem !== null)
      throw new DeclarationError(
        `A condition compares with values of its column's type, ${type}. In ${column.property}: { ${condition.op}: \u2026 } the value ${JSON.stringify(operand)} ${problem}.`,
      );
  }
}
function checkSql(source, text, whose) {
  for (const [, property] of text.matchAll(bracedColumn)) columnFor(source, property, whose);
  if (/[{}]/.test(text.replaceAll(bracedColumn, "")))
    throw new DeclarationError(`Columns of an sql expression stand in braces, {like} this. Got: ${text}`);
  if (text.includes("?") || text.includes(";"))
    throw new DeclarationError(`An sql expression is one aggregate without "?" or ";". Got: ${text}`);
}

// src/model/columns.ts
function columns(target) {
  const source = sourceFor(target);
  const whose = `Source "${source.name}"`;
  const checked = (expression) => {
    checkExpression(source, expression, whose);
    return Object.freeze(expression);
  };
  return {
    count: () => checked({ kind: "count" }),
    countIf: (where) =>
      checked({ kind: "countIf", where: Object.freeze(inDeclaration(whose, () => conditions(where))) }),
    sum: (column) => checked({ kind: "sum", column }),
    min: (column) => checked({ kind: "min", column }),
    max: (column) => checked({ kind: "max", column }),
    avg: (column) => checked({ kind: "avg", column }),
    distinct: (column) => checked({ kind: "distinct", column }),
    approxDistinct: (column) => checked({ kind: "approxDistinct", column }),
    percentile: (column, fraction) => checked({ kind: "percentile", column, fraction }),
    approxPercentile: (column, fraction) => checked({ kind: "approxPercentile", column, fraction }),
    sql: (text, options) => checked({ kind: "sql", text, type: options?.type ?? "float" }),
  };
}

// src/model/product.ts
import { GraphQLSafeInt as GraphQLSafeInt2 } from "graphql-scalars";
import { Field as Field2, Float as Float2, ObjectType as ObjectType2 } from "type-graphql";

// src/model/expectation.ts
function namesIn(expectation) {
  switch (expectation.kind) {
    case "notNull":
      return [expectation.name];
    case "between":
      return [expectation.measure];
    case "sql":
      return [...new Set([...expectation.text.matchAll(bracedColumn)].map(([, name]) => name))];
  }
}
function rollupsOf(product2, expectation) {
  const named3 = namesIn(expectation).filter((name) =>
    product2.dimensions.some(({ property }) => property === name),
  );
  const only = "rollup" in expectation ? expectation.rollup : null;
  return product2.rollups.filter(
    ({ dimensions: dimensions2 }) =>
      named3.every((name) => dimensions2.includes(name)) && (only === null || sameSet(dimensions2, only)),
  );
}
function sameSet(a, b) {
  return a.length === b.length && a.every((each) => b.includes(each));
}
function expectationText(expectation) {
  const { min = null, max = null, per = "edition", rollup: rollup2 = null } = { ...expectation };
  const options = Object.entries({ min, max, per: per === "edition" ? null : per, rollup: rollup2 })
    .filter(([, value]) => value !== null)
    .map(([option, value]) => `${option}: ${typeof value === "number" ? value : JSON.stringify(value)}`);
  const subject = subjectOf(expectation);
  const parts = [
    ...(subject === null ? [] : [JSON.stringify(subject)]),
    ...(options.length === 0 ? [] : [`{ ${options.join(", ")} }`]),
  ];
  return `expect.${expectation.kind}(${parts.join(", ")})`;
}
function subjectOf(expectation) {
  switch (expectation.kind) {
    case "rowCount":
      return null;
    case "notNull":
      return expectation.name;
    case "between":
      return expectation.measure;
    case "sql":
      return expectation.text;
  }
}

// src/model/expectation-checks.ts
function checkExpectation(product2, expectation) {
  if ("min" in expectation) checkBounds(product2, expectation);
  if (expectation.kind === "rowCount") return;
  if (expectation.kind === "sql") checkText(product2, expectation.text);
  for (const name of namesIn(expectation)) checkName(product2, expectation, name);
  checkRollups(product2, expectation);
}
function checkBounds(product2, expectation) {
  const { min, max, kind } = expectation;
  const given = [min, max].filter((bound) => bound !== null);
  const refuse = (rule) => {
    throw new DeclarationError(`${rule}. "${product2.name}" has ${expectationText(expectation)}.`);
  };
  if (given.length === 0) refuse("An expectation with bounds has min, max or both");
  if (!given.every(Number.isFinite)) refuse("A bound is a finite number");
  if (min !== null && max !== null && min > max) refuse("min is at most max");
  if (kind === "rowCount" && !given.every((bound) => Number.isSafeInteger(bound) && bound >= 0))
    refuse("Events are counted in whole numbers from 0");
}
function checkText(product2, text) {
  const rest = text.replaceAll(bracedColumn, "");
  if (/[{}]/.test(rest) || rest === text)
    throw new DeclarationError(
      `Dimensions and measures of an expectation stand in braces, {like} this. "${product2.name}" has: ${text}`,
    );
  if (text.includes("?") || text.includes(";"))
    throw new DeclarationError(
      `An sql expectation is one condition without "?" or ";". "${product2.name}" has: ${text}`,
    );
}
function checkName(product2, expectation, name) {
  const dimensions2 =
    expectation.kind === "between" ? [] : product2.dimensions.map(({ property }) => property);
  const stored2 = product2.measures.filter(({ precomputed }) => precomputed).map((measure) => measure.name);
  if (dimensions2.includes(name) || stored2.includes(name)) return;
  const what = expectation.kind === "between" ? "a stored measure" : "dimensions and stored measures";
  const which = product2.measures.some((measure) => measure.name === name)
    ? `computes "${name}" when it is asked for`
    : `has no "${name}"`;
  throw new DeclarationError(
    `${expectationText(expectation)} is about ${what}: a @Measure that is mergeable. "${product2.name}" ${which}.${suggestion(name, [...dimensions2, ...stored2])}`,
  );
}
function checkRollups(product2, expectation) {
  const only = "rollup" in expectation ? expectation.rollup : null;
  const declared = product2.rollups.map(({ dimensions: dimensions2 }) => show(dimensions2));
  if (only !== null && !product2.rollups.some(({ dimensions: dimensions2 }) => sameSet(dimensions2, only)))
    throw new DeclarationError(
      `An expectation names a rollup by its dimensions. "${product2.name}" has no rollup ${show(only)}.${suggestion(show(only), declared)}`,
    );
  if (rollupsOf(product2, expectation).length === 0)
    throw new DeclarationError(
      `An expectation is checked in the rollups that have all dimensions it names. "${product2.name}" has none ${only === null ? "" : `that is ${show(only)} `}for ${expectationText(expectation)}. Rollups: ${declared.join(", ")}.`,
    );
}
function show(dimensions2) {
  return `[${dimensions2.join(", ")}]`;
}

// src/model/checks.ts
var ownFields = ["id", "from", "to", "complete", "series", "previous", "growth"];
function checkProduct(product2) {
  checkNames(product2);
  if (product2.measures.length === 0)
    throw new DeclarationError(
      `A product has measures. "${product2.name}" has none. Add for example @Measure(columns(${product2.source.name}).count(), { description: "\u2026" }).`,
    );
  for (const { expression } of product2.measures)
    checkExpression(product2.source, expression, `Product "${product2.name}"`);
  if (product2.rollups.length === 0)
    throw new DeclarationError(
      `A product has at least one rollup. "${product2.name}" has none. Add rollup([], { grains: ["DAY"] }) for the total.`,
    );
  for (const rollup2 of product2.rollups) checkRollup(product2, rollup2);
  const twice = product2.rollups.find(
    (rollup2, i) =>
      product2.rollups.findIndex((other) => sameSet(other.dimensions, rollup2.dimensions)) !== i,
  );
  if (twice !== void 0)
    throw new DeclarationError(
      `A set of dimensions is rolled up once. "${product2.name}" has two rollups of ${show2(twice)}.`,
    );
  for (const expectation of product2.expectations) checkExpectation(product2, expectation);
}
function checkNames(product2) {
  const names = [
    ...product2.dimensions.map((dimension) => dimension.property),
    ...product2.measures.map((m) => m.name),
  ];
  checkName2(product2, product2.name);
  names.forEach((name, i) => {
    checkName2(product2, name);
    if (ownFields.includes(name))
      throw new DeclarationError(
        `Every product has a field "${name}" of its own. Rename it in "${product2.name}".`,
      );
    if (names.indexOf(name) !== i)
      throw new DeclarationError(
        `A dimension or measure is declared once. "${product2.name}" declares "${name}" twice.`,
      );
  });
}
function checkName2(product2, name) {
  if (!graphqlName.test(name) || name.startsWith("__"))
    throw new DeclarationError(
      `Names are letters, digits and "_", without "__" in front (GraphQL). "${product2.name}" has "${name}".`,
    );
}
function checkRollupName(product2, rollup2) {
  const [dimension] = rollup2.dimensions;
  if (dimension !== void 0 && ["total", sourceRollup].includes(rollup2.name))
    throw new DeclarationError(
      `"${rollup2.name}" names what is rolled up over no dimension. "${product2.name}" rolls up dimension "${dimension}" alone. Name the property otherwise: @Column(\u2026, { name: "${dimension}" }).`,
    );
}
function checkRollup(product2, rollup2) {
  const dimensions2 = product2.dimensions.map((dimension) => dimension.property);
  for (const dimension of rollup2.dimensions)
    if (!dimensions2.includes(dimension))
      throw new DeclarationError(
        `A rollup is over dimensions of the product. "${product2.name}" has no dimension "${dimension}".${suggestion(dimension, dimensions2)}`,
      );
  if (new Set(rollup2.dimensions).size < rollup2.dimensions.length)
    throw new DeclarationError(`A rollup names a dimension once. "${product2.name}" has ${show2(rollup2)}.`);
  if (rollup2.grains.length === 0)
    throw new DeclarationError(
      `A rollup has grains out of ${storedGrains.join(", ")}. Rollup ${show2(rollup2)} of "${product2.name}" has none of them.`,
    );
  checkRollupName(product2, rollup2);
  checkTop(product2, rollup2);
  checkLive(product2.source, product2, rollup2);
}
var mostOnBoard = 1e4;
function checkTop(product2, rollup2) {
  if (rollup2.top === null) return;
  if (!Number.isInteger(rollup2.top.n) || rollup2.top.n < 1 || rollup2.top.n > mostOnBoard)
    throw new DeclarationError(
      `A leaderboard holds 1 to ${mostOnBoard} keys. Rollup ${show2(rollup2)} of "${product2.name}" has top: ${rollup2.top.n}.`,
    );
  if (!product2.measures.some(({ precomputed }) => precomputed))
    throw new DeclarationError(
      `A leaderboard ranks by stored measures. "${product2.name}" stores none, and rollup ${show2(rollup2)} has top. Drop top, or declare a mergeable @Measure.`,
    );
  for (const dimension of rollup2.top.within)
    if (!rollup2.dimensions.includes(dimension))
      throw new DeclarationError(
        `"within" names dimensions of its rollup. Rollup ${show2(rollup2)} of "${product2.name}" has no "${dimension}".${suggestion(dimension, rollup2.dimensions)}`,
      );
  if (new Set(rollup2.top.within).size >= rollup2.dimensions.length)
    throw new DeclarationError(
      `A leaderboard ranks keys by at least one dimension that it is not within. Rollup ${show2(rollup2)} of "${product2.name}" has none left. Drop top, or a dimension from within.`,
    );
}
function checkLive(source, product2, rollup2) {
  if (rollup2.live && source.stream === null)
    throw new DeclarationError(
      `A live rollup needs a stream. Source "${source.name}" has none. Add stream: "\u2026" to its @Source, or drop live: true from rollup ${show2(rollup2)} of "${product2.name}".`,
    );
}
function show2(rollup2) {
  return `[${rollup2.dimensions.join(", ")}]`;
}

// src/model/shape.ts
import { createHash as createHash2 } from "node:crypto";
function shapeOf(product2) {
  const { source, dimensions: dimensions2, components, rollups: rollups2 } = product2;
  const gold = goldColumns(product2);
  const isCarried = ({ property }) => rollups2.some((each) => each.dimensions.includes(property));
  const meaning = {
    format: 2,
    // of the documents and items themselves
    table: `${source.database}.${source.table}`,
    time: source.time.name,
    columns: source.columns.map((column) => [column.property, column.name, column.type]),
    components: components.map((component) => component.id),
    rollups: rollups2.map((each) => [each.name, each.grains, each.live, each.top]),
    // another dimension may take a name that gold has given to a component
    gold: [...gold.components, ...gold.dimensions.filter((_, i) => isCarried(dimensions2[i]))],
    lookups: source.columns.flatMap((column) => lookupText(source.lookups, column) ?? []),
  };
  return createHash2("sha256").update(JSON.stringify(meaning)).digest("hex").slice(0, 8);
}

// src/model/product.ts
function rollup(dimensions2, options) {
  const top = typeof options.top === "number" ? { n: options.top } : options.top;
  return Object.freeze({
    dimensions: Object.freeze([...dimensions2]),
    grains: Object.freeze([...options.grains]),
    top: top === void 0 ? null : Object.freeze({ n: top.n, within: Object.freeze([...(top.within ?? [])]) }),
    live: options.live ?? null,
  });
}
var declarations = /* @__PURE__ */ new WeakMap();
var registered = /* @__PURE__ */ new Map();
function declaredOn(prototype) {
  const declared = declarations.get(prototype) ?? { dimensions: [], measures: [] };
  declarations.set(prototype, declared);
  return declared;
}
function Dimension() {
  return (prototype, key) => void declaredOn(prototype).dimensions.push(String(key));
}
function Measure(expression, options) {
  return (prototype, key) =>
    void declaredOn(prototype).measures.push({
      ...options,
      name: String(key),
      expression,
      precomputed: true,
    });
}
function DataProduct(options) {
  return (target) => {
    const product2 = productOf(target.name, target, options);
    if (registered.has(product2.name))
      throw new DeclarationError(`Product names are unique. "${product2.name}" is declared twice.`);
    claimGoldTable(product2);
    registered.set(product2.name, product2);
    declareType(product2);
  };
}
function declaredProducts() {
  return [...registered.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
function productOf(name, target, options) {
  const source = sourceFor(options.source);
  const declared = declaredOn(target.prototype);
  const whose = `Product "${name}"`;
  const dimensions2 = declared.dimensions.map((property) => columnFor(source, property, whose));
  const byName2 = new Map(declared.measures.map((measure) => [measure.name, measure]));
  const mergeable = (expression, path) => {
    if (expression.kind !== "ratio") return componentsOf(expression) !== null;
    return [expression.numerator, expression.denominator].every((part) => {
      const measure = byName2.get(part);
      if (measure === void 0)
        throw new DeclarationError(
          `${whose} has no measure "${part}" for a ratio.${suggestion(part, [...byName2.keys()])}`,
        );
      if (path.includes(part))
        throw new DeclarationError(
          `A ratio cannot contain itself. ${whose}: ${[...path, part].join(" -> ")}.`,
        );
      return mergeable(measure.expression, [...path, part]);
    });
  };
  const type = (column) => columnFor(source, column, whose).type;
  const measures2 = declared.measures.map((measure) => {
    const merges = mergeable(measure.expression, [measure.name]);
    return Object.freeze({
      name: measure.name,
      expression: measure.expression,
      type: typeOf(measure.expression, type),
      description: measure.description,
      unit: measure.unit ?? null,
      mergeable: merges,
      precomputed: measure.precomputed && merges,
    });
  });
  const rollups2 = options.rollups.map((declaration) => rollupOf(declaration, source, whose));
  const components = storedComponents(measures2);
  const product2 = {
    name,
    field: name.charAt(0).toLowerCase() + name.slice(1),
    target,
    source,
    owner: options.owner,
    freshnessMs: inDeclaration(`${whose}, freshness`, () => parseDuration(options.freshness)),
    description: options.description,
    dimensions: Object.freeze(dimensions2),
    measures: Object.freeze(measures2),
    rollups: Object.freeze(rollups2),
    components,
    expectations: Object.freeze([...(options.expectations ?? [])]),
    shape: shapeOf({ source, dimensions: dimensions2, components, rollups: rollups2 }),
    measure: (wanted) => {
      const found2 = measures2.find((measure) => measure.name === wanted);
      if (found2 === void 0) throw new TypeError(`${whose} has no measure "${wanted}".`);
      return found2;
    },
  };
  checkProduct(product2);
  return Object.freeze(product2);
}
function rollupOf(declaration, source, whose) {
  const unknown = declaration.grains.find((grain) => !storedGrains.includes(grain));
  if (unknown !== void 0)
    throw new DeclarationError(
      `A rollup has grains out of ${storedGrains.join(", ")}. ${whose} has one with "${unknown}": other grains are rolled up on reading.`,
    );
  const grains2 = storedGrains.filter((grain) => declaration.grains.includes(grain));
  return Object.freeze({
    name: declaration.dimensions.join("+") || "total",
    dimensions: declaration.dimensions,
    grains: grains2,
    finest: grains2[0] ?? "DAY",
    top: topOf(declaration),
    live: declaration.live ?? source.stream !== null,
  });
}
function topOf({ dimensions: dimensions2, top }) {
  if (top === null) return null;
  const known3 = dimensions2.filter((dimension) => top.within.includes(dimension));
  const unknown = top.within.filter((dimension) => !dimensions2.includes(dimension));
  return Object.freeze({ n: top.n, within: Object.freeze([...known3, ...unknown]) });
}
function storedComponents(measures2) {
  const components = /* @__PURE__ */ new Map([[countComponent.id, countComponent]]);
  const add2 = (expression) => {
    for (const component of componentsOf(expression) ?? []) components.set(component.id, component);
    if (expression.kind !== "ratio") return;
    for (const part of [expression.numerator, expression.denominator])
      add2(measures2.find((measure) => measure.name === part).expression);
  };
  for (const measure of measures2) if (measure.precomputed) add2(measure.expression);
  return Object.freeze([...components.values()]);
}
function declareType(product2) {
  const prototype = product2.target.prototype;
  for (const dimension of product2.dimensions)
    Field2(() => graphqlTypes[dimension.type], {
      nullable: true,
      description: `${(dimension.description ?? dimension.property).replace(/\.$/, "")}: set when the slice pins it or the query groups by it.`,
    })(prototype, dimension.property);
  for (const measure of product2.measures)
    Field2(() => (measure.type === "int" ? GraphQLSafeInt2 : Float2), {
      nullable: true,
      ...describe(measure.description, measure.unit),
    })(prototype, measure.name);
  ObjectType2(product2.name, { description: product2.description })(product2.target);
}

// test/exactly-once/visits.ts
var Visit = class {};
__decorateClass([Column(() => GraphQLDateTime2)], Visit.prototype, "at", 2);
__decorateClass([Column(() => Int2)], Visit.prototype, "id", 2);
__decorateClass([Column(() => String, { nullable: true })], Visit.prototype, "shop", 2);
__decorateClass([Column(() => Int2, { nullable: true })], Visit.prototype, "amount", 2);
__decorateClass([Column(() => Boolean)], Visit.prototype, "member", 2);
Visit = __decorateClass(
  [
    Source({
      table: "shop.visits",
      time: "at",
      description: "Visits.",
      stream: { name: "visits", lateness: "PT1H", skew: "PT2M" },
    }),
  ],
  Visit,
);
var visit = columns(Visit);
var ShopVisits = class {};
__decorateClass([Dimension()], ShopVisits.prototype, "shop", 2);
__decorateClass([Measure(visit.count(), { description: "Visits." })], ShopVisits.prototype, "visits", 2);
__decorateClass(
  [Measure(visit.sum("amount"), { description: "Amount." })],
  ShopVisits.prototype,
  "amount",
  2,
);
__decorateClass([Measure(visit.min("amount"), { description: "Least." })], ShopVisits.prototype, "least", 2);
__decorateClass([Measure(visit.max("amount"), { description: "Most." })], ShopVisits.prototype, "most", 2);
__decorateClass(
  [Measure(visit.countIf({ amount: { gte: 50 } }), { description: "Large ones." })],
  ShopVisits.prototype,
  "large",
  2,
);
__decorateClass([Measure(visit.avg("amount"), { description: "Mean." })], ShopVisits.prototype, "mean", 2);
ShopVisits = __decorateClass(
  [
    DataProduct({
      source: Visit,
      owner: "shop",
      freshness: "PT1H",
      description: "Visits by shop.",
      rollups: [rollup([], { grains: ["HOUR", "DAY"] }), rollup(["shop"], { grains: ["HOUR", "DAY"] })],
    }),
  ],
  ShopVisits,
);
var DailyVisits = class {};
__decorateClass([Dimension()], DailyVisits.prototype, "member", 2);
__decorateClass([Measure(visit.count(), { description: "Visits." })], DailyVisits.prototype, "visits", 2);
__decorateClass(
  [Measure(visit.sum("amount"), { description: "Amount." })],
  DailyVisits.prototype,
  "amount",
  2,
);
DailyVisits = __decorateClass(
  [
    DataProduct({
      source: Visit,
      owner: "shop",
      freshness: "P1D",
      description: "Visits by day.",
      rollups: [rollup([], { grains: ["DAY"] }), rollup(["member"], { grains: ["DAY"], live: false })],
    }),
  ],
  DailyVisits,
);
var named = (name) => declaredProducts().find((product2) => product2.name === name);
var shopVisits = named(ShopVisits.name);
var dailyVisits = named(DailyVisits.name);
var products = [shopVisits, dailyVisits];
var visits = sourceFor(Visit);

// test/exactly-once/processes.ts
var liveRates = { crash: 3e-3, refused: 0.02, lost: 0.02, slow: 0.03 };
var batchRates = { crash: 3e-3, refused: 5e-4, lost: 1e-3, slow: 0.02 };
var silent = () => {};
function startConsumer(scene, ageMs = scene.random() ** 2 * 36e5) {
  const { code: code2, random, world } = scene;
  const { control, insights, lake, deadLetters, stream } = scene.stores;
  const life = scene.life("consumer", liveRates);
  const run2 = code2.runConsumer({
    source: visits,
    products,
    control: life.faulty(control),
    insights: life.faulty(insights, "listLive"),
    lake: life.faulty(lake, "list"),
    deadLetters: life.faulty(deadLetters),
    stream: life.faulty(stream),
    broadcast: broadcastOf(scene, life),
    window: { ageMs, records: 1 + Math.floor(random() * 12), bytes: 200 + random() * 4e3 },
    clock: world.clock.now,
    random,
    signal: life.stopping.signal,
    wait: life.wait,
    log: { info: silent, warn: silent, error: silent },
  });
  run2.catch(scene.fail);
  return { life, run: run2 };
}
function broadcastOf(scene, life) {
  const { broadcast } = scene.world;
  const { ear } = scene;
  return {
    ...broadcast,
    publish: async (message) => {
      if (scene.isDown) ear.lose(message);
      if (scene.isDown && scene.random() < 0.3) return new Promise(silent);
      try {
        await life.call(() => {
          if (scene.isDown) throw new Error("The broadcast is down.");
          return broadcast.publish(message);
        });
      } catch (error) {
        ear.lose(message);
        throw error;
      }
    },
  };
}
async function stop({ life, run: run2 }) {
  life.stopping.abort();
  await life.ended(run2);
}
async function refresh(scene, product2) {
  const life = scene.life("refresh", batchRates);
  const full = !scene.calm && scene.random() < 0.1;
  const run2 = scene.code.refresh(product2, batchDeps(scene, life), { full }).then(
    async ({ published, version, coveredUntil }) => {
      const until = new Date(coveredUntil).toISOString();
      scene.note(
        `${life.name} of ${product2.name}: ${published ? "published" : "nothing new, still"} ${version}, until ${until}`,
      );
      if (published) await announce(scene, product2, version);
    },
    (error) => excuse(scene, life, error, isEarly),
  );
  await life.ended(run2);
}
async function rollback(scene, product2) {
  const life = scene.life("rollback", batchRates);
  const run2 = scene.code.rollback(product2, {}, batchDeps(scene, life)).then(
    async ({ version, coveredUntil }) => {
      scene.note(
        `${life.name} of ${product2.name}: ${version}, until ${new Date(coveredUntil).toISOString()}`,
      );
      await announce(scene, product2, version);
    },
    (error) => excuse(scene, life, error, isAimless),
  );
  await life.ended(run2);
}
async function release(scene, product2) {
  const life = scene.life("release", noFaults);
  const run2 = scene.code.release(product2, batchDeps(scene, life));
  await run2.catch((error) => excuse(scene, life, error, isAimless));
}
async function announce({ world }, product2, version) {
  await world.broadcast.publish({ kind: "published", product: product2.name, version });
}
function batchDeps(scene, life) {
  const { random, world } = scene;
  const { control, insights, lake, warehouse, stream } = scene.stores;
  const faultyLake = life.faulty(lake, "list");
  return {
    control: life.faulty(control),
    insights: life.faulty(insights),
    lake: faultyLake,
    warehouse: life.faulty(warehouse),
    stream: life.faulty(stream),
    gold: world.gold(faultyLake),
    clock: world.clock.now,
    wait: life.wait,
    token: () => Math.floor(random() * 2 ** 32).toString(16),
    progress: silent,
    retention: { editions: 3, ms: 0 },
    barrierWaitMs: scene.calm ? 100 * dayMs : random() * 36e5,
  };
}
function excuse(scene, life, error, mayBe) {
  const known3 = error;
  scene.note(`${life.name}: ${known3.message.slice(0, 160)}`);
  if (!life.hurt && known3.code !== "CONFLICT" && !mayBe(known3)) throw error;
  if (scene.calm && !mayBe(known3)) throw error;
}
var isEarly = ({ code: code2, message }) => code2 === "REFRESH" && message.includes("did not archive past");
var isAimless = ({ code: code2 }) => code2 === "BAD_USER_INPUT";

// test/exactly-once/producer.ts
var poison = [
  ['{"at":', "BAD_JSON"],
  ["[]", "BAD_JSON"],
  ['{"at":"2024-03-09T18:00:00Z","id":1.5,"shop":"a","amount":1,"member":true}', "BAD_VALUE"],
  ['{"at":"yesterday","id":1,"shop":"a","amount":1,"member":true}', "BAD_VALUE"],
  ['{"at":1710007200000,"id":1,"shop":"a","amount":NaN,"member":true}', "BAD_JSON"],
  ['{"at":1710007200000,"shop":"a","amount":1,"member":true}', "BAD_VALUE"],
  ['{"sluice":"visit"}', "BAD_ENVELOPE"],
];
var partitionKeys = ["p", "q", "r", "s", "t", "u"];
var shops = ["a", "a", "b", null];
var Producer = class {
  #world;
  #oracle;
  #random;
  #id = 0;
  constructor(world, oracle, random) {
    this.#world = world;
    this.#oracle = oracle;
    this.#random = random;
  }
  async putRecord() {
    const partitionKey = this.#pick(partitionKeys);
    const count2 = this.#random() < 0.4 ? 1 : 1 + Math.floor(this.#random() * 6);
    let lines2 = [];
    const placed = await this.#world.place(partitionKey, (arrival) => {
      lines2 = Array.from({ length: count2 }, () => this.#line(arrival));
      return Buffer.from(lines2.map(({ text }) => text).join("\n"));
    });
    this.#oracle.produce(placed, partitionKey, lines2);
  }
  #line(arrival) {
    if (this.#random() < 0.03) {
      const [text, reason] = this.#pick(poison);
      return { text, visit: null, reason };
    }
    const visit2 = {
      id: ++this.#id,
      at: arrival - this.#age(),
      shop: this.#pick(shops),
      amount: this.#random() < 0.1 ? null : Math.floor(this.#random() * 100) - 10,
      member: this.#random() < 0.5,
    };
    const at = this.#random() < 0.5 ? visit2.at : new Date(visit2.at).toISOString();
    return { text: JSON.stringify({ ...visit2, at }), visit: visit2 };
  }
  /** How long before its arrival a visit was. */
  #age() {
    const kind = this.#random();
    if (kind < 0.6) return Math.floor(this.#random() * hourMs * 0.1);
    if (kind < 0.86) return Math.floor(this.#random() * latenessMs);
    if (kind < 0.89) return latenessMs;
    if (kind < 0.91) return latenessMs + 1;
    if (kind < 0.94) return latenessMs + Math.floor(this.#random() * 8 * hourMs);
    if (kind < 0.98) return -Math.floor(this.#random() * 4 * hourMs);
    if (kind < 0.99) return -dayMs;
    return -dayMs - 1 - Math.floor(this.#random() * hourMs);
  }
  #pick(from2) {
    return from2[Math.floor(this.#random() * from2.length)];
  }
};

// src/loaders/leaderboards.ts
import DataLoader from "dataloader";
import { LRUCache } from "lru-cache";

// src/model/layout.ts
import { createHash as createHash3 } from "node:crypto";

// src/model/fold.ts
function emptyState(components) {
  return components.map((component) => (component.merge === "add" ? 0 : null));
}
function folder(components) {
  const steps = components.map(contribution);
  const merges = components.map((component) => merger[component.merge]);
  return (state, event) => {
    for (let i = 0; i < steps.length; i++) state[i] = merges[i](state[i], steps[i](event));
  };
}
function contribution({ aggregate }) {
  switch (aggregate.kind) {
    case "count":
      return () => 1;
    case "countIf": {
      const matches = matcher(aggregate.where);
      return (event) => (matches(event) ? 1 : 0);
    }
    case "countOf":
      return (event) => (event[aggregate.column] == null ? 0 : 1);
    case "sum":
    case "min":
    case "max":
      return (event) => event[aggregate.column] ?? null;
    default:
      throw new TypeError(`The aggregate "${aggregate.kind}" is not mergeable: it has no fold.`);
  }
}
var merger = {
  add: (a, b) => (a ?? 0) + (b ?? 0),
  min: (a, b) => (a === null ? b : b === null ? a : Math.min(a, b)),
  max: (a, b) => (a === null ? b : b === null ? a : Math.max(a, b)),
};
function mergeState(components, into, part) {
  for (let i = 0; i < components.length; i++) into[i] = merger[components[i].merge](into[i], part[i] ?? null);
}
function readMeasure(product2, expression, aggregate) {
  const parts = aggregatesOf(expression).map((part) => aggregate(aggregateId(part)));
  if (expression.kind === "avg") return divide(parts[0], parts[1]);
  if (expression.kind !== "ratio") return parts[0];
  const side = (name) => readMeasure(product2, product2.measure(name).expression, aggregate);
  return divide(side(expression.numerator), side(expression.denominator));
}
function measureReader(product2, expression) {
  if (expression.kind === "ratio") {
    const side = (name) => measureReader(product2, product2.measure(name).expression);
    const [numerator, denominator] = [side(expression.numerator), side(expression.denominator)];
    return (state) => divide(numerator(state), denominator(state));
  }
  const [first, second] = aggregatesOf(expression).map((part) => {
    const id = aggregateId(part);
    return product2.components.findIndex((component) => component.id === id);
  });
  if (expression.kind === "avg") return (state) => divide(state[first] ?? null, state[second] ?? null);
  return (state) => state[first] ?? null;
}
function aggregatesBehind(product2, expression) {
  if (expression.kind !== "ratio") return aggregatesOf(expression);
  return [expression.numerator, expression.denominator].flatMap((side) =>
    aggregatesBehind(product2, product2.measure(side).expression),
  );
}
function readingOf(product2, expression) {
  if (expression.kind === "ratio") {
    const side = (name) => readingOf(product2, product2.measure(name).expression);
    return { divide: [side(expression.numerator), side(expression.denominator)] };
  }
  const [first, second] = aggregatesOf(expression).map((part) => ({ aggregate: aggregateId(part) }));
  return second === void 0 ? first : { divide: [first, second] };
}
function stateReader(components, state) {
  return (id) => state[components.findIndex((component) => component.id === id)] ?? null;
}
function divide(a, b) {
  return a === null || b === null || b === 0 ? null : a / b;
}

// src/model/scope.ts
var systemScope = Object.freeze({
  tenant: "system",
  role: "system",
  rows: Object.freeze({}),
});
var analystScope = Object.freeze({
  tenant: "company",
  role: "analyst",
  rows: Object.freeze({}),
});
function assertWithin(scope, dimensions2, key) {
  for (const [dimension, value] of Object.entries(scope.rows)) {
    const position = dimensions2.indexOf(dimension);
    if (position < 0 || key[position] !== value)
      throw new SluiceError("FORBIDDEN", "This slice is outside of what the viewer may see.");
  }
}

// src/model/layout.ts
function itemId(key) {
  return `${key.pk}
${key.sk}`;
}
function archiveFolder({ database, table }) {
  return `archive/${database}.${table}/`;
}
var maxKeyBytes = 512;
function keyText(key) {
  const text = JSON.stringify(key);
  if (text.length <= maxKeyBytes / 4 || Buffer.byteLength(text) <= maxKeyBytes) return text;
  return `sha256:${createHash3("sha256").update(text).digest("hex")}`;
}
function segmentKey(scope, product2, rollup2, grain, key, period, edition) {
  assertWithin(scope, rollup2.dimensions, key);
  return {
    pk: `${product2.name}#${product2.shape}#${rollup2.name}#${grain}#${keyText(key)}`,
    sk: `${period}#${edition}`,
  };
}
function leaderboardKey(scope, product2, rollup2, grain, within, period, edition) {
  assertWithin(scope, rollup2.top.within, within);
  return {
    pk: `${product2.name}#${product2.shape}#top:${rollup2.name}#${grain}#${keyText(within)}`,
    sk: `${period}#${edition}`,
  };
}
function liveKey(scope, product2, rollup2, key, period) {
  assertWithin(scope, rollup2.dimensions, key);
  return { pk: livePartition(product2, rollup2, period), sk: keyText(key) };
}
function livePartition(product2, rollup2, period) {
  return `${product2.name}#${product2.shape}#${rollup2.name}#${rollup2.finest}#${period}`;
}
function packBuckets(buckets, components) {
  const indexes = [...buckets.keys()].sort((a, b) => a - b);
  const columns2 = Array.from({ length: components }, (_, component) =>
    indexes.map((index) => buckets.get(index)[component] ?? null),
  );
  return `[${[indexes, ...columns2].map((values) => `[${values.map(numberText).join(",")}]`).join(",")}]`;
}
function numberText(value) {
  if (value === null) return "null";
  if (Number.isFinite(value)) return JSON.stringify(value);
  return value < 0 ? "-1e999" : "1e999";
}
function unpackColumns(packed2) {
  return JSON.parse(packed2);
}
function unpackBuckets(packed2) {
  const [indexes, ...columns2] = unpackColumns(packed2);
  return new Map((indexes ?? []).map((index, i) => [index, columns2.map((column) => column[i] ?? null)]));
}
function mergeBuckets(components, into, packed2, first, end) {
  const [indexes, ...columns2] = packed2;
  indexes?.forEach((index, i) => {
    if (index !== null && index >= first && index < end)
      mergeState(
        components,
        into,
        columns2.map((column) => column[i] ?? null),
      );
  });
}

// src/model/leaderboard.ts
function unpackLeaderboard(packed2) {
  const [complete, keys, buckets] = JSON.parse(packed2);
  return { complete, keys, buckets };
}
function boardDimensions(dimensions2, { within }) {
  const positions = dimensions2.map((_, position) => position);
  return {
    within: positions.filter((position) => within.includes(dimensions2[position])),
    ranked: positions.filter((position) => !within.includes(dimensions2[position])),
  };
}

// src/loaders/leaderboards.ts
var LeaderboardCache = class {
  #known;
  constructor(maxBytes = 64 * 1024 * 1024) {
    this.#known = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ board }) => sizeOf(board) });
  }
  get(id) {
    return this.#known.get(id);
  }
  keep(id, board) {
    this.#known.set(id, { board });
  }
};
function sizeOf(board) {
  return 256 + (board?.keys.length ?? 0) * 160;
}
function leaderboardLoader(store, cache, gate) {
  return new DataLoader(
    async (keys) => {
      const known3 = keys.map((key) => cache.get(itemId(key)));
      const unknown = keys.filter((_, i) => known3[i] === void 0);
      const fresh = unknown.length > 0 ? await store.read(unknown, []) : null;
      return keys.map((key, i) => {
        if (known3[i] !== void 0) return known3[i].board;
        const id = itemId(key);
        const packed2 = fresh?.segments.get(id);
        const board = packed2 === void 0 ? null : unpackLeaderboard(packed2);
        cache.keep(id, board);
        return board;
      });
    },
    { cacheKeyFn: itemId, batchScheduleFn: gate.schedule },
  );
}

// src/loaders/segments.ts
import DataLoader2 from "dataloader";
import { LRUCache as LRUCache2 } from "lru-cache";
var SegmentCache = class {
  #known;
  constructor(maxBytes = 256 * 1024 * 1024) {
    this.#known = new LRUCache2({
      maxSize: maxBytes,
      sizeCalculation: ({ columns: columns2 }) => sizeOf2(columns2),
    });
  }
  get(id) {
    return this.#known.get(id);
  }
  keep(id, columns2) {
    this.#known.set(id, { columns: columns2 });
  }
};
function sizeOf2(columns2) {
  const values = columns2 === null ? 0 : columns2.length * (columns2[0]?.length ?? 0);
  return 256 + values * 8;
}
function segmentLoader(store, cache, gate) {
  return new DataLoader2(
    async (wanted) => {
      const known3 = wanted.map(({ key, live }) => (live ? void 0 : cache.get(itemId(key))));
      const fresh = await read(
        store,
        wanted.filter((_, i) => known3[i] === void 0),
      );
      return wanted.map(({ key, live }, i) => {
        if (known3[i] !== void 0) return known3[i].columns;
        const id = itemId(key);
        if (live) return unpack(fresh.live.get(id)?.packed);
        const columns2 = unpack(fresh.segments.get(id));
        cache.keep(id, columns2);
        return columns2;
      });
    },
    { cacheKeyFn: ({ key }) => itemId(key), batchScheduleFn: gate.schedule },
  );
}
async function read(store, wanted) {
  return store.read(
    wanted.filter(({ live }) => !live).map(({ key }) => key),
    wanted.filter(({ live }) => live).map(({ key }) => key),
  );
}
function unpack(packed2) {
  return packed2 === void 0 ? null : unpackColumns(packed2);
}

// src/model/control.ts
function isEditionId(id) {
  return typeof id === "string" && /^\d{8}T\d{9}Z-[A-Za-z0-9]{0,8}$/.test(id);
}
var goldTableKey = (product2, year) => ({
  pk: `gold#${product2.name}`,
  sk: year,
});
var buildKey = (product2, id) => ({ pk: `builds#${product2.name}`, sk: id });
function publishedEditions(written, current) {
  const byId = new Map(written.map((edition) => [edition.id, edition]));
  const published = [];
  for (let edition = byId.get(current); edition !== void 0; ) {
    published.push(edition);
    edition = edition.previous === null ? void 0 : byId.get(edition.previous);
  }
  return published;
}
var manifestKey = (product2) => ({ pk: `manifest#${product2.name}`, sk: "current" });
var editionKey = (product2, id) => ({
  pk: `editions#${product2.name}`,
  sk: id,
});
var segmentPageName = (rollup2, year) => `segments/${rollup2.name}/${year}`;
var lakePages = "lake/";
var lakePageName = (year) => `${lakePages}${year}`;
var yearOfLakePage = (name) => (name.startsWith(lakePages) ? name.slice(lakePages.length) : null);
var pageKey = (product2, page, edition) => ({
  pk: `page#${product2.name}#${page}`,
  sk: edition,
});
var clockKey = (stream) => ({ pk: `stream#${stream.name}`, sk: "clock" });
var archiveKey = (stream, shard) => ({
  pk: `archive#${stream.name}`,
  sk: shard,
});
var shapeId = (product2) => `${product2.name}#${product2.shape}`;
function missedUntil({ sequence, arrival, newest: newest2, shapes = [] }, product2) {
  if (sequence === null || shapes.includes(shapeId(product2))) return null;
  return newest2 === null ? arrival : Math.max(arrival, newest2 + 1);
}
var checkpointKey = (stream, shard) => ({
  pk: `checkpoint#${stream.name}`,
  sk: shard,
});
var liveStartKey = (product2) => ({
  pk: `live#${product2.name}`,
  sk: product2.shape,
});
var compactedKey = (source, partition2) => ({
  pk: `lake#${source.database}.${source.table}`,
  sk: partition2,
});
var cataloguedTableKey = (source) => ({
  pk: `catalogue#${source.database}.${source.table}`,
  sk: "table",
});
var lookupKey = (source, { id }) => ({
  pk: `lookups#${source.database}.${source.table}`,
  sk: id,
});

// src/model/ad-hoc-job.ts
var escaped = ({ tenant }) => encodeURIComponent(tenant);
var questionKey = (scope, question) => ({
  pk: `question#${escaped(scope)}#${question}`,
  sk: "claim",
});
var executionKey = (scope, id) => ({
  pk: `execution#${escaped(scope)}#${id}`,
  sk: "state",
});
var budgetKey = (scope, day) => ({
  pk: `budget#${escaped(scope)}`,
  sk: day,
});
var slotsKey = { pk: "slots", sk: "holders" };
var budgetDay = (at) => formatInstant(at).slice(0, 10);
var expiryOf = (at) => at + 45 * dayMs2;
function isOver({ state }) {
  return state !== "QUEUED" && state !== "RUNNING";
}
function isWanted({ interest, pendingUntil }, now) {
  return (
    (pendingUntil !== null && pendingUntil > now) || Object.values(interest).some((until) => until > now)
  );
}
function jobOf(id, document) {
  const { state, progress, bytesScanned, submittedAt, error } = document;
  return { id, state, progress, bytesScanned, submittedAt, error: error?.code ?? null };
}

// src/loaders/ad-hoc/answers.ts
import { LRUCache as LRUCache3 } from "lru-cache";

// src/sql/fragments.ts
function identifier(name) {
  return `"${name.replaceAll('"', '""')}"`;
}
function tableName(source) {
  return `${identifier(source.database)}.${identifier(source.table)}`;
}
function literal(value, type) {
  switch (type) {
    case "datetime":
      return timestampLiteral(value);
    case "string":
      return stringLiteral(String(value));
    case "boolean":
      return value === true ? "TRUE" : "FALSE";
    case "int":
      return BigInt(value).toString();
    case "float":
      return value.toExponential();
  }
}
function stringLiteral(text) {
  return `'${text.replaceAll("'", "''")}'`;
}
function timestampLiteral(at) {
  return `TIMESTAMP '${formatInstant(at).replace("T", " ").replace("Z", "")}'`;
}
var inline = literal;
var maxParameter = 1024;
function parameterised(parameters) {
  const parameter = (value, type) => {
    if (typeof value === "string") assertText(value);
    const text = literal(value, type);
    if (text.length > maxParameter)
      throw new UserInputError(
        `A value is at most ${maxParameter} characters as an SQL literal, quotes included (Athena). Got ${text.length}. Use a shorter value or startsWith.`,
      );
    parameters.push(text);
    return "?";
  };
  return (value, type) => {
    if (typeof value !== "string" || !value.includes("\0")) return parameter(value, type);
    const standIn = unusedIn(value);
    return `replace(${parameter(value.replaceAll("\0", standIn), type)}, ${parameter(standIn, type)}, chr(0))`;
  };
}
function unusedIn(text) {
  let point = 57344;
  while (text.includes(String.fromCodePoint(point))) point++;
  return String.fromCodePoint(point);
}
function filterSql(source, filter, render) {
  if (filter.length === 0) return "TRUE";
  return filter
    .map((condition) => conditionSql(columnOf(source, condition.column), condition, render))
    .join(" AND ");
}
function conditionSql(column, condition, render) {
  const name = identifier(column.name);
  switch (condition.op) {
    case "eq":
      return `${name} = ${render(condition.value, column.type)}`;
    case "ne":
      return `${name} <> ${render(condition.value, column.type)}`;
    case "gte":
      return `${name} >= ${render(condition.value, column.type)}`;
    case "lt":
      return `${name} < ${render(condition.value, column.type)}`;
    case "in":
      if (condition.values.length === 0) return "FALSE";
      return `${name} IN (${condition.values.map((value) => render(value, column.type)).join(", ")})`;
    case "notIn":
      if (condition.values.length === 0) return `${name} IS NOT NULL`;
      return `${name} NOT IN (${condition.values.map((value) => render(value, column.type)).join(", ")})`;
    case "startsWith":
      return `starts_with(${name}, ${render(condition.value, "string")})`;
    case "isNull":
      return `${name} IS ${condition.value ? "" : "NOT "}NULL`;
  }
}
function columnOf(source, property) {
  const column = source.columns.find((candidate) => candidate.property === property);
  if (column === void 0) throw new TypeError(`Source "${source.name}" has no column "${property}".`);
  return column;
}

// src/sql/grouped-questions.ts
function groupColumns(source, questions2) {
  const properties = new Set(questions2.flatMap(({ groups }) => groups?.dimensions ?? []));
  return [...properties].map((property) => ({ property, type: columnOf(source, property).type }));
}
function groupSql(source, questions2, property, number) {
  const numbers = questions2.flatMap(({ groups }, i) =>
    groups?.dimensions.includes(property) ? [i + 1] : [],
  );
  return `CASE WHEN ${number} IN (${numbers.join(", ")}) THEN ${identifier(columnOf(source, property).name)} END`;
}
function groupsSql(source, groups, render) {
  if (groups.kind === "listed") return [listedSql(source, groups, render)];
  if (groups.containing === void 0) return [];
  const text = `CAST(${identifier(columnOf(source, groups.dimensions[0]).name)} AS varchar)`;
  return [`strpos(lower(${text}), lower(${render(groups.containing, "string")})) > 0`];
}
function listedSql(source, { dimensions: dimensions2, keys }, render) {
  const [only, ...others] = dimensions2;
  const short = keys.filter((key) => key.every((value) => !isLong(value)));
  const conditions2 =
    only !== void 0 && others.length === 0
      ? inList(source, only, short.flat(), render)
      : short.map((key) => filterSql(source, pinning(dimensions2, key), render));
  const prefixed = keys
    .filter((key) => key.some(isLong))
    .map((key) => filterSql(source, prefixes(dimensions2, key), render));
  return `(${[...conditions2, ...prefixed].join(" OR ") || "FALSE"})`;
}
function inList(source, column, values, render) {
  const known3 = values.filter((value) => value !== null);
  return [
    ...(known3.length > 0 ? [filterSql(source, [{ op: "in", column, values: known3 }], render)] : []),
    ...(known3.length < values.length ? [filterSql(source, pinning([column], [null]), render)] : []),
  ];
}
var longest = 250;
var isLong = (value) => typeof value === "string" && value.length > longest;
function prefixes(dimensions2, key) {
  return pinning(dimensions2, key).map((condition) =>
    condition.op === "eq" && isLong(condition.value)
      ? {
          op: "startsWith",
          column: condition.column,
          value: Array.from(String(condition.value)).slice(0, longest).join(""),
        }
      : condition,
  );
}
function rankedSql(flat, questions2, columns2, parameters) {
  const [number] = columns2.all;
  const ranked = questions2.flatMap(({ groups }, i) =>
    groups?.kind === "ranked" ? [{ groups, question: i + 1 }] : [],
  );
  const ranks = ranked.map(
    ({ groups, question }) =>
      `WHEN ${question} THEN row_number() OVER (PARTITION BY ${number} ORDER BY ${orderSql(groups, columns2)})`,
  );
  const cuts = ranked.map(({ groups: { from: from2, to: to2 }, question }) => {
    parameters.push(literal(from2, "int"), literal(to2, "int"));
    return `(${number} = ${question} AND "rank" > ? AND "rank" <= ?)`;
  });
  return `SELECT ${columns2.all.join(", ")}, "rank", "groups"
FROM (
SELECT ${columns2.all.join(", ")},
  CASE ${number} ${ranks.join("\n    ")} END AS "rank",
  count(*) OVER (PARTITION BY ${number}) AS "groups"
FROM (
${flat}
)
)
WHERE "rank" IS NULL OR "rank" = 1
  OR ${cuts.join("\n  OR ")}`;
}
function orderSql({ order, dimensions: dimensions2 }, columns2) {
  const ties = dimensions2.map((property) => `${columns2.dimension(property)} ASC NULLS LAST`);
  const by2 = order === null ? [] : [`${readingSql(order.by, columns2)} ${order.direction} NULLS LAST`];
  return [...by2, ...ties].join(", ");
}
function readingSql(reading, columns2) {
  if ("aggregate" in reading) return columns2.aggregate(reading.aggregate);
  const [dividend, divisor] = reading.divide.map((side) => `CAST(${readingSql(side, columns2)} AS double)`);
  return `(${dividend} / nullif(${divisor}, 0e0))`;
}
function readGroups(layout, rows, question, asked2) {
  const start2 = 2 + layout.aggregates.length;
  const own = rows.filter(([number]) => Number(number) === question);
  const rankOf = (row) => Number(row[start2 + layout.groups.length] ?? 0);
  const shown =
    asked2.kind === "listed"
      ? own
      : own
          .filter((row) => rankOf(row) > asked2.from && rankOf(row) <= asked2.to)
          .sort((a, b) => rankOf(a) - rankOf(b));
  return {
    groups: shown.map((row) => ({
      key: asked2.dimensions.map((dimension) => {
        const at = layout.groups.findIndex(({ property }) => property === dimension);
        return valueOf(row[start2 + at] ?? null, layout.groups[at].type);
      }),
      aggregates: new Map(
        layout.aggregates.map((id, i) => [id, row[i + 2] == null ? null : Number(row[i + 2])]),
      ),
    })),
    total: asked2.kind === "listed" ? own.length : Number(own[0]?.[start2 + layout.groups.length + 1] ?? 0),
  };
}
function valueOf(cell, type) {
  if (cell === null) return null;
  switch (type) {
    case "string":
      return cell;
    case "boolean":
      return cell === "true";
    case "datetime":
      return instantOf2(cell);
    case "int":
    case "float":
      return Number(cell) + 0;
  }
}
function instantOf2(cell) {
  return Date.parse(`${cell.slice(0, 23).replace(" ", "T")}Z`);
}

// src/sql/aggregates.ts
function aggregateSql(source, aggregate) {
  const column = (property) => identifier(columnOf(source, property).name);
  switch (aggregate.kind) {
    case "count":
      return "count(*)";
    case "countIf":
      return `count(*) FILTER (WHERE ${filterSql(source, aggregate.where, inline)})`;
    case "countOf":
      return `count(${column(aggregate.column)})`;
    case "sum":
      return `coalesce(sum(${column(aggregate.column)}), 0)`;
    case "min":
    case "max":
      return `${aggregate.kind}(${column(aggregate.column)})`;
    case "distinct":
      return `count(DISTINCT ${column(aggregate.column)})`;
    case "approxDistinct":
      return `approx_distinct(${column(aggregate.column)})`;
    case "percentile":
      return exactPercentile(column(aggregate.column), aggregate.fraction);
    case "approxPercentile":
      return `approx_percentile(${column(aggregate.column)}, ${aggregate.fraction})`;
    case "sql":
      return aggregate.text.replaceAll(bracedColumn, (_, property) => column(property));
  }
}
function exactPercentile(column, fraction) {
  const exact = fraction.toString().includes("e") ? fraction.toFixed(18) : fraction.toString();
  const sorted2 = `array_sort(array_agg(${column}) FILTER (WHERE ${column} IS NOT NULL))`;
  return `element_at(${sorted2}, CAST(ceil(${exact} * count(${column})) AS bigint))`;
}

// src/sql/catalogue.ts
var hiveTypes = {
  int: "bigint",
  float: "double",
  string: "string",
  boolean: "boolean",
  datetime: "timestamp",
};
var partitionsPerStatement = 100;
function createDatabaseSql({ database }) {
  return `CREATE DATABASE IF NOT EXISTS ${quoted(database)}`;
}
function createTableSql(source, location) {
  return createSql(source, source.ownColumns, [source.partition.column], location);
}
function createPartitionedTableSql(table, columns2, location) {
  return createSql(table, columns2, [table.partition.column], location);
}
function createTableOfSql(table, columns2, location) {
  return createSql(table, columns2, [], location);
}
function setTableLocationSql({ database, table }, location) {
  return `ALTER TABLE ${quoted(database)}.${quoted(table)} SET LOCATION ${stringLiteral(location)}`;
}
function dropTableSql({ database, table }) {
  return `DROP TABLE IF EXISTS ${quoted(database)}.${quoted(table)}`;
}
function dropTablesSql(source) {
  const { database } = source;
  return [source.table, partsTable(source)].map((table) => dropTableSql({ database, table }));
}
function partsTable(source) {
  return `${source.table}__parts`;
}
function partColumn(source) {
  return freeNames([...source.ownColumns.map(({ name }) => name), source.partition.column])("part");
}
function createPartsTableSql(source, location) {
  const parts = { database: source.database, table: partsTable(source) };
  return createSql(parts, source.ownColumns, [source.partition.column, partColumn(source)], location);
}
function createSql({ database, table }, declared, partitions, location) {
  const columns2 = declared.map(({ name, type }) => `${quoted(name)} ${hiveTypes[type]}`);
  const keys = partitions.map((column) => `${quoted(column)} string`);
  const partitionedBy =
    keys.length === 0
      ? ""
      : `PARTITIONED BY (${keys.join(", ")})
`;
  return `CREATE EXTERNAL TABLE IF NOT EXISTS ${quoted(database)}.${quoted(table)} (
  ${columns2.join(",\n  ")}
)
${partitionedBy}STORED AS PARQUET
LOCATION ${stringLiteral(location)}`;
}
function addPartitionsSql(source, partitions) {
  return inHundreds(partitions).map(
    (some) => `ALTER TABLE ${alterable(source, source.table)} ADD IF NOT EXISTS
${some.map(({ value, location }) => `PARTITION (${partition(source, value)}) LOCATION ${stringLiteral(location)}`).join("\n")}`,
  );
}
function addPartsSql(source, parts) {
  const column = quoted(partColumn(source));
  return inHundreds(parts).map(
    (some) => `ALTER TABLE ${alterable(source, partsTable(source))} ADD IF NOT EXISTS
${some.map(({ value, part, location }) => `PARTITION (${partition(source, value)}, ${column} = '${part}') LOCATION ${stringLiteral(location)}`).join("\n")}`,
  );
}
function setLocationSql(source, { value, location }) {
  return `ALTER TABLE ${alterable(source, source.table)} PARTITION (${partition(source, value)}) SET LOCATION ${stringLiteral(location)}`;
}
function dropPartitionsSql(source, values) {
  return inHundreds(values).map(
    (some) =>
      `ALTER TABLE ${alterable(source, source.table)} DROP IF EXISTS ${some.map((value) => `PARTITION (${partition(source, value)})`).join(", ")}`,
  );
}
function partition(source, value) {
  return `${quoted(source.partition.column)} = ${stringLiteral(value)}`;
}
function alterable(source, table) {
  return `${quoted(source.database)}.${quoted(table)}`;
}
function inHundreds(items) {
  const chunks = Math.ceil(items.length / partitionsPerStatement);
  return Array.from({ length: chunks }, (_, i) =>
    items.slice(i * partitionsPerStatement, (i + 1) * partitionsPerStatement),
  );
}
function quoted(name) {
  return `\`${name.replaceAll("`", "``")}\``;
}

// src/sql/lookups.ts
function fromSql(source, properties) {
  const free = freeNames([...source.columns.map(({ name }) => name), source.partition.column]);
  const joins = source.lookups.flatMap((lookup, i) => {
    const taken = lookup.take.filter(({ column }) => properties.includes(column.property));
    return taken.length === 0
      ? []
      : [joinSql(source, lookup, taken, (name) => identifier(free(`sluice_${name}${i}`)))];
  });
  return [tableName(source), ...joins].join("\n  ");
}
function joinSql(source, { table, on }, taken, name) {
  const keys = on.map((column, i) => ({
    own: identifier(column.name),
    key: name(`key${i}_`),
    column: keyColumn(i),
  }));
  const [first, last] = [name("first"), name("last")];
  const selected = [
    ...keys.map(({ key, column }) => `${column} AS ${key}`),
    `${firstColumn} AS ${first}`,
    `${lastColumn} AS ${last}`,
    ...taken.map(({ column, position }) => `${takenColumn(position)} AS ${identifier(column.name)}`),
  ];
  const matches = keys.map(({ own, key }) => `${own} = ${key}`);
  return `LEFT JOIN (SELECT ${selected.join(", ")} FROM ${qualified(rowsTable(source, table))}) AS ${name("lookup")}
    ON ${matches.join(" AND ")} AND ${identifier(source.time.name)} BETWEEN ${first} AND ${last}`;
}
function rowsTable({ database, table }, { id }) {
  return { database, table: `${table}__lookup_${id}` };
}
function dimensionTable({ database, table }, { id }) {
  return { database, table: `${table}__dimension_${id}` };
}
function qualified({ database, table }) {
  return `${identifier(database)}.${identifier(table)}`;
}
var keyColumn = (position) => identifier(`k${position}`);
var takenColumn = (position) => identifier(`v${position}`);
var firstColumn = identifier("valid_first");
var lastColumn = identifier("valid_last");
function rowColumns({ keys, taken }) {
  return [
    ...keys.map(({ type }, i) => ({ name: `k${i}`, type })),
    { name: "valid_first", type: "datetime" },
    { name: "valid_last", type: "datetime" },
    ...taken.map(({ type }, i) => ({ name: `v${i}`, type })),
  ];
}
function registerRowsSql(source, table, location) {
  const rows = rowsTable(source, table);
  return [
    createDatabaseSql(source),
    createTableOfSql(rows, rowColumns(table), location),
    setTableLocationSql(rows, location),
  ];
}
function registerDimensionSql(source, table, location) {
  const byName2 = new Map(readColumns(table).map((column) => [column.name.toLowerCase(), column]));
  return [
    createDatabaseSql(source),
    createTableOfSql(dimensionTable(source, table), [...byName2.values()], location),
  ];
}
function dimensionRowsSql(source, table) {
  const columns2 = readColumns(table).map(({ name }) => identifier(name));
  return `SELECT ${columns2.join(", ")} FROM ${qualified(dimensionTable(source, table))}`;
}
function readColumns({ keys, valid, taken }) {
  const validity2 = valid === null ? [] : [valid.from, valid.to];
  return [...keys, ...validity2.map((name) => ({ name, type: "datetime" })), ...taken];
}

// src/sql/statement.ts
function numberOf(source) {
  const free = freeNames([...source.columns.map(({ name }) => name), source.partition.column]);
  return identifier(free("sluice_question"));
}
function adHocStatement(source, questions2, aggregates) {
  const parameters = [];
  const number = numberOf(source);
  const groups = groupColumns(source, questions2);
  const columns2 = [
    number,
    bucketSql(source, questions2, number),
    ...aggregates.map((aggregate) => aggregateSql(source, aggregate)),
    ...groups.map(({ property }) => groupSql(source, questions2, property, number)),
  ];
  const keys = ["1", "2", ...groups.map((_, i) => String(3 + aggregates.length + i))];
  const from2 = fromSql(source, usedProperties(questions2, aggregates));
  const isRanked2 = questions2.some((question) => question.groups?.kind === "ranked");
  const aliases = columns2.map((_, i) => identifier(`c${i}`));
  const [shownNumber, bucket, ...others] = isRanked2
    ? columns2.map((column, i) => `${column} AS ${aliases[i]}`)
    : columns2;
  const flat = [
    `SELECT ${shownNumber}, ${bucket},`,
    `  ${others.join(",\n  ")}`,
    `FROM ${from2} CROSS JOIN UNNEST(ARRAY[${questions2.map((_, i) => i + 1).join(", ")}]) AS ${identifier("sluice")}(${number})`,
    `WHERE ${partitionsSql(
      source,
      questions2.map(({ range }) => range),
      parameters,
    )}`,
    `  AND (${questions2.map((question, i) => `(${number} = ${i + 1} AND ${questionSql(source, question, parameters)})`).join("\n    OR ")})`,
    `GROUP BY ${keys.join(", ")}`,
  ].join("\n");
  const ids = aggregates.map(aggregateId);
  const layout = { aggregates: ids, groups };
  if (!isRanked2) return { sql: flat, parameters, layout };
  const ranked = {
    all: aliases,
    aggregate: (id) => aliases[2 + ids.indexOf(id)],
    dimension: (wanted) => aliases[2 + ids.length + groups.findIndex(({ property }) => property === wanted)],
  };
  return { sql: rankedSql(flat, questions2, ranked, parameters), parameters, layout };
}
function usedProperties(questions2, aggregates) {
  const filtered = questions2.flatMap(({ where }) => where.map(({ column }) => column));
  const grouped = questions2.flatMap(({ groups }) => groups?.dimensions ?? []);
  return [...filtered, ...grouped, ...aggregates.flatMap(columnsOf)];
}
function bucketSql(source, questions2, number) {
  const time = identifier(source.time.name);
  const cases = questions2.flatMap(({ by: by2 }, i) =>
    by2 === null ? [] : [`WHEN ${i + 1} THEN date_trunc('${by2.toLowerCase()}', ${time})`],
  );
  return cases.length === 0 ? "CAST(NULL AS timestamp)" : `CASE ${number} ${cases.join(" ")} END`;
}
function questionSql(source, question, parameters) {
  const { where, range, groups } = question;
  const render = parameterised(parameters);
  const time = identifier(source.time.name);
  const within = `${time} >= ${render(range.from, "datetime")} AND ${time} < ${render(range.to, "datetime")}`;
  const filtered = where.length === 0 ? [] : [filterSql(source, where, render)];
  const grouped = groups === void 0 ? [] : groupsSql(source, groups, render);
  return [within, ...filtered, ...grouped].join(" AND ");
}
function partitionsSql(source, ranges, parameters) {
  const column = identifier(source.partition.column);
  const spans = union(ranges.map((range) => wholePartitions(source, range))).map(
    ({ from: from2, to: to2 }) => {
      parameters.push(
        stringLiteral(partitionValue(source, from2)),
        stringLiteral(partitionValue(source, to2 - 1)),
      );
      return `${column} BETWEEN ? AND ?`;
    },
  );
  return spans.length === 1 ? spans[0] : `(${spans.join(" OR ")})`;
}
function wholePartitions(source, range) {
  const { grain } = source.partition;
  return { from: floorTo(range.from, grain), to: nextBucket(range.to - 1, grain) };
}
function union(ranges) {
  const merged = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== void 0 && range.from <= last.to)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    else merged.push(range);
  }
  return merged;
}
var partitionLength = { DAY: 10, MONTH: 7, YEAR: 4 };
function partitionValue(source, at) {
  return formatInstant(at).slice(0, partitionLength[source.partition.grain]);
}
function readResult({ aggregates }, rows, question) {
  const result = /* @__PURE__ */ new Map();
  for (const [number, bucket, ...cells] of rows) {
    if (Number(number) !== question) continue;
    const start2 = bucket == null ? 0 : instantOf2(bucket);
    const values = aggregates.map((_, i) => (cells[i] == null ? null : Number(cells[i])));
    result.set(start2, new Map(aggregates.map((id, i) => [id, values[i]])));
  }
  return result;
}

// src/loaders/ad-hoc/answers.ts
var noGroups = { groups: [], total: 0 };
var Answers = class {
  #kept;
  constructor(maxCells) {
    this.#kept = new LRUCache3({ maxSize: Math.max(1, maxCells), sizeCalculation: cellsOf });
  }
  get(question) {
    return this.#kept.get(question);
  }
  /** What an execution that has succeeded says of a question; null when Athena no longer has its result. */
  async read({ id, question }, attendance) {
    const rows = await attendance.rows();
    if (rows === null) return null;
    const kept = this.#kept.get(id);
    if (kept !== void 0) return kept;
    const { questions: questions2, queryId, bytesScanned } = attendance.document;
    const layout = attendance.document.layout;
    const number = questions2.indexOf(id) + 1;
    const own = rows.get(number) ?? [];
    const { groups } = question;
    const answer = {
      buckets: groups === void 0 ? readResult(layout, own, number) : /* @__PURE__ */ new Map(),
      groups: groups === void 0 ? noGroups : readGroups(layout, own, number, groups),
      queryId,
      bytesScanned: bytesScanned ?? 0,
    };
    this.#kept.set(id, answer);
    return answer;
  }
};
function cellsOf({ buckets, groups }) {
  let cells = 1;
  for (const { key, aggregates } of groups.groups) cells += 1 + key.length + aggregates.size;
  for (const bucket of buckets.values()) cells += 1 + bucket.size;
  return cells;
}

// src/loaders/ad-hoc/deps.ts
function spread(ms, { random }) {
  return ms * (0.75 + 0.5 * random());
}

// src/loaders/ad-hoc/documents.ts
var firstBackoffMs = 10;
var longestBackoffMs = 200;
var SharedDocument = class {
  #deps;
  #key;
  #known = null;
  constructor(deps, key) {
    this.#deps = deps;
    this.#key = key;
  }
  /** As `change`. What is not to be changed is read before that is believed. */
  async change(edit) {
    const known3 = this.#known;
    if (known3 !== null) {
      const changed = await change(this.#deps, this.#key, edit, known3);
      if (changed !== known3) return this.#learn(changed);
    }
    return this.#learn(await change(this.#deps, this.#key, edit));
  }
  /** Of several changes at a time, the newest counts. */
  #learn(found2) {
    if (found2 !== null && found2.revision > (this.#known?.revision ?? -1)) this.#known = found2;
    return found2;
  }
};
async function change(deps, key, edit, known3) {
  const { jobs, clock, wait, random } = deps;
  let found2 = known3 ?? (await jobs.get(key));
  for (let backoffMs2 = firstBackoffMs; ; backoffMs2 = Math.min(longestBackoffMs, backoffMs2 * 2)) {
    const value = edit(found2?.value ?? null);
    if (value === null || value === found2?.value) return found2;
    const revision = await jobs.put(key, value, found2?.revision ?? null, expiryOf(clock()));
    if (revision !== null) return { value, revision };
    await wait(random() * backoffMs2);
    found2 = await jobs.get(key);
  }
}

// src/loaders/ad-hoc/endings.ts
function ending(state, code2, message, reason) {
  return { state, error: { code: code2, message }, reason: reason?.slice(0, longestReason) ?? null };
}
var longestReason = 2e3;
function failed(reason) {
  return ending(
    "FAILED",
    "AD_HOC_FAILED",
    "The warehouse could not run the statement. Ask again; if it fails again, the gateway's log has the reason.",
    reason,
  );
}
function cancelled(reason) {
  return ending(
    "CANCELLED",
    "AD_HOC_CANCELLED",
    "The statement was cancelled before its end: it was stopped, nobody waited for it, or it reached a limit of the workgroup. Ask again.",
    reason,
  );
}
function timedOut(maxRunMs) {
  return ending(
    "FAILED",
    "AD_HOC_TIMEOUT",
    `The statement did not end within ${maxRunMs / 1e3} s and was stopped. Ask for a shorter range or fewer fields.`,
    null,
  );
}
function overBudget(estimate, left, bytesPerDay) {
  return ending(
    "FAILED",
    "AD_HOC_BUDGET_EXCEEDED",
    `Ad-hoc fields may scan ${showBytes(bytesPerDay)} a day. These would scan about ${showBytes(estimate)}, and ${showBytes(left)} are left of today. Ask for a shorter range or fewer fields, or after midnight UTC, when the next day begins.`,
    null,
  );
}
function broken(error) {
  if (!(error instanceof SluiceError)) return failed(String(error));
  const { code: code2, message, cause } = error;
  return ending("FAILED", code2, message, cause instanceof Error ? String(cause) : null);
}
function errorOf({ error, reason }) {
  const { code: code2, message } = error ?? failed(null).error;
  return new SluiceError(code2, message, reason === null ? {} : { cause: new Error(reason) });
}
var units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
function showBytes(bytes) {
  const power = Math.min(Math.floor(Math.log10(Math.max(1, bytes)) / 3), units.length - 1);
  return `${(bytes / 1e3 ** power).toLocaleString("en", { maximumSignificantDigits: 3 })} ${units[power]}`;
}

// src/loaders/ad-hoc/stance.ts
function hasToSay(document, stance) {
  if (isOver(document)) return false;
  const { process: process2, waits, leaves, now, leaseMs } = stance;
  const { owner, ownerUntil, interest } = document;
  const soon = now + (2 / 3) * leaseMs;
  const said = interest[process2] ?? null;
  if (leaves || (waits ? said === null || said < soon : said !== null)) return true;
  if (owner === process2 ? ownerUntil < soon : ownerUntil <= now) return true;
  return !isWanted(document, now);
}
function saying(document, stance) {
  if (isOver(document)) return document;
  const { process: process2, waits, leaves, now, leaseMs } = stance;
  const until = now + leaseMs;
  const { [process2]: _own, ...others } = document.interest;
  const valid = Object.entries(others).filter(([, ends]) => ends > now);
  const interest = { ...Object.fromEntries(valid), ...(waits && { [process2]: until }) };
  const isFree = document.owner === process2 || document.ownerUntil <= now;
  const owned = isFree ? { owner: process2, ownerUntil: leaves ? now : until } : {};
  const next = { ...document, ...owned, interest };
  return isWanted(next, now) ? next : { ...next, ...cancelled("nobody waits for it") };
}

// src/loaders/ad-hoc/attendance.ts
var firstPollMs = 100;
var longestPollMs = 500;
var Attendance = class {
  constructor(options) {
    this.#waiters = 0;
    this.#driving = null;
    this.#attending = false;
    this.#closing = false;
    this.#gone = false;
    /** Changes of the document by this process happen one after the other. */
    this.#last = Promise.resolve();
    this.#turns = 0;
    this.#leasing = null;
    this.#rows = null;
    this.#wakers = [];
    /** How the execution ended; rejects when that cannot be known here. */
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#options = options;
    this.#known = options.found;
    this.ended.catch(() => {});
    if (isOver(this.document)) this.#resolve(this.document);
  }
  #options;
  #known;
  #waiters;
  #driving;
  #attending;
  #closing;
  #gone;
  #last;
  #turns;
  #leasing;
  #rows;
  #wakers;
  #resolve;
  #reject;
  get id() {
    return this.#options.id;
  }
  get scope() {
    return this.#options.scope;
  }
  get document() {
    return this.#known.value;
  }
  /** Not over, and this process's to drive. */
  get isOurs() {
    return !isOver(this.document) && this.document.owner === this.#options.process;
  }
  /**
   * One more waits, until it leaves. Resolves to false, and nobody waits, when the execution had ended without an answer
   * before: it was not waited for then; and when nobody here had to do with it any more, and it is to be looked for anew.
   */
  async join() {
    if (this.#gone && !isOver(this.document)) return false;
    this.#waiters++;
    try {
      await this.sync();
    } catch (error) {
      this.leave();
      throw error;
    }
    if (isOver(this.document) && this.document.state !== "SUCCEEDED") {
      this.leave();
      return false;
    }
    void this.#attend();
    return true;
  }
  /** One more waits, until it leaves, for what this process has just made. */
  hold() {
    this.#waiters++;
    if (this.isOurs) this.#drive();
    void this.#attend();
  }
  leave() {
    this.#waiters = Math.max(0, this.#waiters - 1);
    if (this.#waiters === 0) this.sync().catch((error) => this.#fail(error));
  }
  /** Lets it run on for a while though nobody may wait. Resolves to the document as it is then. */
  lease() {
    const { clock, limits } = this.#options.deps;
    this.#leasing ??= this.change((document) =>
      isOver(document) ? document : { ...document, pendingUntil: clock() + limits.pendingMs },
    ).finally(() => (this.#leasing = null));
    return this.#leasing;
  }
  /** Ends it, unless it has ended; what was written before stays. */
  end(ending2) {
    return this.change((document) => (isOver(document) ? document : { ...document, ...ending2 }));
  }
  /** Ends it for all who wait for it, wherever they are. */
  async cancel() {
    const document = await this.end(cancelled("it was asked to be"));
    if (document.state === "CANCELLED") await this.#stop();
    return document;
  }
  /** Changes the document by compare-and-swap. Resolves to it as it is then. */
  change(edit) {
    return this.#inTurn(() => this.#change(edit));
  }
  /** What Athena has told meanwhile: for those who follow it here, and written with the next change. */
  tell(news) {
    if (isOver(this.document)) return;
    this.#known = { ...this.#known, value: { ...this.document, ...news } };
    this.#wake();
  }
  /** The rows of its result, read once; null when Athena no longer has them. */
  rows() {
    const { queryId } = this.document;
    if (queryId === null) return Promise.resolve(null);
    this.#rows ??= this.#options.deps.executions.rows(queryId).then((rows) => rows && byQuestion(rows));
    this.#rows.catch(() => (this.#rows = null));
    return this.#rows;
  }
  /** Resolves with the next change. */
  changed() {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }
  /** Reads what others have written, and drives it on where its process has died. */
  look() {
    return this.#inTurn(async () => {
      await this.#refresh();
      await this.#sync();
    });
  }
  /** Says in the document what this process wants, does and takes over, where that is not said yet. */
  sync() {
    return this.#inTurn(() => this.#sync());
  }
  /** Leaves for good: what nobody else wants is stopped, the rest is left to others. */
  async close() {
    this.#closing = true;
    this.#waiters = 0;
    await this.sync().catch(() => {});
    if (!isOver(this.document)) this.#driving?.stopped.abort();
    await this.#driving?.done;
  }
  get #key() {
    return executionKey(this.#options.scope, this.#options.id);
  }
  #inTurn(work) {
    this.#turns++;
    const turn = this.#last.then(work, work);
    const after = () => {
      this.#turns--;
      this.#goIfIdle();
    };
    this.#last = turn.then(after, after);
    return turn;
  }
  /** What this process drives, no other one writes, but to end it. */
  async #refresh() {
    if (this.isOurs && this.#driving !== null) return;
    const found2 = await this.#options.deps.jobs.get(this.#key);
    if (found2 !== null) this.#learn(found2);
  }
  async #sync() {
    if (!hasToSay(this.document, this.#stance)) return;
    const before = this.document;
    await this.#change((document) => saying(document, this.#stance));
    if (isOver(before)) return;
    if (this.document.state === "CANCELLED") await this.#stop();
    if (this.document.owner === this.#options.process) this.#drive();
  }
  async #change(edit) {
    const { deps } = this.#options;
    const changed = await change(deps, this.#key, (current) => current && edit(current), this.#known);
    if (changed !== null) this.#learn(changed);
    return this.document;
  }
  #learn(found2) {
    if (found2.revision <= this.#known.revision) return;
    this.#known = found2;
    if (!this.isOurs) this.#driving?.stopped.abort();
    if (isOver(found2.value)) this.#resolve(found2.value);
    this.#wake();
  }
  #wake() {
    for (const wake of this.#wakers.splice(0)) wake();
  }
  get #stance() {
    const { process: process2, deps } = this.#options;
    const { clock, limits } = deps;
    const { leaseMs } = limits;
    return { process: process2, waits: this.#waiters > 0, leaves: this.#closing, now: clock(), leaseMs };
  }
  async #stop() {
    const { queryId } = this.document;
    if (queryId !== null) await this.#options.deps.executions.stop(queryId).catch(() => {});
  }
  #drive() {
    if (this.#driving !== null || (this.#closing && !isOver(this.document))) return;
    const stopped2 = new AbortController();
    if (!this.isOurs) stopped2.abort();
    const done = this.#options
      .drive(this, stopped2.signal)
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#driving = null;
        void this.#inTurn(async () => {});
      });
    this.#driving = { stopped: stopped2, done };
    void this.#attend();
  }
  /** Keeps up what is said, or follows what the owner writes and takes over when it no longer does. */
  async #attend() {
    if (this.#attending) return;
    this.#attending = true;
    const { deps } = this.#options;
    let saidAt = deps.clock();
    try {
      for (let pollMs3 = firstPollMs; this.#isActive; pollMs3 = Math.min(longestPollMs, pollMs3 * 1.5)) {
        const pauseMs2 = this.#waitsForItsTurn ? deps.limits.leaseMs / 6 : pollMs3;
        await Promise.race([deps.wait(spread(pauseMs2, deps)), this.ended]);
        if (!this.#isActive) break;
        saidAt = (await this.#looked(saidAt)) ? deps.clock() : saidAt;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#attending = false;
    await this.#inTurn(async () => {});
  }
  /** Resolves to false where the store did not answer and what was said last still counts long enough to try again. */
  async #looked(saidAt) {
    const { clock, limits } = this.#options.deps;
    try {
      await this.look();
      return true;
    } catch (error) {
      const isUnanswered = error instanceof SluiceError && error.code === "BACKEND_UNAVAILABLE";
      if (!isUnanswered || clock() >= saidAt + limits.leaseMs / 3) throw error;
      return false;
    }
  }
  /** There is only what is said of it to keep up: hundreds may wait, and would keep a process busy. */
  get #waitsForItsTurn() {
    return this.#driving !== null && this.document.state === "QUEUED";
  }
  get #isActive() {
    return !isOver(this.document) && !this.#gone && (this.#waiters > 0 || this.#driving !== null);
  }
  /** After every turn: while something is to be written, whoever comes finds this attendance and no second one. */
  #goIfIdle() {
    if (this.#turns > 0 || this.#gone || this.#attending || this.#driving !== null || this.#isActive) return;
    this.#gone = true;
    this.#options.gone();
    if (!isOver(this.document)) this.#reject(errorOf(cancelled("nobody waits for it")));
  }
  #fail(error) {
    this.#reject(error);
    this.#gone = true;
    this.#driving?.stopped.abort();
    this.#wake();
    this.#options.gone();
  }
};
function byQuestion(rows) {
  const found2 = /* @__PURE__ */ new Map();
  for (const row of rows) {
    const number = Number(row[0]);
    const own = found2.get(number);
    if (own === void 0) found2.set(number, [row]);
    else own.push(row);
  }
  return found2;
}

// src/loaders/ad-hoc/budget.ts
import { LRUCache as LRUCache4 } from "lru-cache";
var Budgets = class {
  #deps;
  #documents = new LRUCache4({ max: maxDocuments });
  constructor(deps) {
    this.#deps = deps;
  }
  /** Bytes of today that may still be set aside. */
  async left(scope) {
    const { jobs, clock, limits } = this.#deps;
    const found2 = await jobs.get(budgetKey(scope, budgetDay(clock())));
    return Math.max(0, limits.bytesPerDay - used(found2?.value ?? unused));
  }
  /** Resolves to null when the bytes are set aside, or were; to what is left of the day when that is less. */
  async reserve(scope, { id, day, bytes }) {
    const { bytesPerDay } = this.#deps.limits;
    const changed = await this.#of(scope, day).change((current) => {
      const { spent, reserved } = current ?? unused;
      if (id in reserved || used({ spent, reserved }) + bytes > bytesPerDay) return current;
      return { spent, reserved: { ...reserved, [id]: bytes } };
    });
    const budget = changed?.value ?? unused;
    return id in budget.reserved ? null : { left: Math.max(0, bytesPerDay - used(budget)) };
  }
  /** Nothing is charged for what nothing is set aside for: that was never started, or is charged already. */
  async charge(scope, { id, day, bytes }) {
    await this.#of(scope, day).change((current) => {
      if (current === null || !(id in current.reserved)) return current;
      const { [id]: _estimate, ...reserved } = current.reserved;
      return { spent: current.spent + bytes, reserved };
    });
  }
  #of(scope, day) {
    const key = budgetKey(scope, day);
    const known3 = this.#documents.get(itemId(key)) ?? new SharedDocument(this.#deps, key);
    this.#documents.set(itemId(key), known3);
    return known3;
  }
};
var maxDocuments = 1e3;
var unused = { spent: 0, reserved: {} };
function used({ spent, reserved }) {
  return Object.values(reserved).reduce((sum2, bytes) => sum2 + bytes, spent);
}

// src/loaders/ad-hoc/driver.ts
var firstPollMs2 = 20;
var longestPollMs2 = 500;
var pollGrowth = 1.5;
var maxRetries = 6;
var firstRetryMs = 250;
var maxBlindPolls = 20;
var maxFinalPolls = 40;
var progressMs = 1e3;
var Driver = class {
  #deps;
  #slots;
  #budgets;
  constructor(deps, slots) {
    this.#deps = deps;
    this.#budgets = new Budgets(deps);
    this.#slots = slots;
  }
  /** Resolves when it is over and settled, or is not this process's to drive any more. */
  async drive(attendance, signal) {
    try {
      if (!isOver(attendance.document)) await this.#run(attendance, signal);
      if (isOver(attendance.document)) await this.settle(attendance);
    } finally {
      this.#slots.leave(attendance.id);
    }
  }
  /** Charges what is over and frees its slot. Idempotent. */
  async settle(attendance) {
    const { id, scope, document } = attendance;
    const bytes = await this.#bytesOf(id, document);
    await this.#budgets.charge(scope, { id, day: budgetDay(document.submittedAt), bytes });
    if (bytes !== document.bytesScanned)
      await attendance.change((current) => ({ ...current, bytesScanned: bytes }));
    await this.#slots.free(id);
  }
  /** An execution that nobody knows any more. */
  async forget(id) {
    await this.#slots.free(id);
  }
  async #run(attendance, signal) {
    const { id, scope } = attendance;
    if (attendance.document.startedAt !== null) await this.#slots.keep(scope, id);
    else if (!(await this.#slots.take(scope, id, signal))) return;
    if (!(await this.#isAffordable(attendance))) return;
    const { clock } = this.#deps;
    await attendance.change((document) =>
      isOver(document) ? document : { ...document, startedAt: document.startedAt ?? clock() },
    );
    if (!attendance.isOurs) return;
    const queryId = attendance.document.queryId ?? (await this.#start(attendance, signal));
    if (queryId === null) return;
    const named3 = attendance.change((document) => ({
      ...document,
      queryId,
      ...(!isOver(document) && { state: "RUNNING" }),
    }));
    await Promise.all([named3, this.#follow(attendance, queryId, signal)]);
  }
  async #isAffordable(attendance) {
    const { id, scope, document } = attendance;
    const { estimate, submittedAt } = document;
    const refusal = await this.#budgets.reserve(scope, { id, day: budgetDay(submittedAt), bytes: estimate });
    if (refusal === null) return true;
    await attendance.end(overBudget(estimate, refusal.left, this.#deps.limits.bytesPerDay));
    return false;
  }
  /** Null when it is not this process's to drive any more, or has ended in not being started. */
  async #start(attendance, signal) {
    for (let retry = 0; !signal.aborted; retry++) {
      try {
        return await this.#deps.executions.start(attendance.document, attendance.id);
      } catch (error) {
        if (!isTransient(error) || retry === maxRetries) {
          const mayRun = isCode(error, "BACKEND_UNAVAILABLE");
          await attendance.end({ ...broken(error), ...(!mayRun && { startedAt: null }) });
          return null;
        }
        await this.#deps.wait(spread(firstRetryMs * 2 ** retry, this.#deps), signal);
      }
    }
    return null;
  }
  async #follow(attendance, queryId, signal) {
    const { wait, limits, clock } = this.#deps;
    const deadline = attendance.document.startedAt + limits.maxRunMs;
    let writtenAt = clock();
    let blind = 0;
    for (
      let pollMs3 = firstPollMs2;
      !signal.aborted;
      pollMs3 = Math.min(longestPollMs2, pollMs3 * pollGrowth)
    ) {
      const status = await this.#look(queryId);
      blind = status instanceof SluiceError ? blind + 1 : 0;
      const ending2 = endingOf(status, blind) ?? (clock() >= deadline ? timedOut(limits.maxRunMs) : null);
      if (ending2 !== null) {
        await attendance.end(ending2);
        return;
      }
      if (status !== null && !(status instanceof SluiceError))
        attendance.tell(progressOf(status, attendance.document));
      if (clock() >= writtenAt + progressMs) {
        writtenAt = clock();
        await attendance
          .change((document) => (isOver(document) ? document : { ...document }))
          .catch(() => {});
      }
      await wait(pollMs3, signal);
    }
  }
  /** How it stands; null where Athena is too busy to say, the error where it cannot. */
  async #look(queryId) {
    try {
      return await this.#deps.executions.look(queryId);
    } catch (error) {
      if (error instanceof SluiceError) return error;
      throw error;
    }
  }
  /** What an execution that is over has scanned. What may still run, in whatever state it was left, is stopped first. */
  async #bytesOf(id, document) {
    const { state, startedAt, bytesScanned } = document;
    if (startedAt === null) return 0;
    if (state === "SUCCEEDED") return bytesScanned ?? 0;
    const { executions, wait } = this.#deps;
    try {
      const queryId = document.queryId ?? (await executions.start(document, id));
      await executions.stop(queryId);
      for (let poll = 0; poll < maxFinalPolls; poll++) {
        const status = await executions.look(queryId);
        if (status !== null && hasEnded(status)) return status.bytesScanned;
        await wait(Math.min(longestPollMs2, firstPollMs2 * pollGrowth ** poll));
      }
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
    }
    return bytesScanned ?? document.estimate;
  }
};
function isCode(error, code2) {
  return error instanceof SluiceError && error.code === code2;
}
function isTransient(error) {
  return isCode(error, "AD_HOC_THROTTLED") || isCode(error, "BACKEND_UNAVAILABLE");
}
function hasEnded({ state }) {
  return state !== "QUEUED" && state !== "RUNNING";
}
function endingOf(status, blind) {
  if (status === null) return null;
  if (status instanceof SluiceError)
    return isTransient(status) && blind <= maxBlindPolls ? null : broken(status);
  const { state, reason, bytesScanned } = status;
  if (state === "FAILED") return { ...failed(reason), bytesScanned };
  if (state === "CANCELLED") return { ...cancelled(reason), bytesScanned };
  if (state === "SUCCEEDED") return { state, error: null, reason: null, bytesScanned, progress: 1 };
  return null;
}
function progressOf({ bytesScanned }, { estimate }) {
  return { bytesScanned, progress: estimate === 0 ? null : Math.min(0.99, bytesScanned / estimate) };
}

// src/loaders/ad-hoc/queue.ts
var FairQueue = class {
  /** The tenant whose turn is next stands first. */
  #lines = /* @__PURE__ */ new Map();
  join(tenant, entry) {
    const line = this.#lines.get(tenant);
    if (line === void 0) this.#lines.set(tenant, [entry]);
    else line.push(entry);
  }
  /** Takes the next entry out; its tenant is last from then on. Null when nobody waits. */
  next() {
    const [first] = this.#lines;
    if (first === void 0) return null;
    const [tenant, line] = first;
    const entry = line.shift();
    this.#lines.delete(tenant);
    if (line.length > 0) this.#lines.set(tenant, line);
    return entry;
  }
};

// src/loaders/ad-hoc/slots.ts
var none = { holders: {}, waiting: {} };
var firstPollMs3 = 50;
var longestPollMs3 = 500;
var patienceMs = 1e3;
var waitingMs = 5e3;
var Slots = class {
  #deps;
  #process;
  #lookAfter;
  #document;
  #queue = new FairQueue();
  /** Holders that this process speaks for. */
  #own = /* @__PURE__ */ new Set();
  #lookedAfter = /* @__PURE__ */ new Set();
  #freed = new AbortController();
  #serving = false;
  #renewing = false;
  /** `lookAfter` is told of executions whose holder has not renewed their slot. */
  constructor(deps, process2, lookAfter) {
    this.#deps = deps;
    this.#process = process2;
    this.#lookAfter = lookAfter;
    this.#document = new SharedDocument(deps, slotsKey);
  }
  /** Resolves to true when the execution has a slot, to false as soon as the signal is aborted. */
  take(scope, id, signal) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return resolve(false);
      signal.addEventListener("abort", () => resolve(false), { once: true });
      this.#queue.join(scope.tenant, { scope, id, signal, resolve, reject });
      void this.#serve();
    });
  }
  /** The slot of an execution that may be at Athena already: it is taken, whatever others hold. */
  async keep(scope, id) {
    await this.#change(({ holders, waiting }) => ({
      holders: { ...holders, [id]: this.#holder(scope) },
      waiting,
    }));
    this.#holds(id);
  }
  async free(id) {
    this.leave(id);
    await this.#change((slots) => {
      if (!(id in slots.holders)) return slots;
      const { [id]: _freed, ...holders } = slots.holders;
      return { ...slots, holders };
    });
    this.#freed.abort();
    this.#freed = new AbortController();
  }
  /** This process no longer speaks for the holder; another one does, or will look after it. */
  leave(id) {
    this.#own.delete(id);
  }
  async #serve() {
    if (this.#serving) return;
    this.#serving = true;
    for (let entry = this.#nextWaiting(); entry !== null; ) {
      const left = !(await this.#seat(entry));
      entry = this.#nextWaiting();
      if (!left || entry !== null) continue;
      await this.#leaveLine().catch(() => {});
      entry = this.#nextWaiting();
    }
    this.#serving = false;
  }
  #nextWaiting() {
    let entry = this.#queue.next();
    while (entry?.signal.aborted) entry = this.#queue.next();
    return entry;
  }
  /** Resolves to false when it has left before. */
  async #seat({ scope, id, signal, resolve, reject }) {
    try {
      for (let pollMs3 = firstPollMs3; !signal.aborted; pollMs3 = Math.min(longestPollMs3, pollMs3 * 2)) {
        const freed = this.#freed.signal;
        if (await this.#tryToTake(scope, id)) {
          resolve(true);
          return true;
        }
        await this.#deps.wait(spread(pollMs3, this.#deps), AbortSignal.any([signal, freed]));
      }
    } catch (error) {
      reject(error);
    }
    return false;
  }
  async #tryToTake(scope, id) {
    const { holders } = await this.#change((slots) => this.#taken(slots, scope, id));
    if (id in holders) {
      this.#holds(id);
      return true;
    }
    for (const [other, holder] of Object.entries(holders))
      if (holder.until <= this.#deps.clock()) this.#reclaim(other, holder);
    return false;
  }
  /** With a slot for the execution where there is room and no other process's turn; else with this process in line. */
  #taken(slots, scope, id) {
    const { clock, limits } = this.#deps;
    const now = clock();
    const { [this.#process]: own, ...others } = living(slots.waiting, now);
    const hasRoom = id in slots.holders || Object.keys(slots.holders).length < limits.concurrency;
    const isTurnOf = ({ since }) => since + patienceMs <= now && since < (own?.since ?? now);
    if (hasRoom && !Object.values(others).some(isTurnOf))
      return { holders: { ...slots.holders, [id]: this.#holder(scope) }, waiting: others };
    if (own !== void 0 && own.until > now + waitingMs / 2) return slots;
    const waiter = { since: own?.since ?? now, until: now + waitingMs };
    return { ...slots, waiting: { ...others, [this.#process]: waiter } };
  }
  async #leaveLine() {
    await this.#change((slots) => {
      if (!(this.#process in slots.waiting)) return slots;
      const { [this.#process]: _own, ...waiting } = slots.waiting;
      return { ...slots, waiting };
    });
  }
  #reclaim(id, { tenant }) {
    if (this.#lookedAfter.has(id)) return;
    this.#lookedAfter.add(id);
    this.#lookAfter({ tenant }, id)
      .catch(() => {})
      .finally(() => this.#lookedAfter.delete(id));
  }
  #holds(id) {
    this.#own.add(id);
    void this.#renew();
  }
  async #renew() {
    if (this.#renewing) return;
    this.#renewing = true;
    while (this.#own.size > 0) {
      await this.#deps.wait(this.#deps.limits.leaseMs / 3);
      await this.#change((slots) => this.#renewed(slots)).catch(() => {});
    }
    this.#renewing = false;
  }
  #renewed(slots) {
    const soon = this.#deps.clock() + (5 / 3) * this.#deps.limits.leaseMs;
    const due = Object.entries(slots.holders).filter(([id, { until }]) => this.#own.has(id) && until <= soon);
    if (due.length === 0) return slots;
    const renewed = due.map(([id, { tenant }]) => [id, this.#holder({ tenant })]);
    return { ...slots, holders: { ...slots.holders, ...Object.fromEntries(renewed) } };
  }
  /** Longer than the lease of an owner: whoever wants the execution takes it over with its slot. */
  #holder({ tenant }) {
    return { tenant, until: this.#deps.clock() + 2 * this.#deps.limits.leaseMs };
  }
  async #change(edit) {
    const changed = await this.#document.change((current) => {
      const slots = edit(current ?? none);
      return slots === none ? null : slots;
    });
    return changed?.value ?? none;
  }
};
function living(waiting, now) {
  return Object.fromEntries(Object.entries(waiting).filter(([, { until }]) => until > now));
}

// src/loaders/ad-hoc/attendances.ts
var Attendances = class {
  #deps;
  #process;
  #driver;
  #attended = /* @__PURE__ */ new Map();
  constructor(deps) {
    this.#deps = deps;
    this.#process = deps.token();
    this.#driver = new Driver(
      deps,
      new Slots(deps, this.#process, (scope, id) => this.#lookAfter(scope, id)),
    );
  }
  /** Null when the tenant has no such execution. */
  async of(scope, id) {
    const key = itemId(executionKey(scope, id));
    const known3 = this.#attended.get(key);
    if (known3 !== void 0) return known3;
    const found2 = await this.#deps.jobs.get(executionKey(scope, id));
    if (found2 === null) return null;
    return this.#attended.get(key) ?? this.#attend(scope, id, found2);
  }
  /** A new execution of this process, to be held by whoever asked for it. */
  async create(scope, id, execution) {
    const { jobs, clock, limits } = this.#deps;
    const now = clock();
    const until = now + limits.leaseMs;
    const document = {
      tenant: scope.tenant,
      ...execution,
      state: "QUEUED",
      queryId: null,
      owner: this.#process,
      ownerUntil: until,
      interest: { [this.#process]: until },
      pendingUntil: null,
      submittedAt: now,
      startedAt: null,
      bytesScanned: null,
      progress: null,
      error: null,
      reason: null,
    };
    const revision = await jobs.put(executionKey(scope, id), document, null, expiryOf(now));
    if (revision === null) throw new TypeError(`An execution "${id}" was there before it was made.`);
    return this.#attend(scope, id, { value: document, revision });
  }
  async close() {
    await Promise.all([...this.#attended.values()].map((attendance) => attendance.close()));
  }
  #attend(scope, id, found2) {
    const key = itemId(executionKey(scope, id));
    const attendance = new Attendance({
      deps: this.#deps,
      process: this.#process,
      scope,
      id,
      found: found2,
      drive: (driven, signal) => this.#driver.drive(driven, signal),
      gone: () => {
        if (this.#attended.get(key) === attendance) this.#attended.delete(key);
      },
    });
    if (!isOver(found2.value)) this.#attended.set(key, attendance);
    return attendance;
  }
  /** An execution whose slot nobody renews: it is driven on, or settled where only that is missing. */
  async #lookAfter(scope, id) {
    const attendance = await this.of(scope, id);
    if (attendance === null) await this.#driver.forget(id);
    else if (isOver(attendance.document)) await this.#driver.settle(attendance);
    else await attendance.sync();
  }
};

// src/loaders/ad-hoc/questions.ts
import { createHash as createHash4 } from "node:crypto";

// src/sql/estimate.ts
var widths = {
  boolean: 1,
  int: 8,
  float: 8,
  datetime: 8,
  string: 16,
};
function estimateBytes(source, properties, partitions) {
  const read2 = widthOf(readColumns2(source, properties));
  const share = read2 / widthOf(source.ownColumns);
  let bytes = 0;
  for (const partition2 of partitions)
    bytes += partition2.bytes === void 0 ? partition2.rows * read2 : partition2.bytes * share;
  return Math.ceil(bytes);
}
function readColumns2({ ownColumns, lookups, time }, properties) {
  const used2 = /* @__PURE__ */ new Set([time.property, ...properties]);
  for (const { on, take } of lookups)
    if (take.some(({ column }) => used2.has(column.property)))
      for (const { property } of on) used2.add(property);
  return ownColumns.filter(({ property }) => used2.has(property));
}
function widthOf(columns2) {
  return columns2.reduce((sum2, { type }) => sum2 + widths[type], 0);
}

// src/loaders/ad-hoc/questions.ts
async function pose(scope, ask3, lookups) {
  const { source, question } = ask3;
  const aggregates = sorted(ask3.aggregates);
  const alone = adHocStatement(source, [question], aggregates);
  const properties = usedProperties([question], aggregates);
  const partitions = await ask3.partitions(question.range);
  const read2 = [versionOf(partitions), await lookups.of(source, properties)];
  const { sql, parameters } = alone;
  const id = digest([scope.tenant, source.database, sql, parameters, question, read2]);
  return { id, source, partitions, properties, question, aggregates, alone };
}
function sorted(aggregates) {
  const byId = new Map(aggregates.map((aggregate) => [aggregateId(aggregate), aggregate]));
  return [...byId].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, aggregate]) => aggregate);
}
var versions = /* @__PURE__ */ new WeakMap();
function versionOf(partitions) {
  const known3 = versions.get(partitions);
  if (known3 !== void 0) return known3;
  const read2 = Object.entries(partitions).map(([value, { fingerprint }]) => `${value} ${fingerprint}`);
  const version = digest(read2.sort());
  versions.set(partitions, version);
  return version;
}
function digest(parts) {
  return createHash4("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 40);
}
var maxQuestions = 200;
var maxTextBytes = 24e4;
var maxStatementBytes = 33e4;
function groupsOf(posed, bytesLeft = Infinity) {
  const isAffordable = (group) => estimateOf(group) <= bytesLeft;
  return bySource(posed).flatMap((group) => [
    ...fitting(
      group.filter((each) => isAffordable([each])),
      isAffordable,
    ),
    ...fitting(
      group.filter((each) => !isAffordable([each])),
      () => true,
    ),
  ]);
}
function bySource(posed) {
  const groups = /* @__PURE__ */ new Map();
  for (const each of posed) {
    const group = groups.get(each.source);
    if (group === void 0) groups.set(each.source, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}
function fitting(group, isAffordable) {
  if (group.length === 0) return [];
  if (group.length === 1) return [group];
  if (group.length <= maxQuestions && isAffordable(group) && fits(textOf(group))) return [group];
  const half = Math.ceil(group.length / 2);
  return [group.slice(0, half), group.slice(half)].flatMap((part) => fitting(part, isAffordable));
}
function fits({ sql, parameters }) {
  const bytes = Buffer.byteLength(JSON.stringify([sql, parameters]));
  return Buffer.byteLength(sql) <= maxTextBytes && bytes <= maxStatementBytes;
}
function checkSize({ alone }) {
  if (fits(alone)) return;
  throw new UserInputError(
    `A question fits into a statement of ${maxTextBytes} bytes, its values included into ${maxStatementBytes}. This one has more. Ask with fewer values in its filters.`,
  );
}
function textOf(group) {
  const [first] = group;
  if (group.length === 1) return first.alone;
  return adHocStatement(
    first.source,
    group.map(({ question }) => question),
    sorted(group.flatMap(({ aggregates }) => aggregates)),
  );
}
function executionOf(group) {
  return {
    ...textOf(group),
    database: group[0].source.database,
    questions: group.map(({ id }) => id),
    estimate: estimateOf(group),
  };
}
function estimateOf(group) {
  const partitions = new Map(group.flatMap((each) => Object.entries(each.partitions)));
  const properties = group.flatMap((each) => each.properties);
  return estimateBytes(group[0].source, properties, partitions.values());
}

// src/loaders/ad-hoc/turnstile.ts
var Turnstile = class {
  #free;
  #waiting = new FairQueue();
  constructor(places) {
    this.#free = places;
  }
  async pass(tenant, work) {
    if (this.#free > 0) this.#free--;
    else await new Promise((resolve) => this.#waiting.join(tenant, resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.next();
      if (next === null) this.#free++;
      else next();
    }
  }
};

// src/loaders/ad-hoc/claims.ts
var firstPollMs4 = 25;
var longestPollMs4 = 500;
var requestsAtATime = 4;
var stays = new AbortController().signal;
var Claims = class {
  #deps;
  #attendances;
  #answers;
  #budgets;
  /** Requests that come by the hundred are settled a few at a time: what is stored is answered in between. */
  #turnstile = new Turnstile(requestsAtATime);
  /** By question: what is being looked for, or attended here. */
  #places = /* @__PURE__ */ new Map();
  constructor(deps, attendances, answers) {
    this.#deps = deps;
    this.#attendances = attendances;
    this.#answers = answers;
    this.#budgets = new Budgets(deps);
  }
  /**
   * For each question the execution that answers it, or has. Whoever waits for it joins it at once. One that all have left
   * who asked is not claimed any more.
   */
  places(scope, posed, asker = stays) {
    const opened2 = [];
    const places = posed.map((each) => {
      const known3 = this.#places.get(each.id);
      const open = known3 ?? openPlace(each);
      open.askers.add(asker);
      if (known3 !== void 0) return open.place;
      opened2.push(open);
      this.#places.set(each.id, open);
      this.#forgetInTime(each.id, open.place);
      return open.place;
    });
    this.#settle(scope, opened2).catch((error) => opened2.forEach(({ reject }) => reject(error)));
    return places;
  }
  /** It is looked for again next time. */
  forget(question, place) {
    if (this.#places.get(question)?.place === place) this.#places.delete(question);
  }
  #forgetInTime(question, place) {
    const forget = () => this.forget(question, place);
    place.then((attendance) => attendance.ended).then(forget, forget);
  }
  async #settle(scope, opened2) {
    let open = opened2;
    for (let pollMs3 = firstPollMs4; open.length > 0; pollMs3 = Math.min(longestPollMs4, pollMs3 * 2)) {
      const left = open;
      open = await this.#turnstile.pass(scope.tenant, () => this.#settled(scope, this.#wanted(left)));
      if (open.length > 0) await this.#deps.wait(spread(pollMs3, this.#deps));
    }
  }
  /** Those that somebody waits for. */
  #wanted(open) {
    const isLeft = ({ askers }) => [...askers].every(({ aborted }) => aborted);
    for (const { posed, place, reject } of open.filter(isLeft)) {
      this.forget(posed.id, place);
      reject(errorOf(cancelled("nobody waits for it")));
    }
    return open.filter((each) => !isLeft(each));
  }
  /** Resolves to those that others have claimed a moment ago. */
  async #settled(scope, open) {
    const attended = /* @__PURE__ */ new Map();
    const free = [];
    const claimed = [];
    const found2 = await Promise.all(
      open.map((each) => orRejected(each, () => this.#find(scope, each.posed, attended))),
    );
    for (const [i, each] of found2.entries())
      if (each?.kind === "attended") handOver(open[i], each.attendance);
      else if (each?.kind === "free") free.push({ open: open[i], claim: each.claim });
      else if (each?.kind === "claimed") claimed.push(open[i]);
    return [...claimed, ...(await this.#claim(scope, free))];
  }
  /** `attended`: executions that were found in this round, by id: many questions have one. */
  async #find(scope, posed, attended) {
    const { jobs, clock, limits } = this.#deps;
    const claim = await jobs.get(questionKey(scope, posed.id));
    if (claim === null) return { kind: "free", claim };
    const { execution, claimedAt } = claim.value;
    const known3 = attended.get(execution) ?? this.#attendances.of(scope, execution);
    attended.set(execution, known3);
    const attendance = await known3;
    if (attendance === null)
      return claimedAt + limits.claimMs <= clock() ? { kind: "free", claim } : { kind: "claimed" };
    if (!(await attendance.join()))
      return isOver(attendance.document) ? { kind: "free", claim } : { kind: "claimed" };
    const isReadable = await this.#isReadable(posed, attendance).catch((error) => {
      attendance.leave();
      throw error;
    });
    if (isReadable) return { kind: "attended", attendance };
    attendance.leave();
    return { kind: "free", claim };
  }
  async #isReadable(posed, attendance) {
    const { state, questions: questions2 } = attendance.document;
    if (!questions2.includes(posed.id)) return false;
    return state !== "SUCCEEDED" || (await this.#answers.read(posed, attendance)) !== null;
  }
  /** Resolves to those that others were faster with. */
  async #claim(scope, free) {
    const byPosed = new Map(free.map((each) => [each.open.posed, each]));
    const bytesLeft = free.length > 1 ? await this.#bytesLeft(scope) : Infinity;
    const groups = groupsOf([...byPosed.keys()], bytesLeft);
    const lost = await Promise.all(
      groups.map(async (group) => {
        const execution = this.#deps.token();
        const won = await Promise.all(
          group.map((posed) => {
            const { open, claim } = byPosed.get(posed);
            return orRejected(open, () => this.#claimFor(scope, execution, posed, claim));
          }),
        );
        const mine = group.filter((_, i) => won[i]);
        if (mine.length > 0) await this.#open(scope, execution, mine, byPosed);
        return group.filter((_, i) => won[i] === false);
      }),
    );
    return lost.flat().map((posed) => byPosed.get(posed).open);
  }
  /** How the questions are put together goes by it, no more: where it is not known, by their size alone. */
  #bytesLeft(scope) {
    return this.#budgets.left(scope).catch(() => Infinity);
  }
  async #claimFor(scope, execution, { id }, found2) {
    const now = this.#deps.clock();
    const claim = {
      execution,
      attempt: (found2?.value.attempt ?? 0) + 1,
      claimedAt: now,
    };
    const { jobs } = this.#deps;
    return (await jobs.put(questionKey(scope, id), claim, found2?.revision ?? null, expiryOf(now))) !== null;
  }
  async #open(scope, id, group, opens) {
    const attendance = await this.#attendances.create(scope, id, executionOf(group));
    for (const posed of group) {
      attendance.hold();
      handOver(opens.get(posed).open, attendance);
    }
  }
};
function openPlace(posed) {
  let resolve;
  let reject;
  const place = new Promise((...settle3) => ([resolve, reject] = settle3));
  place.catch(() => {});
  return { posed, askers: /* @__PURE__ */ new Set(), place, resolve, reject };
}
async function orRejected({ reject }, work) {
  return work().catch((error) => {
    reject(error);
    return void 0;
  });
}
function handOver({ resolve }, attendance) {
  resolve(attendance);
  setImmediate(() => attendance.leave());
}

// src/loaders/ad-hoc/lookup-versions.ts
var maxAgeMs = 1e3;
var LookupVersions = class {
  #options;
  #known = /* @__PURE__ */ new Map();
  constructor(options) {
    this.#options = options;
  }
  /**
   * Of the tables that columns (by property) are looked up in. While a version is not yet registered, nobody knows which
   * one a statement reads: that counts as a version of its own.
   */
  of(source, properties) {
    const used2 = source.lookups.filter(({ take }) =>
      take.some(({ column }) => properties.includes(column.property)),
    );
    return Promise.all(lookupTables(used2).map((table) => this.#version(source, table)));
  }
  #version(source, table) {
    const { control, clock } = this.#options;
    const key = lookupKey(source, table);
    const known3 = this.#known.get(itemId(key));
    if (known3 !== void 0 && Math.abs(clock() - known3.at) < maxAgeMs) return known3.version;
    const version = control.get(key).then((found2) => {
      if (found2 === null) return `${table.id} none`;
      const { folder: folder2, registered: registered2 } = found2.value;
      return `${table.id} ${folder2} ${registered2}`;
    });
    this.#known.set(itemId(key), { at: clock(), version });
    version.catch(() => this.#known.delete(itemId(key)));
    return version;
  }
};

// src/loaders/ad-hoc/jobs.ts
var executionId = /^[\w-]{1,128}$/;
var AdHocJobs = class {
  #deps;
  #answers;
  #attendances;
  #claims;
  #lookups;
  /** One error for all who waited for an execution: it is logged once. */
  #errors = /* @__PURE__ */ new WeakMap();
  /** When requests asked for the first time. */
  #beginnings = /* @__PURE__ */ new WeakMap();
  constructor(deps) {
    this.#deps = deps;
    this.#answers = new Answers(deps.limits.cachedCells);
    this.#attendances = new Attendances(deps);
    this.#claims = new Claims(deps, this.#attendances, this.#answers);
    this.#lookups = new LookupVersions(deps);
  }
  /** In the order asked: the answer, or the error of a question (`AdHocPendingError` with the id of its job). */
  async answer(scope, asks, wait) {
    const deadline = this.#began(wait) + wait.waitMs;
    const posed = await Promise.all(asks.map((ask3) => this.#pose(scope, ask3).catch(asError)));
    const open = posed.flatMap((each) =>
      each instanceof Error || this.#answers.get(each.id) !== void 0 ? [] : [each],
    );
    const places = this.#claims.places(scope, open, wait.signal);
    const placed = new Map(open.map((each, i) => [each, places[i]]));
    return Promise.all(
      posed.map(async (each) =>
        each instanceof Error
          ? each
          : this.#answer(scope, each, placed.get(each), deadline, wait.signal).catch(asError),
      ),
    );
  }
  /** Null for what is not there, or is another tenant's. A job whose process has died goes on, or is CANCELLED. */
  async job(scope, id) {
    const attendance = await this.#attendance(scope, id);
    if (attendance === null) return null;
    await attendance.look();
    return jobOf(id, attendance.document);
  }
  /** Stops the job, whoever waits for it. Resolves to how it ended, also when that was before; null as for `job`. */
  async cancel(scope, id) {
    const attendance = await this.#attendance(scope, id);
    return attendance && jobOf(id, await attendance.cancel());
  }
  /**
   * The job now and whenever it has changed, its end last; nothing where `job` is null. Whoever follows it counts as
   * waiting for it, until the iteration ends or is returned from.
   */
  watch(scope, id) {
    const left = new AbortController();
    const updates = this.#updates(scope, id, left.signal);
    return {
      next: () => updates.next(),
      return: () => {
        left.abort();
        return updates.return(void 0);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
  /** Leaves what it waits for, stops what nobody else wants, and leaves the rest to other processes. */
  close() {
    return this.#attendances.close();
  }
  #began({ request = {} }) {
    const began = this.#beginnings.get(request) ?? this.#deps.clock();
    this.#beginnings.set(request, began);
    return began;
  }
  async #pose(scope, ask3) {
    const posed = await pose(scope, ask3, this.#lookups);
    checkSize(posed);
    return posed;
  }
  async #answer(scope, posed, placed, deadline, signal) {
    for (let place = placed; ; place = void 0) {
      const known3 = this.#answers.get(posed.id);
      if (known3 !== void 0) return known3;
      place ??= this.#claims.places(scope, [posed], signal)[0];
      const attendance = await unlessLeft(place, signal);
      if (await attendance.join())
        try {
          return await this.#answerOf(posed, attendance, deadline, signal);
        } finally {
          attendance.leave();
        }
      this.#claims.forget(posed.id, place);
    }
  }
  async #answerOf(posed, attendance, deadline, signal) {
    await this.#untilOver(attendance, deadline, signal);
    if (!isOver(attendance.document)) {
      if (signal?.aborted) throw errorOf(cancelled("nobody waits for it"));
      if (!isOver(await attendance.lease())) throw new AdHocPendingError(attendance.id);
    }
    if (attendance.document.state !== "SUCCEEDED") throw this.#errorOf(attendance.document);
    const answer = await this.#answers.read(posed, attendance);
    if (answer === null) throw errorOf(failed("Athena no longer has the result."));
    return answer;
  }
  /** Resolves when it is over, or the wait is. */
  async #untilOver(attendance, deadline, signal) {
    const done = new AbortController();
    const until = signal === void 0 ? done.signal : AbortSignal.any([done.signal, signal]);
    try {
      for (;;) {
        const left = deadline - this.#deps.clock();
        if (isOver(attendance.document) || until.aborted || left <= 0) return;
        await Promise.race([attendance.ended, this.#deps.wait(left, until)]);
      }
    } finally {
      done.abort();
    }
  }
  #errorOf(document) {
    const error = this.#errors.get(document) ?? errorOf(document);
    this.#errors.set(document, error);
    return error;
  }
  async #attendance(scope, id) {
    return executionId.test(id) ? this.#attendances.of(scope, id) : null;
  }
  async *#updates(scope, id, left) {
    let attendance = await this.#attendance(scope, id);
    let joined = false;
    while (attendance !== null && !(joined = await attendance.join()) && !isOver(attendance.document))
      attendance = await this.#attendance(scope, id);
    if (attendance === null) return;
    const leaving = new Promise((resolve) => left.addEventListener("abort", () => resolve()));
    try {
      for (let shown = ""; !left.aborted; ) {
        const changed = attendance.changed();
        const job = jobOf(id, attendance.document);
        if (JSON.stringify(job) !== shown) yield job;
        shown = JSON.stringify(job);
        if (isOver(job)) return;
        await Promise.race([changed, attendance.ended, leaving]);
      }
    } finally {
      if (joined) attendance.leave();
    }
  }
};
function unlessLeft(found2, signal) {
  return signal === void 0 ? found2 : Promise.race([found2, parting(signal)]);
}
var partings = /* @__PURE__ */ new WeakMap();
function parting(signal) {
  const known3 = partings.get(signal);
  if (known3 !== void 0) return known3;
  const left = new Promise((_, reject) => {
    const leave = () => reject(errorOf(cancelled("nobody waits for it")));
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
  });
  left.catch(() => {});
  partings.set(signal, left);
  return left;
}
function asError(error) {
  return error instanceof Error ? error : new Error(String(error));
}

// src/loaders/ad-hoc/limits.ts
var adHocLimits = Object.freeze({
  concurrency: 5,
  bytesPerDay: 2 ** 40,
  pendingMs: 5 * 6e4,
  maxRunMs: 30 * 6e4,
  // Athena's own limit of a DML statement
  leaseMs: 3e4,
  claimMs: 5e3,
  cachedCells: 2e6,
});

// src/loaders/live-status.ts
var defaultMaxAgeMs = 1e3;
var LiveStatus = class {
  #control;
  #clock;
  #maxAgeMs;
  #streams = /* @__PURE__ */ new Map();
  constructor(options) {
    this.#control = options.control;
    this.#clock = options.clock;
    this.#maxAgeMs = options.maxAgeMs ?? defaultMaxAgeMs;
  }
  /** Takes in what a micro-batch has just announced; to be called before subscribers are told. */
  observe(update) {
    const status = this.#status(update.stream);
    const { shard, arrival, newest: newest2 } = update;
    const known3 = status.shards.get(shard);
    const sequence = known3?.sequence ?? "";
    this.#advance(status, shard, { ...known3, sequence, arrival, newest: newest2 });
  }
  /** What has been applied for a product, or null while nothing has. */
  async view(product2) {
    const { stream } = product2.source;
    if (stream === null) return null;
    const status = await this.#read(stream);
    const shards = [...status.shards.values()];
    const from2 = await this.#start(status, product2);
    if (from2 === null || shards.every(({ sequence }) => sequence === null)) return null;
    const open = shards.filter(({ ended: ended2 }) => ended2 !== true);
    const arrivals = (open.length > 0 ? open : shards).map(({ arrival }) => arrival);
    const newest2 = shards.flatMap((shard) => shard.newest ?? []);
    return {
      live: {
        from: Math.max(from2, ...shards.flatMap((shard) => missedUntil(shard, product2) ?? [])),
        to: Math.min(...arrivals) - stream.latenessMs - stream.skewMs,
      },
      newest: newest2.length === 0 ? null : Math.max(...newest2),
    };
  }
  #start({ starts }, product2) {
    const key = liveStartKey(product2);
    const id = itemId(key);
    const known3 = starts.get(id);
    if (known3 !== void 0) return known3;
    const start2 = this.#control.get(key).then((found2) => found2?.value.from ?? null);
    starts.set(id, start2);
    start2.catch(() => starts.get(id) === start2 && starts.delete(id));
    return start2;
  }
  async #read(stream) {
    const status = this.#status(stream.name);
    if (this.#clock() - status.readAt >= this.#maxAgeMs) {
      status.readAt = this.#clock();
      status.reading = this.#readCheckpoints(stream, status);
      status.reading.catch(() => (status.readAt = Number.NEGATIVE_INFINITY));
    }
    await status.reading;
    return status;
  }
  async #readCheckpoints(stream, status) {
    const checkpoints = await this.#control.list(checkpointKey(stream, "").pk);
    for (const { sk, value } of checkpoints) this.#advance(status, sk, value);
    status.starts.clear();
  }
  /** Progress never goes back: a checkpoint may have been read before a broadcast that overtook it. */
  #advance(status, shard, seen) {
    const known3 = status.shards.get(shard);
    const newest2 = [known3?.newest, seen.newest].filter((at) => at != null);
    status.shards.set(shard, {
      ...seen,
      sequence: seen.sequence ?? known3?.sequence ?? null,
      arrival: Math.max(known3?.arrival ?? seen.arrival, seen.arrival),
      newest: newest2.length === 0 ? null : Math.max(...newest2),
    });
  }
  #status(stream) {
    const known3 = this.#streams.get(stream);
    if (known3 !== void 0) return known3;
    const status = {
      readAt: Number.NEGATIVE_INFINITY,
      reading: Promise.resolve(),
      shards: /* @__PURE__ */ new Map(),
      starts: /* @__PURE__ */ new Map(),
    };
    this.#streams.set(stream, status);
    return status;
  }
};

// src/loaders/manifests.ts
import { LRUCache as LRUCache5 } from "lru-cache";

// src/model/stored-layout.ts
function storedLayout(product2) {
  const { source } = product2;
  return {
    source: `${source.database}.${source.table} ${source.time.name}`,
    columns: source.columns.map((column) => lakeColumn(source, column)),
    components: product2.components.map(({ id, aggregate }) =>
      [id, ...columnsOf(aggregate).map((property) => columnText(product2, property))].join(" "),
    ),
    rollups: product2.rollups.map((rollup2) => ({
      name: rollup2.name,
      dimensions: rollup2.dimensions.map((property) => columnText(product2, property)),
      grains: rollup2.grains,
      within: rollup2.top?.within ?? null,
      gold: goldKeyColumns(product2, rollup2),
    })),
  };
}
function columnText({ source }, property) {
  const column = source.columns.find((candidate) => candidate.property === property);
  return `${property}@${lakeColumn(source, column)}`;
}
function lakeColumn({ lookups }, column) {
  const lookedUp = lookupText(lookups, column);
  return `${column.name}:${column.type}${lookedUp === null ? "" : `<-${lookedUp}`}`;
}

// src/model/serving.ts
function servingOf(product2, { shape, layout }) {
  if (shape === product2.shape) return ownServing(product2);
  const own = storedLayout(product2);
  const stored2 = layout;
  if (stored2?.source !== own.source || stored2.columns === void 0) return null;
  return otherServing(product2, own, shape, layout);
}
function ownServing(product2) {
  return {
    shape: product2.shape,
    dimensions: product2.dimensions,
    rollups: product2.rollups,
    awaited: [],
    finest: finestGrain(product2),
    stores: ({ precomputed }) => precomputed,
    isCatalogued: () => true,
    arranged: (segment) => segment,
  };
}
function otherServing(product2, own, shape, layout) {
  const positions = own.components.map((component) => layout.components.indexOf(component));
  const isStored = (id) => {
    const position = product2.components.findIndex((component) => component.id === id);
    return position >= 0 && positions[position] >= 0;
  };
  const unknown = new Set(
    product2.source.columns
      .filter((column) => !layout.columns.includes(lakeColumn(product2.source, column)))
      .map(({ property }) => property),
  );
  const found2 = product2.rollups.map((rollup2, i) => servedRollup(rollup2, own.rollups[i], layout));
  return {
    shape,
    dimensions: product2.dimensions,
    rollups: found2.filter((rollup2) => rollup2 !== null),
    awaited: product2.rollups.filter((_, i) => found2[i] === null),
    finest: storedGrains.find((grain) =>
      layout.rollups.some(({ grains: grains2 }) => grains2.includes(grain)),
    ),
    stores: ({ precomputed, expression }) =>
      precomputed && aggregatesBehind(product2, expression).every((each) => isStored(aggregateId(each))),
    isCatalogued: (property) => !unknown.has(property),
    arranged: ([indexes = [], ...columns2]) => [
      indexes,
      ...positions.map((position) => columns2[position] ?? []),
    ],
  };
}
function servedRollup(rollup2, own, { rollups: rollups2 }) {
  const stored2 = rollups2.find(
    ({ name: name2, dimensions: dimensions3 }) =>
      name2 === rollup2.name && JSON.stringify(dimensions3) === JSON.stringify(own.dimensions),
  );
  const finest = stored2?.grains[0];
  if (stored2 === void 0 || finest === void 0) return null;
  const { name, dimensions: dimensions2, live } = rollup2;
  const top = stored2.within && { n: null, within: stored2.within };
  return {
    name,
    dimensions: dimensions2,
    grains: stored2.grains,
    finest,
    live: live && finest === rollup2.finest,
    top,
  };
}

// src/loaders/segment-parts.ts
function segmentParts(page, piece) {
  const editions = page[piece.grain] ?? {};
  if (piece.grain === "DAY") return daysOverMonth(editions, piece);
  const edition = editions[piece.period];
  return edition === void 0 ? [] : [{ ...piece, edition }];
}
function daysOverMonth(editions, piece) {
  const parts = [];
  for (let index = piece.first; index < piece.end; index++) {
    const day = `${piece.period}-${String(index + 1).padStart(2, "0")}`;
    const period = day in editions ? day : piece.period;
    const edition = editions[period];
    if (edition === void 0) continue;
    const before = parts.at(-1);
    if (before?.period === period) parts[parts.length - 1] = { ...before, end: index + 1 };
    else parts.push({ grain: piece.grain, period, edition, first: index, end: index + 1 });
  }
  return parts;
}

// src/loaders/manifests.ts
var defaultMaxAgeMs2 = 1e3;
var maxPages = 1e4;
var maxRanges = 50;
var Manifests = class {
  #options;
  #current = /* @__PURE__ */ new Map();
  #pages = new LRUCache5({ max: maxPages });
  #partitions = new LRUCache5({ max: maxRanges });
  constructor(options) {
    this.#options = options;
  }
  /** The published manifest, or null when there is none yet. At most `maxAgeMs` old; concurrent readers share one read. */
  current(product2) {
    const { clock, control, maxAgeMs: maxAgeMs2 = defaultMaxAgeMs2 } = this.#options;
    const known3 = this.#current.get(product2.name);
    if (known3 !== void 0 && clock() - known3.at < maxAgeMs2) return known3.manifest;
    const manifest = control.get(manifestKey(product2)).then((found2) => found2?.value ?? null);
    this.#current.set(product2.name, { at: clock(), manifest });
    manifest.catch(() => this.#current.delete(product2.name));
    return manifest;
  }
  /** Forgets what is known of a product: a refresh has just been announced. */
  expire(product2) {
    this.#current.delete(product2);
  }
  /** The current version. Rejects when nothing is published, or nothing that this declaration could read. */
  async snapshot(product2) {
    const manifest = await this.current(product2);
    const serving = manifest && servingOf(product2, manifest);
    if (manifest === null || serving === null)
      throw new SluiceError(
        "BACKEND_UNAVAILABLE",
        `Product "${product2.name}" has no published edition ${manifest === null ? "yet" : "of its present declaration"}. Run "sluice refresh ${product2.name}".`,
      );
    return this.#snapshot(product2, manifest, serving);
  }
  /** What an edition published, be it the current one or one before. Rejects `CURSOR_EXPIRED` when it is not kept. */
  async snapshotOf(product2, edition) {
    if ((await this.current(product2))?.edition === edition) return this.snapshot(product2);
    const found2 = await this.#options.control.get(editionKey(product2, edition));
    const manifest = found2?.value.manifest;
    const serving = manifest && servingOf(product2, manifest);
    if (!manifest || !serving) throw expired(product2, edition);
    await this.assertKept(product2, manifest);
    const partitions = (range) => this.#unchanged(product2, manifest, range);
    return { ...this.#snapshot(product2, manifest, serving), partitions };
  }
  /**
   * Rejects `CURSOR_EXPIRED` when what only this version reaches may have been swept; if not, what was read of it
   * before was whole. Reads the pointer anew.
   */
  async assertKept(product2, { edition, version }) {
    this.expire(product2.name);
    const current = await this.current(product2);
    if (current === null || version < current.keeps || version > current.version)
      throw expired(product2, edition);
  }
  /** The partitions of a range, where they are for the current version what they were for that one. */
  async #unchanged(product2, then, range) {
    const now = await this.current(product2);
    const [before, after] = await Promise.all([
      this.partitions(product2, then, range),
      this.partitions(product2, now ?? then, range),
    ]);
    const values = [.../* @__PURE__ */ new Set([...Object.keys(before), ...Object.keys(after)])];
    if (now !== null && values.every((value) => before[value]?.fingerprint === after[value]?.fingerprint))
      return before;
    throw new SluiceError(
      "CURSOR_EXPIRED",
      `A cursor pages over one edition. Of this one Athena is asked, which reads the lake as it is, and that has changed since edition ${then.edition} of "${product2.name}". Leave after out to start from the present one.`,
    );
  }
  #snapshot(product2, manifest, serving) {
    const pageOf = async (rollup2, year) => {
      const name = segmentPageName(rollup2, year);
      const edition = manifest.pages[name];
      return edition === void 0 ? {} : this.#page(product2, name, edition);
    };
    return {
      manifest,
      serving,
      segments: async (rollup2, pieces2) => {
        const years = [...new Set(pieces2.map(yearOf))];
        const read2 = await Promise.all(years.map((year) => pageOf(rollup2, year)));
        const pages = new Map(years.map((year, i) => [year, read2[i]]));
        return pieces2.flatMap((piece) => segmentParts(pages.get(yearOf(piece)), piece));
      },
      partitions: (range) => this.partitions(product2, manifest, range),
    };
  }
  /** The lake partitions of a manifest that touch a range, by value. Equal ranges have one object while they are asked for. */
  partitions(product2, manifest, range) {
    const id = JSON.stringify([product2.name, manifest.version, range.from, range.to]);
    const known3 = this.#partitions.get(id);
    if (known3 !== void 0) return known3;
    const partitions = this.#readPartitions(product2, manifest, range);
    this.#partitions.set(id, partitions);
    partitions.catch(() => this.#partitions.delete(id));
    return partitions;
  }
  async #readPartitions(product2, manifest, range) {
    const pages = await Promise.all(
      Object.entries(manifest.pages)
        .filter(([name]) => touches(yearOfLakePage(name), range))
        .map(([name, edition]) => this.#page(product2, name, edition)),
    );
    const partitions = pages.flatMap((page) => Object.entries(page));
    return Object.fromEntries(partitions.filter(([value]) => touches(value, range)));
  }
  /** A page never changes, so it is read once. */
  #page(product2, name, edition) {
    const key = pageKey(product2, name, edition);
    const id = `${key.pk}
${key.sk}`;
    const known3 = this.#pages.get(id);
    if (known3 !== void 0) return known3;
    const page = this.#options.control.get(key).then((found2) => {
      if (found2 !== null) return found2.value;
      this.expire(product2.name);
      throw new SluiceError(
        "BACKEND_UNAVAILABLE",
        `A request reads the editions that were published when it began. What one of "${product2.name}" points to, page "${name}" of edition ${edition}, is no longer kept. Ask again: the next request reads the present edition.`,
      );
    });
    this.#pages.set(id, page);
    page.catch(() => this.#pages.delete(id));
    return page;
  }
};
function expired(product2, edition) {
  return new SluiceError(
    "CURSOR_EXPIRED",
    `A cursor pages over the edition that its first page was read from, as long as that is kept. Edition ${edition} of "${product2.name}" is not. Leave after out to start from the present one.`,
  );
}
function touches(period, range) {
  if (period === null) return false;
  const { from: from2, to: to2 } = periodRange(period);
  return from2 < range.to && range.from < to2;
}
var yearOf = ({ period }) => period.slice(0, 4);

// src/loaders/ad-hoc.ts
import DataLoader3 from "dataloader";
function adHocLoader(jobs, gate, scope, wait) {
  return new DataLoader3(
    async (asks) => {
      const { questions: questions2, indexes } = distinct(asks);
      const answers = await jobs.answer(scope, questions2, wait);
      return indexes.map((index) => answers[index]);
    },
    { cache: false, batchScheduleFn: gate.schedule },
  );
}
function distinct(asks) {
  const questions2 = [];
  const known3 = /* @__PURE__ */ new Map();
  const indexes = asks.map((ask3) => {
    const asked2 = known3.get(ask3.partitions) ?? /* @__PURE__ */ new Map();
    known3.set(ask3.partitions, asked2);
    const id = JSON.stringify(ask3.question);
    const index = asked2.get(id) ?? questions2.push({ ...ask3, aggregates: [] }) - 1;
    asked2.set(id, index);
    questions2[index].aggregates.push(...ask3.aggregates);
    return index;
  });
  return { questions: questions2, indexes };
}

// src/loaders/catalogue.ts
var maxEditions = 1e3;
async function catalogueEntry(shared, product2, valuesOf2) {
  const [manifest, live] = await Promise.all([
    shared.manifests.current(product2),
    shared.liveStatus.view(product2),
  ]);
  const coverage2 = manifest && {
    from: manifest.coverage.from,
    to: manifest.coverage.until,
    liveTo: live && Math.max(live.live.to, manifest.coverage.until),
  };
  return {
    coverage: coverage2,
    publishedAt: manifest?.publishedAt ?? null,
    editions: async (first) => {
      if (manifest === null) return [];
      const written = await shared.control.list(editionKey(product2, "").pk, {
        descending: true,
        first: maxEditions,
      });
      const published = publishedEditions(
        written.map(({ value }) => value),
        manifest.edition,
      );
      return published
        .slice(0, first)
        .map((edition) => ({ ...edition, current: edition.id === manifest.edition }));
    },
    dimensionValues: async (dimension, search, first) =>
      manifest === null ? [] : valuesOf2(dimension, search, first),
    measureSql: (measure) => expressionSql(product2, product2.measure(measure).expression),
  };
}
function expressionSql(product2, expression) {
  if (expression.kind === "ratio") {
    const [numerator, denominator] = [expression.numerator, expression.denominator].map((side) =>
      expressionSql(product2, product2.measure(side).expression),
    );
    return `CAST(${numerator} AS double) / nullif(${denominator}, 0)`;
  }
  const parts = aggregatesOf(expression).map((aggregate) => aggregateSql(product2.source, aggregate));
  return expression.kind === "avg" ? `CAST(${parts[0]} AS double) / nullif(${parts[1]}, 0)` : parts[0];
}

// src/sql/plan.ts
var maxKeys = 1e3;
function planStored(served, where, range, view) {
  const slice = sliceOf(served, where);
  if (slice.kind === "unstored") return slice;
  const { rollup: rollup2, keys } = slice;
  const planned = planPieces(rollup2, range, view);
  return "kind" in planned ? planned : { kind: "stored", rollup: rollup2, keys, ...planned };
}
function planPieces(rollup2, range, view) {
  const extent = extentOf(range, rollup2, view);
  const edge = [extent.from, extent.to].find((at) => !isAligned(at, rollup2.finest));
  if (edge !== void 0)
    return {
      kind: "unstored",
      reason: `${new Date(edge).toISOString()} is not on an edge of ${rollup2.finest}, the finest grain of ${show3(rollup2)}`,
    };
  const cut = Math.min(Math.max(floorTo(view.coverage.until, rollup2.finest), extent.from), extent.to);
  const isLive = rollup2.live && view.live !== null;
  if (!isLive && cut < Math.min(extent.to, view.coverage.until))
    return {
      kind: "unstored",
      reason: `the ${rollup2.finest} of ${show3(rollup2)} that begins at ${new Date(cut).toISOString()} is not yet covered to its end`,
    };
  const live = isLive ? cover({ from: cut, to: extent.to }, [rollup2.finest]) : [];
  const partial = isLive && cut < extent.to && view.live !== null && cut < view.live.from;
  return {
    editions: cover({ from: extent.from, to: cut }, rollup2.grains.toReversed()),
    live,
    complete: isComplete(range, isLive, view) && !partial,
    partial,
  };
}
function extentOf(range, rollup2, view) {
  const start2 = floorTo(view.coverage.from, rollup2.finest);
  const end = endOf(rollup2.finest, view);
  const from2 = range.from <= view.coverage.from ? start2 : range.from;
  const to2 = Math.min(range.to, end);
  return { from: Math.min(from2, Math.max(to2, start2)), to: Math.max(to2, start2) };
}
function endOf(grain, view) {
  const covered2 = ceilTo(view.coverage.until, grain);
  return view.newest === null ? covered2 : Math.max(covered2, nextBucket(view.newest, grain));
}
function isComplete(range, isLive, { coverage: coverage2, live }) {
  const end = isLive && live !== null ? Math.max(live.to, coverage2.until) : coverage2.until;
  return range.from >= coverage2.from && range.to <= end;
}
function cover(range, largestFirst) {
  const [grain, ...finer] = largestFirst;
  if (grain === void 0 || range.from >= range.to) return [];
  const from2 = ceilTo(range.from, grain);
  const to2 = floorTo(range.to, grain);
  if (from2 >= to2) return cover(range, finer);
  return [
    ...cover({ from: range.from, to: from2 }, finer),
    ...pieces({ from: from2, to: to2 }, grain),
    ...cover({ from: to2, to: range.to }, finer),
  ];
}
function pieces(range, grain) {
  const result = [];
  for (let at = range.from; at < range.to; ) {
    const period = periodOf(at, grain);
    const to2 = Math.min(periodRange(period).to, range.to);
    result.push({ grain, period, first: bucketIndex(at, grain), end: bucketIndex(to2 - 1, grain) + 1 });
    at = to2;
  }
  return result;
}
function sliceOf(served, where) {
  const pinned = pinnedBy(served, where);
  if ("kind" in pinned) return pinned;
  const rollup2 = rollupOf2(served, [...pinned.values.keys()]);
  if ("kind" in rollup2) return rollup2;
  const keys = combinations(rollup2.dimensions.map((dimension) => pinned.values.get(dimension)));
  return "kind" in keys ? keys : { kind: "slice", rollup: rollup2, keys };
}
function pinnedBy(served, where) {
  const values = /* @__PURE__ */ new Map();
  for (const condition of where) {
    const pinned = pinnedValues(served, condition);
    if (pinned === null || values.has(condition.column))
      return { kind: "unstored", reason: `no rollup answers ${condition.op} on ${condition.column}` };
    values.set(condition.column, pinned);
  }
  return { values };
}
function rollupOf2(served, dimensions2) {
  const isAsked2 = (rollup3) =>
    rollup3.dimensions.length === dimensions2.length &&
    rollup3.dimensions.every((dimension) => dimensions2.includes(dimension));
  const rollup2 = served.rollups.find(isAsked2);
  if (rollup2 !== void 0) return rollup2;
  const awaited = served.awaited.find(isAsked2);
  const reason =
    awaited === void 0
      ? `there is no rollup of [${dimensions2.join(", ")}]`
      : `the rollup ${show3(awaited)} is not stored before the next refresh`;
  return { kind: "unstored", reason };
}
function pinnedValues({ dimensions: dimensions2 }, condition) {
  if (!dimensions2.some((dimension) => dimension.property === condition.column)) return null;
  if (condition.op === "eq") return [condition.value];
  if (condition.op === "in") return [...new Set(condition.values)];
  return condition.op === "isNull" && condition.value ? [null] : null;
}
function combinations(lists) {
  const count2 = lists.reduce((total, each) => total * each.length, 1);
  if (count2 > maxKeys)
    return {
      kind: "unstored",
      reason: `${count2} keys are more than the ${maxKeys} that are read one by one`,
    };
  return lists.reduce((keys, values) => keys.flatMap((key) => values.map((value) => [...key, value])), [[]]);
}
function showRollups(rollups2) {
  return rollups2.map(show3).join(", ");
}
function show3(rollup2) {
  return `[${rollup2.dimensions.join(", ")}]`;
}
function reachesLive({ rollup: rollup2 }, { to: to2 }, { coverage: coverage2, live }) {
  return rollup2.live && live !== null && to2 > coverage2.until;
}

// src/sql/plan-groups.ts
function planGroups(served, where, grouped, range, view) {
  const held = pinnedBy(served, where);
  if ("kind" in held) return held;
  const rollup2 = rollupOf2(served, [.../* @__PURE__ */ new Set([...held.values.keys(), ...grouped])]);
  if ("kind" in rollup2) return rollup2;
  const pieces2 = planPieces(rollup2, range, view);
  if ("kind" in pieces2) return pieces2;
  const pinned = rollup2.dimensions.map((dimension) => held.values.get(dimension) ?? null);
  const keys = keysOf(rollup2, pinned, pieces2);
  if (keys.kind === "unstored") return keys;
  return { kind: "groups", rollup: rollup2, grouped, pinned, keys, ...pieces2 };
}
function keysOf(rollup2, pinned, { editions }) {
  if (pinned.every((values) => values !== null)) {
    const keys = combinations(pinned);
    return "kind" in keys ? keys : { kind: "pinned", keys };
  }
  if (editions.length === 0) return { kind: "live" };
  if (rollup2.top === null)
    return { kind: "unstored", reason: `no leaderboard names the keys of ${show3(rollup2)}` };
  const within = boardDimensions(rollup2.dimensions, rollup2.top).within.map((position) => pinned[position]);
  if (within.some((values) => values === null))
    return {
      kind: "unstored",
      reason: `the leaderboards of ${show3(rollup2)} are within [${rollup2.top.within.join(", ")}], which the question does not hold to values`,
    };
  const withins = combinations(within);
  return "kind" in withins ? withins : { kind: "boards", withins };
}
function isAsked({ pinned }, key) {
  return pinned.every((values, i) => values === null || values.includes(key[i]));
}
function groupOf({ rollup: rollup2, grouped }, key) {
  return grouped.map((dimension) => key[rollup2.dimensions.indexOf(dimension)]);
}
function ungrouped(where, grouped) {
  return where.filter(({ column }) => !grouped.includes(column));
}
function namedKeys(rollup2, within, board, piece) {
  const places = boardDimensions(rollup2.dimensions, rollup2.top);
  const bits = bitsOf(piece);
  return board.keys.flatMap((named3, i) => {
    if ((board.buckets[i] & bits) === 0) return [];
    const key = [];
    places.within.forEach((position, at) => (key[position] = within[at]));
    places.ranked.forEach((position, at) => (key[position] = named3[at]));
    return [key];
  });
}
function isWhole(board, piece) {
  const named3 = board.buckets.reduce((bits, each) => bits | each, 0);
  return (bitsOf(piece) & named3 & ~board.complete) === 0;
}
function bitsOf({ first, end }) {
  let bits = 0;
  for (let index = first; index < end; index++) bits |= 1 << index;
  return bits;
}
function byRank(direction) {
  const sign = direction === "ASC" ? 1 : -1;
  return (a, b) => {
    if (a.value !== b.value) {
      if (a.value === null || b.value === null) return a.value === null ? 1 : -1;
      return sign * (a.value - b.value);
    }
    for (const [i, value] of a.group.entries()) {
      const order = compareValues(value, b.group[i]);
      if (order !== 0) return order;
    }
    return 0;
  };
}
function knownLead(plan, ranked, direction) {
  const { rollup: rollup2, grouped, pinned, editions, live, keys } = plan;
  const unstored = (reason) => ({
    kind: "unstored",
    reason: `the leaderboards of ${show3(rollup2)} do not hold all keys, and ${reason}`,
  });
  const [only] = editions;
  const n = rollup2.top?.n ?? null;
  if (only === void 0 || editions.length > 1 || only.end - only.first > 1 || live.length > 0)
    return unstored("the range is more than one stored bucket");
  if (direction !== "DESC") return unstored("leaders are asked for in no order of theirs");
  if (n === null) return unstored("are those of another declaration");
  if (keys.kind !== "boards" || !isKeyed(plan)) return unstored("a group is more than one key");
  const { ranked: places } = boardDimensions(rollup2.dimensions, rollup2.top);
  if (places.some((position) => pinned[position] !== null))
    return unstored("some of its leaders are left out");
  const inOrder = rollup2.dimensions.filter((dimension) => grouped.includes(dimension));
  if (inOrder.every((dimension, i) => dimension === grouped[i])) return { lead: n };
  const last = ranked[n - 1]?.value ?? null;
  return {
    lead: ranked.slice(0, n).filter(({ value }) => value !== null && (last === null || value > last)).length,
  };
}
function isKeyed({ rollup: rollup2, grouped, pinned }) {
  return rollup2.dimensions.every((dimension, i) => grouped.includes(dimension) || pinned[i]?.length === 1);
}

// src/loaders/group-keys.ts
async function knownKeys(workings, product2, snapshot, plan) {
  if (plan.keys.kind === "pinned") return { kind: "known", keys: plan.keys.keys, whole: true, exact: false };
  const stored2 = await boardKeys(workings, product2, snapshot, plan);
  if ("kind" in stored2) return stored2;
  const live = await liveKeys(workings, product2, plan);
  if ("kind" in live) return live;
  const named3 = new Map([...stored2.keys, ...live.keys].map((key) => [JSON.stringify(key), key]));
  const keys = [...named3.values()].filter((key) => isAsked(plan, key));
  forgo(workings, product2, plan, keys);
  return {
    kind: "known",
    keys,
    whole: stored2.whole,
    exact: true,
  };
}
async function boardKeys(workings, product2, snapshot, { rollup: rollup2, editions, keys }) {
  if (keys.kind !== "boards" || !isRanked(rollup2)) return { keys: [], whole: true };
  const parts = await snapshot.segments(rollup2, editions);
  const wanted = parts.flatMap((part) => keys.withins.map((within) => ({ part, within })));
  if (!workings.reads.covers(wanted.length)) return tooMany(`${wanted.length} leaderboards`);
  workings.reads.take(wanted.length);
  const stored2 = { name: product2.name, shape: snapshot.serving.shape };
  const boards = await Promise.all(
    wanted.map(({ part: { grain, period, edition }, within }) =>
      workings.leaderboards.load(
        leaderboardKey(workings.scope, stored2, rollup2, grain, within, period, edition),
      ),
    ),
  );
  const missing = wanted.filter((_, i) => boards[i] === null);
  const empty = await Promise.all(
    missing.map(({ part, within }) => isEmpty(workings, product2, snapshot, rollup2, part, within)),
  );
  if (!empty.every(Boolean))
    return { kind: "unstored", reason: `a leaderboard of ${show3(rollup2)} has outgrown its item` };
  const found2 = wanted.flatMap(({ part, within }, i) =>
    boards[i] ? [{ part, within, board: boards[i] }] : [],
  );
  return {
    keys: found2.flatMap(({ part, within, board }) => namedKeys(rollup2, within, board, part)),
    whole: found2.every(({ part, board }) => isWhole(board, part)),
  };
}
function isRanked(rollup2) {
  return rollup2.top !== null;
}
async function isEmpty({ scope, reads, segments }, product2, snapshot, { top }, part, within) {
  const { grain, first, end } = part;
  const { serving } = snapshot;
  const slice = serving.rollups.find(
    ({ dimensions: dimensions2, grains: grains2 }) =>
      grains2.includes(grain) &&
      dimensions2.length === top.within.length &&
      dimensions2.every((dimension) => top.within.includes(dimension)),
  );
  if (slice === void 0) return false;
  const key = slice.dimensions.map((dimension) => within[top.within.indexOf(dimension)]);
  const parts = await snapshot.segments(slice, [wholePeriod(part)]);
  if (!reads.covers(parts.length)) return false;
  reads.take(parts.length);
  const stored2 = { name: product2.name, shape: serving.shape };
  const found2 = await Promise.all(
    parts.map(({ period, edition }) =>
      segments.load({ live: false, key: segmentKey(scope, stored2, slice, grain, key, period, edition) }),
    ),
  );
  return found2.every((columns2) => !(columns2?.[0] ?? []).some((index) => index >= first && index < end));
}
function wholePeriod({ grain, period, first, end }) {
  return { grain, first, end, period: grain === "DAY" ? period.slice(0, 7) : period };
}
function forgo({ scope, segments }, product2, { rollup: rollup2, live }, keys) {
  for (const { period } of live)
    for (const key of keys)
      segments.prime({ live: true, key: liveKey(scope, product2, rollup2, key, period) }, null);
}
async function liveKeys(workings, product2, { rollup: rollup2, live }) {
  const keys = [];
  for (const { period, first, end } of live) {
    const items = await workings.liveItems(livePartition(product2, rollup2, period));
    if (items === null || !workings.reads.covers(items.length))
      return tooMany(`the live items of ${show3(rollup2)} in ${period}`);
    workings.reads.take(items.length);
    for (const { pk, sk, packed: packed2 } of items) {
      const columns2 = unpackColumns(packed2);
      workings.segments.prime({ live: true, key: { pk, sk } }, columns2);
      if (!(columns2[0] ?? []).some((index) => index >= first && index < end)) continue;
      if (!sk.startsWith("["))
        return { kind: "unstored", reason: `a live key of ${show3(rollup2)} is too long to be listed` };
      keys.push(JSON.parse(sk));
    }
  }
  return { keys, whole: true };
}
function tooMany(what) {
  return { kind: "unstored", reason: `${what} are more than what a request may still read` };
}

// src/loaders/known-columns.ts
function columnsBehind(product2, { expression }) {
  return aggregatesBehind(product2, expression).flatMap(columnsOf);
}
function assertKnown(product2, serving, columns2, asked2) {
  const unknown = columns2.find((property) => !serving.isCatalogued(property));
  if (unknown === void 0) return;
  throw new SluiceError(
    "BACKEND_UNAVAILABLE",
    `What is asked of Athena reads columns that the published edition knows. ${asked2} of "${product2.name}" needs "${unknown}", which it does not. Run "sluice refresh ${product2.name}".`,
  );
}

// src/loaders/sight.ts
var Sights = class {
  #liveStatus;
  #provenance;
  #seen = /* @__PURE__ */ new Map();
  constructor({ manifests, liveStatus }, provenance) {
    this.manifests = manifests;
    this.#liveStatus = liveStatus;
    this.#provenance = provenance;
  }
  of(product2) {
    const known3 = this.#seen.get(product2) ?? this.#look(product2, () => this.manifests.snapshot(product2));
    this.#seen.set(product2, known3);
    return known3.then((sight) => {
      this.#provenance.readManifest(product2.name, sight.snapshot.manifest.version);
      return sight;
    });
  }
  /**
   * As an edition has it that may have been replaced since. Rejects `CURSOR_EXPIRED` when it is not kept. What is read
   * of it says so by itself: the version of the manifest that a response names is the present one.
   */
  async at(product2, edition) {
    const present2 = await this.of(product2);
    if (present2.snapshot.manifest.edition === edition) return present2;
    return this.#look(product2, () => this.manifests.snapshotOf(product2, edition));
  }
  /**
   * The live status is read before the manifest: a manifest published in between covers more, never less, than what
   * the live items are asked for.
   */
  async #look(product2, read2) {
    const live = await this.#liveStatus.view(product2);
    const snapshot = await read2();
    const { manifest } = snapshot;
    const newest2 = [newestOf(snapshot), live?.newest].filter((at) => at != null);
    return {
      snapshot,
      view: {
        coverage: manifest.coverage,
        newest: newest2.length === 0 ? null : Math.max(...newest2),
        live: live?.live ?? null,
      },
    };
  }
};
function newestOf({ manifest: { newest: newest2, coverage: coverage2 }, serving }) {
  return newest2 === null ? null : Math.min(nextBucket(newest2, serving.finest), coverage2.until) - 1;
}
function resolveRange(product2, { snapshot, view }, where, grouped, asked2) {
  const grain = grainOf(product2, snapshot, where, grouped);
  if (asked2?.lastMs !== void 0) {
    const to3 = view.newest === null ? view.coverage.until : nextBucket(view.newest, grain);
    return { from: floorTo(assertInstant(to3 - asked2.lastMs), grain), to: to3 };
  }
  const { from: from2, to: to2 } = asked2 ?? {};
  if (from2 !== void 0 && to2 !== void 0) return { from: from2, to: to2 };
  if (from2 !== void 0) return { from: from2, to: Math.max(from2, endOf(grain, view)) };
  if (to2 !== void 0) return { from: Math.min(view.coverage.from, to2), to: to2 };
  return { from: view.coverage.from, to: endOf(grain, view) };
}
function grainOf(product2, { serving }, where, grouped) {
  const pinned = pinnedBy(serving, where);
  if ("kind" in pinned) return finestGrain(product2);
  const rollup2 = rollupOf2(serving, [.../* @__PURE__ */ new Set([...pinned.values.keys(), ...grouped])]);
  return "kind" in rollup2 ? finestGrain(product2) : rollup2.finest;
}

// src/loaders/dimension-values.ts
var mostSearched = 1e4;
async function dimensionValues(workings, sights, product2, { dimension, search, first }) {
  assertText(search);
  const column = columnFor(product2.source, dimension, `Product "${product2.name}"`);
  const { sight, stored: stored2 } = await workings.gate.explore(async () => {
    const seen = await sights.of(product2);
    return { sight: seen, stored: await storedValues(workings, product2, seen, dimension) };
  });
  const isSearched = stored2 === null && isSearchable(column);
  const asked2 = {
    containing: isSearched ? search : "",
    first: search === "" || isSearched ? first : mostSearched,
  };
  const values = stored2 ?? (await askedValues(workings, product2, sight, column, asked2));
  const texts = values.map((value) => textOf2(value, column));
  return (isSearched ? texts : foundIn(texts, search)).slice(0, first);
}
function isSearchable({ type }) {
  return type === "string" || type === "boolean";
}
async function storedValues(workings, product2, sight, dimension) {
  const range = resolveRange(product2, sight, [], [dimension], void 0);
  const plan = planGroups(sight.snapshot.serving, [], [dimension], range, sight.view);
  if (plan.kind === "unstored") return null;
  const known3 = await knownKeys(workings, product2, sight.snapshot, plan);
  if (known3.kind === "unstored" || !known3.whole) return null;
  return known3.keys.flatMap(([value]) => (value == null ? [] : [value])).sort(compareValues);
}
async function askedValues(
  workings,
  product2,
  { snapshot, view: { coverage: coverage2 } },
  { property },
  { containing, first },
) {
  if (coverage2.from >= coverage2.until) return [];
  assertKnown(product2, snapshot.serving, [property], `Dimension "${property}"`);
  const groups = {
    kind: "ranked",
    dimensions: [property],
    order: null,
    from: 0,
    to: first,
    ...(containing !== "" && { containing }),
  };
  const where = [{ op: "isNull", column: property, value: false }];
  const range = { from: coverage2.from, to: coverage2.until };
  const answer = await workings.adHoc.load({
    source: product2.source,
    question: { where, range, by: null, groups },
    aggregates: [countComponent.aggregate],
    partitions: snapshot.partitions,
  });
  return answer.groups.groups.flatMap(({ key: [value] }) => (value == null ? [] : [value]));
}
function textOf2(value, { type }) {
  return type === "datetime" ? formatInstant(Number(value)) : String(value);
}
function foundIn(texts, search) {
  const wanted = lower(search);
  return texts.filter((text) => lower(text).includes(wanted));
}
function lower(text) {
  return Array.from(text, (each) => {
    const small = each.toLowerCase();
    return Array.from(small).length === 1 ? small : each;
  }).join("");
}

// src/loaders/gate.ts
var Gates = class {
  constructor() {
    this.reading = new Gate();
    this.asking = new Gate();
  }
  /** Runs `plan`, which reads nothing in batches; no batch goes out while it runs. */
  plan(plan) {
    return this.asking.plan(() => this.reading.plan(plan));
  }
  /** Runs `explore`, which may read but asks no statement; no statement goes out while it runs. */
  explore(explore2) {
    return this.asking.plan(explore2);
  }
};
var Gate = class {
  constructor() {
    this.#planning = 0;
    this.#waiting = [];
    /** DataLoader's `batchScheduleFn`. */
    this.schedule = (dispatch) => {
      this.#waiting.push(dispatch);
      this.#release();
    };
  }
  #planning;
  #waiting;
  /** Runs `plan`; no batch goes out while it runs. */
  async plan(plan) {
    this.#planning++;
    try {
      return await plan();
    } finally {
      this.#planning--;
      this.#release();
    }
  }
  /** setImmediate: the resolvers that the last plan has set free run first and add what they want. */
  #release() {
    if (this.#planning > 0 || this.#waiting.length === 0) return;
    setImmediate(() => {
      if (this.#planning > 0) return;
      for (const dispatch of this.#waiting.splice(0)) dispatch();
    });
  }
};

// src/model/period.ts
function shiftBack(range, period) {
  switch (period) {
    case "PREVIOUS":
      return by(range, range.to - range.from);
    case "DAY":
      return by(range, dayMs2);
    case "WEEK":
      return by(range, 7 * dayMs2);
    case "YEAR_WEEKDAY":
      return by(range, 364 * dayMs2);
    case "MONTH":
      return byMonths(range, 1);
    case "QUARTER":
      return byMonths(range, 3);
    case "YEAR":
      return byMonths(range, 12);
  }
}
function by({ from: from2, to: to2 }, ms) {
  return { from: from2 - ms, to: to2 - ms };
}
function byMonths({ from: from2, to: to2 }, months) {
  const start2 = monthsBack(from2, months);
  if (from2 >= to2) return { from: start2.at, to: start2.at };
  const end = monthsBack(to2, months);
  const endsWithMonth = end.isClamped && (isAligned(to2, "DAY") || end.at <= start2.at);
  return { from: start2.at, to: endsWithMonth ? end.nextMonth : end.at };
}
function monthsBack(at, months) {
  const date = new Date(at);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth() - months;
  const nextMonth = dayOf(year, month + 1, 1);
  const day = Math.min(date.getUTCDate(), new Date(nextMonth - dayMs2).getUTCDate());
  return {
    at: dayOf(year, month, day) + (((at % dayMs2) + dayMs2) % dayMs2),
    isClamped: day < date.getUTCDate(),
    nextMonth,
  };
}
function dayOf(year, month, day) {
  return /* @__PURE__ */ new Date(0).setUTCFullYear(year, month, day);
}

// src/loaders/group-answers.ts
var window = 1e3;
function assertAskable({ product: product2, where, question, order, snapshot }) {
  const read2 = [
    ...question.dimensions,
    ...where.map(({ column }) => column),
    ...(order === null ? [] : columnsBehind(product2, order.measure)),
  ];
  assertKnown(product2, snapshot.serving, read2, "A group");
}
async function askedPage(workings, posed) {
  const { product: product2, question, order, snapshot, offset } = posed;
  const end = offset + question.first;
  const measures2 = question.measures
    .map((name) => product2.measure(name))
    .filter((measure) =>
      columnsBehind(product2, measure).every((each) => snapshot.serving.isCatalogued(each)),
    );
  const wanted = order === null ? measures2 : [order.measure, ...measures2];
  const aggregates = aggregatesOf2(product2, wanted);
  const by2 = order && {
    by: readingOf(product2, order.measure.expression),
    direction: order.direction,
  };
  const windows = [];
  for (let from2 = Math.floor(offset / window) * window; from2 < end; from2 += window)
    windows.push({
      kind: "ranked",
      dimensions: question.dimensions,
      order: by2,
      from: from2,
      to: from2 + window,
    });
  const answers = await Promise.all(windows.map((groups) => ask(workings, posed, groups, aggregates)));
  const first = Math.floor(offset / window) * window;
  const page = answers
    .flatMap((answer) => (answer?.groups.groups ?? []).map((group) => ({ group, answer })))
    .slice(offset - first, end - first);
  const total = answers[0]?.groups.total ?? 0;
  const keys = page.map(({ group }) => group.key);
  const before = valuesBefore(workings, posed, keys);
  return {
    kind: "found",
    groups: keys,
    values: (place) => {
      const { group, answer } = page[place];
      return {
        fromAthena: true,
        of: (measure) => (measures2.includes(measure) ? Promise.resolve(valuesOf(group, answer)) : null),
        before: (period) => before(period)(place),
      };
    },
    hasNext: end < total,
    total,
  };
}
var mostListed = 250;
function listedValues(workings, posed, keys) {
  const lists = [];
  for (let from2 = 0; from2 < keys.length; from2 += mostListed)
    lists.push(valuesOfList(workings, posed, keys.slice(from2, from2 + mostListed)));
  const before = valuesBefore(workings, posed, keys);
  return (place) => ({
    ...lists[Math.floor(place / mostListed)](place % mostListed),
    before: (period) => before(period)(place),
  });
}
function valuesBefore(workings, posed, keys) {
  const asked2 = /* @__PURE__ */ new Map();
  return (period) => {
    const range = shiftBack(posed.range, period);
    const values = asked2.get(period) ?? listedValues(workings, { ...posed, range }, keys);
    asked2.set(period, values);
    return values;
  };
}
function valuesOfList(workings, posed, keys) {
  const { product: product2, question } = posed;
  const groups = { kind: "listed", dimensions: question.dimensions, keys };
  const asked2 = /* @__PURE__ */ new Map();
  const answerOf = (measure) => {
    const known3 =
      asked2.get(measure) ?? ask(workings, posed, groups, aggregatesOf2(product2, [measure])).then(listed);
    asked2.set(measure, known3);
    return known3;
  };
  return (place) => ({
    fromAthena: false,
    of: async (measure) => {
      const { answer, byKey } = await answerOf(measure);
      return valuesOf(byKey.get(JSON.stringify(keys[place])), answer);
    },
  });
}
function listed(answer) {
  const groups = answer.groups.groups;
  return {
    answer,
    byKey: new Map(groups.map((group) => [JSON.stringify(group.key), group])),
  };
}
function valuesOf(group, { queryId, bytesScanned }) {
  return { found: group?.aggregates, queryId, bytesScanned };
}
async function ask(workings, posed, groups, aggregates) {
  const { product: product2, where, snapshot } = posed;
  const range = covered(posed);
  if (range.from >= range.to) return null;
  return workings.adHoc.load({
    source: product2.source,
    question: { where, range, by: null, groups },
    aggregates,
    partitions: snapshot.partitions,
  });
}
function covered({ range, view: { coverage: coverage2 } }) {
  return { from: Math.max(range.from, coverage2.from), to: Math.min(range.to, coverage2.until) };
}
function aggregatesOf2(product2, measures2) {
  const found2 = measures2.flatMap(({ expression }) => aggregatesBehind(product2, expression));
  const byId = new Map(found2.map((aggregate) => [aggregateId(aggregate), aggregate]));
  return byId.size > 0 ? [...byId.values()] : [countComponent.aggregate];
}

// src/loaders/group-cursor.ts
import { createHash as createHash5 } from "node:crypto";
function writeCursor({ edition, from: from2, to: to2, offset }, question, scope) {
  const payload = [edition, from2, to2, offset, digestOf(question, scope)];
  return Buffer.from(JSON.stringify(payload)).toString("base64url");
}
function readCursor(text, question, scope) {
  const [edition, from2, to2, offset, digest2] = payloadOf(text);
  const isWhole2 =
    isEditionId(edition) &&
    isInstant(from2) &&
    isInstant(to2) &&
    Number.isSafeInteger(offset) &&
    Number(offset) >= 0;
  if (!isWhole2) throw foreign("one that no page had");
  if (digest2 !== digestOf(question, scope)) throw foreign("that of another question");
  return { edition, from: from2, to: to2, offset: Number(offset) };
}
function payloadOf(text) {
  try {
    const payload = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return Array.isArray(payload) ? payload : [];
  } catch {
    return [];
  }
}
function digestOf({ product: product2, where, range, dimensions: dimensions2, order }, { tenant }) {
  const asked2 = [product2.name, where, range ?? null, dimensions2, order, tenant];
  return createHash5("sha256").update(JSON.stringify(asked2)).digest("base64url").slice(0, 22);
}
function foreign(arrived) {
  return new UserInputError(
    `A page goes on after a cursor of the same question: its dimensions, where, range and orderBy as they were. Got ${arrived}. Leave after out to start from the first page.`,
  );
}

// src/loaders/series.ts
function seriesBefore({ range, grain }, period, earlier) {
  const first = { from: range.from, to: Math.min(nextBucket(range.from, grain), range.to) };
  const last = { from: Math.max(floorTo(range.to - 1, grain), range.from), to: range.to };
  const before = { from: shiftBack(first, period).from, to: shiftBack(last, period).to };
  return isBucketOf({ range: before, grain }, earlier) ? { range: before, grain } : null;
}
function isBucketOf({ range, grain }, bucket) {
  return (
    bucket.from === Math.max(floorTo(bucket.from, grain), range.from) &&
    bucket.to === Math.min(nextBucket(bucket.from, grain), range.to)
  );
}

// src/loaders/stored-state.ts
async function readState(options, plan, segments) {
  const { loader, product: product2, serving } = options;
  const { components } = product2;
  const wanted = itemsOf(options, plan, segments);
  const items = await Promise.all(wanted.map((item) => loader.load(item)));
  const state = emptyState(components);
  items.forEach((columns2, i) => {
    const { live, piece } = wanted[i];
    if (columns2 !== null)
      mergeBuckets(components, state, live ? columns2 : serving.arranged(columns2), piece.first, piece.end);
  });
  return state;
}
function itemsOf(
  { product: product2, serving: { shape }, scope },
  { keys, rollup: rollup2, live },
  segments,
) {
  const stored2 = { name: product2.name, shape };
  return keys.flatMap((key) => [
    ...segments.map((piece) => ({
      piece,
      live: false,
      key: segmentKey(scope, stored2, rollup2, piece.grain, key, piece.period, piece.edition),
    })),
    ...live.map((piece) => ({
      piece,
      live: true,
      key: liveKey(scope, product2, rollup2, key, piece.period),
    })),
  ]);
}

// src/loaders/insight.ts
function insightId({ name }, where, asked2) {
  return Buffer.from(JSON.stringify([name, where, asked2 ?? null])).toString("base64url");
}
var maxBuckets = 1e4;
async function poseInsight(workings, posed, { isPaid = false, group } = {}) {
  const { snapshot } = posed;
  const plan = planStored(snapshot.serving, posed.where, posed.range, posed.view);
  const isTaken = isPaid || group !== void 0;
  if (!isTaken) workings.reads.take(costOf(plan));
  if (plan.kind === "unstored") return new PlannedInsight(workings, posed, plan, [], group ?? null);
  const { keys, editions, rollup: rollup2 } = plan;
  const segments = await snapshot.segments(rollup2, editions);
  const days = Math.max(0, segments.length - editions.length);
  if (group === void 0) workings.reads.take(keys.length * days);
  return new PlannedInsight(workings, posed, plan, segments, group ?? null);
}
function costOf(plan) {
  if (plan.kind === "unstored") return 1;
  return Math.max(1, plan.keys.length * (plan.editions.length + plan.live.length));
}
function isRead({ serving }, measure, { editions, live }) {
  return serving.stores(measure) || (measure.precomputed && editions.length === 0 && live.length > 0);
}
var PlannedInsight = class {
  #workings;
  #posed;
  #plan;
  #segments;
  #before = /* @__PURE__ */ new Map();
  #group;
  #state = null;
  constructor(workings, posed, plan, segments, group) {
    this.product = posed.product;
    this.id = posed.id;
    this.range = posed.range;
    this.pinned = singleValues(posed.where);
    this.#workings = workings;
    this.#posed = posed;
    this.#plan = plan;
    this.#segments = segments;
    this.#group = group;
  }
  async complete() {
    const plan = this.#plan;
    const { coverage: coverage2 } = this.#posed.view;
    const covered2 = this.range.from >= coverage2.from && this.range.to <= coverage2.until;
    if (plan.kind === "unstored" || this.#group?.fromAthena) return covered2;
    const declared = this.product.measures.filter(({ precomputed }) => precomputed);
    const { snapshot } = this.#posed;
    return plan.complete && (covered2 || declared.every((measure) => isRead(snapshot, measure, plan)));
  }
  async measure(name, path) {
    const measure = this.product.measure(name);
    const plan = this.#plan;
    const isAnswered = this.#group?.fromAthena === true && this.#group.of(measure) !== null;
    return plan.kind === "stored" && !isAnswered && isRead(this.#posed.snapshot, measure, plan)
      ? this.#stored(measure, plan, path)
      : this.#asked(measure, path);
  }
  async stamp() {
    const state = this.#plan.kind === "stored" ? await this.#load(this.#plan) : null;
    return JSON.stringify([this.range, await this.complete(), state]);
  }
  notLive() {
    const served = this.#posed.snapshot.serving.rollups.filter(({ live }) => live);
    const can = `Live rollups of ${this.product.name}: ${showRollups(served) || "none"}.`;
    if (this.#plan.kind === "unstored") return `This slice has no live rollup: ${this.#plan.reason}. ${can}`;
    const { rollup: rollup2 } = this.#plan;
    if (rollup2.live) return null;
    const declared = this.product.rollups.some(({ name, live }) => name === rollup2.name && live);
    const when = declared ? " before the next refresh" : "";
    return `The rollup [${rollup2.dimensions.join(", ")}] is not live${when}. ${can}`;
  }
  async series(grain) {
    const count2 = bucketCount(this.range, grain);
    if (count2 > maxBuckets)
      throw new UserInputError(
        `A series has at most ${maxBuckets} buckets. ${grain} over this range makes about ${count2}. Ask for a coarser grain or a shorter range.`,
      );
    const slice = sliceOf(this.#posed.snapshot.serving, this.#posed.where);
    const keys = slice.kind === "slice" ? slice.keys.length : 1;
    this.#workings.reads.take((keys + 1) * count2);
    const series = { range: this.range, grain };
    const pose4 = (range) => {
      const id = `${this.id}/${formatInstant(range.from)}/${grain}`;
      return poseInsight(this.#workings, { ...this.#posed, range, series, id }, { isPaid: true });
    };
    return this.#workings.gate.plan(() => Promise.all(bucketsOf(this.range, grain).map(pose4)));
  }
  /** Planned once, whoever compares with it. */
  async previous(period) {
    const known3 = this.#before.get(period) ?? this.#poseBefore(period);
    this.#before.set(period, known3);
    return known3;
  }
  #poseBefore(period) {
    const range = shiftBack(this.range, period);
    assertInstant(range.from);
    const series = this.#posed.series && seriesBefore(this.#posed.series, period, range);
    const posed = { ...this.#posed, range, series, id: `${this.id}/${period}` };
    const standing = this.#group ? { group: this.#group.before(period) } : {};
    return this.#workings.gate.plan(() => poseInsight(this.#workings, posed, standing));
  }
  async #stored(measure, plan, path) {
    this.#workings.trace?.stored({ path, measure, posed: this.#posed }, plan, this.#segments);
    const state = await this.#load(plan);
    const { view } = this.#posed;
    const { provenance } = this.#workings;
    const { to: to2 } = this.range;
    const isLive = reachesLive(plan, this.range, view);
    if (plan.editions.length > 0 || !isLive) provenance.add(path, this.#fromEdition(), to2);
    if (isLive) {
      const through = Math.min(to2, Math.max(view.live.to, view.coverage.until));
      provenance.add(path, { source: "LIVE", through, ...(plan.partial && { partial: true }) }, to2);
    }
    return readMeasure(this.product, measure.expression, stateReader(this.product.components, state));
  }
  #fromEdition() {
    const { view, snapshot } = this.#posed;
    const through = Math.min(this.range.to, view.coverage.until);
    return { source: "EDITION", through, edition: snapshot.manifest.edition };
  }
  #load(plan) {
    this.#state ??= this.#read(plan);
    return this.#state;
  }
  async #read(plan) {
    const { scope, segments: loader, reads } = this.#workings;
    const { serving } = this.#posed.snapshot;
    if (this.#group !== null) reads.take(plan.keys.length * (this.#segments.length + plan.live.length));
    return readState({ product: this.product, serving, scope, loader }, plan, this.#segments);
  }
  /** Athena answers up to the coverage, for the whole series at once where this is one bucket of it. */
  async #asked(measure, path) {
    const { coverage: coverage2 } = this.#posed.view;
    const covered2 = (range2) => ({
      from: Math.max(range2.from, coverage2.from),
      to: Math.min(range2.to, coverage2.until),
    });
    const { where } = this.#posed;
    const series = this.#seriesFor(measure);
    const range = covered2(series?.range ?? this.range);
    const question = { where, range, by: series?.grain ?? null };
    const through = Math.min(this.range.to, coverage2.until);
    const isEmpty2 = range.from >= range.to;
    if (isEmpty2) {
      this.#workings.provenance.add(path, this.#fromEdition(), this.range.to);
      this.#workings.trace?.asked({ path, measure, posed: this.#posed }, this.#plan, null);
    }
    const found2 = isEmpty2 ? void 0 : await this.#ask(question, measure, path, through);
    const aggregates = new Map(
      aggregatesBehind(this.product, measure.expression).map((each) => [aggregateId(each), each]),
    );
    return readMeasure(
      this.product,
      measure.expression,
      (id) => found2?.get(id) ?? ofNothing(aggregates.get(id)),
    );
  }
  /** The series to ask for in one go. A cut bucket at its edge stands alone where rollups answer the whole ones. */
  #seriesFor(measure) {
    const { series, snapshot, where } = this.#posed;
    const isWhole2 =
      series !== null && [this.range.from, this.range.to].every((at) => isAligned(at, series.grain));
    const { serving } = snapshot;
    return isWhole2 || !serving.stores(measure) || sliceOf(serving, where).kind === "unstored"
      ? series
      : null;
  }
  async #ask(question, measure, path, through) {
    const aggregates = aggregatesBehind(this.product, measure.expression);
    const { where, snapshot } = this.#posed;
    const read2 = [...columnsBehind(this.product, measure), ...where.map(({ column }) => column)];
    assertKnown(this.product, snapshot.serving, read2, `Measure "${measure.name}"`);
    const together = this.#group?.of(measure) ?? null;
    if (together !== null)
      this.#workings.trace?.asked({ path, measure, posed: this.#posed }, this.#plan, "page");
    const answer = together ?? this.#askAlone(question, measure, path, aggregates);
    const { found: found2, queryId, bytesScanned } = await answer;
    const origin = { source: "ATHENA", through, queryId, bytesScanned };
    this.#workings.provenance.add(path, origin, this.range.to);
    return found2;
  }
  async #askAlone(question, measure, path, aggregates) {
    const { partitions } = this.#posed.snapshot;
    const ask3 = { source: this.product.source, question, aggregates, partitions };
    this.#workings.trace?.asked({ path, measure, posed: this.#posed }, this.#plan, ask3);
    const answer = await this.#workings.adHoc.load(ask3);
    const found2 = answer.buckets.get(question.by === null ? 0 : floorTo(this.range.from, question.by));
    return { ...answer, found: found2 };
  }
};
function ofNothing(aggregate) {
  return ["count", "countIf", "countOf", "sum", "distinct", "approxDistinct"].includes(aggregate.kind)
    ? 0
    : null;
}

// src/loaders/groups.ts
async function poseGroups(workings, sights, question) {
  const { posed, stored: stored2 } = await workings.gate.explore(() => explore(workings, sights, question));
  const found2 = stored2.kind === "found" ? stored2 : await askedPage(workings, posed);
  return present(workings, posed, found2);
}
async function explore(workings, sights, question) {
  const posed = await workings.gate.plan(() => pose2(workings, sights, question));
  const { product: product2, snapshot, isPast: isPast2 } = posed;
  try {
    const stored2 = await storedPage(workings, posed);
    workings.trace?.grouped(posed, stored2);
    if (stored2.kind === "unstored") assertAskable(posed);
    return { posed, stored: stored2 };
  } finally {
    if (isPast2) await sights.manifests.assertKept(product2, snapshot.manifest);
  }
}
async function pose2(workings, sights, question) {
  const { product: product2, where, dimensions: dimensions2, after, range: asked2 } = question;
  const order = question.order && { ...question.order, measure: product2.measure(question.order.measure) };
  if (after === null) {
    const sight2 = await sights.of(product2);
    const range = resolveRange(product2, sight2, where, dimensions2, asked2);
    return { product: product2, where, question, order, range, ...sight2, offset: 0, isPast: false };
  }
  const { edition, from: from2, to: to2, offset } = readCursor(after, question, workings.scope);
  const sight = await sights.at(product2, edition);
  const isPast2 = sight !== (await sights.of(product2));
  return {
    product: product2,
    where,
    question,
    order,
    range: { from: from2, to: to2 },
    ...sight,
    offset,
    isPast: isPast2,
  };
}
async function storedPage(workings, posed) {
  const { product: product2, where, question, range, view, snapshot, order, offset } = posed;
  const plan = planGroups(snapshot.serving, where, question.dimensions, range, view);
  if (plan.kind === "unstored") return plan;
  if (order !== null && !isRead(snapshot, order.measure, plan))
    return { kind: "unstored", reason: `"${order.measure.name}", which orders the groups, is not stored` };
  const known3 = await knownKeys(workings, product2, snapshot, plan);
  if (known3.kind === "unstored") return known3;
  const groups = groupsOf2(plan, known3.keys);
  const ranked =
    order === null && known3.exact
      ? groups.map(({ group }) => ({ group, value: null }))
      : await readGroups2(workings, posed, plan, groups);
  if ("kind" in ranked) return ranked;
  const sorted2 = [...ranked].sort(byRank(order?.direction ?? "ASC"));
  const end = offset + question.first;
  if (!known3.whole) {
    const leading = knownLead(plan, sorted2, order?.direction ?? null);
    if ("kind" in leading) return leading;
    if (end > leading.lead)
      return { kind: "unstored", reason: `the leaderboards tell the first ${leading.lead} groups` };
  }
  const page = sorted2.slice(offset, end).map(({ group }) => group);
  return {
    kind: "found",
    groups: page,
    values: listedValues(workings, posed, page),
    hasNext: !known3.whole || end < sorted2.length,
    total: known3.whole ? sorted2.length : null,
  };
}
function groupsOf2(plan, keys) {
  const groups = /* @__PURE__ */ new Map();
  for (const key of keys) {
    const group = groupOf(plan, key);
    const id = JSON.stringify(group);
    const known3 = groups.get(id);
    if (known3 === void 0) groups.set(id, { group, keys: [key] });
    else known3.keys.push(key);
  }
  return [...groups.values()];
}
async function readGroups2(workings, posed, plan, groups) {
  const { product: product2, snapshot, order, question } = posed;
  const { rollup: rollup2, editions } = plan;
  const parts = await snapshot.segments(rollup2, editions);
  const pieces2 = piecesOf(groups, plan, parts);
  const page = Math.min(question.first, groups.length) * (parts.length + plan.live.length);
  if (!workings.reads.covers(pieces2 + page)) return tooMany(`${pieces2} pieces of segments`);
  workings.reads.take(pieces2);
  const { scope, segments: loader } = workings;
  const options = { product: product2, serving: snapshot.serving, scope, loader };
  const valueOf4 = order === null ? () => null : measureReader(product2, order.measure.expression);
  const read2 = await Promise.all(
    groups.map(async ({ group, keys }) => {
      const state = await readState(options, { ...plan, kind: "stored", keys }, parts);
      return { group, events: state[0] ?? 0, value: valueOf4(state) };
    }),
  );
  return workings.trace ? read2 : read2.filter(({ events }) => events > 0);
}
function piecesOf(groups, { live }, parts) {
  return groups.reduce((sum2, { keys }) => sum2 + keys.length, 0) * (parts.length + live.length);
}
async function present(workings, posed, found2) {
  const { question, offset, snapshot, range } = posed;
  const { groups, values, hasNext, total } = found2;
  const edition = snapshot.manifest.edition;
  return {
    nodes: await workings.gate.plan(() =>
      Promise.all(groups.map((group, place) => poseGroup(workings, posed, group, values(place)))),
    ),
    cursors: groups.map((_, place) =>
      writeCursor({ edition, ...range, offset: offset + place + 1 }, question, workings.scope),
    ),
    hasNextPage: hasNext,
    hasPreviousPage: offset > 0,
    totalCount: total,
  };
}
function poseGroup(workings, posed, group, values) {
  const { product: product2, question, range, view, snapshot } = posed;
  const where = [...ungrouped(question.where, question.dimensions), ...pinning(question.dimensions, group)];
  const id = insightId(product2, where, question.range);
  return poseInsight(
    workings,
    { product: product2, where, range, id, view, snapshot, series: null },
    { group: values },
  );
}

// src/loaders/live-listing.ts
function liveListing(store, reads) {
  const known3 = /* @__PURE__ */ new Map();
  return (partition2) => {
    const items = known3.get(partition2) ?? collect(store.listLive(partition2), reads);
    known3.set(partition2, items);
    return items;
  };
}
async function collect(items, reads) {
  const all = [];
  for await (const item of items) if (!reads.covers(all.push(item))) return null;
  return all;
}

// src/loaders/provenance.ts
var ProvenanceRecord = class {
  #entries = /* @__PURE__ */ new Map();
  #manifests = /* @__PURE__ */ new Map();
  readManifest(product2, version) {
    this.#manifests.set(product2, version);
  }
  /** `to` is where the range of the value ends: it may count less than that. */
  add(path, origin, to2 = origin.through) {
    const object = path.slice(0, -1).join(".");
    const field = path.at(-1);
    const id = JSON.stringify([object, origin.source, origin.edition, origin.queryId]);
    const known3 = this.#entries.get(id);
    const through = formatInstant(origin.through);
    const isShort = origin.through < to2;
    if (known3 === void 0) {
      const entry = { path: object, fields: [], ...origin, through };
      this.#entries.set(id, { entry, isShort, fields: /* @__PURE__ */ new Set([field]) });
      return;
    }
    known3.fields.add(field);
    known3.entry = {
      ...known3.entry,
      through: throughBoth(known3, { entry: { through }, isShort }),
      ...((origin.partial || known3.entry.partial) && { partial: true }),
    };
    known3.isShort ||= isShort;
  }
  extensions() {
    return {
      manifest: Object.fromEntries(this.#manifests),
      provenance: [...this.#entries.values()].map(({ entry, fields }) => ({ ...entry, fields: [...fields] })),
    };
  }
};
function throughBoth(a, b) {
  if (a.isShort !== b.isShort) return (a.isShort ? a : b).entry.through;
  const [first, last] = [a.entry.through, b.entry.through].sort();
  return a.isShort ? first : last;
}

// src/loaders/read-budget.ts
var ReadBudget = class {
  constructor(most2 = 2e5) {
    this.most = most2;
    this.#left = most2;
  }
  #left;
  /** Whether so many may still be read. */
  covers(pieces2) {
    return pieces2 <= this.#left;
  }
  /** Throws `QUERY_TOO_COMPLEX`, and takes nothing then: what was granted stays so. */
  take(pieces2) {
    if (!this.covers(pieces2))
      throw new SluiceError(
        "QUERY_TOO_COMPLEX",
        `A request reads and shows at most ${this.most} pieces of segments and buckets of series: keys times buckets, summed over its fields and groups. Ask for fewer keys or groups, a coarser grain or a shorter range.`,
      );
    this.#left -= pieces2;
  }
};

// src/loaders/session.ts
function openSession(shared, options) {
  const gate = new Gates();
  const provenance = new ProvenanceRecord();
  const { scope, adHocWaitMs: waitMs, signal, trace } = options;
  const wait = { waitMs, request: {}, ...(signal && { signal }) };
  const reads = options.reads ?? new ReadBudget();
  const workings = {
    scope,
    gate,
    provenance,
    reads,
    segments: segmentLoader(shared.insights, shared.segments, gate.reading),
    leaderboards: leaderboardLoader(shared.insights, shared.leaderboards, gate.reading),
    liveItems: liveListing(shared.insights, reads),
    adHoc: adHocLoader(shared.adHoc, gate.asking, scope, wait),
    ...(trace && { trace }),
  };
  const sights = new Sights(shared, provenance);
  return {
    insight: (question) => gate.plan(() => pose3(workings, sights, question)),
    groups: (question) => poseGroups(workings, sights, question),
    catalogue: (product2) =>
      catalogueEntry(shared, product2, (dimension, search, first) =>
        dimensionValues(workings, sights, product2, { dimension, search: search ?? "", first }),
      ),
    adHocJob: (id) => shared.adHoc.job(scope, id),
    cancelAdHocJob: (id) => shared.adHoc.cancel(scope, id),
    adHocJobUpdates: (id) => shared.adHoc.watch(scope, id),
    extensions: () => provenance.extensions(),
  };
}
async function pose3(workings, sights, question) {
  const { product: product2, where, range: asked2 } = question;
  const sight = await sights.of(product2);
  const range = resolveRange(product2, sight, where, [], asked2);
  const id = insightId(product2, where, asked2);
  return poseInsight(workings, { product: product2, where, range, id, ...sight, series: null });
}

// etl/batch/chunks.ts
function chunksOf(items, size) {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
var parallelWrites = 32;
async function forEachInParallel(items, work) {
  for (const some of chunksOf(items, parallelWrites)) await Promise.all(some.map(work));
}
function groupedBy(items, keyOf2) {
  const groups = /* @__PURE__ */ new Map();
  for (const item of items) {
    const group = groups.get(keyOf2(item));
    if (group === void 0) groups.set(keyOf2(item), [item]);
    else group.push(item);
  }
  return groups;
}

// test/batch/memory-warehouse.ts
function ddl(catalogue, sql) {
  if (sql.startsWith("CREATE DATABASE")) return;
  const table = /`\w+`\.`\w+`/.exec(sql)[0].replaceAll("`", "");
  if (sql.startsWith("CREATE"))
    return void (catalogue.has(table) || catalogue.set(table, /* @__PURE__ */ new Map()));
  if (sql.startsWith("DROP TABLE")) return void catalogue.delete(table);
  const partitions = catalogue.get(table);
  if (partitions === void 0) throw new Error(`Table ${table} does not exist.`);
  const nameOf = (text) => [...text.matchAll(/'([^']+)'/g)].map(([, value]) => value).join(" ");
  for (const [, spec, location] of sql.matchAll(/PARTITION \(([^)]+)\)(?: (?:SET )?LOCATION '([^']+)')?/g)) {
    const name = nameOf(spec);
    if (sql.includes("DROP IF EXISTS")) partitions.delete(name);
    else if (sql.includes("SET LOCATION")) {
      if (!partitions.has(name)) throw new Error(`Partition ${name} of ${table} does not exist.`);
      partitions.set(name, location);
    } else if (!partitions.has(name)) partitions.set(name, location);
  }
}
var tableIn = (sql) => /FROM ("\w+"\."\w+")/.exec(sql)[1].replaceAll('"', "");
var valuesIn = (sql) => [.../IN \(([^)]+)\)/.exec(sql)[1].matchAll(/'([^']+)'/g)].map(([, value]) => value);
var untilIn = (sql) => Date.parse(`${/TIMESTAMP '([^']+)'/.exec(sql)[1].replace(" ", "T")}Z`);
function jsonGold(lake) {
  return {
    open: async (product2, folders) => {
      const objects = /* @__PURE__ */ new Map();
      for (const folder2 of folders)
        for await (const { key } of lake.list(folder2))
          objects.set(key, JSON.parse(Buffer.from(await lake.read(key)).toString()));
      return opened(product2, objects);
    },
  };
}
function opened(product2, objects) {
  const rows = [...objects.values()].flat();
  const inPeriods = (rollup2, periods) => {
    const length = periods[0]?.length ?? 0;
    const nameOf = (at) => new Date(at).toISOString().slice(0, length);
    return rows.flatMap(([name, at, key, state]) =>
      name === rollup2 && at !== null && periods.includes(nameOf(at))
        ? [{ id: JSON.stringify([key, nameOf(at)]), at, key, period: nameOf(at), state }]
        : [],
    );
  };
  return {
    assemble: async function* (rollup2, grain, periods) {
      const segments = groupedBy(inPeriods(rollup2.name, periods), ({ id }) => id);
      for (const found2 of segments.values()) {
        const { key, period } = found2[0];
        yield { segments: [{ key, period, packed: packed(product2, grain, found2) }], leaderboards: [] };
      }
      if (rollup2.top === null) return;
      for (const period of new Set(inPeriods(rollup2.name, periods).map((row) => row.period)))
        yield { segments: [], leaderboards: [{ within: [], period, packed: "[]" }] };
    },
    totals: async () => [...objects].flatMap(([object, found2]) => totalsOf(product2, object, found2)),
    violations: async () => [],
    keys: async function* (rollup2, { dimensions: dimensions2 }, periods) {
      const found2 = inPeriods(rollup2, periods).map(({ key, period }) => ({
        key: dimensions2.length === 0 ? [] : key,
        period,
      }));
      yield* new Map(found2.map((each) => [JSON.stringify(each), each])).values();
    },
    close: () => Promise.resolve(),
  };
}
function packed(product2, grain, rows) {
  const buckets = /* @__PURE__ */ new Map();
  for (const { at, state } of rows) {
    const index = bucketIndex(at, grain);
    const bucket = buckets.get(index) ?? emptyState(product2.components);
    mergeState(product2.components, bucket, state);
    buckets.set(index, bucket);
  }
  return packBuckets(buckets, product2.components.length);
}
function totalsOf(product2, object, rows) {
  return [...groupedBy(rows, ([rollup2]) => rollup2)].map(([rollup2, found2]) => {
    const state = emptyState(product2.components);
    for (const [, , , each] of found2) mergeState(product2.components, state, each);
    const times = found2.flatMap(([, at]) => at ?? []);
    return {
      object,
      rollup: rollup2,
      values: state.map((value) => (value === null ? null : BigInt(value))),
      magnitudes: state.map(() => 0),
      first: times.length === 0 ? null : Math.min(...times),
      last: times.length === 0 ? null : Math.max(...times),
    };
  });
}

// test/batch/sales.ts
import { GraphQLDateTime as GraphQLDateTime3 } from "graphql-scalars";
import { Int as Int3 } from "type-graphql";
var SaleEvent = class {};
__decorateClass([Column(() => GraphQLDateTime3)], SaleEvent.prototype, "at", 2);
__decorateClass([Column(() => String)], SaleEvent.prototype, "shop", 2);
__decorateClass([Column(() => Int3)], SaleEvent.prototype, "amount", 2);
SaleEvent = __decorateClass([Source({ table: "shop.sales", time: "at", description: "Sales." })], SaleEvent);
var Taking = class {};
__decorateClass([Column(() => GraphQLDateTime3)], Taking.prototype, "at", 2);
__decorateClass([Column(() => String)], Taking.prototype, "shop", 2);
__decorateClass([Column(() => Int3)], Taking.prototype, "amount", 2);
Taking = __decorateClass(
  [
    Source({
      table: "shop.takings",
      time: "at",
      description: "Sales.",
      stream: { name: "takings", lateness: "PT1H" },
    }),
  ],
  Taking,
);
var [sale, taking] = [columns(SaleEvent), columns(Taking)];
var rollups = [
  rollup([], { grains: ["HOUR", "DAY", "MONTH"], live: false }),
  rollup(["shop"], { grains: ["DAY", "MONTH"], live: false, top: 2 }),
];
var promise = { owner: "shop", freshness: "PT1H", description: "Sales.", rollups };
var SalesActivity = class {};
__decorateClass([Dimension()], SalesActivity.prototype, "shop", 2);
__decorateClass([Measure(sale.count(), { description: "Sales." })], SalesActivity.prototype, "sales", 2);
__decorateClass(
  [Measure(sale.sum("amount"), { description: "Amount." })],
  SalesActivity.prototype,
  "amount",
  2,
);
__decorateClass(
  [Measure(sale.max("amount"), { description: "Largest." })],
  SalesActivity.prototype,
  "largest",
  2,
);
SalesActivity = __decorateClass([DataProduct({ source: SaleEvent, ...promise })], SalesActivity);
var TakingsActivity = class {};
__decorateClass([Dimension()], TakingsActivity.prototype, "shop", 2);
__decorateClass([Measure(taking.count(), { description: "Sales." })], TakingsActivity.prototype, "sales", 2);
__decorateClass(
  [Measure(taking.sum("amount"), { description: "Amount." })],
  TakingsActivity.prototype,
  "amount",
  2,
);
__decorateClass(
  [Measure(taking.max("amount"), { description: "Largest." })],
  TakingsActivity.prototype,
  "largest",
  2,
);
TakingsActivity = __decorateClass([DataProduct({ source: Taking, ...promise })], TakingsActivity);
var ManyActivity = class {};
__decorateClass([Dimension()], ManyActivity.prototype, "shop", 2);
__decorateClass([Dimension()], ManyActivity.prototype, "amount", 2);
__decorateClass([Measure(sale.count(), { description: "Sales." })], ManyActivity.prototype, "sales", 2);
ManyActivity = __decorateClass(
  [
    DataProduct({
      source: SaleEvent,
      ...promise,
      rollups: [[], ["shop"], ["amount"], ["shop", "amount"]].map((dimensions2) =>
        rollup(dimensions2, { grains: ["HOUR", "DAY", "MONTH"] }),
      ),
    }),
  ],
  ManyActivity,
);
var product = (target) => declaredProducts().find(({ name }) => name === target.name);
var salesActivity = product(SalesActivity);
var manyActivity = product(ManyActivity);
var takingsActivity = product(TakingsActivity);
var instant = (text) => Date.parse(`${text}Z`);
var whole = { from: instant("2024-01-01T00:00"), to: instant("2024-05-01T00:00") };
var week = { from: instant("2024-03-02T00:00"), to: instant("2024-03-07T00:00") };
var morning = { from: instant("2024-03-06T00:00"), to: instant("2024-03-06T03:00") };
var ended = { from: instant("2024-03-01T00:00"), to: instant("2024-03-02T00:00") };
var questions = (closed) => [
  { shops: null, range: whole, grain: null },
  { shops: null, range: whole, grain: "MONTH" },
  { shops: null, range: week, grain: "DAY" },
  { shops: null, range: morning, grain: "HOUR" },
  { shops: ["a"], range: { from: whole.from, to: closed.to }, grain: null },
  { shops: ["a", "b"], range: closed, grain: "DAY" },
];
var measures = ["sales", "amount", "largest"];
var asked = (of) => questions(of.source.stream === null ? week : ended);
var salesQuery = `{ ${asked(salesActivity)
  .map(({ shops: shops3, range: { from: from2, to: to2 }, grain }, i) => {
    const where = shops3 === null ? "" : `where: {shop: {in: ${JSON.stringify(shops3)}}}, `;
    const range = `range: {from: "${new Date(from2).toISOString()}", to: "${new Date(to2).toISOString()}"}`;
    const fields = grain === null ? measures.join(" ") : `series(grain: ${grain}) { ${measures.join(" ")} }`;
    return `q${i}: salesActivity(${where}${range}) { ${fields} }`;
  })
  .join("\n")} }`;

// test/batch/sales-world.ts
function noAdHoc(control) {
  const unasked = () => Promise.reject(new Error("All of it is stored."));
  return new AdHocJobs({
    jobs: control,
    control,
    executions: { start: unasked, look: unasked, rows: unasked, stop: unasked },
    limits: adHocLimits,
    clock: () => 0,
    wait: () => Promise.resolve(),
    token: () => "process",
    random: () => 0,
  });
}

// test/exactly-once/readers.ts
var shops2 = ["a", "b", null];
var longestViewMs = 1e3;
var Readers = class {
  constructor(scene) {
    /** By product and version where its edition ends; null while the version is not published. */
    this.#coverage = /* @__PURE__ */ new Map();
    /** When a product was published first, by the clock of processes. */
    this.#since = /* @__PURE__ */ new Map();
    /** By product and version the lake's generation that answers. */
    this.#generation = /* @__PURE__ */ new Map();
    /** By product, rollup, key and bucket what has been answered at least. */
    this.#floors = /* @__PURE__ */ new Map();
    this.answers = 0;
    this.#scene = scene;
    this.#midnight = Math.floor(scene.world.clock.start / dayMs) * dayMs;
  }
  #scene;
  #midnight;
  #coverage;
  #since;
  #generation;
  #floors;
  published(product2, version, until) {
    this.#coverage.set(`${product2} ${version}`, until);
    if (!this.#since.has(product2)) this.#since.set(product2, this.#now());
  }
  /** A gateway whose view may be so old, in milliseconds of its process. */
  gateway(life, maxAgeMs2) {
    const { code: code2, world } = this.#scene;
    const control = life.faulty(world.stores.control);
    const reading = { control, clock: () => life.scheduler.now, maxAgeMs: maxAgeMs2 };
    const shared = {
      control,
      insights: life.faulty(world.stores.insights, "listLive"),
      adHoc: noAdHoc(control),
      manifests: new code2.Manifests(reading),
      liveStatus: new code2.LiveStatus(reading),
      segments: new SegmentCache(),
      leaderboards: new LeaderboardCache(),
    };
    world.broadcast.subscribe((message) => {
      if (message.kind === "live") shared.liveStatus.observe(message);
      else shared.manifests.expire(message.product);
    });
    return shared;
  }
  /** Asks several rollups of a product in one request. */
  async ask(shared) {
    if (this.#scene.random() < 0.6) await this.#askProduct(shared, shopVisits, this.#ofShops());
    else await this.#askProduct(shared, dailyVisits, this.#ofDays());
  }
  /** Asks everything there is. */
  async askAll(shared) {
    const hours = { from: this.#midnight + 12 * hourMs, to: this.#midnight + 2 * dayMs };
    const keyed = shops2.map((shop) => ({ rollup: "shop", key: [shop], grain: "HOUR", ...hours }));
    await this.#askProduct(shared, shopVisits, [
      ...this.#ofShops(),
      { rollup: "total", key: [], grain: "HOUR", ...hours },
      ...keyed,
    ]);
    await this.#askProduct(shared, dailyVisits, this.#ofDays());
  }
  #ofShops() {
    const { random } = this.#scene;
    const whole2 = { from: this.#midnight - dayMs, to: this.#midnight + 3 * dayMs };
    const first = this.#midnight + Math.floor(15 + random() * 10) * hourMs;
    const hours = { from: first, to: first + 3 * hourMs };
    const shop = shops2[Math.floor(random() * shops2.length)];
    return [
      { rollup: "total", key: [], grain: "DAY", ...whole2 },
      { rollup: "total", key: [], grain: "HOUR", ...hours },
      ...shops2.map((key) => ({ rollup: "shop", key: [key], grain: null, ...whole2 })),
      { rollup: "shop", key: [shop], grain: "HOUR", ...hours },
    ];
  }
  #ofDays() {
    const whole2 = { from: this.#midnight - dayMs, to: this.#midnight + 3 * dayMs };
    return [
      { rollup: "total", key: [], grain: "DAY", ...whole2 },
      { rollup: "member", key: [true], grain: null, ...whole2 },
    ];
  }
  async #askProduct(shared, product2, questions2) {
    const { code: code2, oracle } = this.#scene;
    const floors = new Map(this.#floors);
    const before = oracle.counted.length;
    const askedAt = this.#now();
    const session = code2.openSession(shared, { scope: analystScope, adHocWaitMs: 0 });
    let answers;
    try {
      const asked2 = questions2.map((question, i) => answersOf(session, product2, question, `q${i}`));
      answers = (await Promise.all(asked2)).flat();
    } catch (error) {
      if (this.#mayFail(error, product2, askedAt)) return;
      throw error;
    }
    const { manifest, provenance } = session.extensions();
    const version = manifest[product2.name];
    const until = this.#coverage.get(`${product2.name} ${version}`);
    if (until === void 0) throw new Error(`Version ${version} of ${product2.name} was never published.`);
    for (const answer of answers) {
      const told = provenance.filter(({ path }) => path === answer.path);
      const through = Math.max(...told.map((each) => Date.parse(each.through)));
      this.#check(product2, version, until, { ...answer, through }, floors, before);
    }
  }
  /** Before the first edition, and where a slow request reads of one that was swept meanwhile. */
  #mayFail(error, { name }, askedAt) {
    if (!(error instanceof SluiceError) || error.code !== "BACKEND_UNAVAILABLE") return false;
    if (error.message.includes("Ask again")) return true;
    const isKnown = askedAt - (this.#since.get(name) ?? Infinity) > longestViewMs;
    return !isKnown && error.message.includes("no published edition");
  }
  #now() {
    return this.#scene.world.clock.scheduler.now;
  }
  #check(product2, version, until, answer, floors, before) {
    const { oracle } = this.#scene;
    const { rollup: rollup2, key, from: from2, to: to2, values, complete, through } = answer;
    this.answers++;
    const isLive = rollup2 !== "member";
    const id = JSON.stringify([product2.name, rollup2, key, from2, to2]);
    const wrong = (why) =>
      new Error(
        `Version ${version} of ${product2.name}, covered until ${iso(until)}, answered ${JSON.stringify(values)} for ${rollup2} ${JSON.stringify(key)} from ${iso(from2)} to ${iso(to2)}, through ${iso(through)}${complete ? ", complete" : ""}: ${why}`,
      );
    const lake = this.#lakeOf(product2, version, rollup2, key, from2, to2, values, wrong);
    const streamed = oracle.visits(rollup2, key, from2, to2);
    const counted = Number(values["visits"]);
    const isExact = !isLive || to2 <= until || complete;
    if (isExact) {
      const right = [...lake, ...streamed.filter(({ at }) => isLive || at < until)];
      for (const [name, value] of Object.entries(values)) {
        const expected = oracle.measure(product2.name, name, right);
        if (value !== expected) throw wrong(`${name} is ${expected}`);
      }
    }
    const owed = streamed.filter(
      ({ at, order }) => at < Math.min(through, isLive ? to2 : until) && order < before,
    );
    if (counted < lake.length + owed.length) throw wrong(`there are ${lake.length + owed.length} at least`);
    if (counted > lake.length + streamed.length)
      throw wrong(`there are ${lake.length + streamed.length} at most`);
    if (isLive) {
      const floor = floors.get(id) ?? 0;
      if (counted < floor) throw wrong(`it was ${floor} before`);
      this.#floors.set(id, Math.max(counted, this.#floors.get(id) ?? 0));
      oracle.promised = Math.max(oracle.promised, through);
    }
  }
  /** Yesterday's visits as the version has them: of one generation, the same in all answers. */
  #lakeOf(product2, version, rollup2, key, from2, to2, values, wrong) {
    const { generations, oracle } = this.#scene;
    if (from2 >= this.#midnight) return [];
    const of = (generation) =>
      generations[generation].filter(
        (visit2) =>
          visit2.at >= from2 && visit2.at < to2 && (rollup2 === "total" || visit2[rollup2] === key[0]),
      );
    const id = `${product2.name} ${version}`;
    const known3 = this.#generation.get(id);
    if (known3 !== void 0) return of(known3);
    if (to2 > this.#midnight) return of(0);
    const found2 = generations.findIndex(
      (_, i) => oracle.measure(product2.name, "amount", of(i)) === values["amount"],
    );
    if (found2 < 0) throw wrong("the lake was never so");
    this.#generation.set(id, found2);
    return of(found2);
  }
};
async function answersOf(session, product2, { rollup: rollup2, key, grain, from: from2, to: to2 }, name) {
  const where = key.map((value) =>
    value === null ? { column: rollup2, op: "isNull", value: true } : { column: rollup2, op: "eq", value },
  );
  const insight = await session.insight({ product: product2, where, range: { from: from2, to: to2 } });
  const buckets = grain === null ? [insight] : await insight.series(grain);
  return Promise.all(
    buckets.map(async (bucket, i) => {
      const path = `${name}b${i}`;
      const values = await measuresOf(bucket, product2, path);
      return {
        path,
        rollup: rollup2,
        key,
        from: bucket.range.from,
        to: bucket.range.to,
        complete: await bucket.complete(),
        values,
      };
    }),
  );
}
async function measuresOf(insight, product2, path) {
  const entries = product2.measures.map(async ({ name }) => [
    name,
    await insight.measure(name, [path, name]),
  ]);
  return Object.fromEntries(await Promise.all(entries));
}

// test/live/parcels.ts
import { GraphQLDateTime as GraphQLDateTime4 } from "graphql-scalars";
import { Float as Float3, Int as Int4 } from "type-graphql";
var Parcel = class {};
__decorateClass([Column(() => GraphQLDateTime4, { name: "Scan Time" })], Parcel.prototype, "scanned", 2);
__decorateClass([Column(() => Int4, { name: "Cost Total $", nullable: true })], Parcel.prototype, "cost", 2);
__decorateClass([Column(() => Float3)], Parcel.prototype, "weight", 2);
__decorateClass([Column(() => String, { nullable: true })], Parcel.prototype, "depot", 2);
__decorateClass(
  [Column(() => Boolean, { name: "is?damaged", nullable: true })],
  Parcel.prototype,
  "damaged",
  2,
);
__decorateClass([Column(() => GraphQLDateTime4, { nullable: true })], Parcel.prototype, "due", 2);
Parcel = __decorateClass(
  [
    Source({
      table: "depot.parcels",
      time: "scanned",
      description: "Parcels scanned in a depot.",
      partition: { column: "month", grain: "MONTH" },
      stream: { name: "parcels", lateness: "P2D" },
    }),
  ],
  Parcel,
);
var parcel = columns(Parcel);
var DepotParcels = class {};
__decorateClass([Dimension()], DepotParcels.prototype, "depot", 2);
__decorateClass([Dimension()], DepotParcels.prototype, "damaged", 2);
__decorateClass([Measure(parcel.sum("cost"), { description: "Cost." })], DepotParcels.prototype, "cost", 2);
__decorateClass(
  [Measure(parcel.min("cost"), { description: "Least cost." })],
  DepotParcels.prototype,
  "least",
  2,
);
__decorateClass(
  [Measure(parcel.max("weight"), { description: "Heaviest." })],
  DepotParcels.prototype,
  "heaviest",
  2,
);
__decorateClass(
  [Measure(parcel.countIf({ weight: { gte: 10 } }), { description: "Heavy ones." })],
  DepotParcels.prototype,
  "heavy",
  2,
);
__decorateClass(
  [Measure(parcel.avg("cost"), { description: "Mean cost." })],
  DepotParcels.prototype,
  "mean",
  2,
);
DepotParcels = __decorateClass(
  [
    DataProduct({
      source: Parcel,
      owner: "test",
      freshness: "PT1H",
      description: "Parcels per depot, without a total.",
      rollups: [
        rollup(["depot"], { grains: ["HOUR", "DAY"] }),
        rollup(["damaged", "depot"], { grains: ["DAY"] }),
        rollup(["damaged"], { grains: ["DAY"], live: false }),
      ],
    }),
  ],
  DepotParcels,
);
var AllParcels = class {};
__decorateClass([Measure(parcel.count(), { description: "Parcels." })], AllParcels.prototype, "parcels", 2);
AllParcels = __decorateClass(
  [
    DataProduct({
      source: Parcel,
      owner: "test",
      freshness: "PT1H",
      description: "All parcels.",
      rollups: [rollup([], { grains: ["MONTH"] })],
    }),
  ],
  AllParcels,
);
var PastParcel = class {};
__decorateClass([Column(() => GraphQLDateTime4, { name: "Scan Time" })], PastParcel.prototype, "scanned", 2);
__decorateClass([Column(() => Int4, { name: "Cost Total $" })], PastParcel.prototype, "cost", 2);
__decorateClass([Column(() => String)], PastParcel.prototype, "depot", 2);
PastParcel = __decorateClass(
  [
    Source({
      table: "depot.history",
      time: "scanned",
      description: "The same, replayed.",
      stream: { name: "history", lateness: "PT1H", replay: true },
    }),
  ],
  PastParcel,
);
var past = columns(PastParcel);
var PastParcels = class {};
__decorateClass([Dimension()], PastParcels.prototype, "depot", 2);
__decorateClass([Measure(past.sum("cost"), { description: "Cost." })], PastParcels.prototype, "cost", 2);
PastParcels = __decorateClass(
  [
    DataProduct({
      source: PastParcel,
      owner: "test",
      freshness: "PT1H",
      description: "Replayed parcels.",
      rollups: [rollup([], { grains: ["HOUR"] }), rollup(["depot"], { grains: ["DAY"] })],
    }),
  ],
  PastParcels,
);
var named2 = (name) => declaredProducts().find((product2) => product2.name === name);
var depotParcels = named2("DepotParcels");
var allParcels = named2("AllParcels");
var pastParcels = named2("PastParcels");
var parcels = sourceFor(Parcel);
var history = sourceFor(PastParcel);
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 1831565813) | 0;
    let t2 = Math.imul(state ^ (state >>> 15), 1 | state);
    t2 = (t2 + Math.imul(t2 ^ (t2 >>> 7), 61 | t2)) ^ t2;
    return ((t2 ^ (t2 >>> 14)) >>> 0) / 4294967296;
  };
}
var dayStart = Date.parse("2024-02-28T00:00:00Z");

// test/exactly-once/ear.ts
var Ear = class {
  #oracle;
  /** By item the newest image. */
  #items = /* @__PURE__ */ new Map();
  /** By item the newest version of which an update got lost. */
  #lostItems = /* @__PURE__ */ new Map();
  /** Ids of visits in updates that got lost. */
  #lostVisits = /* @__PURE__ */ new Set();
  #heard = /* @__PURE__ */ new Set();
  /** By shard the last position. */
  #positions = /* @__PURE__ */ new Map();
  /** By partition key the order of the last visit. */
  #orders = /* @__PURE__ */ new Map();
  /** Shards with a lost update and no gap told since. */
  #owed = /* @__PURE__ */ new Set();
  constructor(oracle) {
    this.#oracle = oracle;
  }
  /** The broadcast was not reached, or did not say that it was. */
  lose(message) {
    if (message.kind !== "live") return;
    for (const { key, version } of message.items)
      this.#lostItems.set(idOf(key), Math.max(version, this.#lostItems.get(idOf(key)) ?? 0));
    for (const { event } of message.events) this.#lostVisits.add(Number(event["id"]));
    if (message.events.length > 0) this.#owed.add(message.shard);
  }
  hear(message) {
    if (message.kind !== "live") return;
    if (message.gap === true) this.#owed.delete(message.shard);
    this.#hearItems(message);
    this.#hearEvents(message);
  }
  #hearItems({ items }) {
    for (const { key, version, packed: packed2 } of items) {
      const known3 = this.#items.get(idOf(key));
      if (known3 !== void 0 && known3.version === version && known3.packed !== packed2)
        throw new Error(
          `Version ${version} of item ${idOf(key)} was told as ${known3.packed} and ${packed2}.`,
        );
      if (known3 === void 0 || version > known3.version)
        this.#items.set(idOf(key), { version, packed: packed2 });
    }
  }
  #hearEvents({ shard, events }) {
    const visits2 = this.#oracle.inShard(shard);
    for (const { sequence, index, event } of events) {
      const visit2 = visits2.find((each) => each.sequence === sequence && each.index === index);
      if (visit2 === void 0 || visit2.id !== event["id"] || visit2.amount !== event["amount"])
        throw new Error(`An event at ${shard} ${sequence} ${index} was told that is not there.`);
      const at = this.#positions.get(shard);
      if (at !== void 0 && (sequence < at.sequence || (sequence === at.sequence && index <= at.index)))
        continue;
      this.#positions.set(shard, { sequence, index });
      this.#heard.add(visit2.id);
      this.#checkOrder(visit2);
    }
  }
  #checkOrder({ id, partitionKey, order }) {
    const last = this.#orders.get(partitionKey) ?? -1;
    if (order < last && !this.#lostVisits.has(id))
      throw new Error(`Visit ${id} was told after a later one of its partition key ${partitionKey}.`);
    this.#orders.set(partitionKey, Math.max(order, last));
  }
  /** When all is quiet: the last of everything was told, unless the broadcast was down, and that was told then. */
  checkTold(items) {
    for (const { pk, sk, version, packed: packed2 } of items) {
      const id = idOf({ pk, sk });
      const told = this.#items.get(id);
      if (told?.version === version && told.packed === packed2) continue;
      if (this.#lostItems.get(id) === version) continue;
      throw new Error(`Version ${version} of item ${id} was never told, but ${told?.version ?? "none"}.`);
    }
    for (const { id, shard } of this.#oracle.counted)
      if (!this.#heard.has(id) && !this.#lostVisits.has(id))
        throw new Error(`Visit ${id} of ${shard} was never told.`);
    if (this.#owed.size > 0)
      throw new Error(`Updates of ${[...this.#owed].join(", ")} got lost, and no gap was told.`);
  }
};
var idOf = ({ pk, sk }) => `${pk} ${sk}`;

// src/model/position.ts
function comparePositions(a, b) {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  return a[1] - b[1];
}
function advance(positions, shard, to2) {
  const at = positions[shard];
  if (at !== void 0 && comparePositions(to2, at) <= 0) return false;
  positions[shard] = to2;
  return true;
}
function moveOver(positions, { shard, events, gap }) {
  const last = events.at(-1);
  const at = positions[shard];
  if (last !== void 0) advance(positions, shard, [last.sequence, last.index]);
  else if (gap === true && at !== void 0) positions[shard] = [at[0], Number.MAX_SAFE_INTEGER];
}

// src/backends/broadcast.memory.ts
function memoryBroadcast(options) {
  const listeners = /* @__PURE__ */ new Set();
  const streams = /* @__PURE__ */ new Map();
  return {
    publish: async (message) => {
      if (message.kind === "live") retain(options, streams, message);
      tell(listeners, message);
    },
    subscribe: (listener) => {
      const own = (message) => listener(message);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    retained: (stream) => {
      const kept = streams.get(stream);
      if (kept === void 0) return { first: 0, updates: [], dropped: {} };
      prune(options, kept);
      const { first, updates, dropped } = kept;
      return { first, updates: updates.map(({ update }) => update), dropped: { ...dropped } };
    },
  };
}
function tell(listeners, message) {
  const failures = [];
  const current = Array.from(listeners);
  for (const listener of current)
    try {
      listener(message);
    } catch (error) {
      failures.push(error);
    }
  if (failures.length > 0) throw new AggregateError(failures, "Listeners of the broadcast failed.");
}
function retain(options, streams, update) {
  const kept = streams.get(update.stream) ?? { first: 0, updates: [], dropped: {} };
  streams.set(update.stream, kept);
  kept.updates.push({ at: options.clock(), update });
  prune(options, kept);
}
function prune({ retainMs, retainMax, clock }, kept) {
  const oldest = clock() - retainMs;
  const expired2 = kept.updates.findIndex(({ at }) => at >= oldest);
  const count2 = Math.max(expired2 < 0 ? kept.updates.length : expired2, kept.updates.length - retainMax);
  if (count2 <= 0) return;
  for (const { update } of kept.updates.splice(0, count2)) moveOver(kept.dropped, update);
  kept.first += count2;
}

// test/live/memory-stores.ts
import { createHash as createHash6 } from "node:crypto";
var idOf2 = ({ pk, sk }) => `${pk}
${sk}`;
function memoryInsights2() {
  const items = /* @__PURE__ */ new Map();
  const segments = /* @__PURE__ */ new Map();
  return {
    items,
    segments,
    read: async (stored2, live) => ({ segments: found(segments, stored2), live: found(items, live) }),
    writeSegments: async (batches) => {
      let written = 0;
      for await (const batch of batches)
        for (const item of batch) {
          segments.set(idOf2(item), item.packed);
          written++;
        }
      return written;
    },
    removeSegments: async (keys) => {
      let removed = 0;
      for await (const key of keys) {
        segments.delete(idOf2(key));
        removed++;
      }
      return removed;
    },
    writeLive: async (item, expected) => {
      const current = items.get(idOf2(item)) ?? null;
      if ((current?.version ?? null) !== expected) return { applied: false, current };
      items.set(idOf2(item), structuredClone(item));
      return { applied: true };
    },
    listLive: async function* (partition2) {
      for (const item of items.values()) if (item.pk === partition2) yield item;
    },
  };
}
function found(stored2, keys) {
  return new Map(
    keys.flatMap((key) => (stored2.has(idOf2(key)) ? [[idOf2(key), stored2.get(idOf2(key))]] : [])),
  );
}
function memoryControl2() {
  const documents = /* @__PURE__ */ new Map();
  const revisions = /* @__PURE__ */ new Map();
  return {
    documents,
    get: async (key) => {
      const text = documents.get(idOf2(key));
      return text === void 0 ? null : { value: JSON.parse(text), revision: revisions.get(idOf2(key)) };
    },
    put: async (key, value, expected) => {
      const revision = revisions.get(idOf2(key)) ?? null;
      if (expected !== "any" && expected !== revision) return null;
      documents.set(idOf2(key), JSON.stringify(value));
      revisions.set(idOf2(key), (revision ?? 0) + 1);
      return (revision ?? 0) + 1;
    },
    remove: async (keys) => {
      for (const key of keys) {
        documents.delete(idOf2(key));
        revisions.delete(idOf2(key));
      }
    },
    list: async (pk) =>
      [...documents.keys()]
        .filter((id) =>
          id.startsWith(`${pk}
`),
        )
        .sort()
        .map((id) => ({
          pk,
          sk: id.slice(pk.length + 1),
          value: JSON.parse(documents.get(id)),
          revision: revisions.get(id),
        })),
  };
}
function memoryLake2() {
  const objects = /* @__PURE__ */ new Map();
  const etags = /* @__PURE__ */ new WeakMap();
  const etagOf = (bytes) => {
    const etag = etags.get(bytes) ?? createHash6("md5").update(bytes).digest("hex");
    etags.set(bytes, etag);
    return etag;
  };
  const read2 = async (key) => {
    const bytes = objects.get(key);
    if (bytes === void 0) throw new Error(`There is no object ${key}.`);
    return bytes;
  };
  return {
    objects,
    list: async function* (prefix) {
      for (const key of [...objects.keys()].filter((each) => each.startsWith(prefix)).sort())
        yield { key, size: objects.get(key).length, etag: etagOf(objects.get(key)) };
    },
    read: read2,
    write: async (key, bytes) => void objects.set(key, bytes),
    copy: async (from2, to2) => void objects.set(to2, await read2(from2)),
    remove: async (keys) => keys.forEach((key) => objects.delete(key)),
    url: (key) => `s3://lake/${key}`,
    key: (url) => url.slice("s3://lake/".length),
  };
}
function memoryDeadLetters() {
  const letters = /* @__PURE__ */ new Map();
  return {
    letters,
    put: async (all) => {
      for (const letter of all) letters.set(`${letter.shard}#${letter.sequence}#${letter.index}`, letter);
    },
  };
}

// test/exactly-once/memory-stream.ts
var hashes = 1 << 16;
var expiryMs = 5e3;
var expiredNow = 3e-3;
var MemoryStream = class {
  constructor(options) {
    this.all = [];
    this.#sequence = 0;
    this.shards = async () => this.all.map(({ id, parents, closed }) => ({ id, parents, closed }));
    this.iterator = async (shard, after) => JSON.stringify([shard, after, this.#options.clock()]);
    this.fetch = async (iterator, limit = 1e3) => {
      const [id, after, opened2] = JSON.parse(iterator);
      const { clock, random } = this.#options;
      if (clock() - opened2 > expiryMs || random() < expiredNow) return "expired";
      const shard = this.#shard(id);
      const rest = shard.records.filter(({ sequence }) => sequence > (after ?? ""));
      const records = rest.slice(0, random() < 0.2 ? Math.floor(random() * limit) : limit);
      const isEnd = records.length === rest.length;
      const last = records.at(-1)?.sequence ?? after;
      const next = shard.closed && isEnd && random() < 0.7 ? null : JSON.stringify([id, last, clock()]);
      return { records, next, millisBehindLatest: isEnd ? 0 : 1e3 };
    };
    this.put = async (entries) =>
      entries.map(({ partitionKey, data, shard }) => this.place(partitionKey, () => data, shard));
    this.#options = options;
    for (let i = 0; i < options.shards; i++)
      this.#open([], (hashes * i) / options.shards, (hashes * (i + 1)) / options.shards);
  }
  #options;
  #sequence;
  /** Puts a record whose content may depend on its arrival. */
  place(partitionKey, data, aimedAt) {
    const hash = hashOf(partitionKey);
    const aimed = this.all.find(({ id, closed }) => id === aimedAt && !closed);
    const shard =
      aimed ?? this.all.find(({ closed, from: from2, to: to2 }) => !closed && from2 <= hash && hash < to2);
    const sequence = this.#nextSequence();
    const arrival = this.#options.stamp();
    shard.records.push({ sequence, arrival, data: data(arrival) });
    return { shard: shard.id, sequence, arrival };
  }
  split(shard) {
    const middle = Math.floor((shard.from + shard.to) / 2);
    shard.closed = true;
    this.#open([shard.id], shard.from, middle);
    this.#open([shard.id], middle, shard.to);
  }
  merge(left, right) {
    left.closed = true;
    right.closed = true;
    this.#open([left.id, right.id], left.from, right.to);
  }
  /** Splits a shard or merges two neighbours. */
  reshard() {
    const { random } = this.#options;
    const open = this.all.filter(({ closed }) => !closed).sort((a, b) => a.from - b.from);
    const at = Math.floor(random() * open.length);
    const [shard, neighbour] = [open[at], open[at + 1]];
    if (neighbour !== void 0 && (open.length > 2 || random() < 0.4)) this.merge(shard, neighbour);
    else this.split(shard);
  }
  #open(parents, from2, to2) {
    const id = `shard-${String(this.all.length).padStart(2, "0")}`;
    this.all.push({ id, parents, closed: false, from: from2, to: to2, records: [] });
  }
  #shard(id) {
    const found2 = this.all.find((shard) => shard.id === id);
    if (found2 === void 0) throw new Error(`There is no shard ${id}.`);
    return found2;
  }
  #nextSequence() {
    this.#sequence += 1 + Math.floor(this.#options.random() * 3);
    return `056:${String(this.#sequence).padStart(8, "0")}`;
  }
};
function hashOf(text) {
  let hash = 2166136261;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  return ((hash >>> 8) ^ hash) & (hashes - 1);
}

// test/exactly-once/warehouse.ts
import { parquetReadObjects } from "hyparquet";
var lakeRoot2 = "s3://lake/";
function memoryWarehouse(options) {
  return {
    run: async ({ sql }) => ({
      queryId: "q",
      rows: await execute(options, sql),
      bytesScanned: 1,
      engineMs: 1,
    }),
  };
}
async function rowsIn({ catalogue, objects }, table, value) {
  const locations = [...(catalogue.get(table) ?? [])].filter(([name]) => name.split(" ")[0] === value);
  const files = [...objects].filter(([key]) =>
    locations.some(([, location]) => lakeRoot2 + key.slice(0, key.lastIndexOf("/") + 1) === location),
  );
  return (await Promise.all(files.map(([, bytes]) => decoded(bytes)))).flat();
}
var known2 = /* @__PURE__ */ new WeakMap();
function decoded(bytes) {
  const rows = known2.get(bytes) ?? decode(bytes);
  known2.set(bytes, rows);
  return rows;
}
async function decode(bytes) {
  if (bytes[0] !== parquetMark) return JSON.parse(Buffer.from(bytes).toString());
  const buffer = new Uint8Array(bytes).buffer;
  const file = {
    byteLength: buffer.byteLength,
    slice: (start2, end) => buffer.slice(start2, end),
  };
  const rows = await parquetReadObjects({ file });
  return rows.map(({ at, id, shop, amount, member }) => ({
    at: Number(at),
    id: Number(id),
    shop,
    amount: amount === null ? null : Number(amount),
    member,
  }));
}
var parquetMark = "P".charCodeAt(0);
async function execute(options, sql) {
  const target = /\nTO '([^']+)'/.exec(sql)?.[1];
  if (target !== void 0) await unload(options, sql, target.slice(lakeRoot2.length));
  else if (sql.startsWith("SELECT")) return counts(options, sql);
  else ddl(options.catalogue, sql);
  return [];
}
async function unload(options, sql, target) {
  const table = tableIn(sql);
  const isGold = sql.includes("GROUPING SETS");
  const product2 = options.products.find(({ name }) => target.startsWith(`gold/${name}/`));
  const partitions = await Promise.all(
    valuesIn(sql).map(async (value) => ({ value, rows: await rowsIn(options, table, value) })),
  );
  for (const { value, rows } of partitions) {
    const written = isGold
      ? goldOf(
          product2,
          rows.filter(({ at }) => at < untilIn(sql)),
        )
      : rows;
    if (written.length > 0)
      options.objects.set(`${target}day=${value}/data`, Buffer.from(JSON.stringify(written)));
  }
}
function counts(options, sql) {
  return Promise.all(
    valuesIn(sql).map(async (value) => {
      const rows = await rowsIn(options, tableIn(sql), value);
      return [value, String(rows.filter(({ at }) => at < untilIn(sql)).length)];
    }),
  );
}
function goldOf(product2, rows) {
  const add2 = folder(product2.components);
  const keyed = rows.flatMap((visit2) => [
    { id: JSON.stringify([sourceRollup, null, []]), visit: visit2 },
    ...product2.rollups.map(({ name, dimensions: dimensions2, finest }) => ({
      id: JSON.stringify([name, floorTo(visit2.at, finest), dimensions2.map((each) => visit2[each])]),
      visit: visit2,
    })),
  ]);
  return [...groupedBy(keyed, ({ id }) => id)].map(([id, found2]) => {
    const state = emptyState(product2.components);
    for (const { visit: visit2 } of found2) add2(state, { ...visit2 });
    return [...JSON.parse(id), state];
  });
}

// test/exactly-once/world.ts
var TimeLapse = class {
  constructor(scheduler, start2, factor) {
    this.scheduler = scheduler;
    this.start = start2;
    this.factor = factor;
    this.#skipped = 0;
    this.now = () => this.start + this.#skipped + Math.trunc(this.scheduler.now * this.factor);
  }
  #skipped;
  skip(ms) {
    this.#skipped += ms;
  }
};
var skewMs = 12e4;
function memoryWorld(clock, random) {
  const control = memoryControl2();
  const insights = memoryInsights2();
  const lake = memoryLake2();
  const { objects } = lake;
  const deadLetters = memoryDeadLetters();
  const catalogue = /* @__PURE__ */ new Map();
  const stream = new MemoryStream({
    shards: 1 + Math.floor(random() * 2),
    stamp: () => clock.now() - Math.floor(random() * skewMs),
    random,
    clock: () => clock.scheduler.now,
  });
  const yesterday = new Date(clock.start - dayMs).toISOString().slice(0, 10);
  return {
    stores: {
      control,
      insights,
      lake,
      deadLetters,
      warehouse: memoryWarehouse({ objects, catalogue, products }),
      stream,
    },
    broadcast: memoryBroadcast({ retainMs: 100 * dayMs, retainMax: 1e5, clock: clock.now }),
    clock,
    gold: jsonGold,
    place: async (partitionKey, data) => stream.place(partitionKey, data),
    reshard: async () => stream.reshard(),
    writeLake: async (visits2) =>
      void objects.set(`shop/visits/day=${yesterday}/f`, Buffer.from(JSON.stringify(visits2))),
    liveItems: async () => [...insights.items.values()],
    letters: async () => [...deadLetters.letters.values()],
    archived: async () => {
      const files = [...objects].filter(([key]) => key.startsWith("archive/"));
      return (await Promise.all(files.map(([, bytes]) => decoded(bytes)))).flat();
    },
    queried: (day) => rowsIn({ catalogue, objects }, "shop.visits", day),
  };
}

// test/exactly-once/scene.ts
var start = Date.parse("2024-03-09T17:00:00Z");
var timeFactor = 1500;
var Scene = class {
  constructor({ code: code2, seed, scheduler, world = memoryWorld }) {
    /** Nothing goes wrong any more. */
    this.calm = false;
    /** The broadcast is. */
    this.isDown = false;
    this.oracle = new Oracle();
    this.ear = new Ear(this.oracle);
    /** The lake of yesterday, as it has been so far. */
    this.generations = [];
    this.#diary = [];
    this.#lives = 0;
    this.code = code2;
    this.scheduler = scheduler;
    this.random = seeded(seed);
    this.world = world(new TimeLapse(scheduler, start, timeFactor), this.random);
    this.stores = this.#watched();
    this.readers = new Readers(this);
    this.failed = new Promise((_, reject) => (this.fail = reject));
    this.failed.catch(() => {});
    this.world.broadcast.subscribe((message) => this.#watch(() => this.ear.hear(message)));
  }
  #diary;
  #lives;
  life(name, rates) {
    const life = new Life(`${name} ${++this.#lives}`, this.scheduler, this.random, () =>
      this.calm ? noFaults : rates,
    );
    void life.died.then(() => this.note(`${life.name} dies`));
    return life;
  }
  pause(from2, to2) {
    return this.scheduler.wait(from2 + this.random() * (to2 - from2));
  }
  pick(from2) {
    return from2[Math.floor(this.random() * from2.length)];
  }
  note(text) {
    this.#diary.push(`${String(Math.round(this.scheduler.now)).padStart(6)} ${text}`);
  }
  diary() {
    return this.#diary.join("\n");
  }
  /** Others write yesterday anew: as many visits, of another amount. */
  async nextGeneration() {
    const amount = this.generations.length + 1;
    const midnight = Math.floor(start / dayMs) * dayMs;
    const lake = Array.from({ length: 6 }, (_, i) => ({
      id: -1 - i,
      at: midnight - (1 + i * 4) * 3599e3,
      shop: i % 2 === 0 ? "a" : null,
      amount,
      member: i < 3,
    }));
    this.generations.push(lake);
    await this.world.writeLake(lake);
  }
  #watched() {
    const { stores } = this.world;
    const { insights, control } = stores;
    return {
      ...stores,
      insights: {
        ...insights,
        writeLive: async (item, expected) => {
          const outcome = await insights.writeLive(item, expected);
          if (outcome.applied) this.#watch(() => this.oracle.checkLiveItem(item));
          return outcome;
        },
      },
      control: {
        ...control,
        put: async (key, value, ...rest) => {
          const revision = await control.put(key, value, ...rest);
          if (revision !== null && key.pk.startsWith("manifest#")) {
            const { version, coverage: coverage2 } = value;
            this.readers.published(key.pk.slice("manifest#".length), version, coverage2.until);
          }
          return revision;
        },
      },
    };
  }
  #watch(look) {
    try {
      look();
    } catch (error) {
      this.fail(error);
    }
  }
};

// test/exactly-once/scheduler.ts
var Scheduler = class {
  constructor() {
    /** Milliseconds since the history began. */
    this.now = 0;
    this.steps = 0;
    this.#queue = [];
    this.#order = 0;
  }
  #queue;
  #order;
  /** Runs something so many milliseconds from now; of what is due at once, what was asked for first. */
  in(ms, run2) {
    const due = { at: this.now + Math.max(0, ms), order: this.#order++, run: run2 };
    let place = this.#queue.push(due) - 1;
    for (let parent; place > 0; place = parent) {
      parent = (place - 1) >> 1;
      if (!isBefore(due, this.#queue[parent])) break;
      this.#queue[place] = this.#queue[parent];
    }
    this.#queue[place] = due;
  }
  wait(ms) {
    return new Promise((resolve) => this.in(ms, resolve));
  }
  /** Until `main` is settled. Rejects when nothing is due any more, or when it takes more than so many steps. */
  async run(main, maxSteps2, stuck) {
    let settled2 = false;
    const watched = main.finally(() => (settled2 = true));
    watched.catch(() => {});
    for (let idle = 0; idle < settlingTurns && this.steps < maxSteps2; ) {
      await new Promise((resolve) => setImmediate(resolve));
      if (settled2) return watched;
      const due = this.#next();
      idle = due === null ? idle + 1 : 0;
      due?.run();
    }
    throw new Error(`The history is stuck after ${this.steps} steps, at ${this.now} ms: ${stuck()}`);
  }
  #next() {
    const first = this.#queue[0];
    if (first === void 0) return null;
    const last = this.#queue.pop();
    if (this.#queue.length > 0) this.#sink(last);
    this.now = first.at;
    this.steps++;
    return first;
  }
  #sink(due) {
    const queue = this.#queue;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && isBefore(queue[child + 1], queue[child])) child++;
      if (!isBefore(queue[child], due)) break;
      queue[place] = queue[child];
      place = child;
    }
    queue[place] = due;
  }
};
var settlingTurns = 10;
var isBefore = (a, b) => a.at < b.at || (a.at === b.at && a.order < b.order);

// test/exactly-once/history.ts
var defaultMs = 24e3;
var defaultRecords = 80;
var maxSteps = 2e5;
async function runHistory(code2, seed, options = {}) {
  const scheduler = new Scheduler();
  const scene = new Scene({ ...options, code: code2, seed, scheduler });
  const history2 = new History(scene, options);
  try {
    await scheduler.run(history2.run(), maxSteps, () => history2.phase);
  } catch (error) {
    throw new Error(
      `Seed ${seed}: ${error.message}
Repeat it with SLUICE_SEED=${seed} npx vitest run test/exactly-once
${scene.diary()}`,
      { cause: error },
    );
  }
}
var History = class {
  constructor(scene, { ms = defaultMs, records = defaultRecords }) {
    this.phase = "it has not begun";
    this.#scene = scene;
    this.#ms = ms;
    this.#records = records;
  }
  #scene;
  #ms;
  #records;
  async run() {
    const scene = this.#scene;
    this.phase = "trouble";
    await scene.nextGeneration();
    const trouble = Promise.all([
      this.#produce(),
      this.#keepConsuming(),
      this.#reshard(),
      this.#keepRefreshing(),
      this.#keepRollingBack(),
      this.#changeLake(),
      this.#breakBroadcast(),
      this.#keepReading(0),
      this.#keepReading(longestViewMs),
    ]);
    await Promise.race([trouble, scene.failed]);
    scene.calm = true;
    await Promise.race([this.#settle(), scene.failed]);
  }
  async #produce() {
    const { world, oracle, random } = this.#scene;
    const producer = new Producer(world, oracle, random);
    for (let i = 0; i < this.#records; i++) {
      await this.#scene.pause(0, (2 * this.#ms) / this.#records);
      await producer.putRecord();
    }
  }
  async #keepConsuming() {
    const leaving = [];
    while (this.#isOngoing()) {
      const consumer = startConsumer(this.#scene);
      await Promise.race([consumer.life.died, this.#scene.pause(300, 6e3)]);
      const left = this.#leave(consumer);
      leaving.push(left);
      if (this.#scene.random() < 0.4) await left;
      else if (!consumer.life.alive) await this.#scene.pause(0, 1500);
    }
    await Promise.all(leaving);
  }
  /** It is dead already, dies, is asked to stop, or is frozen and goes on as a zombie. */
  async #leave(consumer) {
    const { life } = consumer;
    if (!life.alive) return;
    const before = this.#scene.pick(["frozen", "frozen", "waiting", "at once"]);
    if (before === "frozen") await this.#freeze(life);
    if (before === "waiting") await this.#scene.pause(0, 4e3);
    if (this.#scene.random() < 0.5) life.crash();
    else await stop(consumer);
  }
  async #freeze(life) {
    this.#scene.note(`${life.name} freezes`);
    life.freeze();
    await this.#scene.pause(200, 6e3);
    this.#scene.note(`${life.name} goes on`);
    life.thaw();
    await this.#scene.pause(100, 4e3);
  }
  async #reshard() {
    const times = Math.floor(this.#scene.random() * 4);
    for (let i = 0; i < times && this.#isOngoing(); i++) {
      await this.#scene.pause(0, (2 * this.#ms) / (times + 1));
      await this.#scene.world.reshard();
      this.#scene.note("shards change");
    }
  }
  async #keepRefreshing() {
    const scene = this.#scene;
    while (this.#isOngoing()) {
      await scene.pause(200, 3500);
      const runs = [refresh(scene, scene.random() < 0.7 ? shopVisits : dailyVisits)];
      if (scene.random() < 0.25) runs.push(refresh(scene, scene.pick(products)));
      await Promise.all(runs);
    }
  }
  async #keepRollingBack() {
    const scene = this.#scene;
    while (this.#isOngoing()) {
      await scene.pause(1e3, 8e3);
      const product2 = scene.random() < 0.8 ? shopVisits : dailyVisits;
      await rollback(scene, product2);
      await scene.pause(300, 3e3);
      await release(scene, product2);
    }
  }
  async #changeLake() {
    while (this.#isOngoing()) {
      await this.#scene.pause(1e3, 1e4);
      await this.#scene.nextGeneration();
    }
  }
  async #breakBroadcast() {
    const scene = this.#scene;
    if (scene.random() < 0.5) return;
    await scene.pause(0, this.#ms);
    scene.isDown = true;
    scene.note("the broadcast goes down");
    await scene.pause(100, 8e3);
    scene.isDown = false;
    scene.note("the broadcast is back");
  }
  async #keepReading(maxAgeMs2) {
    const { readers } = this.#scene;
    const gateway = readers.gateway(this.#scene.life("reader", noFaults), maxAgeMs2);
    while (this.#isOngoing()) {
      await this.#scene.pause(200, 4e3);
      await readers.ask(gateway);
    }
  }
  /** What is left is consumed and counted, and everything is looked at. */
  async #settle() {
    const scene = this.#scene;
    const { readers, world } = scene;
    const consumer = startConsumer(scene, 6e4);
    const gateway = readers.gateway(scene.life("reader", noFaults), 0);
    for (const product2 of products) await release(scene, product2);
    for (const day of ["today", "another day"]) {
      for (const product2 of products) {
        this.phase = `${day}, a refresh of ${product2.name}`;
        await refresh(scene, product2);
      }
      this.phase = `${day}, readers ask everything`;
      await readers.askAll(gateway);
      world.clock.skip(4 * dayMs);
    }
    this.phase = "the last consumer stops";
    await stop(consumer);
    await checkEnd(world, scene.oracle, scene.ear);
  }
  #isOngoing() {
    return this.#scene.scheduler.now < this.#ms;
  }
};

// etl/live/consumer.ts
import { setMaxListeners } from "node:events";

// etl/live/effects.ts
import { setTimeout as timer } from "node:timers/promises";
async function waitFor(ms, signal) {
  if (signal.aborted) return;
  await timer(ms, void 0, { signal }).catch(() => {});
}
var firstBackoffMs2 = 50;
var maxBackoffMs = 15e3;
async function untilDone(effects, what, effect) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await effect();
    } catch (error) {
      if (effects.signal.aborted) throw error;
      effects.log.warn({ err: error, attempt }, `${what} failed; it is tried again`);
      await effects.wait(backoffMs(attempt, effects.random()), effects.signal);
      if (effects.signal.aborted) throw error;
    }
  }
}
function backoffMs(attempt, random) {
  return (0.5 + random / 2) * Math.min(maxBackoffMs, firstBackoffMs2 * 2 ** Math.min(attempt, 16));
}
async function inParallel2(inputs, width, task) {
  const queue = inputs.values();
  const failures = [];
  const worker = async () => {
    for (const input of queue) {
      if (failures.length > 0) return;
      await task(input).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, inputs.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

// etl/live/checkpoint.ts
var beforeAll = Date.parse("0001-01-01T00:00:00Z");
function readPosition(options, shard) {
  const key = checkpointKey(options.stream, shard);
  return untilDone(options.effects, "Reading the checkpoint", () => options.control.get(key));
}
function readCheckpoints(options) {
  const { pk } = checkpointKey(options.stream, "");
  return untilDone(options.effects, "Reading checkpoints", () => options.control.list(pk));
}
async function advance2(options, shard, known3, next) {
  for (let stored2 = known3; ; ) {
    if (stored2 !== null && (stored2.value.sequence ?? "") >= next.sequence) return stored2;
    const revision = await writeCheckpoint(options, shard, next, stored2);
    if (revision !== null) return { value: next, revision };
    stored2 = await readPosition(options, shard);
  }
}
function writeCheckpoint({ stream, control, effects }, shard, checkpoint, known3) {
  return untilDone(effects, "Writing the checkpoint", () =>
    control.put(checkpointKey(stream, shard), checkpoint, known3?.revision ?? null),
  );
}
async function openCheckpoints(options, shards) {
  for (const shard of parentsFirst(shards)) await openCheckpoint(options, shard);
}
function parentsFirst(shards) {
  const ordered = /* @__PURE__ */ new Set();
  const add2 = (shard) => {
    if (ordered.has(shard)) return;
    shards.filter(({ id }) => shard.parents.includes(id)).forEach(add2);
    ordered.add(shard);
  };
  shards.forEach(add2);
  return ordered;
}
async function openCheckpoint(options, { id, parents }) {
  for (;;) {
    const stored2 = await readPosition(options, id);
    if (stored2 !== null && stored2.value.sequence !== null) return;
    const arrival = await inheritedArrival(options, parents);
    if (stored2 !== null && stored2.value.arrival >= arrival) return;
    const shapes = options.products.map(shapeId);
    const opened2 = { ...stored2?.value, sequence: null, arrival, newest: null, shapes };
    if ((await writeCheckpoint(options, id, opened2, stored2)) !== null) return;
  }
}
async function inheritedArrival(options, parents) {
  const known3 = await Promise.all(parents.map((parent) => readPosition(options, parent)));
  return known3.length === 0
    ? beforeAll
    : Math.min(...known3.map((each) => each?.value.arrival ?? beforeAll));
}
async function endCheckpoint(options, shard) {
  for (;;) {
    const stored2 = await readPosition(options, shard);
    if (stored2 === null || stored2.value.ended === true) return;
    const ended2 = { ...stored2.value, ended: true };
    if ((await writeCheckpoint(options, shard, ended2, stored2)) !== null) return;
  }
}

// etl/live/live-start.ts
var clockPollMs = 200;
async function ensureLiveStarts(options) {
  for (;;) {
    const checkpoints = await readCheckpoints(options);
    for (const product2 of options.products) {
      const missed = checkpoints.flatMap(({ value }) => missedUntil(value, product2) ?? []);
      if (!(await moveLiveStart(options, product2, missed))) return;
    }
    const named3 = await Promise.all(checkpoints.map((each) => nameShapes(options, each.sk, each)));
    if (named3.every(Boolean)) return;
  }
}
async function enterShard(options, shard) {
  for (;;) {
    const position = await readPosition(options, shard);
    if (position === null || !isMissing(options, position) || options.effects.signal.aborted) return position;
    await ensureLiveStarts(options);
  }
}
async function moveLiveStart(options, product2, missed) {
  const key = liveStartKey(product2);
  for (;;) {
    const known3 = await get(options, key);
    const last = known3?.value.from ?? null;
    if (last !== null && missed.every((at) => at <= last)) return true;
    const from2 = missed.length === 0 ? await startOf(options) : Math.max(...missed, last ?? missed[0]);
    if (from2 === null) return false;
    const written = await untilDone(options.effects, "Writing the live start", () =>
      options.control.put(key, { from: from2 }, known3?.revision ?? null),
    );
    if (written === null) continue;
    options.effects.log.info({ product: product2.name, from: new Date(from2).toISOString() }, "live from");
    return true;
  }
}
async function nameShapes(options, shard, known3) {
  if (!isMissing(options, known3)) return true;
  const shapes = [
    .../* @__PURE__ */ new Set([...(known3.value.shapes ?? []), ...options.products.map(shapeId)]),
  ];
  return (await writeCheckpoint(options, shard, { ...known3.value, shapes }, known3)) !== null;
}
function isMissing({ products: products2 }, { value }) {
  return products2.some((product2) => missedUntil(value, product2) !== null);
}
function startOf(options) {
  return options.stream.replay ? replayStart(options) : streamStart(options);
}
async function replayStart(options) {
  const { stream, effects } = options;
  while (!effects.signal.aborted) {
    const found2 = await get(options, clockKey(stream));
    if (found2 !== null) return (found2.value.from ?? found2.value.at) - stream.latenessMs;
    await effects.wait(clockPollMs, effects.signal);
  }
  return null;
}
async function streamStart({ events, effects }) {
  const shards = await untilDone(effects, "Listing shards", () => events.shards());
  const firsts = await Promise.all(
    shards.map(({ id }) =>
      untilDone(effects, "Reading the first record", () => firstRecord(events, id, effects.signal)),
    ),
  );
  const arrivals = firsts.flatMap((record2) => (record2 === null ? [] : [record2.arrival]));
  return arrivals.length === 0 ? effects.clock() : Math.min(...arrivals);
}
async function firstRecord(events, shard, signal) {
  let iterator = await events.iterator(shard, null);
  while (iterator !== null && !signal.aborted) {
    const fetched = await events.fetch(iterator, 1);
    if (fetched === "expired") throw new Error(`The iterator of ${shard} expired while it was in use.`);
    const [record2] = fetched.records;
    if (record2 !== void 0) return record2;
    iterator = fetched.millisBehindLatest === 0 ? null : fetched.next;
  }
  return null;
}
function get({ control, effects }, key) {
  return untilDone(effects, "Reading a control document", () => control.get(key));
}

// etl/live/announce.ts
var maxPublishMs = 5e3;
function announcer({ broadcast, effects }) {
  const told = /* @__PURE__ */ new Set();
  const owed = /* @__PURE__ */ new Map();
  const tell2 = async (update) => {
    try {
      await bounded(effects, broadcast, told.has(update.shard) ? update : { ...update, gap: true });
      told.add(update.shard);
    } catch (error) {
      told.delete(update.shard);
      effects.log.warn(
        { err: error, shard: update.shard },
        "The broadcast is down; a gap marker will follow",
      );
    }
    return told.has(update.shard);
  };
  return {
    publish: async (update) => {
      if (!(await tell2(update))) return;
      for (const [shard, end] of owed) {
        if (!(await tell2(end))) return;
        owed.delete(shard);
      }
    },
    end: async (update) => {
      if (!told.has(update.shard) && !(await tell2(update))) owed.set(update.shard, update);
    },
  };
}
async function bounded(effects, broadcast, message) {
  const published = new AbortController();
  const tooSlow = effects.wait(maxPublishMs, published.signal).then(() => {
    if (!published.signal.aborted) throw new Error(`Publishing took longer than ${maxPublishMs} ms.`);
  });
  const publishing = broadcast.publish(message).finally(() => published.abort());
  publishing.catch(() => {});
  await Promise.race([publishing, tooSlow]);
}

// etl/live/fold.ts
function liveTargets(products2) {
  return products2.flatMap((product2) => {
    const add2 = folder(product2.components);
    return product2.rollups
      .filter(({ live }) => live)
      .map((rollup2) => ({ product: product2, rollup: rollup2, add: add2 }));
  });
}
function groupByItem(targets, events) {
  return targets.flatMap((target) => {
    const groups = /* @__PURE__ */ new Map();
    for (const decoded2 of events) addToGroup(groups, target, decoded2);
    return [...groups.values()].map((group) => ({ target, ...group }));
  });
}
function addToGroup(groups, { product: product2, rollup: rollup2 }, { event, sequence }) {
  const at = Number(event[product2.source.time.property]);
  const values = rollup2.dimensions.map((dimension) => event[dimension] ?? null);
  const period = periodOf(at, rollup2.finest);
  const id = `${period}${keyText(values)}`;
  let group = groups.get(id);
  if (group === void 0) {
    group = { key: liveKey(systemScope, product2, rollup2, values, period), events: [] };
    groups.set(id, group);
  }
  group.events.push({ sequence, bucket: bucketIndex(at, rollup2.finest), event });
}
function foldItem(image, { target, key, events }, shard, version) {
  const watermark = image?.watermarks[shard];
  const todo = watermark === void 0 ? events : events.filter(({ sequence }) => sequence > watermark);
  if (todo.length === 0) return null;
  const { components } = target.product;
  const buckets = image === null ? /* @__PURE__ */ new Map() : unpackBuckets(image.packed);
  for (const { bucket, event } of todo) {
    const state = buckets.get(bucket) ?? emptyState(components);
    target.add(state, event);
    buckets.set(bucket, state);
  }
  return {
    ...key,
    version,
    watermarks: { ...image?.watermarks, [shard]: todo.at(-1).sequence },
    packed: packBuckets(buckets, components.length),
  };
}

// etl/live/apply.ts
var parallelItems = 64;
var maxImages = 2e4;
var maxJitterMs = 500;
function liveApplier({ insights, effects }) {
  const images = /* @__PURE__ */ new Map();
  return {
    apply: async (shard, items) => {
      await readImages(insights, effects, images, items);
      const changes = [];
      await inParallel2(items, parallelItems, async (item) => {
        const image = await applyItem(insights, effects, images.get(itemId(item.key)) ?? null, shard, item);
        remember(images, image);
        changes.push(changeOf(item, image));
      });
      return changes;
    },
  };
}
async function readImages(insights, effects, images, items) {
  const unseen = items.filter((item) => !images.has(itemId(item.key))).map(({ key }) => key);
  if (unseen.length === 0) return;
  const { live } = await untilDone(effects, "Reading live items", () => insights.read([], unseen));
  for (const image of live.values()) remember(images, image);
}
function remember(images, image) {
  const id = itemId(image);
  images.delete(id);
  images.set(id, image);
  if (images.size > maxImages) images.delete(images.keys().next().value);
}
async function applyItem(insights, effects, seen, shard, item) {
  let image = seen;
  for (let attempt = 0; ; attempt++) {
    const next = foldItem(image, item, shard, versionAfter(image, effects));
    if (next === null) return image;
    if (attempt > 0)
      await effects.wait(effects.random() * Math.min(maxJitterMs, 2 ** attempt), effects.signal);
    const expected = image?.version ?? null;
    const outcome = await untilDone(effects, "Writing a live item", () => insights.writeLive(next, expected));
    if (outcome.applied) return next;
    image = outcome.current;
  }
}
function versionAfter(image, { clock }) {
  return Math.max((image?.version ?? 0) + 1, Math.trunc(clock() * 1e3));
}
function changeOf({ target }, { pk, sk, version, packed: packed2 }) {
  return {
    product: target.product.name,
    rollup: target.rollup.name,
    key: { pk, sk },
    version,
    packed: packed2,
  };
}

// etl/live/archive.ts
import { createHash as createHash7 } from "node:crypto";

// etl/live/parquet.ts
import { parquetWriteBuffer } from "hyparquet-writer";
function encodeEvents({ ownColumns }, events) {
  return encodeParquet(ownColumns, events, (event, column) => event[ownColumns[column].property] ?? null);
}
function encodeParquet(columns2, rows, cell) {
  const root = { name: "root", num_children: columns2.length };
  return new Uint8Array(
    parquetWriteBuffer({
      schema: [root, ...columns2.map(schemaElement)],
      columnData: columns2.map((column, i) => ({
        name: column.name,
        data: rows.map((row) => stored(column, cell(row, i))),
      })),
    }),
  );
}
var types = {
  int: { type: "INT64" },
  float: { type: "DOUBLE" },
  boolean: { type: "BOOLEAN" },
  string: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  // a timestamp without time zone, as Athena's TIMESTAMP
  datetime: { type: "INT64", logical_type: { type: "TIMESTAMP", isAdjustedToUTC: false, unit: "MICROS" } },
};
function schemaElement({ name, type, nullable }) {
  return { name, ...types[type], repetition_type: nullable ? "OPTIONAL" : "REQUIRED" };
}
function stored({ type }, value) {
  if (value === null) return null;
  if (type === "int") return BigInt(value);
  return type === "datetime" ? BigInt(value) * 1000n : value;
}

// etl/live/archive.ts
var nothingArchived = { through: "", files: 0, barrier: null, copying: [] };
var parallelFiles = 8;
function lakeArchive(options) {
  return {
    add: (shard, window2) => add(options, shard, window2),
    recover: async (shard) => {
      await settled(options, shard);
    },
  };
}
async function add(options, shard, window2) {
  for (;;) {
    const { record: record2, revision } = await settled(options, shard);
    if (window2.through <= record2.through) return;
    const fresh = window2.events.filter(({ sequence }) => sequence > record2.through);
    const copying = await stage(options, shard, record2.files, fresh);
    const committed = await swap(options, shard, revision, {
      through: window2.through,
      files: record2.files + copying.length,
      barrier: newest(record2.barrier, window2.barrier),
      copying,
    });
    if (committed === null) continue;
    if (copying.length > 0) await settled(options, shard);
    return;
  }
}
async function settled(options, shard) {
  for (;;) {
    const found2 = await readRecord(options, shard);
    const record2 = found2?.value ?? nothingArchived;
    if (found2 === null || record2.copying.length === 0)
      return { record: record2, revision: found2?.revision ?? null };
    await inParallel2(record2.copying, parallelFiles, (copy) => makeCopy(options, shard, copy));
    const cleared = await swap(options, shard, found2.revision, { ...record2, copying: [] });
    if (cleared !== null) await removeStaged(options, record2.copying);
  }
}
async function makeCopy(options, shard, { from: from2, to: to2 }) {
  await untilDone(options.effects, `Copying ${to2}`, async () => {
    try {
      await options.lake.copy(from2, to2);
    } catch (error) {
      const found2 = await readRecord(options, shard);
      if (found2?.value.copying.some((copy) => copy.from === from2)) throw error;
    }
  });
}
async function removeStaged({ lake, effects }, copied) {
  await lake.remove(copied.map(({ from: from2 }) => from2)).catch((error) => {
    effects.log.warn({ err: error }, "Staged files were not removed; they take space and nothing else");
  });
}
async function stage({ source, lake, effects }, shard, files, events) {
  const staged = [...byPartition(source, events)].map(([partition2, part], i) => {
    const bytes = encodeEvents(
      source,
      part.map(({ event }) => event),
    );
    return { bytes, ...namesOf(source, partition2, shard, files + i, bytes) };
  });
  await inParallel2(staged, parallelFiles, ({ from: from2, bytes }) =>
    untilDone(effects, `Writing ${from2}`, () => lake.write(from2, bytes)),
  );
  return staged.map(({ from: from2, to: to2 }) => ({ from: from2, to: to2 }));
}
function byPartition(source, events) {
  const partitions = /* @__PURE__ */ new Map();
  for (const decoded2 of events) {
    const value = partitionValue(source, Number(decoded2.event[source.time.property]));
    const part = partitions.get(value) ?? [];
    partitions.set(value, part);
    part.push(decoded2);
  }
  return partitions;
}
function namesOf(source, partition2, shard, file, bytes) {
  const table = `${source.database}.${source.table}`;
  const content = createHash7("sha256").update(bytes).digest("hex").slice(0, 32);
  return {
    from: `staged/${table}/${shard}-${file}-${content}.parquet`,
    to: `${archiveFolder(source)}${source.partition.column}=${partition2}/${shard}-${file}.parquet`,
  };
}
function newest(known3, passed) {
  if (passed === null || (known3 !== null && known3.sequence >= passed.sequence)) return known3;
  return { sequence: passed.sequence, arrival: passed.arrival };
}
function readRecord({ control, stream, effects }, shard) {
  const key = archiveKey(stream, shard);
  return untilDone(effects, "Reading the archive record", () => control.get(key));
}
function swap({ control, stream, effects }, shard, revision, record2) {
  const key = archiveKey(stream, shard);
  return untilDone(effects, "Writing the archive record", () => control.put(key, record2, revision));
}

// src/model/lookup-rows.ts
function keyOf(values) {
  return values.length === 1 ? values[0] : JSON.stringify(values);
}
function overlapOf(rows) {
  for (const group of indexRows(rows).values())
    for (const [i, row] of group.entries())
      if (i > 0 && group[i - 1].last >= row.first) return [group[i - 1], row];
  return null;
}
function continued(before, next, from2) {
  const past2 = before.map((row) => ({ ...row, last: Math.min(row.last, from2 - 1) }));
  const future = next.map((row) => ({ ...row, first: Math.max(row.first, from2) }));
  const rows = [...past2, ...future].filter(({ first, last }) => first <= last);
  const byKey = [...indexRows(rows)].sort(([a], [b]) => compareValues(a, b));
  return byKey.flatMap(([, group]) => withoutSeams(group));
}
function withoutSeams(rows) {
  const joined = [];
  for (const row of rows) {
    const previous = joined.at(-1);
    const goesOn =
      previous?.last === row.first - 1 && previous.taken.every((value, i) => value === row.taken[i]);
    if (goesOn) joined[joined.length - 1] = { ...previous, last: row.last };
    else joined.push(row);
  }
  return joined;
}
function indexRows(rows) {
  const index = /* @__PURE__ */ new Map();
  for (const row of rows) {
    const key = keyOf(row.key);
    const group = index.get(key);
    if (group === void 0) index.set(key, [row]);
    else group.push(row);
  }
  for (const group of index.values()) group.sort((a, b) => a.first - b.first);
  return index;
}
function enricher(source, indexOf) {
  const time = source.time.property;
  const steps = source.lookups.map((lookup) => ({
    keyIn: keyReader(lookup),
    index: indexOf(lookup.table),
    take: lookup.take.map(({ column, position }) => ({ property: column.property, position })),
  }));
  return (event) => {
    const enriched = { ...event };
    for (const { keyIn, index, take } of steps) {
      const row = rowAt(index.get(keyIn(event)), event[time]);
      for (const { property, position } of take) enriched[property] = row?.taken[position] ?? null;
    }
    return Object.freeze(enriched);
  };
}
function keyReader({ on }) {
  const properties = on.map(({ property }) => property);
  const [only] = properties;
  if (properties.length === 1) return (event) => event[only] ?? null;
  return (event) => keyOf(properties.map((property) => event[property] ?? null));
}
function rowAt(rows, at) {
  if (rows === void 0) return void 0;
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (rows[middle].first <= at) low = middle;
    else high = middle - 1;
  }
  const row = rows[low];
  return row !== void 0 && row.first <= at && at <= row.last ? row : void 0;
}
function packRows(rows) {
  return `[${rows.map(({ key, first, last, taken }) => JSON.stringify([...key, first, last, ...taken])).join(",\n")}]`;
}
function unpackRows({ keys }, packed2) {
  const n = keys.length;
  return JSON.parse(packed2).map((cells) => ({
    key: cells.slice(0, n),
    first: Number(cells[n]),
    last: Number(cells[n + 1]),
    taken: cells.slice(n + 2),
  }));
}
function validity(from2, to2) {
  return { first: from2 ?? firstInstant, last: to2 === null ? lastInstant : to2 - 1 };
}

// etl/live/enrich.ts
var pollMs = 500;
function lookupEnricher(options) {
  const tables = lookupTables(options.source.lookups);
  if (tables.length === 0) return { enrich: async (events) => events };
  const loaded = /* @__PURE__ */ new Map();
  return {
    enrich: async (events) => {
      if (events.length === 0) return events;
      const found2 = /* @__PURE__ */ new Map();
      for (const table of tables) found2.set(table.id, await currentVersion(options, table, loaded));
      const enrich = enricher(options.source, ({ id }) => found2.get(id).index);
      return events.map((decoded2) => ({ ...decoded2, event: enrich(decoded2.event) }));
    },
  };
}
async function currentVersion(options, table, loaded) {
  const { effects } = options;
  for (let waited = false; ; waited = true) {
    const version = await untilDone(effects, "Reading a lookup", () => readVersion(options, table, loaded));
    if (version !== null) return version;
    const name = `${table.database}.${table.name}`;
    if (!waited) effects.log.warn({ table: name }, "Events wait for the first refresh to record a lookup");
    await effects.wait(pollMs, effects.signal);
    if (effects.signal.aborted) throw new Error(`Asked to stop while waiting for the lookup in ${name}.`);
  }
}
async function readVersion({ source, control, lake }, table, loaded) {
  const document = await control.get(lookupKey(source, table));
  if (document === null) return null;
  const { folder: folder2 } = document.value;
  const known3 = loaded.get(table.id);
  if (known3?.folder === folder2) return known3;
  const packed2 = Buffer.from(await lake.read(`${folder2}rows.json`)).toString();
  const version = { folder: folder2, index: indexRows(unpackRows(table, packed2)) };
  loaded.set(table.id, version);
  return version;
}

// etl/live/path.ts
function livePath(options, effects) {
  const { source, control, insights, lake, broadcast, deadLetters } = options;
  const stream = streamOf2(source);
  const products2 = options.products.filter((product2) => product2.source === source);
  return {
    source,
    stream,
    control,
    effects,
    products: products2.filter(({ rollups: rollups2 }) => rollups2.some((rollup2) => rollup2.live)),
    targets: liveTargets(products2),
    deadLetters,
    enricher: lookupEnricher({ source, control, lake, effects }),
    applier: liveApplier({ insights, effects }),
    archive: lakeArchive({ source, stream, control, lake, effects }),
    announcer: announcer({ broadcast, effects }),
  };
}
function streamOf2(source) {
  if (source.stream !== null) return source.stream;
  throw new SluiceError(
    "INTERNAL",
    `A consumer reads a stream. Source "${source.name}" has none. Add stream: "\u2026" to its @Source, or do not run it live.`,
  );
}

// etl/live/columns.ts
var Problem = class {
  constructor(reason, detail) {
    this.reason = reason;
    this.detail = detail;
  }
};
function eventOf(source, object, arrival) {
  const event = {};
  for (const column of source.ownColumns) {
    const raw = Object.hasOwn(object, column.name) ? object[column.name] : null;
    const value = columnValue(column, raw);
    if (value instanceof Problem) return value;
    event[column.property] = value;
  }
  return latenessProblem(source, event[source.time.property], arrival) ?? Object.freeze(event);
}
function columnValue(column, raw) {
  if (raw === null || raw === void 0)
    return column.nullable ? null : badValue(column, raw, "is missing and not nullable");
  if (typeof raw === "object") return badValue(column, raw, "is not a single value");
  const value = column.type === "datetime" ? instantOf3(raw) : raw;
  const problem = value === null ? "is not an instant in the years 1 to 9999" : valueProblem(column, value);
  return problem === null ? value : badValue(column, raw, problem);
}
var loneSurrogate = /\p{Surrogate}/u;
function valueProblem({ type }, value) {
  if (type === "string" && typeof value === "string" && loneSurrogate.test(value))
    return "is not well-formed Unicode";
  return typeProblem(value, type);
}
var isoPattern =
  /^\d{4}-\d\d-(\d\d)(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/i;
function instantOf3(raw) {
  if (typeof raw === "number") return isInstant(raw) ? raw : null;
  const match = typeof raw === "string" ? isoPattern.exec(raw) : null;
  if (typeof raw !== "string" || match === null) return null;
  const dateOnly = raw.length === "2001-06-28".length;
  const at = Date.parse(
    dateOnly || match[2] !== void 0 ? raw.replace(" ", "T") : `${raw.replace(" ", "T")}Z`,
  );
  const rolled = /* @__PURE__ */ new Date(`${raw.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(match[1]);
  return !rolled && isInstant(at) ? at : null;
}
function latenessProblem(source, time, arrival) {
  const latenessMs2 = source.stream?.latenessMs ?? 0;
  if (time >= arrival - latenessMs2 && time <= arrival + dayMs2) return null;
  return new Problem(
    "TOO_LATE",
    `An event arrives at most ${latenessMs2} ms after its time and at most a day before it. "${source.time.name}" is ${formatInstant(time)}, it arrived at ${formatInstant(arrival)}.`,
  );
}
function badValue(column, raw, problem) {
  const shown = raw === void 0 ? "nothing" : JSON.stringify(raw).slice(0, 100);
  return new Problem(
    "BAD_VALUE",
    `Column "${column.name}" is a ${column.nullable ? "nullable " : ""}${column.type}. Got ${shown}, which ${problem}.`,
  );
}

// etl/live/wire.ts
var kindKey = "sluice";
function encodeBarrier(barrier) {
  return encode({ [kindKey]: "barrier", ...barrier });
}
function encode(object) {
  return Buffer.from(JSON.stringify(object));
}
function decodeRecord(source, record2) {
  const events = [];
  const poison2 = [];
  const barriers = [];
  let arrival = source.stream?.replay === true ? null : record2.arrival;
  for (const { index, bytes } of linesOf(record2.data)) {
    const { sequence } = record2;
    const line = decodeLine(source, record2, bytes);
    if (line instanceof Problem) {
      poison2.push({ sequence, index, reason: line.reason, detail: line.detail, bytes });
      continue;
    }
    arrival = line.arrival;
    if ("id" in line) barriers.push({ id: line.id, sequence, arrival });
    else events.push({ sequence, index, arrival, event: line.event });
  }
  return { sequence: record2.sequence, arrival, events, poison: poison2, barriers };
}
var newline = 10;
function linesOf(data) {
  const whole2 = [{ index: 0, bytes: data }];
  if (!trimmedEnd(data).includes(newline) || !(objectOf(data) instanceof Problem)) return whole2;
  const lines2 = [];
  for (let start2 = 0, index = 0; start2 < data.length; index++) {
    const end = data.indexOf(newline, start2);
    const bytes = data.subarray(start2, end < 0 ? data.length : end);
    if (!isBlank(bytes)) lines2.push({ index, bytes });
    start2 += bytes.length + 1;
  }
  return lines2.length === 0 ? whole2 : lines2;
}
var isSpace = (byte) => byte === 32 || byte === 13 || byte === newline || byte === 9;
var isBlank = (bytes) => bytes.every(isSpace);
function trimmedEnd(bytes) {
  let end = bytes.length;
  while (end > 0 && isSpace(bytes[end - 1])) end--;
  return bytes.subarray(0, end);
}
function decodeLine(source, record2, bytes) {
  const object = objectOf(bytes);
  if (object instanceof Problem) return object;
  const replay = source.stream?.replay === true;
  if (object[kindKey] === "barrier") return barrierOf(object, replay ? object["arrival"] : record2.arrival);
  if (replay) return replayedOf(source, object);
  if (object[kindKey] !== void 0)
    return badEnvelope(`The key "${kindKey}" is reserved for barriers on a plain stream.`, object);
  return withArrival(record2.arrival, eventOf(source, object, record2.arrival));
}
function barrierOf(object, arrival) {
  const { id } = object;
  if (typeof id === "string" && isInstant(arrival)) return { id, arrival };
  return badEnvelope(
    "A barrier has an id and, on a replay stream, an arrival in epoch milliseconds.",
    object,
  );
}
function replayedOf(source, object) {
  const { arrival, row, event } = object;
  if (object[kindKey] !== "replay" || !isInstant(arrival) || !Number.isSafeInteger(row) || !isObject(event))
    return badEnvelope(
      `A record of a replay stream is { "${kindKey}": "replay", "arrival": <epoch ms>, "row": <number>, "event": {\u2026} }.`,
      object,
    );
  return withArrival(arrival, eventOf(source, event, arrival));
}
function withArrival(arrival, event) {
  return event instanceof Problem ? event : { arrival, event };
}
var utf8 = new TextDecoder("utf-8", { fatal: true });
function objectOf(bytes) {
  try {
    const value = JSON.parse(utf8.decode(bytes));
    if (isObject(value)) return value;
    return new Problem("BAD_JSON", `An event is a JSON object. Got ${JSON.stringify(value).slice(0, 100)}.`);
  } catch (error) {
    return new Problem("BAD_JSON", `An event is a JSON object in UTF-8. ${error.message}`);
  }
}
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function badEnvelope(rule, object) {
  return new Problem("BAD_ENVELOPE", `${rule} Got ${JSON.stringify(object).slice(0, 200)}.`);
}

// etl/live/batch.ts
async function runBatch(path, shard, position, records) {
  const decoded2 = records.map((record2) => decodeRecord(path.source, record2));
  const events = await path.enricher.enrich(decoded2.flatMap((record2) => record2.events));
  const dead = await bury(path, shard, records, decoded2);
  const items = await path.applier.apply(shard, groupByItem(path.targets, events));
  const checkpoint = checkpointAfter(path, position, decoded2, events);
  const barrier = decoded2.flatMap((record2) => record2.barriers).at(-1) ?? null;
  await path.archive.add(shard, { events, through: checkpoint.sequence, barrier });
  await path.announcer.publish(updateOf(path, shard, checkpoint, items, events));
  const moved = await advance2(path, shard, position, checkpoint);
  return { in: events.length + dead, applied: events.length, dead, position: moved };
}
async function bury({ stream, deadLetters, effects }, shard, records, decoded2) {
  const letters = decoded2.flatMap(({ poison: poison2 }, i) =>
    poison2.map((each) => ({ stream: stream.name, shard, arrival: records[i].arrival, ...each })),
  );
  if (letters.length > 0) await untilDone(effects, "Writing dead letters", () => deadLetters.put(letters));
  return letters.length;
}
function checkpointAfter({ source, products: products2 }, position, decoded2, events) {
  const arrival = decoded2.findLast((record2) => record2.arrival !== null)?.arrival;
  return {
    sequence: decoded2.at(-1).sequence,
    arrival: arrival ?? position?.value.arrival ?? beforeAll,
    newest: newestOf2(source, position?.value.newest ?? null, events),
    shapes: products2.map(shapeId),
  };
}
function newestOf2(source, known3, events) {
  let newest2 = known3;
  for (const { event } of events) {
    const at = Number(event[source.time.property]);
    if (newest2 === null || at > newest2) newest2 = at;
  }
  return newest2;
}
function updateOf({ source, stream }, shard, { arrival, newest: newest2 }, items, events) {
  const positioned = events.map(({ sequence, index, event }) => ({ sequence, index, event }));
  const { name } = stream;
  return {
    kind: "live",
    source: source.name,
    stream: name,
    shard,
    arrival,
    newest: newest2,
    items,
    events: positioned,
  };
}

// etl/live/shard.ts
var pollMs2 = 200;
async function consumeShard(options, shard) {
  const { path, events, window: limits } = options;
  const { signal, clock, wait } = path.effects;
  await path.archive.recover(shard);
  let position = await enterShard({ ...path, events }, shard);
  const reader = shardReader(options, shard, position?.value.sequence ?? null);
  let window2 = emptyWindow(clock());
  while (!signal.aborted) {
    const fetched = await reader(limits.records - window2.records.length);
    if (window2.records.length === 0) window2 = emptyWindow(clock());
    collect2(window2, fetched.records);
    const ended2 = fetched.next === null;
    if (window2.records.length > 0 && (ended2 || isFull(window2, limits, clock()))) {
      position = await run(path, shard, position, window2.records);
      window2 = emptyWindow(clock());
    }
    if (ended2) {
      await announceEnd(path, shard, position);
      return true;
    }
    await wait(pauseMs(fetched, window2, limits, clock()), signal);
  }
  return false;
}
var emptyWindow = (openedAt) => ({ openedAt, records: [], bytes: 0 });
function collect2(window2, records) {
  for (const record2 of records) {
    window2.records.push(record2);
    window2.bytes += record2.data.length;
  }
}
function isFull({ openedAt, records, bytes }, limits, now) {
  return records.length >= limits.records || bytes >= limits.bytes || now - openedAt >= limits.ageMs;
}
function pauseMs(fetched, window2, limits, now) {
  if (fetched.millisBehindLatest > 0) return 0;
  if (window2.records.length === 0) return pollMs2;
  return Math.max(0, Math.min(pollMs2, window2.openedAt + limits.ageMs - now));
}
async function run(path, shard, position, records) {
  const batch = await runBatch(path, shard, position, records);
  path.effects.log.info({ shard, in: batch.in, applied: batch.applied, dead: batch.dead }, "micro-batch");
  return batch.position;
}
async function announceEnd(path, shard, position) {
  if (position === null || position.value.sequence === null) return;
  await path.announcer.end(updateOf(path, shard, position.value, [], []));
}
function shardReader({ path, events }, shard, after) {
  let last = after;
  let iterator = null;
  return (limit) =>
    untilDone(path.effects, `Reading shard ${shard}`, async () => {
      iterator ??= await events.iterator(shard, last);
      const fetched = await events.fetch(iterator, Math.max(1, limit));
      if (fetched === "expired") {
        iterator = null;
        return { records: [], next: "", millisBehindLatest: 1 };
      }
      iterator = fetched.next;
      last = fetched.records.at(-1)?.sequence ?? last;
      return fetched;
    });
}

// etl/live/consumer.ts
var listShardsMs = 1e4;
async function runConsumer(options) {
  const failed2 = new AbortController();
  const effects = effectsOf(options, AbortSignal.any([options.signal, failed2.signal]));
  const path = livePath(options, effects);
  try {
    await ensureLiveStarts({ ...path, events: options.stream });
    await consumeShards({ path, events: options.stream, window: options.window }, failed2);
  } catch (error) {
    if (!options.signal.aborted) throw error;
    options.log.warn({ err: error }, "Stopped within a batch; the next start repeats it");
  }
}
function effectsOf({ clock, random, log, wait }, signal) {
  setMaxListeners(0, signal);
  return { clock, random, log, wait: wait ?? waitFor, signal };
}
async function consumeShards(options, failed2) {
  const { effects } = options.path;
  const ended2 = /* @__PURE__ */ new Set();
  const running = /* @__PURE__ */ new Map();
  const failures = [];
  const start2 = async (shard) => {
    try {
      if (await consumeShard(options, shard)) ended2.add(shard);
    } catch (error) {
      failures.push(error);
      failed2.abort();
    }
  };
  const followShards = shardFollower(options.path);
  try {
    while (!effects.signal.aborted) {
      const shards = await untilDone(effects, "Listing shards", () => options.events.shards());
      await followShards(shards, ended2);
      for (const { id } of shards.filter((shard) => isDue(shard, shards, ended2)))
        if (!running.has(id)) running.set(id, start2(id));
      const open = [...running].filter(([id]) => !ended2.has(id)).map(([, end]) => end);
      await soonest(effects, open);
    }
  } finally {
    await Promise.all(running.values());
  }
  if (failures.length > 0) throw failures[0];
}
function shardFollower(path) {
  const opened2 = /* @__PURE__ */ new Set();
  const left = /* @__PURE__ */ new Set();
  return async (shards, ended2) => {
    const first = opened2.size === 0 && shards.length > 0;
    const isParent = (id) => shards.some(({ parents }) => parents.includes(id));
    const over = [...ended2].filter((id) => !left.has(id) && isParent(id));
    const isNew = ({ id, parents }) => !opened2.has(id) || parents.some((each) => over.includes(each));
    await openCheckpoints(path, shards.filter(isNew));
    for (const { id } of shards) opened2.add(id);
    for (const id of first ? [...over, ...(await removedFrom(path, shards))] : over) {
      await endCheckpoint(path, id);
      left.add(id);
    }
  };
}
async function removedFrom(path, shards) {
  const checkpoints = await readCheckpoints(path);
  return checkpoints.map(({ sk }) => sk).filter((sk) => !shards.some(({ id }) => id === sk));
}
function isDue({ parents }, shards, ended2) {
  return parents.every((parent) => ended2.has(parent) || !shards.some(({ id }) => id === parent));
}
async function soonest(effects, ends) {
  const over = new AbortController();
  const next = effects.wait(listShardsMs, AbortSignal.any([effects.signal, over.signal]));
  await Promise.race([next, ...ends]);
  over.abort();
}

// etl/batch/builds.ts
async function openBuild(product2, { manifest }, id, startedAt, control) {
  const build2 = { base: manifest?.version ?? 0, startedAt };
  await control.put(buildKey(product2, id), build2, "any");
}
async function isOvertaken(product2, { revision }, id, control) {
  const current = await control.get(manifestKey(product2));
  return (current?.revision ?? null) !== revision && current?.value.edition !== id;
}
function editionId(at, token) {
  return `${formatInstant(at).replaceAll(/[-:.]/g, "")}-${token.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 8)}`;
}

// src/sql/gold-table.ts
function goldTable({ name, source }) {
  return { database: source.database, table: goldTableName(name), partition: source.partition };
}
function createGoldTableSql(product2, location) {
  const { rollup: rollup2, bucket, dimensions: dimensions2, components } = goldColumns(product2);
  const columns2 = [
    { name: rollup2, type: "string" },
    { name: bucket, type: "datetime" },
    ...product2.dimensions.map(({ type }, i) => ({ name: dimensions2[i], type })),
    ...product2.components.map((component, i) => ({
      name: components[i],
      type: componentType(product2.source, component),
    })),
  ];
  return createPartitionedTableSql(goldTable(product2), columns2, location);
}

// etl/batch/statement.ts
async function runStatement(source, sql, warehouse, { signal } = {}) {
  const statement = { sql, parameters: [], database: source.database };
  try {
    return await warehouse.run(statement, signal === void 0 ? {} : { signal });
  } catch (error) {
    throw refused(sql, error);
  }
}
async function runStatements(source, statements, warehouse) {
  for (const sql of statements) await runStatement(source, sql, warehouse);
}
var shownCharacters = 2e3;
function refused(sql, error) {
  const cause = error instanceof SluiceError ? (error.cause ?? error) : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError(
    "REFRESH",
    `The warehouse refused a statement of the refresh: ${reason}
${sql.slice(0, shownCharacters)}`,
    { cause: error },
  );
}

// etl/batch/gold-table.ts
var parallelAlters = 8;
async function registerGold(product2, manifest, deps) {
  const late = /* @__PURE__ */ new Map();
  for (let wanted = manifest; ; ) {
    const years = await deps.control.list(goldTableKey(product2, "").pk);
    const remade = await ensureTable(product2, years.filter(isYear), deps);
    const names = /* @__PURE__ */ new Set([...years.filter(isYear).map(({ sk }) => sk), ...yearsOf(wanted)]);
    let overtaken3 = false;
    for (const year of [...names].sort()) {
      const known3 = years.find(({ sk }) => sk === year) ?? null;
      if (!(await registerYear(product2, wanted, year, known3, remade, late, deps))) overtaken3 = true;
    }
    if (!overtaken3) return;
    const current = await deps.control.get(manifestKey(product2));
    if (current !== null) wanted = current.value;
  }
}
var tableDocument = "table";
var isYear = ({ sk }) => sk !== tableDocument;
function yearsOf({ pages }) {
  const prefix = lakePageName("");
  return Object.keys(pages).flatMap((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : []));
}
async function ensureTable(product2, years, { control, warehouse, lake }) {
  const key = goldTableKey(product2, tableDocument);
  const table = goldTable(product2);
  const ddl2 = [createDatabaseSql(table), createGoldTableSql(product2, lake.url(`gold/${product2.name}/`))];
  const known3 = await control.get(key);
  if (JSON.stringify(known3?.value.ddl) === JSON.stringify(ddl2)) return false;
  for (const { sk, value } of years)
    await control.put(goldTableKey(product2, sk), { ...value, settled: false }, "any");
  await runStatements(
    product2.source,
    [...(known3 === null ? [] : [dropTableSql(table)]), ...ddl2],
    warehouse,
  );
  await control.put(key, { ddl: ddl2 }, "any");
  return true;
}
async function registerYear(product2, { pages }, year, known3, remade, late, deps) {
  const page = pages[lakePageName(year)] ?? null;
  const before = stateOf(known3, late.get(year));
  if (before.settled && !remade && before.page === page) return true;
  const wanted = await foldersOf(product2, year, page, deps.control);
  const registered2 = remade ? {} : before.settled ? before.folders : null;
  const moved = Object.keys(wanted).filter((value) => registered2?.[value] !== wanted[value]);
  const gone = Object.keys(before.folders).filter((value) => wanted[value] === void 0);
  const key = goldTableKey(product2, year);
  const intent = { page: null, folders: { ...before.folders, ...wanted }, settled: false };
  const revision = await deps.control.put(key, intent, remade ? "any" : (known3?.revision ?? null));
  if (revision === null) return false;
  late.set(year, intent.folders);
  try {
    await alter(product2, wanted, moved, remade ? [] : gone, registered2, deps);
  } catch (error) {
    if ((await deps.control.get(key))?.revision !== revision) return false;
    throw error;
  }
  const done = { page, folders: wanted, settled: true };
  if ((await deps.control.put(key, done, revision)) === null) return false;
  late.delete(year);
  return true;
}
function stateOf(known3, late) {
  const recorded = known3?.value ?? { page: null, folders: {}, settled: true };
  return late === void 0
    ? recorded
    : { page: null, folders: { ...recorded.folders, ...late }, settled: false };
}
async function foldersOf(product2, year, edition, control) {
  if (edition === null) return {};
  const page = await control.get(pageKey(product2, lakePageName(year), edition));
  const filled = Object.entries(page?.value ?? {}).flatMap(([value, { gold }]) =>
    gold === null ? [] : [[value, gold]],
  );
  return Object.fromEntries(filled);
}
async function alter(product2, wanted, moved, gone, registered2, { warehouse, lake }) {
  const table = goldTable(product2);
  const placements = moved.map((value) => ({ value, location: lake.url(wanted[value]) }));
  const unknown = placements.filter(({ value }) => registered2?.[value] === void 0);
  const elsewhere = placements.filter(({ value }) => registered2 === null || registered2[value] !== void 0);
  await runStatements(product2.source, dropPartitionsSql(table, gone), warehouse);
  await runStatements(product2.source, addPartitionsSql(table, unknown), warehouse);
  for (const some of chunksOf(elsewhere, parallelAlters))
    await Promise.all(
      some.map((placement) => runStatements(product2.source, [setLocationSql(table, placement)], warehouse)),
    );
}

// etl/batch/changed.ts
function findChanges(published, present2, until, only) {
  const gone = [...published.lake].filter(([value]) => !present2.has(value));
  if (only !== void 0)
    return {
      present: present2,
      changed: [...present2.values()].filter(({ range }) => overlaps(range, only)),
      vanished: gone.filter(([value]) => overlaps(periodRange(value), only)).map(([value]) => value),
    };
  const isChanged = ({ value, range, fingerprint }) =>
    published.lake.get(value)?.fingerprint !== fingerprint || newlyCovered(published, range, until);
  return {
    present: present2,
    changed: [...present2.values()].filter(isChanged),
    vanished: gone.map(([value]) => value),
  };
}
function newlyCovered({ until: before }, range, until) {
  return before !== null && before < range.to && range.from < until && before < until;
}
function overlaps(a, b) {
  return a.from < b.to && b.from < a.to;
}

// etl/batch/published.ts
async function readPublished(product2, control, full) {
  const found2 = await control.get(manifestKey(product2));
  const manifest = found2?.value ?? null;
  const usable = manifest !== null && manifest.shape === product2.shape && !full;
  return {
    manifest,
    revision: found2?.revision ?? null,
    until: manifest?.coverage.until ?? null,
    usable,
    lake: usable ? await readLakePages(product2, manifest, control) : /* @__PURE__ */ new Map(),
  };
}
function totalRows(lake) {
  return [...lake.values()].reduce((sum2, { rows }) => sum2 + rows, 0);
}
function checkOptions({ range, full = false }) {
  if (range !== void 0 && full)
    throw new SluiceError(
      "BAD_USER_INPUT",
      "Either everything is computed anew (--full) or a range is recounted (--from, --to). Drop one of them.",
    );
}
function checkRange(product2, { manifest, usable }, options) {
  checkOptions(options);
  if (options.range === void 0) return;
  if (manifest === null || !usable)
    throw new SluiceError(
      "BAD_USER_INPUT",
      `A range is recounted upon an edition of the present declaration. "${product2.name}" has none yet: the first one covers the whole lake. Refresh without --from and --to.`,
    );
}
function checkTouched({ name }, { present: present2, changed, vanished }, { range }) {
  if (range === void 0 || changed.length + vanished.length > 0) return;
  const values = [...present2.keys()];
  throw new SluiceError(
    "BAD_USER_INPUT",
    `A range holds partitions of the lake, to recount them. That of "${name}" has none between ${formatInstant(range.from)} and ${formatInstant(range.to)}; it goes from ${values[0] ?? "nothing"} to ${values.at(-1) ?? "nothing"}.`,
  );
}
async function readLakePages(product2, manifest, control) {
  const names = Object.keys(manifest.pages).filter((name) => name.startsWith("lake/"));
  const pages = await Promise.all(names.map((name) => readPage(product2, manifest, name, control)));
  return new Map(pages.flatMap((page) => Object.entries(page ?? {})));
}
async function readSegmentPage(product2, published, rollup2, year, control) {
  if (!published.usable || published.manifest === null) return {};
  const name = segmentPageName(rollup2, year);
  return (await readPage(product2, published.manifest, name, control)) ?? {};
}
async function readPage(product2, manifest, name, control) {
  const edition = manifest.pages[name];
  if (edition === void 0) return null;
  const page = await control.get(pageKey(product2, name, edition));
  if (page === null)
    throw new SluiceError(
      "REFRESH",
      `A manifest points to pages that exist. Page "${name}" of edition ${edition} of "${product2.name}" is missing. Refresh with --full to build everything anew.`,
    );
  return page.value;
}

// etl/batch/pages.ts
function lakePages2({ changed, vanished }, lake) {
  const yearOf2 = (partition2) => partition2.slice(0, 4);
  const years = new Set([...changed.map(({ value }) => value), ...vanished].map(yearOf2));
  const pages = /* @__PURE__ */ new Map();
  for (const year of years)
    pages.set(
      lakePageName(year),
      Object.fromEntries([...lake].filter(([partition2]) => yearOf2(partition2) === year)),
    );
  return pages;
}
async function segmentPages(product2, published, edition, plan, lake, control) {
  const filled = rangesWithEvents(product2, lake);
  const pages = /* @__PURE__ */ new Map();
  for (const { rollup: rollup2, grain, year, periods } of plan) {
    const name = segmentPageName(rollup2, year);
    const page = pages.get(name) ?? (await readSegmentPage(product2, published, rollup2, year, control));
    const kept = Object.entries(page[grain] ?? {}).filter(([period]) => !isReplaced(period, periods));
    const fresh = periods
      .filter(
        (period) =>
          isDayOfMonth(period, grain) || filled.some((range) => overlaps(range, periodRange(period))),
      )
      .map((period) => [period, edition]);
    pages.set(name, { ...page, [grain]: Object.fromEntries([...kept, ...fresh]) });
  }
  return pages;
}
function rangesWithEvents({ source }, lake) {
  return [...lake].flatMap(([value, { rows }]) =>
    rows > 0 ? [partitionRange(value, source.partition.grain)] : [],
  );
}
function isReplaced(period, written) {
  return written.includes(period) || (period.length === 10 && written.includes(period.slice(0, 7)));
}
function isDayOfMonth(period, grain) {
  return grain === "DAY" && period.length === 10;
}

// etl/batch/publish.ts
async function prepare(product2, published, publication, { control }) {
  const { id, changes, lake, plan } = publication;
  const pages = new Map([
    ...lakePages2(changes, lake),
    ...(await segmentPages(product2, published, id, plan, lake, control)),
  ]);
  const manifest = manifestOf(product2, published, publication, [...pages.keys()]);
  const value = editionOf(publication, manifest, published.manifest);
  const revision = await control.put(editionKey(product2, id), value, "any");
  await forEachInParallel([...pages], ([name, page]) =>
    control.put(pageKey(product2, name, id), page, "any"),
  );
  return { value, revision };
}
async function publish(
  product2,
  published,
  { value: prepared, revision },
  items,
  { control, clock, retention, progress },
) {
  const publishedAt = clock();
  const edition = {
    ...prepared,
    items,
    publishedAt,
    durationMs: publishedAt - prepared.publishedAt,
    manifest: { ...prepared.manifest, publishedAt },
  };
  const keeps = await oldestKept(product2, edition, control, retention);
  const known3 = await control.put(editionKey(product2, edition.id), edition, revision);
  const flipped =
    known3 !== null && (await flip(product2, { ...edition.manifest, keeps }, published.revision, control));
  if (!flipped) throw overtaken(product2, edition.id);
  progress({ stage: "publish", done: 1, total: 1, unit: "editions" });
  return edition;
}
async function flip(product2, manifest, expected, control) {
  return (await control.put(manifestKey(product2), manifest, expected)) !== null;
}
function overtaken(product2, id, cause) {
  return new SluiceError(
    "CONFLICT",
    `One refresh at a time publishes. Another one (or a rollback) published "${product2.name}" while edition ${id} was made, which is dropped. Refresh again.`,
    { cause },
  );
}
async function oldestKept(product2, next, control, { editions, ms }) {
  const written = await control.list(editionKey(product2, "").pk);
  const chain = publishedEditions([...written.map(({ value }) => value), next], next.id);
  const kept = chain.filter((_, i) => i < editions || chain[i - 1].publishedAt >= next.publishedAt - ms);
  return Math.max(next.manifest.keeps, Math.min(...kept.map(({ version }) => version)));
}
function manifestOf(product2, { manifest: before, usable }, { id, until, lake, startedAt }, written) {
  const starts = [...lake.keys()].map((value) => partitionRange(value, product2.source.partition.grain).from);
  const newest2 = [...lake.values()].flatMap((partition2) => partition2.newest ?? []);
  return {
    version: (before?.version ?? 0) + 1,
    edition: id,
    shape: product2.shape,
    layout: storedLayout(product2),
    publishedAt: startedAt,
    coverage: { from: Math.min(...starts, until), until },
    newest: newest2.length === 0 ? null : Math.max(...newest2),
    pages: {
      ...(usable ? before?.pages : {}),
      ...Object.fromEntries(written.map((name) => [name, id])),
    },
    keeps: before?.keeps ?? 1,
    hold: null,
  };
}
function editionOf({ id, startedAt, until: coveredUntil, lake, bytesScanned }, manifest, previous) {
  return {
    id,
    publishedAt: startedAt,
    version: manifest.version,
    rows: totalRows(lake),
    items: 0,
    bytesScanned,
    durationMs: 0,
    coveredUntil,
    manifest,
    previous: previous?.edition ?? null,
    restores: null,
  };
}

// etl/batch/partitions.ts
import { createHash as createHash8 } from "node:crypto";
var lakeFolder = (source) => `${source.database}/${source.table}/`;
var partitionFolder = (source, value) => `${source.partition.column}=${value}/`;
async function listPartitions(source, lake) {
  const inLake = await filesByPartition(source, lake, lakeFolder(source));
  const archived = await filesByPartition(source, lake, archiveFolder(source));
  const values = [.../* @__PURE__ */ new Set([...inLake.keys(), ...archived.keys()])].sort();
  return new Map(
    values.map((value) => {
      const files = [...(inLake.get(value) ?? []), ...(archived.get(value) ?? [])];
      const fingerprint = fingerprintOf(files);
      const partition2 = {
        value,
        range: rangeOf(source, value),
        inLake: inLake.has(value),
        archived: archived.has(value),
        files: fingerprint,
        fingerprint,
        bytes: files.reduce((sum2, { size }) => sum2 + size, 0),
      };
      return [value, partition2];
    }),
  );
}
async function filesByPartition(source, lake, folder2) {
  const partitions = /* @__PURE__ */ new Map();
  for await (const object of lake.list(folder2)) {
    const path = object.key.slice(folder2.length).split("/");
    if (isIgnored(path)) continue;
    const value = valueOf2(source, folder2, path[0]);
    const files = partitions.get(value);
    if (files === void 0) partitions.set(value, [object]);
    else files.push(object);
  }
  return partitions;
}
function isIgnored(path) {
  return path.at(-1) === "" || path.some((part) => part.startsWith("_") || part.startsWith("."));
}
var example = { DAY: "2001-06-27", MONTH: "2001-06", YEAR: "2001" };
function valueOf2(source, folder2, name) {
  const [column, ...value] = name.split("=");
  const { partition: partition2 } = source;
  if (
    // keys of S3 have a case
    column === partition2.column &&
    partitionRange(value.join("="), partition2.grain) !== null
  )
    return value.join("=");
  throw new SluiceError(
    "REFRESH",
    `The lake of source "${source.name}" has one folder per ${partition2.grain}, like "${folder2}${partition2.column}=${example[partition2.grain]}/". Got "${folder2}${name}". Rename it, move it elsewhere, or declare partition: { column, grain } in the @Source.`,
  );
}
function rangeOf(source, value) {
  return partitionRange(value, source.partition.grain);
}
function fingerprintOf(objects) {
  const lines2 = objects.map(({ key, size, etag }) => JSON.stringify([key, size, etag])).sort();
  return createHash8("sha256").update(lines2.join("\n")).digest("hex").slice(0, 32);
}
function partitionOf(key) {
  const folder2 = key.split("/").at(-2) ?? "";
  return folder2.slice(folder2.indexOf("=") + 1);
}

// etl/batch/reach.ts
async function readPages(product2, refs, control) {
  const pages = /* @__PURE__ */ new Map();
  await forEachInParallel(refs, async (ref) => {
    const page = await control.get(pageKey(product2, ref.name, ref.edition));
    if (page !== null) pages.set(refId(ref), page.value);
  });
  return pages;
}
var refId = ({ name, edition }) => `${name} ${edition}`;
var Reach = class _Reach {
  #product;
  #control;
  #pages = /* @__PURE__ */ new Set();
  /** `page name, grain, period, edition` of everything that a kept page maps. */
  #periods = /* @__PURE__ */ new Set();
  #folders = /* @__PURE__ */ new Set();
  /** Editions of periods that had not ended where their coverage did. */
  #unended = /* @__PURE__ */ new Set();
  constructor(product2, control) {
    this.#product = product2;
    this.#control = control;
  }
  /**
   * What of `dead` editions the kept ones reach, so that pages of which a dead one has no own version are not read: most
   * years do not change any more. `editions` has all documents that there are, by id.
   */
  static async of(product2, kept, dead, editions, control) {
    const reach = new _Reach(product2, control);
    const refs = new Map(kept.flatMap(refsOf).map((ref) => [refId(ref), ref]));
    for (const id of refs.keys()) reach.#pages.add(id);
    const differing = new Set(dead.flatMap((edition) => reach.#namesIn(edition)));
    const read2 = [...refs.values()].filter(({ name }) => differing.has(name));
    await reach.#keepSegments(
      read2.filter(({ name }) => name.startsWith("segments/")),
      editions,
    );
    await reach.#keepFolders(read2.filter(({ name }) => name.startsWith("lake/")));
    return reach;
  }
  /** The edition's view of the lake tells the keys of what it wrote: it stays. */
  async keepLake(edition) {
    const refs = refsOf(edition).filter(({ name }) => name.startsWith("lake/"));
    for (const ref of refs) this.#pages.add(refId(ref));
    await this.#keepFolders(refs);
  }
  /**
   * A kept manifest reads a period of the edition that goes on behind its coverage. What happened there since was written
   * beside it, or waits for the bucket's end: only the edition's own view of the lake tells all keys of its segments. A
   * period that had ended is written anew with every change.
   */
  needsView(edition) {
    return this.#unended.has(edition);
  }
  reads(ref) {
    return this.#pages.has(refId(ref));
  }
  holds(folder2) {
    return this.#folders.has(folder2);
  }
  /** What of a page's periods no kept page of that name maps. */
  unreached(name, page) {
    return storedGrains.flatMap((grain) => {
      const dead = Object.entries(page[grain] ?? {}).filter(
        ([period, writer]) => !this.#periods.has(periodId(name, grain, period, writer)),
      );
      return [...groupedBy(dead, ([, writer]) => writer)].map(([writer, entries]) => ({
        grain,
        writer,
        periods: entries.map(([period]) => period),
      }));
    });
  }
  /** The pages that the edition wrote, or that it read and nothing kept does. */
  #namesIn(edition) {
    const own = refsOf(edition).filter((ref) => ref.edition === edition.id || !this.reads(ref));
    return own.map(({ name }) => name);
  }
  async #keepSegments(refs, editions) {
    const pages = await readPages(this.#product, refs, this.#control);
    for (const ref of refs)
      for (const grain of storedGrains)
        for (const [period, writer] of Object.entries(pages.get(refId(ref))?.[grain] ?? {})) {
          this.#periods.add(periodId(ref.name, grain, period, writer));
          const until = editions.get(writer)?.coveredUntil;
          if (until !== void 0 && periodRange(period).to > until) this.#unended.add(writer);
        }
  }
  async #keepFolders(refs) {
    const pages = await readPages(this.#product, refs, this.#control);
    for (const page of pages.values())
      for (const { gold } of Object.values(page)) if (gold !== null) this.#folders.add(gold);
  }
};
function refsOf({ manifest }) {
  return Object.entries(manifest.pages).map(([name, edition]) => ({ name, edition }));
}
function periodId(name, grain, period, edition) {
  return [name, grain, period, edition].join(" ");
}

// etl/batch/sweep-segments.ts
async function sweepSegments(product2, edition, editions, reach, deps) {
  const refs = refsOf(edition).filter((ref) => ref.name.startsWith("segments/") && !reach.reads(ref));
  const pages = await readPages(product2, refs, deps.control);
  let items = 0;
  for (const ref of refs) {
    const rollup2 = edition.manifest.layout.rollups.find(({ name }) =>
      ref.name.startsWith(`segments/${name}/`),
    );
    if (rollup2 === void 0) continue;
    for (const unreached of reach.unreached(ref.name, pages.get(refId(ref)) ?? {})) {
      const view = editions.get(unreached.writer) ?? edition;
      items += await removePeriods(product2, view, rollup2, unreached, deps);
    }
  }
  return items;
}
async function removePeriods(product2, view, rollup2, unreached, deps) {
  const gold = await deps.gold.open(product2, await goldOf2(product2, view, unreached.periods, deps));
  try {
    return await deps.insights.removeSegments(keysOf2(product2, view, rollup2, unreached, gold));
  } finally {
    await gold.close();
  }
}
async function goldOf2(product2, view, periods, { control }) {
  const ranges = periods.map(periodRange);
  const years = new Set(periods.map((period) => lakePageName(period.slice(0, 4))));
  const refs = refsOf(view).filter(({ name }) => years.has(name));
  const pages = await readPages(product2, refs, control);
  const partitions = [...pages.values()].flatMap((page) => Object.entries(page));
  return partitions.flatMap(([value, { gold }]) => {
    const range = periodRange(value);
    return gold !== null && ranges.some((each) => overlaps(each, range)) ? [gold] : [];
  });
}
async function* keysOf2(product2, { manifest: { shape } }, rollup2, { grain, writer, periods }, gold) {
  const stored2 = { name: product2.name, shape };
  const { name, within, gold: columns2 } = rollup2;
  const dimensions2 = columns2.dimensions.map((column) => column.name);
  for (const alike of groupedBy(periods, ({ length }) => length).values()) {
    for await (const { key, period } of gold.keys(name, columns2, alike))
      yield segmentKey(systemScope, stored2, { name, dimensions: dimensions2 }, grain, key, period, writer);
    if (within === null) continue;
    const top = { within };
    for await (const { key, period } of gold.keys(name, withinColumns(rollup2), alike))
      yield leaderboardKey(systemScope, stored2, { name, top }, grain, key, period, writer);
  }
}
function withinColumns({ dimensions: dimensions2, within, gold }) {
  const isWithin = (i) => within.some((property) => dimensions2[i].startsWith(`${property}@`));
  return { ...gold, dimensions: gold.dimensions.filter((_, i) => isWithin(i)) };
}

// etl/batch/sweep.ts
var longestRefreshMs = dayMs2;
async function sweep(product2, deps) {
  const { control } = deps;
  const manifest = await control.get(manifestKey(product2));
  if (manifest === null) return 0;
  const since = deps.clock() - longestRefreshMs;
  const editions = await control.list(editionKey(product2, "").pk);
  const builds = await control.list(buildKey(product2, "").pk);
  const crashed = crashedBuilds(builds, editions, manifest.value, since);
  const removed = await sweepEditions(product2, manifest.value, editions, crashed, since, deps);
  await sweepCompacted(product2, since, deps);
  return removed;
}
function crashedBuilds(builds, editions, { version }, since) {
  const written = new Set(editions.map(({ sk }) => sk));
  return builds
    .filter(({ sk, value }) => !written.has(sk) && value.base < version && value.startedAt < since)
    .map(({ sk }) => sk);
}
async function sweepEditions(product2, manifest, documents, crashed, since, deps) {
  const byId = new Map(documents.map(({ value }) => [value.id, value]));
  const kept = keptEditions(manifest, documents);
  const dead = documents.filter(({ value }) => !kept.includes(value) && value.version <= manifest.version);
  if (dead.length === 0 && crashed.length === 0) return 0;
  const reach = await Reach.of(
    product2,
    kept,
    dead.map(({ value }) => value),
    byId,
    deps.control,
  );
  const published = new Set(publishedEditions([...byId.values()], manifest.edition));
  const mayRun = (edition) => !published.has(edition) && edition.publishedAt >= since;
  const tellsKeys = (edition) => reach.needsView(edition.id) || mayRun(edition);
  for (const { value } of dead) if (tellsKeys(value)) await reach.keepLake(value);
  const report3 = (done, items2) =>
    deps.progress({ stage: "sweep", done, total: dead.length, unit: "editions", items: items2 });
  let items = 0;
  for (const [i, { value, revision }] of dead.entries()) {
    report3(i, items);
    if (mayRun(value) && value.swept) continue;
    items += await sweepSegments(product2, value, byId, reach, deps);
    if (mayRun(value))
      await deps.control.put(editionKey(product2, value.id), { ...value, swept: true }, revision);
  }
  const ended2 = dead.map(({ value }) => value).filter((edition) => !mayRun(edition));
  const gone = ended2.filter((edition) => !tellsKeys(edition));
  await sweepGold(product2, gone, crashed, reach, deps);
  await deps.control.remove(
    unread(ended2, "", reach).map(({ name, edition }) => pageKey(product2, name, edition)),
  );
  await sweepDocuments(product2, gone, crashed, deps);
  report3(dead.length, items);
  return items;
}
function keptEditions(manifest, editions) {
  const chain = publishedEditions(
    editions.map(({ value }) => value),
    manifest.edition,
  );
  return chain.filter(({ version }) => version >= (manifest.keeps ?? 1));
}
async function sweepGold(product2, gone, crashed, reach, { lake, control }) {
  const pages = await readPages(product2, unread(gone, "lake/", reach), control);
  const named3 = [...pages.values()].flatMap((page) => Object.values(page).flatMap(({ gold }) => gold ?? []));
  const written = [...gone.map(({ id }) => id), ...crashed].map((id) => `gold/${product2.name}/${id}/`);
  for (const folder2 of /* @__PURE__ */ new Set([...named3, ...written])) {
    const keys = [];
    for await (const { key } of lake.list(folder2)) if (!reach.holds(folderOf(key))) keys.push(key);
    if (keys.length > 0) await lake.remove(keys);
  }
}
var folderOf = (key) => key.slice(0, key.lastIndexOf("/") + 1);
function unread(gone, kind, reach) {
  const refs = gone.flatMap(refsOf).filter((ref) => ref.name.startsWith(kind) && !reach.reads(ref));
  return [...new Map(refs.map((ref) => [refId(ref), ref])).values()];
}
async function sweepDocuments(product2, gone, crashed, { control }) {
  for (const { id } of gone) {
    await control.remove([buildKey(product2, id)]);
    await control.remove([editionKey(product2, id)]);
  }
  await control.remove(crashed.map((id) => buildKey(product2, id)));
}
async function sweepCompacted({ source }, since, { lake, control }) {
  if (source.stream === null) return;
  const root = `compacted/${source.database}.${source.table}/`;
  const placed = await control.list(compactedKey(source, "").pk);
  const placements = new Map(placed.map(({ sk, value }) => [sk, value]));
  const isOld = (folder2) => folder2.slice(root.length) < editionId(since, "");
  const keys = [];
  for await (const { key } of lake.list(root)) {
    const { location, registered: registered2 } = placements.get(partitionOf(key)) ?? {
      location: "",
      registered: true,
    };
    if (!registered2) continue;
    const named3 = location.startsWith(lake.url(root)) ? lake.key(location) : null;
    if (folderOf(key) !== named3 && isOld(key) && (named3 === null || isOld(named3))) keys.push(key);
  }
  if (keys.length > 0) await lake.remove(keys);
}

// etl/batch/rollback.ts
async function rollback2(product2, { to: to2 }, deps) {
  const { control, clock, token } = deps;
  const current = await readManifest(product2, control);
  const documents = await control.list(editionKey(product2, "").pk);
  const kept = keptEditions(current.value, documents);
  const target = chosen(product2, kept, to2);
  await checkLive2(product2, current.value, target, control);
  const now = clock();
  const id = editionId(now, token());
  const version = current.value.version + 1;
  const edition = {
    ...target,
    id,
    publishedAt: now,
    version,
    items: 0,
    bytesScanned: 0,
    durationMs: 0,
    manifest: {
      ...target.manifest,
      version,
      edition: id,
      keeps: current.value.keeps,
      hold: { since: now, edition: current.value.edition },
    },
    previous: current.value.edition,
    restores: target.id,
  };
  await control.put(editionKey(product2, id), edition, null);
  if (!(await flip(product2, edition.manifest, current.revision, control))) throw overtaken2(product2);
  await registerGold(product2, edition.manifest, deps);
  return edition;
}
async function release2(product2, { control }) {
  const { value, revision } = await readManifest(product2, control);
  if (!value.hold)
    throw new SluiceError("BAD_USER_INPUT", `"${product2.name}" is not held: there is nothing to release.`);
  const released = { ...value, version: value.version + 1, hold: null };
  if (!(await flip(product2, released, revision, control))) throw overtaken2(product2);
}
async function readManifest(product2, control) {
  const manifest = await control.get(manifestKey(product2));
  if (manifest !== null) return manifest;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `Nothing of "${product2.name}" has been published yet. Run "sluice refresh ${product2.name}".`,
  );
}
function chosen(product2, kept, to2) {
  const byId = (id) => kept.find((edition) => edition.id === id);
  const contentOf = (edition) => byId(edition?.restores) ?? edition;
  const before = (edition) => (edition?.restores === null ? contentOf(byId(edition.previous)) : void 0);
  const content = contentOf(kept[0]);
  const target = to2 === void 0 ? before(content) : contentOf(byId(to2));
  if (target !== void 0 && target !== content) return target;
  const others = kept.filter((edition) => contentOf(edition) === edition && edition !== content);
  const can =
    others.length === 0
      ? "There is none besides the current one"
      : `Those are ${others.map(({ id }) => id).join(", ")}`;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `A rollback goes to an edition that is kept and not current. ${to2 === void 0 ? "There is none before the current one" : `Got "${to2}"`}. ${can}; "sluice editions ${product2.name}" lists them.`,
  );
}
async function checkLive2(product2, current, target, control) {
  const { stream } = product2.source;
  if (stream === null || !product2.rollups.some(({ live }) => live)) return;
  const from2 = await liveFrom(product2, control);
  const { until } = target.manifest.coverage;
  const lost = Math.min(from2 ?? Infinity, current.coverage.until);
  if (until >= lost) return;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `After a rollback live items answer from the earlier edition's end on. Edition ${target.id} of "${product2.name}" ends at ${formatInstant(until)}, ${from2 === null ? "and there are no live items of the present declaration" : `and the live items of the present declaration begin at ${formatInstant(from2)}`}: numbers between would go missing. Choose a later edition with --to, or mend the lake and refresh with --full.`,
  );
}
async function liveFrom(product2, control) {
  const checkpoints = await control.list(checkpointKey(product2.source.stream, "").pk);
  const start2 = await control.get(liveStartKey(product2));
  if (start2 === null) return null;
  return Math.max(
    start2.value.from,
    ...checkpoints.flatMap(({ value }) => missedUntil(value, product2) ?? []),
  );
}
function overtaken2(product2) {
  return new SluiceError(
    "CONFLICT",
    `"${product2.name}" was published by another run at this moment, so nothing was rolled back or released. Look at "sluice editions ${product2.name}" and try again.`,
  );
}

// src/sql/unload.ts
var maxUnloadPartitions = 100;
function unloadGoldSql(product2, { partitions, target }, until) {
  const { source } = product2;
  const names = goldColumns(product2);
  const inner = innerNames(product2);
  const sets = product2.rollups.map((rollup2) => [inner.grains.get(rollup2.finest), ...inner.of(rollup2)]);
  const partition2 = identifier(source.partition.column);
  return unload2(
    source,
    `SELECT ${outerColumns(product2, names, inner, sets).join(",\n  ")},
  ${partition2}
FROM (
  SELECT ${innerColumns(product2, inner).join(",\n    ")}
  FROM ${fromSql(source, [...aggregatedProperties(product2), ...inner.dimensions.keys()])}
  WHERE ${partition2} IN (${partitions.map(stringLiteral).join(", ")}) AND ${identifier(source.time.name)} < ${timestampLiteral(until)}
)
GROUP BY GROUPING SETS (
  (${partition2}),
  ${sets.map((set) => `(${[partition2, ...set].join(", ")})`).join(",\n  ")}
)`,
    target,
  );
}
function countSql(source, partitions, until) {
  const partition2 = identifier(source.partition.column);
  return `SELECT ${partition2}, count(*) FROM ${tableName(source)}
WHERE ${partition2} IN (${partitions.map(stringLiteral).join(", ")}) AND ${identifier(source.time.name)} < ${timestampLiteral(until)}
GROUP BY 1`;
}
function compactSql(source, { partitions, target }) {
  const partition2 = identifier(source.partition.column);
  const columns2 = source.ownColumns.map(({ name }) => identifier(name));
  return unload2(
    source,
    `SELECT ${columns2.join(", ")}, ${partition2}
FROM ${identifier(source.database)}.${identifier(partsTable(source))}
WHERE ${partition2} IN (${partitions.map(stringLiteral).join(", ")}) AND ${identifier(partColumn(source))} IN ('lake', 'archive')`,
    target,
  );
}
function unload2(source, query, target) {
  return `UNLOAD (
${query}
)
TO ${stringLiteral(target)}
WITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY[${stringLiteral(source.partition.column)}])`;
}
function innerNames(product2) {
  const { source } = product2;
  const free = freeNames([...source.columns.map(({ name }) => name), source.partition.column]);
  const grains2 = storedGrains.filter((grain) => product2.rollups.some(({ finest }) => finest === grain));
  const carried = product2.dimensions.filter(({ property }) =>
    product2.rollups.some(({ dimensions: dimensions3 }) => dimensions3.includes(property)),
  );
  const dimensions2 = new Map(carried.map(({ property }, i) => [property, identifier(free(`k${i}`))]));
  return {
    grains: new Map(grains2.map((grain) => [grain, identifier(free(`at_${grain.toLowerCase()}`))])),
    dimensions: dimensions2,
    of: (rollup2) => rollup2.dimensions.map((property) => dimensions2.get(property)),
  };
}
function innerColumns(product2, inner) {
  const { source } = product2;
  const time = identifier(source.time.name);
  return [
    ...aggregatedProperties(product2).map((property) => identifier(columnOf(source, property).name)),
    ...[...inner.grains].map(([grain, alias]) => `date_trunc('${grain.toLowerCase()}', ${time}) AS ${alias}`),
    ...[...inner.dimensions].map(
      ([property, alias]) => `${identifier(columnOf(source, property).name)} AS ${alias}`,
    ),
    identifier(source.partition.column),
  ];
}
function aggregatedProperties({ components }) {
  return [...new Set(components.flatMap(({ aggregate }) => columnsOf(aggregate)))];
}
function outerColumns(product2, names, inner, sets) {
  const { source } = product2;
  const components = product2.components.map((component, i) => {
    const type = componentType(source, component) === "int" ? "bigint" : "double";
    return `CAST(${aggregateSql(source, component.aggregate)} AS ${type}) AS ${identifier(names.components[i])}`;
  });
  const dimensions2 = product2.dimensions.map(({ property, type }, i) => {
    const carried = inner.dimensions.get(property) ?? `CAST(NULL AS ${trinoTypes[type]})`;
    return `${carried} AS ${identifier(names.dimensions[i])}`;
  });
  return [
    `${rollupSql(product2, inner, sets)} AS ${identifier(names.rollup)}`,
    `coalesce(${[...inner.grains.values(), "NULL"].join(", ")}) AS ${identifier(names.bucket)}`,
    ...dimensions2,
    ...components,
  ];
}
var trinoTypes = {
  int: "bigint",
  float: "double",
  string: "varchar",
  boolean: "boolean",
  datetime: "timestamp",
};
function rollupSql(product2, inner, sets) {
  const all = [...inner.grains.values(), ...inner.dimensions.values()];
  const mask = (set) => all.reduce((bits, each) => bits * 2 + (set.includes(each) ? 0 : 1), 0);
  const cases = sets.map((set, i) => `WHEN ${mask(set)} THEN ${stringLiteral(product2.rollups[i].name)}`);
  return `CASE grouping(${all.join(", ")}) ${cases.join(" ")} ELSE ${stringLiteral(sourceRollup)} END`;
}

// etl/batch/expectations.ts
async function checkBuckets(product2, gold, until, findings) {
  const shared = product2.rollups.filter((rollup2) => spansPartitions(product2, rollup2));
  const own = product2.rollups.filter((rollup2) => !shared.includes(rollup2));
  report(product2, await gold.violations(rulesOf(product2), own, until), findings);
  report(product2, await gold.violations([{ kind: "representable" }], shared, until), findings);
}
async function checkSharedBuckets(product2, published, changes, lake, until, { gold: reader }, findings) {
  const rollups2 = product2.rollups.filter((rollup2) => spansPartitions(product2, rollup2));
  if (rollups2.length === 0) return;
  for (const folders of sharedFolders(product2, rollups2[0], published, changes, lake, until)) {
    const gold = await reader.open(product2, folders);
    try {
      report(product2, await gold.violations(rulesOf(product2), rollups2, until), findings);
    } finally {
      await gold.close();
    }
  }
}
function sharedFolders(product2, { finest }, published, { changed, vanished }, lake, until) {
  const { grain } = product2.source.partition;
  const bucketOf = (value) => floorTo(partitionRange(value, grain).from, finest);
  const touched = new Set([...changed.map(({ value }) => value), ...vanished].map(bucketOf));
  const before = published.usable ? (published.until ?? -Infinity) : -Infinity;
  const isDue2 = (bucket) => {
    const end = nextBucket(bucket, finest);
    return end <= until && (touched.has(bucket) || end > before);
  };
  const byBucket = groupedBy([...lake], ([value]) => bucketOf(value));
  const due = [...byBucket].filter(([bucket]) => isDue2(bucket)).map(([, partitions]) => partitions);
  const most2 = Math.max(1, Math.floor(maxUnloadPartitions / Math.max(...due.map(({ length }) => length))));
  return chunksOf(due, most2).map((some) => some.flat().flatMap(([, { gold }]) => gold ?? []));
}
function checkRowCounts(product2, counted, lake, until, findings) {
  for (const expectation of product2.expectations) {
    if (expectation.kind !== "rowCount") continue;
    const { per, min, max } = expectation;
    const whole2 = { name: "the edition", rows: totalRows(lake), ended: true };
    const parts = counted.map(({ value, range }) => ({
      name: `partition ${value}`,
      rows: lake.get(value)?.rows ?? 0,
      ended: range.to <= until,
    }));
    for (const { name, rows, ended: ended2 } of per === "edition" ? [whole2] : parts)
      if ((min !== null && rows < min && ended2) || (max !== null && rows > max))
        findings.add({
          ...broken2(expectation),
          count: 1,
          unit: "partitions",
          examples: [`${name} counts ${rows} events`],
        });
  }
}
function rulesOf({ expectations }) {
  return [
    { kind: "representable" },
    ...expectations.flatMap((each) => (each.kind === "rowCount" ? [] : [each])),
  ];
}
function report(product2, violations, findings) {
  for (const { rule, rollup: rollup2, buckets, examples } of violations)
    findings.add({
      ...(rule.kind === "representable" ? unrepresentable : broken2(rule)),
      count: buckets,
      unit: "buckets",
      examples: examples.map(({ bucket, key, values }) => {
        const shown = Object.entries(values).map(([name, value]) => `${name} is ${value}`);
        const where = [
          `rollup "${rollup2.name}"`,
          ...keyTexts(product2, rollup2, key),
          formatInstant(bucket),
        ];
        return [where.join(", "), ...(shown.length === 0 ? [] : [shown.join(", ")])].join(": ");
      }),
    });
}
function keyTexts({ dimensions: dimensions2 }, rollup2, key) {
  return rollup2.dimensions.map((property, i) => {
    const { type } = dimensions2.find((dimension) => dimension.property === property);
    const value = key[i] ?? null;
    return `${property} ${type === "datetime" && value !== null ? formatInstant(value) : JSON.stringify(value)}`;
  });
}
var unrepresentable = {
  rule: "Numbers that are served, in keys too, are finite, integers at most 2^53, and no count or sum is null.",
  wayOut: "Mend the values in the lake, or declare the column as a Float.",
};
function broken2(expectation) {
  const { description } = expectation;
  return {
    rule: `${expectationText(expectation)} does not hold${description === null ? "." : `: ${description}`}`,
    wayOut: "Mend the lake and refresh again, or declare what is to be expected.",
  };
}

// etl/batch/findings.ts
var shownExamples = 5;
var Findings = class {
  #byRule = /* @__PURE__ */ new Map();
  add(finding) {
    const known3 = this.#byRule.get(finding.rule);
    this.#byRule.set(finding.rule, {
      ...finding,
      count: finding.count + (known3?.count ?? 0),
      examples: [...(known3?.examples ?? []), ...finding.examples].slice(0, shownExamples),
    });
  }
  /** Throws `REFRESH` with everything that was found; `serving` is the edition that goes on. */
  throwIfAny(product2, serving) {
    if (this.#byRule.size === 0) return;
    const goesOn = serving === null ? "" : `; edition ${serving} goes on serving`;
    throw new SluiceError(
      "REFRESH",
      [
        `The audit of "${product2.name}" failed. Nothing was published${goesOn}.`,
        ...[...this.#byRule.values()].flatMap(lines),
      ].join("\n"),
    );
  }
};
function lines({ rule, count: count2, unit, examples, wayOut }) {
  const more = count2 > examples.length ? [`    \u2026 ${count2} ${unit} in all`] : [];
  return [`- ${rule}`, ...examples.map((example2) => `    ${example2}`), ...more, `    ${wayOut}`];
}

// etl/batch/totals.ts
var tolerance = 1e-9;
function checkTotals(product2, partition2, totals, findings) {
  const columns2 = goldColumns(product2).components;
  const source = mergedTotals(product2, totals, sourceRollup);
  const rollups2 = product2.rollups.map((rollup2) => ({
    rollup: rollup2,
    merged: mergedTotals(product2, totals, rollup2.name),
  }));
  columns2.forEach((column, i) => {
    const added = Math.max(...rollups2.map(({ merged }) => merged.magnitudes[i]));
    for (const { rollup: rollup2, merged } of rollups2)
      if (!agree(merged.values[i], source.values[i], added * tolerance))
        findings.add({
          rule: "Every rollup totals what its source totals, in every component.",
          count: 1,
          unit: "totals",
          examples: [
            `partition ${partition2.value}, rollup "${rollup2.name}": ${column} is ${merged.values[i]}, and ${source.values[i]} in the source`,
          ],
          wayOut:
            "Refresh again; if it stays, a dimension or time of the source is not what the declaration says.",
        });
  });
  checkNames2(product2, partition2, totals, findings);
  for (const rollup2 of product2.rollups) checkTimes(product2, partition2, rollup2, totals, findings);
}
function eventsIn(product2, totals) {
  return Number(mergedTotals(product2, totals, sourceRollup).values[0]);
}
function newestIn(product2, totals) {
  const finest = finestGrain(product2);
  const names = product2.rollups.filter((rollup2) => rollup2.finest === finest).map(({ name }) => name);
  const newest2 = totals
    .filter(({ rollup: rollup2 }) => names.includes(rollup2))
    .flatMap(({ last }) => last ?? []);
  return newest2.length === 0 ? null : Math.max(...newest2);
}
function mergedTotals({ components }, totals, rollup2) {
  const own = totals.filter((total) => total.rollup === rollup2);
  return {
    values: components.map((component, i) =>
      own.reduce((merged, { values }) => merge(component, merged, values[i]), nothing(component)),
    ),
    magnitudes: components.map((_, i) => own.reduce((sum2, { magnitudes }) => sum2 + magnitudes[i], 0)),
  };
}
var nothing = ({ merge: kind }) => (kind === "add" ? 0 : null);
function merge({ merge: kind }, a, b) {
  if (a === null || b === null) return a ?? b;
  if (kind === "add") return typeof b === "bigint" ? BigInt(a) + b : Number(a) + b;
  return a < b === (kind === "min") ? a : b;
}
function agree(a, b, within) {
  if (a === null || b === null) return a === b;
  if (Object.is(a, b) || a == b) return true;
  if (typeof a === "bigint" || typeof b === "bigint") return false;
  return Math.abs(a - b) <= within;
}
function checkNames2(product2, { value }, totals, findings) {
  const known3 = /* @__PURE__ */ new Set([sourceRollup, ...product2.rollups.map(({ name }) => name)]);
  const unknown = new Set(
    totals.map(({ rollup: rollup2 }) => rollup2).filter((rollup2) => !known3.has(rollup2)),
  );
  for (const rollup2 of unknown)
    findings.add({
      rule: `Rows of gold are of rollups of the product: ${[...known3].join(", ")}.`,
      count: 1,
      unit: "names",
      examples: [`partition ${value} has rows of "${rollup2}"`],
      wayOut: "Refresh again; if it stays, something else writes below the gold folder.",
    });
}
function checkTimes(product2, { value, range }, rollup2, totals, findings) {
  const strays = totals
    .filter((total) => total.rollup === rollup2.name)
    .flatMap(({ first, last }) => [first, last])
    .filter((at) => at !== null)
    .filter((at) => at < floorTo(range.from, rollup2.finest) || at >= range.to);
  if (strays.length === 0) return;
  findings.add({
    rule: "A lake partition holds the events of its own time.",
    count: 1,
    unit: "rollups of partitions",
    examples: [`${product2.source.partition.column}=${value} holds events of ${formatInstant(strays[0])}`],
    wayOut: "Write them to their own partition.",
  });
}

// etl/batch/audit.ts
async function audit(product2, published, changes, unloaded, until, deps, options) {
  const findings = new Findings();
  const lake = lakeBefore(published, changes);
  await checkPartitions(product2, unloaded, lake, until, deps, findings);
  const bytesScanned = await checkSilent(product2, unloaded, until, deps, options, findings);
  checkNotEmpty(product2, published, lake, findings);
  await checkSharedBuckets(product2, published, changes, lake, until, deps, findings);
  checkRowCounts(product2, unloaded.partitions, lake, until, findings);
  findings.throwIfAny(product2, published.manifest?.edition ?? null);
  return { lake, bytesScanned };
}
function lakeBefore(published, { changed, vanished }) {
  const lake = new Map(published.lake);
  for (const value of vanished) lake.delete(value);
  for (const { value, fingerprint, bytes } of changed)
    lake.set(value, { fingerprint, gold: null, rows: 0, bytes, newest: null });
  return lake;
}
async function checkPartitions(product2, { partitions, gold }, lake, until, deps, findings) {
  let done = 0;
  let rows = 0;
  const report3 = () =>
    deps.progress({ stage: "audit", done, total: partitions.length, unit: "partitions", rows });
  report3();
  for (const some of chunksOf(partitions, maxUnloadPartitions)) {
    for (const [value, checked] of await checkChunk(product2, some, gold, until, deps, findings)) {
      lake.set(value, checked);
      rows += checked.rows;
    }
    done += some.length;
    report3();
  }
}
async function checkChunk(product2, partitions, gold, until, deps, findings) {
  const folders = partitions.flatMap(({ value }) => gold.get(value) ?? []);
  const opened2 = await deps.gold.open(product2, folders);
  try {
    const totals = groupedBy(await opened2.totals(), ({ object }) => partitionOf(object));
    await checkBuckets(product2, opened2, until, findings);
    return partitions.map((partition2) => {
      const { value, fingerprint, bytes } = partition2;
      const found2 = totals.get(value) ?? [];
      checkTotals(product2, partition2, found2, findings);
      const rows = eventsIn(product2, found2);
      const newest2 = newestIn(product2, found2);
      return [value, { fingerprint, gold: gold.get(value) ?? null, rows, bytes, newest: newest2 }];
    });
  } finally {
    await opened2.close();
  }
}
async function checkSilent(product2, { partitions, gold }, until, deps, options, findings) {
  const silent2 = partitions.map(({ value }) => value).filter((value) => !gold.has(value));
  let bytesScanned = 0;
  for (const some of chunksOf(silent2, maxUnloadPartitions)) {
    const sql = countSql(product2.source, some, until);
    const result = await runStatement(product2.source, sql, deps.warehouse, options);
    bytesScanned += result.bytesScanned;
    for (const [value, events] of result.rows.filter(([, counted]) => Number(counted) > 0))
      findings.add({
        rule: "Where the source has events there is gold.",
        count: 1,
        unit: "partitions",
        examples: [`partition ${value} holds ${events} events and the UNLOAD wrote none of them`],
        wayOut: "Refresh again.",
      });
  }
  return bytesScanned;
}
function checkNotEmpty({ source }, { manifest }, lake, findings) {
  const refused2 = manifest === null ? source.stream === null : manifest.newest !== null;
  if (totalRows(lake) > 0 || !refused2) return;
  findings.add({
    rule: "An empty edition never goes live: one with events is not replaced by an empty one.",
    count: 1,
    unit: "editions",
    examples: [`the lake of "${source.database}.${source.table}" holds no events`],
    wayOut: "Put its files there and refresh again.",
  });
}

// etl/batch/catalogue.ts
async function openCatalogue(source, deps) {
  const catalogue = await readCatalogue(source, deps);
  await createTables(source, catalogue, deps);
  return catalogue;
}
async function readCatalogue(source, { control }) {
  const documents = await control.list(compactedKey(source, "").pk);
  return { partitions: new Map(documents.map((document) => [document.sk, document])) };
}
async function createTables(source, { partitions }, deps) {
  const ddl2 = tablesDdl(source, deps);
  const known3 = await deps.control.get(cataloguedTableKey(source));
  if (JSON.stringify(known3?.value.ddl) === JSON.stringify(ddl2)) return;
  if (known3 !== null) await runStatements(source, dropTablesSql(source), deps.warehouse);
  await runStatements(source, ddl2, deps.warehouse);
  const registered2 = [...partitions].filter(([, { value }]) => value.registered && value.location !== "");
  const locations = registered2.map(([sk, { value }]) => ({ value: sk, location: value.location }));
  if (known3 !== null) await runStatements(source, addPartitionsSql(source, locations), deps.warehouse);
  await deps.control.put(cataloguedTableKey(source), { ddl: ddl2 }, "any");
}
function tablesDdl(source, { lake }) {
  const own = [createDatabaseSql(source), createTableSql(source, lake.url(lakeFolder(source)))];
  const parts = createPartsTableSql(source, lake.url(`parts/${source.database}.${source.table}/`));
  return source.stream === null ? own : [...own, parts];
}
function lakeLocation(source, value, { lake }) {
  return lake.url(lakeFolder(source) + partitionFolder(source, value));
}
async function registerPartitions(source, { partitions }, placements, deps) {
  const revisions = /* @__PURE__ */ new Map();
  await forEachInParallel(placements, async (placement) => {
    const before = partitions.get(placement.value)?.revision ?? null;
    revisions.set(placement.value, await note(source, placement, before, false, deps));
  });
  await runStatements(source, addPartitionsSql(source, placements), deps.warehouse);
  const moved = placements.filter(
    ({ value, location }) => partitions.has(value) || location !== lakeLocation(source, value, deps),
  );
  const moves = moved.map((placement) => setLocationSql(source, placement));
  await runStatements(source, moves, deps.warehouse);
  await forEachInParallel(placements, async (placement) => {
    await note(source, placement, revisions.get(placement.value), true, deps);
  });
}
async function unregisterPartitions(source, { partitions }, values, deps) {
  const known3 = values.filter((value) => (partitions.get(value)?.value.location ?? "") !== "");
  await runStatements(source, dropPartitionsSql(source, known3), deps.warehouse);
  await forEachInParallel(known3, async (value) => {
    const gone = { value, location: "", fingerprint: "" };
    await note(source, gone, partitions.get(value).revision, true, deps);
  });
}
async function note(source, { value, location, fingerprint }, expected, registered2, deps) {
  const document = { location, fingerprint, columns: columnsOf2(source), registered: registered2 };
  const revision = await deps.control.put(compactedKey(source, value), document, expected);
  if (revision !== null) return revision;
  const current = await deps.control.get(compactedKey(source, value));
  if (current?.value.location === location && current.value.fingerprint === fingerprint)
    return current.revision;
  await repoint(source, value, current?.value, deps);
  throw new SluiceError(
    "CONFLICT",
    `One refresh at a time places a lake partition. Another one placed ${value} of "${source.database}.${source.table}" meanwhile. Refresh again when it has ended.`,
  );
}
function columnsOf2({ ownColumns }) {
  return ownColumns.map(({ name, type }) => `${name}:${type}`);
}
async function repoint(source, value, current, { warehouse }) {
  if (current === void 0 || !current.registered || current.location === "") return;
  await runStatements(source, [setLocationSql(source, { value, location: current.location })], warehouse);
}

// etl/batch/compact.ts
async function compact(source, edition, { present: present2, changed, vanished }, deps, options) {
  const catalogue = await openCatalogue(source, deps);
  const counted = new Set(changed);
  const outdated = [...present2.values()].filter((partition2) =>
    counted.has(partition2)
      ? !isRegistered(source, catalogue, partition2, deps)
      : isUnfinished(source, catalogue, partition2),
  );
  const unwritten = unwrittenOf(source, catalogue, outdated);
  const { folders, bytesScanned } = await unloadParts(source, edition, unwritten, deps, options);
  const placements = outdated.map((partition2) => ({
    value: partition2.value,
    fingerprint: partition2.files,
    location: partition2.archived
      ? (folders.get(partition2.value) ?? catalogue.partitions.get(partition2.value).value.location)
      : lakeLocation(source, partition2.value, deps),
  }));
  await registerPartitions(source, catalogue, placements, deps);
  const gone = await goneOf(source, catalogue, { present: present2, vanished }, deps, options);
  await unregisterPartitions(source, catalogue, gone, deps);
  return bytesScanned;
}
function unwrittenOf(source, catalogue, partitions) {
  return partitions.filter((partition2) => partition2.archived && !isWritten(source, catalogue, partition2));
}
function isUnfinished(source, catalogue, partition2) {
  const known3 = catalogue.partitions.get(partition2.value)?.value;
  return known3?.registered === false && (!partition2.archived || isWritten(source, catalogue, partition2));
}
function isRegistered(source, catalogue, partition2, deps) {
  const known3 = catalogue.partitions.get(partition2.value)?.value;
  if (known3 === void 0 || !known3.registered) return false;
  if (partition2.archived) return isWritten(source, catalogue, partition2);
  return known3.location === lakeLocation(source, partition2.value, deps);
}
function isWritten(source, { partitions }, { value, files }) {
  const known3 = partitions.get(value)?.value;
  return (
    known3?.fingerprint === files && JSON.stringify(known3.columns) === JSON.stringify(columnsOf2(source))
  );
}
async function goneOf(source, { partitions }, { present: present2, vanished }, { lake }, { range }) {
  const missing = [...partitions].flatMap(([value, { value: known3 }]) =>
    known3.location !== "" && !present2.has(value) ? [value] : [],
  );
  const candidates = range === void 0 ? missing : missing.filter((value) => vanished.includes(value));
  if (candidates.length === 0) return [];
  const now = await listPartitions(source, lake);
  return candidates.filter((value) => !now.has(value));
}
async function unloadParts(source, edition, partitions, deps, options) {
  const folders = /* @__PURE__ */ new Map();
  let bytesScanned = 0;
  for (const [i, some] of chunksOf(partitions, maxUnloadPartitions).entries()) {
    report2(deps, folders.size, partitions.length);
    const target = deps.lake.url(`compacted/${source.database}.${source.table}/${edition}/${i}/`);
    const values = some.map(({ value }) => value);
    await runStatements(source, addPartsSql(source, partsOf(source, values, deps)), deps.warehouse);
    const sql = compactSql(source, { partitions: values, target });
    bytesScanned += (await runStatement(source, sql, deps.warehouse, options)).bytesScanned;
    for (const value of values) folders.set(value, target + partitionFolder(source, value).toLowerCase());
    report2(deps, folders.size, partitions.length);
  }
  return { folders, bytesScanned };
}
function report2({ progress }, done, total) {
  progress({ stage: "compact", done, total, unit: "partitions" });
}
function partsOf(source, values, deps) {
  return values.flatMap((value) => [
    { value, part: "lake", location: lakeLocation(source, value, deps) },
    {
      value,
      part: "archive",
      location: deps.lake.url(archiveFolder(source) + partitionFolder(source, value)),
    },
  ]);
}

// etl/batch/stopping.ts
function checkStopped(product2, { signal }) {
  if (signal?.aborted) throw stopped(product2);
}
function stopped({ name }) {
  return new SluiceError(
    "REFRESH",
    `The refresh of "${name}" was stopped. Nothing was published; the next one does the work.`,
  );
}

// etl/batch/coverage.ts
var firstPollMs5 = 20;
var longestPollMs5 = 500;
async function passBarriers(product2, stream, previous, deps, options) {
  const arrival = stream.replay ? await replayClock(stream, deps.control) : null;
  const barriers = await putBarriers(eventStreamOf(stream, deps), deps.token(), arrival);
  const records = await archivedPast(stream, barriers, deps, () => checkStopped(product2, options));
  if (records === null) return previous ?? noCoverage(stream, deps.barrierWaitMs);
  for (const record2 of records) await finishCopies(record2, deps.lake);
  const earliest = Math.min(...records.map((record2) => record2.barrier.arrival));
  const until = floorTo(earliest - stream.latenessMs - stream.skewMs, finestGrain(product2));
  return Math.max(until, previous ?? until);
}
function coveredByLake(product2, present2, previous, folder2) {
  const ends = [...present2.values()].map(({ range }) => range.to);
  if (ends.length === 0 && previous === null)
    throw new SluiceError(
      "REFRESH",
      `A product is computed from the lake. Source "${product2.source.name}" has no files in ${folder2}. Put its Parquet files there, one folder per partition.`,
    );
  return Math.max(...ends, previous ?? -Infinity);
}
function eventStreamOf(stream, deps) {
  if (deps.stream === void 0)
    throw new TypeError(`A refresh over stream "${stream.name}" needs it as deps.stream.`);
  return deps.stream;
}
async function replayClock(stream, control) {
  const clock = await control.get(clockKey(stream));
  if (clock !== null) return clock.value.at;
  throw new SluiceError(
    "REFRESH",
    `A stream that replays history has a clock. Stream "${stream.name}" has none yet. Start its replay, then refresh.`,
  );
}
async function putBarriers(stream, id, arrival) {
  const open = (await stream.shards()).filter(({ closed }) => !closed);
  const data = encodeBarrier(arrival === null ? { id } : { id, arrival });
  const put = await stream.put(open.map((shard) => ({ partitionKey: id, data, shard: shard.id })));
  return put.map(({ shard, sequence }) => ({ shard, sequence }));
}
async function archivedPast(stream, barriers, { control, clock, wait, barrierWaitMs, progress }, proceed) {
  const deadline = clock() + barrierWaitMs;
  const report3 = (done) => progress({ stage: "coverage", done, total: barriers.length, unit: "shards" });
  for (let pollMs3 = firstPollMs5; ; pollMs3 = Math.min(longestPollMs5, pollMs3 * 2)) {
    const records = await Promise.all(barriers.map(({ shard }) => control.get(archiveKey(stream, shard))));
    const past2 = records.flatMap((record2, i) =>
      record2 !== null && isPast(record2.value, barriers[i]) ? [record2.value] : [],
    );
    report3(past2.length);
    if (past2.length === barriers.length) return past2;
    if (clock() >= deadline) return null;
    proceed();
    await wait(pollMs3);
  }
}
function isPast(record2, { sequence }) {
  return record2.barrier !== null && record2.barrier.sequence >= sequence;
}
async function finishCopies(record2, lake) {
  for (const { from: from2, to: to2 } of record2.copying) {
    if (await exists(lake, to2)) continue;
    try {
      await lake.copy(from2, to2);
    } catch (error) {
      if (!(await exists(lake, to2))) throw error;
    }
  }
}
async function exists(lake, key) {
  for await (const object of lake.list(key)) if (object.key === key) return true;
  return false;
}
function noCoverage(stream, waitedMs) {
  throw new SluiceError(
    "REFRESH",
    `A refresh over a stream counts what micro-batches have archived. Those of "${stream.name}" did not archive past this refresh's barriers within ${waitedMs / 1e3} s, and there is no earlier coverage to keep. Start the micro-batches (or let them catch up), then refresh.`,
  );
}

// etl/batch/load.ts
async function load(product2, edition, plan, lake, deps, options = {}) {
  const total = plan.reduce((sum2, { periods }) => sum2 + periods.length, 0);
  let [assembled, items] = [0, 0];
  const report3 = (done, written) =>
    deps.progress({ stage: "load", done, total, unit: "periods", items: written });
  report3(0, 0);
  for (const portions of groupedBy(plan, ({ year }) => year).values()) {
    const gold = await deps.gold.open(product2, foldersOf2(product2, lake, portions));
    const done = ({ periods }) => void (assembled += periods.length);
    const before = items;
    try {
      items += await deps.insights.writeSegments(
        itemsOf2(product2, edition, gold, portions, done, options),
        // the last period is done when all its items are written
        (written) => report3(Math.min(assembled, total - 1), before + written),
      );
    } finally {
      await gold.close();
    }
  }
  if (total > 0) report3(total, items);
  return items;
}
function foldersOf2(product2, lake, portions) {
  const ranges = [...new Set(portions.flatMap(({ periods }) => periods))].map(periodRange);
  return [...lake].flatMap(([value, { gold }]) => {
    const range = partitionRange(value, product2.source.partition.grain);
    return ranges.some((each) => overlaps(each, range)) ? (gold ?? []) : [];
  });
}
async function* itemsOf2(product2, edition, gold, portions, done, options) {
  for (const portion of portions) {
    const { rollup: rollup2, grain, periods } = portion;
    for await (const { segments, leaderboards } of gold.assemble(rollup2, grain, periods)) {
      checkStopped(product2, options);
      yield segments.map(({ key, period, packed: packed2 }) => ({
        ...segmentKey(systemScope, product2, rollup2, grain, key, period, edition),
        packed: packed2,
      }));
      yield leaderboards.map(({ within, period, packed: packed2 }) => ({
        ...leaderboardKey(
          systemScope,
          product2,
          { ...rollup2, top: rollup2.top },
          grain,
          within,
          period,
          edition,
        ),
        packed: packed2,
      }));
    }
    done(portion);
  }
}

// etl/batch/load-plan.ts
var periodsPerPortion = 31;
var mostSingleDays = 3;
function planLoad(product2, published, changes, until) {
  return storedGrains.flatMap((grain) => {
    const rollups2 = product2.rollups.filter(({ grains: grains2 }) => grains2.includes(grain));
    if (rollups2.length === 0) return [];
    const touched = touchedPeriods(product2, grain, changes, published, until);
    const alike = groupedBy(touched, (period) => `${period.slice(0, 4)} ${period.length}`);
    return [...alike.values()].flatMap((periods) =>
      chunksOf(periods, periodsPerPortion).flatMap((some) =>
        rollups2.map((rollup2) => ({ rollup: rollup2, grain, year: some[0].slice(0, 4), periods: some })),
      ),
    );
  });
}
function touchedPeriods(product2, grain, changes, published, until) {
  const closed = floorTo(until, grain);
  const before = published.usable && published.until !== null ? floorTo(published.until, grain) : -Infinity;
  const ranges = touchedRanges(product2, changes, before).map(({ from: from2, to: to2 }) => ({
    from: floorTo(from2, grain),
    to: Math.min(to2, closed),
  }));
  if (grain === "DAY") return monthsAndDays(ranges, before, closed);
  const periods = ranges.flatMap((range) => periodsIn(range, grain));
  return [...new Set(periods)].sort();
}
function touchedRanges(product2, { present: present2, changed, vanished }, before) {
  return [
    ...changed.map(({ range }) => range),
    ...vanished.map((value) => partitionRange(value, product2.source.partition.grain)),
    ...[...present2.values()].map(({ range: { from: from2, to: to2 } }) => ({
      from: Math.max(from2, before),
      to: to2,
    })),
  ].filter(({ from: from2, to: to2 }) => from2 < to2);
}
function monthsAndDays(ranges, before, closed) {
  const days = new Set(
    ranges.flatMap((range) => bucketsOf(range, "DAY").map(({ from: from2 }) => periodOf(from2, "HOUR"))),
  );
  const touched = groupedBy([...days].sort(), (day) => day.slice(0, 7));
  const closing = Number.isFinite(before) && before < closed ? periodOf(before, "DAY") : null;
  if (closing !== null && !touched.has(closing) && isClosed(closing, closed)) touched.set(closing, []);
  return [...touched].flatMap(([month, inMonth]) =>
    isClosed(month, closed) || inMonth.length > mostSingleDays ? [month] : inMonth,
  );
}
var isClosed = (month, closed) => periodRange(month).to <= closed;
function periodsIn(range, grain) {
  const periods = [];
  for (let at = range.from; at < range.to; ) {
    const period = periodOf(at, grain);
    periods.push(period);
    at = periodRange(period).to;
  }
  return periods;
}

// etl/batch/lookups.ts
import { createHash as createHash9 } from "node:crypto";

// etl/batch/dimension-rows.ts
function dimensionRows(table, rows) {
  const columns2 = readColumns(table);
  const taken = columns2.length - table.taken.length;
  return rows.flatMap((cells) => {
    const values = columns2.map(({ type }, i) => valueOf3(cells[i] ?? null, type));
    columns2.forEach((column, i) => checkValue(table, column, values[i], cells[i]));
    const key = values.slice(0, table.keys.length);
    const [from2 = null, to2 = null] = values.slice(table.keys.length, taken);
    const { first, last } = validity(from2, to2);
    if (key.includes(null) || first > last) return [];
    return [{ key, first, last, taken: values.slice(taken) }];
  });
}
function valueOf3(cell, type) {
  if (cell === null) return null;
  switch (type) {
    case "int":
    case "float":
      return Number(cell);
    case "boolean":
      return cell === "true";
    case "datetime":
      return Date.parse(`${cell.slice(0, 23).replace(" ", "T")}Z`);
    case "string":
      return cell;
  }
}
function checkValue({ database, name }, column, value, cell) {
  const problem = value === null ? null : typeProblem(value, column.type);
  if (problem !== null)
    throw new SluiceError(
      "REFRESH",
      `A lookup takes values that an event can have. Column "${column.name}" of "${database}.${name}" holds ${cell}, which ${problem}. Correct the table, or declare the column as another type.`,
    );
}

// etl/batch/lookups.ts
async function refreshLookups(source, deps, options) {
  const tables = lookupTables(source.lookups);
  const folders = /* @__PURE__ */ new Map();
  let bytesScanned = 0;
  for (const [done, table] of tables.entries()) {
    deps.progress({ stage: "lookups", done, total: tables.length, unit: "tables" });
    const current = await currentVersion2(source, table, deps, options);
    folders.set(table.id, current.folder);
    bytesScanned += current.bytesScanned;
    deps.progress({ stage: "lookups", done: done + 1, total: tables.length, unit: "tables" });
  }
  return { folders, bytesScanned };
}
async function currentVersion2(source, table, deps, options) {
  let bytesScanned = 0;
  let pointedBack = false;
  for (;;) {
    const known3 = await deps.control.get(lookupKey(source, table));
    const fingerprint = await fingerprintOfTable(table, deps);
    if (known3 !== null && isCurrent(source, known3.value, fingerprint)) {
      const { folder: folder2, registered: registered2 } = known3.value;
      if (registered2 && !pointedBack) return { folder: folder2, bytesScanned };
      if (await register(source, table, known3, deps)) return { folder: folder2, bytesScanned };
      pointedBack = true;
      continue;
    }
    const read2 = await readTable(source, table, deps, options);
    bytesScanned += read2.bytesScanned;
    if ((await fingerprintOfTable(table, deps)) !== fingerprint) continue;
    await record(source, table, known3, fingerprint, read2.rows, deps);
  }
}
function isCurrent({ stream }, version, fingerprint) {
  return stream?.replay === true || version.fingerprint === fingerprint;
}
var tableFolder = ({ database, name }) => `${database}/${name}/`;
async function fingerprintOfTable(table, { lake }) {
  const folder2 = tableFolder(table);
  const objects = [];
  for await (const object of lake.list(folder2))
    if (!isIgnored(object.key.slice(folder2.length).split("/"))) objects.push(object);
  if (objects.length > 0) return fingerprintOf(objects);
  throw new SluiceError(
    "REFRESH",
    `A lookup reads a table of the lake. "${table.database}.${table.name}" has no files in ${lake.url(folder2)}. Put its Parquet files there.`,
  );
}
async function readTable(source, table, { warehouse, lake }, options) {
  await runStatements(source, registerDimensionSql(source, table, lake.url(tableFolder(table))), warehouse);
  const result = await runStatement(source, dimensionRowsSql(source, table), warehouse, options);
  const rows = dimensionRows(table, result.rows);
  checkUnique(table, rows);
  return { rows, bytesScanned: result.bytesScanned };
}
function checkUnique({ database, name, keys }, rows) {
  const twice = overlapOf(rows);
  if (twice === null) return;
  const key = keys.map((column, i) => `${column.name} = ${JSON.stringify(twice[0].key[i])}`).join(", ");
  throw new SluiceError(
    "REFRESH",
    `A lookup finds at most one row for a key at a time. "${database}.${name}" has two for ${key}. Drop one of them, or declare valid: { from, to } if they count for different times.`,
  );
}
async function record(source, table, known3, fingerprint, read2, deps) {
  const { control, lake } = deps;
  const rows =
    source.stream === null || known3 === null
      ? continued([], read2, firstInstant)
      : continued(await rowsOf(table, known3.value, deps), read2, firstDayAhead(deps.clock()));
  const packed2 = packRows(rows);
  const content = createHash9("sha256").update(packed2).digest("hex").slice(0, 16);
  const folder2 = `lookups/${source.database}.${source.table}/${table.id}/${content}/`;
  const columns2 = rowColumns(table).map((column) => ({ ...column, nullable: true }));
  await lake.write(
    `${folder2}parquet/rows.parquet`,
    encodeParquet(columns2, rows.map(cellsOf2), (row, i) => row[i]),
  );
  await lake.write(`${folder2}rows.json`, Buffer.from(packed2));
  const registered2 = known3?.value.registered === true && known3.value.folder === folder2;
  const version = { folder: folder2, fingerprint, registered: registered2 };
  await control.put(lookupKey(source, table), version, known3?.revision ?? null);
}
function firstDayAhead(now) {
  return ceilTo(now + 2 * dayMs2, "DAY");
}
function cellsOf2({ key, first, last, taken }) {
  return [...key, first, last, ...taken];
}
async function rowsOf(table, { folder: folder2 }, { lake }) {
  return unpackRows(table, Buffer.from(await lake.read(`${folder2}rows.json`)).toString());
}
async function register(source, table, { value, revision }, { control, warehouse, lake }) {
  await runStatements(source, registerRowsSql(source, table, lake.url(`${value.folder}parquet/`)), warehouse);
  const registered2 = { ...value, registered: true };
  return (await control.put(lookupKey(source, table), registered2, revision)) !== null;
}
function countedWith(product2, { folders }, present2) {
  const used2 = product2.source.stream === null ? storedTables(product2) : [];
  if (used2.length === 0) return present2;
  const versions2 = used2.map(({ id }) => folders.get(id) ?? "unknown").sort();
  return new Map(
    [...present2].map(([value, partition2]) => {
      const counted = createHash9("sha256").update([partition2.files, ...versions2].join("\n"));
      return [value, { ...partition2, fingerprint: counted.digest("hex").slice(0, 32) }];
    }),
  );
}
function storedTables({ source, components, rollups: rollups2 }) {
  const stored2 = /* @__PURE__ */ new Set([
    ...components.flatMap(({ aggregate }) => columnsOf(aggregate)),
    ...rollups2.flatMap(({ dimensions: dimensions2 }) => dimensions2),
  ]);
  return lookupTables(
    source.lookups.filter(({ take }) => take.some(({ column }) => stored2.has(column.property))),
  );
}

// etl/batch/unload.ts
async function unload3(product2, edition, { changed }, until, deps, options) {
  const partitions = changed.filter(({ range }) => range.from < until);
  const gold = /* @__PURE__ */ new Map();
  let bytesScanned = 0;
  let done = 0;
  for (const [i, some] of chunksOf(partitions, maxUnloadPartitions).entries()) {
    deps.progress({ stage: "unload", done, total: partitions.length, unit: "partitions" });
    const folder2 = `gold/${product2.name}/${edition}/${i}/`;
    const values = some.map(({ value }) => value);
    const sql = unloadGoldSql(product2, { partitions: values, target: deps.lake.url(folder2) }, until);
    bytesScanned += (await runStatement(product2.source, sql, deps.warehouse, options)).bytesScanned;
    await collect3(deps, folder2, gold);
    done += some.length;
  }
  deps.progress({ stage: "unload", done, total: partitions.length, unit: "partitions" });
  return { partitions, gold, bytesScanned };
}
async function collect3({ lake }, folder2, gold) {
  for await (const { key } of lake.list(folder2))
    gold.set(partitionOf(key), key.slice(0, key.lastIndexOf("/") + 1));
}

// etl/batch/run.ts
async function refresh2(product2, deps, options = {}) {
  const { control } = deps;
  const startedAt = deps.clock();
  const published = await readPublished(product2, control, options.full ?? false);
  checkRange(product2, published, options);
  const lookups = await refreshLookups(product2.source, deps, options);
  if (published.manifest?.hold) {
    await settle2(product2, published.manifest, deps);
    return nothingDone(product2, published.manifest, startedAt, deps);
  }
  const { until, present: present2 } = await coverage(product2, published, deps, options);
  const changes = findChanges(published, countedWith(product2, lookups, present2), until, options.range);
  reportChanges(changes, deps);
  checkTouched(product2, changes, options);
  if (isUpToDate(published, changes, until)) {
    await settle2(product2, published.manifest, deps);
    return nothingDone(product2, published.manifest, startedAt, deps);
  }
  const building = { startedAt, until, changes, lookedUp: lookups.bytesScanned };
  const edition = await build(product2, published, building, deps, options);
  await settle2(product2, edition.manifest, deps).catch((error) => {
    throw unsettled(product2, edition, error);
  });
  return resultOf(edition, changes);
}
async function settle2(product2, manifest, deps) {
  await registerGold(product2, manifest, deps);
  await sweep(product2, deps);
}
function unsettled({ name }, { id }, cause) {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError(
    "REFRESH",
    `Edition ${id} of "${name}" is published and served. What follows it (the gold table, the sweep of what is old) failed, and is done by the next refresh: ${reason}`,
    { cause },
  );
}
async function build(product2, published, building, deps, options) {
  const id = editionId(building.startedAt, deps.token());
  await openBuild(product2, published, id, building.startedAt, deps.control);
  try {
    return await writeAuditPublish(product2, published, id, building, deps, options);
  } catch (error) {
    if (options.signal?.aborted) throw stopped(product2);
    const late = await isOvertaken(product2, published, id, deps.control).catch(() => false);
    throw late ? overtaken(product2, id, error) : error;
  }
}
async function writeAuditPublish(
  product2,
  published,
  id,
  { startedAt, until, changes, lookedUp },
  deps,
  options,
) {
  const compacted = await compact(product2.source, id, changes, deps, options);
  const unloaded = await unload3(product2, id, changes, until, deps, options);
  const audited = await audit(product2, published, changes, unloaded, until, deps, options);
  const plan = planLoad(product2, published, changes, until);
  const bytesScanned = lookedUp + compacted + unloaded.bytesScanned + audited.bytesScanned;
  if (await isOvertaken(product2, published, id, deps.control)) throw overtaken(product2, id);
  const { lake } = audited;
  const publication = { id, startedAt, until, lake, changes, plan, bytesScanned };
  const prepared = await prepare(product2, published, publication, deps);
  const items = await load(product2, id, plan, lake, deps, options);
  checkStopped(product2, options);
  return publish(product2, published, prepared, items, deps);
}
function resultOf(edition, { changed, vanished }) {
  return {
    published: true,
    held: null,
    edition: edition.id,
    version: edition.version,
    rows: edition.rows,
    items: edition.items,
    bytesScanned: edition.bytesScanned,
    durationMs: edition.durationMs,
    coveredUntil: edition.coveredUntil,
    changed: changed.map(({ value }) => value),
    vanished,
  };
}
async function coverage(product2, published, deps, options) {
  const { stream } = product2.source;
  const previous = published.until === null ? null : floorTo(published.until, finestGrain(product2));
  const keepsCut = options.range !== void 0 && previous !== null;
  const passed =
    stream === null
      ? null
      : keepsCut
        ? previous
        : await passBarriers(product2, stream, previous, deps, options);
  const present2 = await listPartitions(product2.source, deps.lake);
  if (passed !== null) return { until: passed, present: present2 };
  if (keepsCut) return { until: previous, present: present2 };
  const folder2 = deps.lake.url(lakeFolder(product2.source));
  return { until: coveredByLake(product2, present2, published.until, folder2), present: present2 };
}
function reportChanges({ changed, vanished }, { progress }) {
  const total = changed.length + vanished.length;
  progress({ stage: "changed", done: total, total, unit: "partitions" });
}
function isUpToDate(published, { changed, vanished }, until) {
  return published.usable && changed.length === 0 && vanished.length === 0 && until === published.until;
}
async function nothingDone(
  product2,
  { edition, version, hold, coverage: covered2 },
  startedAt,
  { control, clock },
) {
  const document = await control.get(editionKey(product2, edition));
  return {
    published: false,
    held: hold,
    edition,
    version,
    rows: document?.value.rows ?? 0,
    items: 0,
    bytesScanned: 0,
    durationMs: clock() - startedAt,
    changed: [],
    vanished: [],
    coveredUntil: covered2.until,
  };
}

// test/exactly-once/code.ts
var code = {
  runConsumer,
  refresh: refresh2,
  rollback: rollback2,
  release: release2,
  openSession,
  Manifests,
  LiveStatus,
};

// test/exactly-once/try.mts
var [from, to] = process.argv.slice(2).map(Number);
var c0 = process.cpuUsage();
var t = performance.now();
var bad = 0;
for (let s = from; s <= to; s++)
  try {
    await runHistory(code, s);
  } catch (e) {
    bad++;
    if (bad <= Number(process.env.MAX ?? 3))
      console.log(
        String(e.message).slice(0, Number(process.env.LEN ?? 2500)),
        process.env.STACK ? e.cause : "",
      );
  }
console.log({
  seeds: to - from + 1,
  bad,
  ms: (performance.now() - t) / (to - from + 1),
  cpuMs: (process.cpuUsage(c0).user + process.cpuUsage(c0).system) / 1e3 / (to - from + 1),
  ...(process.env.STATS ? stats : {}),
});
