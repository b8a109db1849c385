/** The embedded cloud in a process of its own, so that its CPU is counted apart. Argument: the data folder. */
import { startCloud } from "../bin/cloud.ts";
import { answerCpu } from "./processes.ts";

const cloud = await startCloud(process.argv[2]!);
answerCpu();
process.send?.(cloud.endpoints);
process.once("SIGTERM", () => void cloud.close().then(() => process.exit(0)));
