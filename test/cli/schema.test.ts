import assert from 'node:assert/strict';
import test from 'node:test';
import { runSchema, schemaCommand } from '../../src/cli/schema.ts';
import { federationJsonSchema } from '../../src/config/index.ts';
import { recordedTerminal } from '../support/terminal.ts';

test('prints the JSON Schema', () => {
  const terminal = recordedTerminal();
  runSchema(terminal);
  const schema = JSON.parse(terminal.out());
  assert.deepEqual(schema, JSON.parse(JSON.stringify(federationJsonSchema())));
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.deepEqual(schema.required, ['version', 'environment', 'domains', 'sip']);
  assert.equal(schemaCommand().name(), 'schema');
});
