/** Writes what is generated from the schema: `docs/options.md` and `schema/federation.schema.json`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { runSchema } from '../src/cli/schema.ts';
import { optionsMarkdown } from '../src/config/index.ts';

const root = new URL('../', import.meta.url);
let schema = '';
runSchema({ stdout: { write: (text: string) => (schema += text) } });
await mkdir(new URL('schema/', root), { recursive: true });
await writeFile(new URL('schema/federation.schema.json', root), schema);
await mkdir(new URL('docs/', root), { recursive: true });
await writeFile(new URL('docs/options.md', root), optionsMarkdown());
