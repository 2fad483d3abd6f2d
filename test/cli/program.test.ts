import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { CommanderError } from 'commander';
import { programFor } from '../../src/cli/program.ts';

/** What the words write before any command runs, and the status they end with. */
async function ask(...argv: readonly string[]) {
  const program = await programFor(argv);
  let [out, err] = ['', ''];
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => {
        out += text;
      },
      writeErr: (text) => {
        err += text;
      },
    });
  }
  const status = await program.parseAsync([...argv], { from: 'user' }).then(
    () => 0,
    (error: unknown) => (error instanceof CommanderError ? error.exitCode : assert.fail(String(error))),
  );
  return { status, out, err };
}

test('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  for (const flag of ['--version', '-V'])
    assert.deepEqual(await ask(flag), { status: 0, out: `${version}\n`, err: '' });
});

test('help lists every command, and each has its own', async () => {
  const all = await ask('--help');
  assert.deepEqual([all.status, all.err], [0, '']);
  const commands = [...all.out.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name = '']) => name);
  for (const name of ['gateway', 'check', 'explain', 'schema']) assert.ok(commands.includes(name), name);
  for (const name of commands) {
    const help = await ask('help', name);
    assert.deepEqual([help.status, help.err], [0, ''], name);
    assert.match(help.out, new RegExp(`^Usage: xmpp-federation ${name} .*\n\n\\S`));
    assert.deepEqual(await ask(name, '--help'), help);
  }
});

test('nothing asked for is a mistake, and the help is the hint', async () => {
  const { status, out, err } = await ask();
  assert.deepEqual([status, out, err], [1, '', (await ask('--help')).out]);
});

test('an unknown command or option is a mistake, with a hint', async () => {
  const cases: [argv: readonly string[], hint: RegExp][] = [
    [['gatway'], /^error: unknown command 'gatway'\n\(Did you mean gateway\?\)\n\(--help shows what there is\)/],
    [['--verbsoe'], /^error: unknown option '--verbsoe'\n.*\n\(--help shows/],
    [
      ['check', '--config', 'x', '--jsno'],
      /^error: unknown option '--jsno'\n\(Did you mean --json\?\)\n\(--help shows/,
    ],
    [
      ['gateway', '--config', 'x', '--xmpp-liste', '1'],
      /^error: unknown option '--xmpp-liste'\n\(Did you mean --xmpp-listen/,
    ],
    [['schema', 'extra'], /^error: too many arguments/],
    [['gateway'], /^error: required option '--config <file>' not specified\n\(--help shows/],
  ];
  for (const [argv, hint] of cases) {
    const { status, out, err } = await ask(...argv);
    assert.deepEqual([status, out], [1, ''], argv.join(' '));
    assert.match(err, hint);
  }
});
