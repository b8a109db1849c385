/** One consumer after another: each lives for a few seconds, until it is killed with -9. */
import { setTimeout as wait } from "node:timers/promises";
import { type RunningStream, startStream } from "./processes.ts";

export interface LifeSample {
  /** It has finished a micro-batch. */
  readonly worked: boolean;
  /** What is left when all garbage is collected. */
  readonly heapMb: number;
}

export interface LastLife {
  readonly in: number;
  readonly applied: number;
  readonly dead: number;
  /** The exit code after SIGTERM. */
  readonly code: number | null;
}

const longestWorkMs = 5_000; // of a life, from its first micro-batch on, which comes late on a busy machine
const patienceMs = 20_000; // with a life that does not come to that
const batches = `sluice_live_batch_events_count{stream="readings"}`;
const mb = (bytes: number): number => bytes / 1_000_000;

export class ConsumerLives {
  readonly samples: LifeSample[][] = [];
  private life: RunningStream | null = null;
  private bornAt = 0;

  constructor(
    private readonly data: string,
    private readonly args: readonly string[],
  ) {}

  get kills(): number {
    return Math.max(0, this.samples.length - 1);
  }

  async begin(): Promise<void> {
    this.life = await startStream(this.data, this.args);
    this.bornAt = Date.now();
    this.samples.push([]);
  }

  /** The last one lives on. */
  async torment(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      await this.firstBatch();
      await wait(Math.random() * longestWorkMs);
      await this.kill();
      await this.begin();
    }
  }

  private async firstBatch(): Promise<void> {
    while (Date.now() - this.bornAt < patienceMs) {
      const metrics = await this.life?.scrape();
      if (metrics && metrics(batches) > 0) return;
      await wait(100);
    }
  }

  async kill(): Promise<void> {
    await this.life?.kill();
    this.life = null;
  }

  /** Resident megabytes of the one that lives; 0 between two lives. */
  async sample(): Promise<number> {
    const samples = this.samples.at(-1)!;
    const { life } = this;
    const metrics = await life?.scrape();
    const heap = await life?.heap();
    if (!metrics || !heap) return 0;
    const worked = metrics(batches) > 0;
    samples.push({ worked, heapMb: mb(heap) });
    return mb(metrics("process_resident_memory_bytes"));
  }

  /** What the last life says that it has done; then it is asked to stop. */
  async end(): Promise<LastLife> {
    const metrics = (await this.life!.scrape())!;
    const outcome = (name: string): number =>
      metrics(`sluice_live_events_total{stream="readings",outcome="${name}"}`);
    const all = metrics(`sluice_live_batch_events_sum{stream="readings"}`);
    const { code } = await this.life!.stop();
    return { in: all, applied: outcome("applied"), dead: outcome("dead"), code };
  }
}
