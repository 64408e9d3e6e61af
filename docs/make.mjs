// Writes what in this folder is made from the sources: the plan's schema, from the types of `compiler/plan.ts`. `npm run docs`; a
// test says when it is out of date.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createGenerator } from "ts-json-schema-generator";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** JSON Schema of a plan, as the text of `plan.schema.json`. */
function planSchema() {
  const schema = createGenerator({
    path: path("../compiler/plan.ts"),
    tsconfig: path("../tsconfig.json"),
    type: "Plan",
    topRef: true,
    skipTypeCheck: true,
    sortProps: true,
  }).createSchema("Plan");
  return `${JSON.stringify({ ...schema, title: "A plan of Headrace" }, null, 2)}\n`;
}

if (process.argv.includes("--print")) process.stdout.write(planSchema());
else writeFileSync(path("plan.schema.json"), planSchema());
