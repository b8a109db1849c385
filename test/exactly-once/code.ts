/** The code under test: ours, or a copy of it with a mistake in it. */
import { runConsumer } from "../../etl/live/consumer.ts";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { Manifests } from "../../src/loaders/manifests.ts";
import { openSession } from "../../src/loaders/session.ts";

export const code = { runConsumer, refresh, rollback, release, openSession, Manifests, LiveStatus };

export type Code = typeof code;
