import * as z from 'zod';
import { federationConfig } from './federation.ts';

/** The part of JSON Schema (draft 2020-12) that {@link federationJsonSchema} makes use of. */
export interface OptionSchema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, OptionSchema>>;
  readonly required?: readonly string[];
  readonly items?: OptionSchema;
  readonly anyOf?: readonly OptionSchema[];
}

/** JSON Schema (draft 2020-12) of what an author may write: defaults may be left out. */
export function federationJsonSchema(): OptionSchema {
  const schema = z.toJSONSchema(federationConfig, { io: 'input', unrepresentable: 'any' });
  return { ...schema, title: 'Configuration of an XMPP federation' } as OptionSchema;
}

/** Markdown with one table of options per part of the configuration. */
export function optionsMarkdown(): string {
  const sections: string[] = [];
  addSection(sections, '', federationJsonSchema());
  return `# Options

Made from the schema by \`scripts/generate-docs.ts\`; do not edit. Times are in seconds, sizes in bytes.

${sections.join('\n')}`;
}

function addSection(sections: string[], path: string, schema: OptionSchema): void {
  const alternatives = schema.anyOf ?? [];
  const intro = alternatives.length > 0 ? 'Exactly one of these:\n\n' : '';
  const properties = [schema, ...alternatives].flatMap((part) => Object.entries(part.properties ?? {}));
  if (properties.length === 0) return;
  const rows = properties.map(([name, option]) => {
    const fallback = defaultColumn(option, schema.required?.includes(name) ?? false);
    return `| \`${name}\` | ${valueColumn(option, joinOption(path, name))} | ${fallback} | ${cell(option.description ?? '')} |\n`;
  });
  const title = path === '' ? 'The whole' : path;
  sections.push(
    `## ${title}\n\n${intro}| option | value | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('')}`,
  );
  for (const [name, option] of properties) {
    addSection(sections, joinOption(path, name), option);
    if (option.items !== undefined) addSection(sections, `${joinOption(path, name)}[]`, option.items);
  }
}

function joinOption(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function valueColumn(option: OptionSchema, path: string): string {
  if (option.const !== undefined) return `\`${JSON.stringify(option.const)}\``;
  if (option.enum !== undefined) return option.enum.map((name) => `\`${name}\``).join(', ');
  if (option.properties !== undefined || option.anyOf !== undefined) return `[object](#${anchor(path)})`;
  switch (option.type) {
    case 'integer':
      return `${option.minimum} to ${option.maximum}`;
    case 'boolean':
      return '`true`, `false`';
    case 'array':
      return `list of ${option.items === undefined ? 'values' : valueColumn(option.items, `${path}[]`)}`;
    default:
      return option.title ?? (option.format === 'idn-hostname' ? 'domain name' : 'text');
  }
}

// The name a Markdown viewer gives to a heading.
function anchor(title: string): string {
  return title.toLowerCase().replace(/[^a-z]/g, '');
}

function defaultColumn(option: OptionSchema, required: boolean): string {
  if (required) return 'required';
  return option.default === undefined ? '' : `\`${JSON.stringify(option.default)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
