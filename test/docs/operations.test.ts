import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { gatewayCommand } from '../../src/cli/gateway.ts';
import { DEFAULT_SETTINGS, formatListenAddress, LOG_LEVELS } from '../../src/runtime/settings.ts';
import { everyMetric } from '../support/every-metric.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';

// What docs/operations.md names is what there is, and all of it.

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(`${root}docs/operations.md`, 'utf8');

/** The rows of the table below a heading, cells trimmed. */
function tableOf(heading: string): readonly (readonly string[])[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'));
  return rows.slice(1).map((row) =>
    row
      .replaceAll('\\|', '\u0000')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('\u0000', '|').trim()),
  );
}

const quoted = (cell = ''): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);

test('the flags', () => {
  const documented = tableOf('Flags').map(([flag]) => quoted(flag)[0] ?? '');
  const options = gatewayCommand().options;
  assert.deepEqual(documented.toSorted(), options.map(({ flags }) => flags).toSorted());
  for (const { long, envVar } of options) {
    assert.equal(envVar, `XMPP_FEDERATION_${long?.slice(2).replaceAll('-', '_').toUpperCase()}`);
  }
  const lists = tableOf('Flags').filter(([, , text = '']) => text.startsWith('*list*'));
  assert.deepEqual(
    lists.map(([flag]) => quoted(flag)[0] ?? '').toSorted(),
    options.flatMap(({ flags, description }) => (description.endsWith('; repeatable') ? [flags] : [])).toSorted(),
  );
});

test('the defaults', () => {
  const { xmppListen, sipListen, adminListen, certificatesFolder, drainTimeout, logLevel } = DEFAULT_SETTINGS;
  const defaults: Record<string, string> = {
    '--certificates': certificatesFolder,
    '--xmpp-listen': xmppListen.map(formatListenAddress).join(),
    '--sip-listen': sipListen.map((listen) => `${listen.transport}:${formatListenAddress(listen)}`).join(),
    '--admin-listen': adminListen === undefined ? 'off' : formatListenAddress(adminListen),
    '--drain-timeout': String(drainTimeout),
    '--log-level': logLevel,
    '--allow-private-addresses': 'no',
  };
  for (const [flag = '', value = ''] of tableOf('Flags')) {
    const [name = ''] = (quoted(flag)[0] ?? '').split(' ');
    assert.equal(quoted(value)[0], defaults[name], name);
  }
  assert.deepEqual(quoted(tableOf('Flags').at(-1)?.[2]), LOG_LEVELS);
});

test('the metrics, their types and labels', async () => {
  const { families, samples } = parsePrometheusText(await everyMetric().render());
  const labelsOf = (name: string): readonly string[] => {
    const labels = samples.find((sample) => sample.startsWith(`${name}{`) || sample.startsWith(`${name} `));
    assert.ok(labels !== undefined, `${name} has no sample`);
    return [...labels.matchAll(/([a-z_]+)="/g)].map(([, label = '']) => label);
  };
  const there = [...families]
    .filter(([name]) => name.startsWith('xmpp_federation_'))
    .map(([name, { type }]) => [name.slice(16), type, ...labelsOf(name)].join(' '));
  const documented = tableOf('Metrics').map(([name, type, labels]) =>
    [...quoted(name), type, ...quoted(labels)].join(' '),
  );
  assert.deepEqual(documented, there);
});

test('the log events', () => {
  const sources = [
    'runtime/audit',
    'runtime/gateway',
    'runtime/bridge-services',
    'runtime/streams/stream-services',
    'cli/gateway',
  ];
  const text = sources.map((name) => readFileSync(`${root}src/${name}.ts`, 'utf8')).join('\n');
  const sip = readFileSync(`${root}src/runtime/sip-event.ts`, 'utf8');
  const there = new Set([
    ...[...text.matchAll(/\b(?:event|type): '([a-z-]+)'/g)].map(([, name = '']) => name),
    'stream-refused',
    ...[...sip.matchAll(/\bevent: '([a-z-]+)'/g)].map(([, name = '']) => `sip-${name}`),
  ]);
  // Counted, not logged.
  there.delete('sip-message-received');
  const documented = tableOf('Log').flatMap(([names]) => quoted(names));
  assert.deepEqual(documented.toSorted(), [...there].toSorted());
});

test('the paths of the admin listener', () => {
  const source = readFileSync(`${root}src/runtime/net/admin-server.ts`, 'utf8');
  const there = [...source.matchAll(/case '(\/[a-z]+)'/g)].map(([, path]) => path);
  assert.deepEqual(
    tableOf('Admin listener').flatMap(([path]) => quoted(path)),
    there.toSorted((a, b) => order(a) - order(b)),
  );
});

function order(path = ''): number {
  return ['/healthz', '/readyz', '/status', '/metrics'].indexOf(path);
}
