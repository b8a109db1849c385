/** What is told of how values are answered, while they are: `sluice explain` listens. */
import type { Measure } from "../model/product.ts";
import type { StoredPlan, UnstoredPlan } from "../sql/plan.ts";
import type { AdHocAsk } from "./ad-hoc/questions.ts";
import type { FoundGroups, PosedGroups } from "./groups.ts";
import type { Posed } from "./insight.ts";
import type { SegmentPart } from "./segment-parts.ts";

export interface TracedField {
  readonly path: readonly string[];
  readonly measure: Measure;
  readonly posed: Posed;
}

export interface Trace {
  stored(field: TracedField, plan: StoredPlan, segments: readonly SegmentPart[]): void;
  /** `ask` is null where the range holds nothing that is covered, so that nobody is asked; "page": with its page of groups. */
  asked(field: TracedField, plan: StoredPlan | UnstoredPlan, ask: AdHocAsk | "page" | null): void;
  /** Which groups there are: found in what is stored, or why they are left to Athena. */
  grouped(groups: PosedGroups, stored: Pick<FoundGroups, "kind"> | UnstoredPlan): void;
}
