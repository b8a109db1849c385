/** What readers find: the manifest's pointer, its pages and their segments, read from the tables without src/. */
import { tables } from "../../cloud/resources.ts";
import type { Cloud } from "./cloud.ts";
import type { Numbers } from "./order-lake.ts";

interface StoredManifest {
  readonly version: number;
  readonly edition: string;
  readonly coverage: { readonly from: number; readonly until: number };
  readonly newest: number | null;
  readonly pages: Record<string, string>;
}

export async function storedManifest(cloud: Cloud, product = "OrderActivity"): Promise<StoredManifest> {
  const control = await cloud.items(tables.control);
  return JSON.parse(control.get(`manifest#${product} current`)!["d"]!) as StoredManifest;
}

/** All stored buckets that end at or before the coverage's end: readers ignore the others. */
export async function storedBuckets(cloud: Cloud, product = "OrderActivity"): Promise<Numbers> {
  const control = await cloud.items(tables.control);
  const insights = [...(await cloud.items(tables.insights)).values()];
  const { pages, coverage } = await storedManifest(cloud, product);
  const numbers: Numbers = new Map();
  for (const [name, edition] of Object.entries(pages).filter(([page]) => page.startsWith("segments/"))) {
    const document = control.get(`page#${product}#${name} ${edition}`)!;
    const page = JSON.parse(document["d"]!) as Record<string, Record<string, string>>;
    const rollup = name.split("/")[1]!;
    for (const [grain, periods] of Object.entries(page))
      for (const [period, writtenBy] of Object.entries(periods))
        for (const item of insights) {
          const [itemProduct, , itemRollup, itemGrain, ...key] = item["pk"]!.split("#");
          if (
            itemProduct !== product ||
            itemRollup !== rollup ||
            itemGrain !== grain ||
            item["sk"] !== `${period}#${writtenBy}`
          )
            continue;
          const [indexes, ...columns] = JSON.parse(item["c"]!) as (number | null)[][];
          indexes!.forEach((index, i) => {
            const { at, end } = bucket(grain, period, index!);
            if (end <= coverage.until)
              numbers.set(
                `${rollup} ${grain} ${key.join("#")} ${new Date(at).toISOString()}`,
                columns.map((column) => column[i]!),
              );
          });
        }
  }
  return numbers;
}

function bucket(grain: string, period: string, index: number): { at: number; end: number } {
  const [year, month = 1, day = 1] = period.split("-").map(Number) as [number, number?, number?];
  if (grain === "HOUR")
    return { at: Date.UTC(year, month - 1, day, index), end: Date.UTC(year, month - 1, day, index + 1) };
  if (grain === "DAY")
    return { at: Date.UTC(year, month - 1, index + 1), end: Date.UTC(year, month - 1, index + 2) };
  return { at: Date.UTC(year, index), end: Date.UTC(year, index + 1) };
}
