import { type FederationIndex, type UserClass, userClasses } from '../policy/index.ts';
import { parseJid } from '../runtime/xmpp/jid.ts';
import type { Asked, ExplainOptions } from './explain.ts';
import { MATRIX_LEGEND, matrixJson, matrixText } from './reach-table.ts';
import { gatewayJson } from './running-gateway.ts';
import type { Terminal } from './terminal.ts';
import { whatIfText } from './what-if.ts';

/** Prints who may start what with which partner, for one user or each class of users. Returns the exit status. */
export function showMatrix(options: ExplainOptions, asked: Asked, terminal: Terminal): 0 | 1 {
  const before = classesFor(options, asked.index);
  const after = asked.after === undefined ? undefined : classesFor(options, asked.after.index);
  if (typeof before === 'string' || typeof after === 'string') {
    terminal.stderr.write(`${typeof before === 'string' ? before : after}\n`);
    return 1;
  }
  if (options.json === true) {
    const classes = (users: readonly UserClass[], index: FederationIndex) => ({
      classes: users.map((user) => matrixJson(user, index)),
      digest: index.digest,
    });
    const json = {
      ...classes(before, asked.index),
      ...(after === undefined || asked.after === undefined
        ? {}
        : { whatIf: { changes: asked.after.changes, ...classes(after, asked.after.index) } }),
      ...(asked.gateway === undefined ? {} : { gateway: gatewayJson(asked.gateway, asked.index.digest) }),
    };
    terminal.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
    return 0;
  }
  const tables = (users: readonly UserClass[], index: FederationIndex) =>
    users.map((user) => `${matrixText(titleOf(user, options.user), user, index)}\n`).join('');
  terminal.stdout.write(tables(before, asked.index));
  if (after !== undefined && asked.after !== undefined) {
    terminal.stdout.write(`${whatIfText(asked.after.changes)}\n\n${tables(after, asked.after.index)}`);
  }
  terminal.stdout.write(MATRIX_LEGEND);
  return 0;
}

function classesFor({ user }: ExplainOptions, index: FederationIndex): readonly UserClass[] | string {
  if (user === undefined) return userClasses(index);
  const jid = parseJid(user);
  if (jid === undefined || index.servedDomain(jid.domain) === undefined) {
    const served = index.config.domains.map(({ domain }) => domain).join(', ');
    return `--user: expected an address in a served domain (${served}), got ${JSON.stringify(user)}`;
  }
  const effective = index.policyOf(jid.bare, jid.domain);
  return [{ effective, through: effective.through === '' ? [] : [effective.through] }];
}

function titleOf({ effective, through }: UserClass, user: string | undefined): string {
  const { policy, scope } = effective;
  const holders = scope === 'global' ? 'held by all without another one' : `held through ${through.join(', ')}`;
  return `${user === undefined ? '' : `${user}: `}${scope} policy "${policy.identity}", ${holders}`;
}
