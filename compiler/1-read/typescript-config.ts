// What a project's `tsconfig.json` says, as TypeScript itself reads it, `extends` and all: for those who want to know whether an editor sees
// what the compiler sees. The compiler itself doesn't ask: a program means the same under every configuration.
import { ts } from "ts-morph";

export interface ProjectConfig {
  readonly file: string;
  /** TypeScript's own words. */
  readonly errors: readonly string[];
  readonly strict: boolean;
  /** `bundler`, `nodenext`, …; null: as the module setting implies. */
  readonly resolution: string | null;
  readonly typescriptEndings: boolean;
  /** The package's types are found from here. */
  readonly findsHeadrace: boolean;
}

/** Of the nearest one, from the folder upward; null where there is none. */
export function readProjectConfig(folder: string): ProjectConfig | null {
  const file = ts.findConfigFile(folder, ts.sys.fileExists);
  if (file === undefined) return null;
  const { config, error } = ts.readConfigFile(file, ts.sys.readFile);
  const slash = Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\"));
  const parsed = ts.parseJsonConfigFileContent(config ?? {}, ts.sys, file.slice(0, slash));
  const { options } = parsed;
  // A configuration without files may still say how they would be read.
  const errors = [...(error ? [error] : []), ...parsed.errors.filter(({ code }) => code !== 18003)];
  const found = ts.resolveModuleName("headrace", `${folder}/program.ts`, options, ts.sys);
  return {
    file,
    errors: errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " ")),
    strict: options.strict === true,
    resolution: options.moduleResolution === undefined ? null : ts.ModuleResolutionKind[options.moduleResolution].toLowerCase(),
    typescriptEndings: options.allowImportingTsExtensions === true || options.rewriteRelativeImportExtensions === true,
    findsHeadrace: found.resolvedModule !== undefined,
  };
}
