// Trees as the parser gives them, beside their source, and what it says of text that it can't read.
import { parse } from "../../lang/parse.ts";
import { render } from "../../lang/render.ts";
import { golden } from "../harness/golden.ts";

golden("parse", ({ own }) => {
  const [name, text] = Object.entries(own)[0]!;
  const { file, diagnostics } = parse(text, name);
  const said = render(diagnostics, () => text, { color: false });
  return [said, outline(file)].filter((part) => part !== "").join("\n");
});

const WIDTH = 120;

/** The tree without spans: `kind field=value …`, on one line where it fits. */
function outline(node: unknown, indent = ""): string {
  if (Array.isArray(node))
    return listed(
      node.map((item) => outline(item, `${indent}  `)),
      indent,
      "[",
      "]",
    );
  if (typeof node !== "object" || node === null) return JSON.stringify(node);
  if ("text" in node) return String(node.text);
  const { kind, span: _, ...fields } = node as Readonly<Record<string, unknown>>;
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== null && value !== false && !(Array.isArray(value) && value.length === 0))
    .map(([key, value]) => `${key}=${outline(value, `${indent}  `)}`);
  return shown.length === 0 ? String(kind ?? "{}") : listed(shown, indent, `${kind ?? ""}(`, ")");
}

function listed(items: readonly string[], indent: string, open: string, close: string): string {
  const line = `${open}${items.join(" ")}${close}`;
  if (!line.includes("\n") && indent.length + line.length <= WIDTH) return line;
  return `${open}\n${items.map((item) => `${indent}  ${item}`).join("\n")}\n${indent}${close}`;
}
