/** `sluice schema`: the public contract of the declared products, printed, written or checked. */
import { readFileSync, writeFileSync } from "node:fs";
import { SluiceError } from "../../src/model/errors.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { printSluiceSchema } from "../../src/schema/build.ts";
import type { Environment } from "../environment.ts";
import { loadProducts } from "../load-products.ts";

const defaultFile = "schema.graphql";

export async function writeSchema(
  environment: Environment,
  options: { readonly write?: string | true; readonly check?: string | true },
): Promise<void> {
  const text = printSluiceSchema(buildSluiceSchema(await loadProducts(environment.products)));
  if (options.write !== undefined) writeFileSync(fileOf(options.write), text);
  else if (options.check === undefined) process.stdout.write(text);
  else if (readFileSync(fileOf(options.check), "utf8") !== text)
    throw new SluiceError(
      "CONFLICT",
      `${fileOf(options.check)} is what the declarations say. It differs. Run "npm run schema" and review the diff.`,
    );
}

function fileOf(option: string | true): string {
  return option === true ? defaultFile : option;
}
