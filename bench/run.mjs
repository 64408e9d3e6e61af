// `npm run bench [NAME …]`: each measurement in a process of its own, one after another, and the table of them all in RESULTS.md.
// A floor or a peer is measured in the same run, since timings of one machine say little about another.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const ALL = [
  "tasks",
  "stages",
  "share",
  "cache",
  "memory",
  "latency",
  "tensor",
  "training",
  "network",
  "actors",
  "cluster",
  "bulk",
  "compile",
  "startup",
];
const results = fileURLToPath(new URL("RESULTS.md", import.meta.url));
const self = fileURLToPath(import.meta.url);

if (process.argv[2] === "--one") {
  const { measure } = await import(`./${process.argv[3]}.mjs`);
  process.stdout.write(JSON.stringify(await measure()));
} else {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !ALL.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`there is no measurement ${unknown.join(", ")}; there are ${ALL.join(", ")}\n`);
    process.exit(3);
  }
  const rows = [];
  for (const name of asked.length > 0 ? asked : ALL) {
    process.stderr.write(`${name} …\n`);
    rows.push(
      ...JSON.parse(execFileSync(process.execPath, [self, "--one", name], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })),
    );
  }
  const lines = rows.map(
    ({ figure, value, floor, ratio, goal, met, command }) =>
      `| ${figure} | ${value} | ${floor} | ${ratio === null ? "-" : ratio.toFixed(2)} | ${goal} | ${met ? "yes" : "**no**"} | \`${command}\` |`,
  );
  const table = ["| figure | measured | floor, same run | ratio | goal | met | command |", "|---|---|---|---|---|---|---|", ...lines].join(
    "\n",
  );
  process.stdout.write(`${table}\n`);
  // A part of the table never replaces the whole.
  if (asked.length === 0) {
    const notes = noteSection();
    writeFileSync(
      results,
      `# Figures\n\nMade by \`npm run bench\` on Node ${process.versions.node}, ${availableParallelism()} processors, ${process.platform} ${process.arch}. Timings are medians and noisy; ratios within one run say more.\n\n${table}\n${notes}`,
    );
  }
}

/** What people wrote below the table stays. */
function noteSection() {
  try {
    const text = readFileSync(results, "utf8");
    const at = text.indexOf("\n## ");
    return at < 0 ? "" : text.slice(at);
  } catch (error) {
    if (error.code === "ENOENT") return "";
    throw error;
  }
}
