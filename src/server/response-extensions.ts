/** What a response says beside its data: which manifests were read and where the values came from. */
import type { Session, SluiceExtensions } from "../schema/context.ts";

/** Absent when the session answered nothing. */
export function responseExtensions(session: Session): { sluice: SluiceExtensions } | undefined {
  const sluice = session.extensions();
  const silent = sluice.provenance.length === 0 && Object.keys(sluice.manifest).length === 0;
  return silent ? undefined : { sluice };
}
