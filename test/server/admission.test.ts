import { buildSchema } from "graphql";
import { expect, test } from "vitest";
import { admissionGate } from "../../src/server/admission.ts";

const gate = admissionGate(buildSchema("type Query { a: Int }"));

function documentOf(query: string): object {
  const admission = gate.admit({ query }, "http");
  if ("refused" in admission) throw admission.refused[0]!;
  return admission.document;
}

test("a document is parsed once, until 10 MB of others have been asked since", () => {
  const first = documentOf("{ a }");
  for (let i = 0; i < 99; i++) documentOf(`{ a${i}: a }${" ".repeat(100_000)}`);
  expect(documentOf("{ a }")).toBe(first);
  for (let i = 0; i < 100; i++) documentOf(`{ b${i}: a }${" ".repeat(100_000)}`);
  expect(documentOf("{ a }")).not.toBe(first);
});
