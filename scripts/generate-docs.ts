/**
 * Writes what is generated: `docs/options.md`, `schema/*.schema.json`, and the table of rules
 * in `docs/review.md`.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { runSchema } from '../src/cli/schema.ts';
import { optionsMarkdown } from '../src/config/index.ts';
import { reviewPolicyJsonSchema } from '../src/review/approvals.ts';
import { reviewJsonSchema } from '../src/review/report.ts';
import { rulesMarkdown } from '../src/review/rules.ts';

const root = new URL('../', import.meta.url);
let schema = '';
runSchema({ stdout: { write: (text: string) => (schema += text) } });
await mkdir(new URL('schema/', root), { recursive: true });
await writeFile(new URL('schema/federation.schema.json', root), schema);
await mkdir(new URL('docs/', root), { recursive: true });
await writeFile(new URL('docs/options.md', root), optionsMarkdown());

await writeFile(new URL('schema/review.schema.json', root), `${JSON.stringify(reviewJsonSchema(), null, 2)}\n`);
const policySchema = `${JSON.stringify(reviewPolicyJsonSchema(), null, 2)}\n`;
await writeFile(new URL('schema/review-policy.schema.json', root), policySchema);
const page = new URL('docs/review.md', root);
const [before = '', after = ''] = (await readFile(page, 'utf8')).split(
  /(?<=<!-- rules -->\n).*(?=<!-- end of rules -->)/s,
);
await writeFile(page, `${before}\n${rulesMarkdown()}\n${after}`);
