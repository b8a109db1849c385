/** Vitest's setup: says to the recorder of statements which test file sends them. */
import { expect } from "vitest";

process.env["SLUICE_TEST_FILE"] = expect.getState().testPath ?? "";
