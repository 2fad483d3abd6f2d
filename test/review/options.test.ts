import assert from 'node:assert/strict';
import test from 'node:test';
import type { FederationConfigProps } from '../../src/config/index.ts';
import { changedOptions } from '../../src/review/options.ts';
import { sampleFederation } from '../support/federations.ts';

function pathsOf(before: Partial<FederationConfigProps>, after: Partial<FederationConfigProps>): readonly string[] {
  const facts = changedOptions(sampleFederation(before), sampleFederation(after));
  return facts.map(({ kind, path, removed = [], added = [] }) =>
    [kind, path, ...removed.map((text) => `-${text}`), ...added.map((text) => `+${text}`)].join(' '),
  );
}

const users = (...lists: readonly string[][]) => ({
  grants: lists.map((list) => ({ policyName: 'XmppUsers', users: list })),
});

test('several grants of a policy are one', () => {
  assert.deepEqual(pathsOf(users(['ann@contoso.com']), users(['ann@contoso.com'], ['bob@contoso.com'])), [
    'changed grants[XmppUsers].users +bob@contoso.com',
  ]);
});

test('the same users in other grants are a change of form', () => {
  const one = users(['ann@contoso.com', 'bob@contoso.com']);
  assert.deepEqual(pathsOf(one, users(['ann@contoso.com'], ['bob@contoso.com'])), ['changed grants[XmppUsers]']);
  assert.deepEqual(pathsOf(users(['ann@contoso.com'], ['bob@contoso.com']), one), ['changed grants[XmppUsers]']);
  assert.deepEqual(
    pathsOf(users(['ann@contoso.com'], ['bob@contoso.com']), users(['ann@contoso.com'], ['bob@contoso.com'])),
    [],
  );
});

test('next hops on one host are told apart', () => {
  const hops = (...ports: readonly number[]) => ({
    sip: { nextHops: ports.map((port) => ({ fqdn: 'pool.contoso.com', port })) },
  });
  assert.deepEqual(pathsOf(hops(5061), hops(5062)), ['changed sip.nextHops[pool.contoso.com].port']);
  assert.deepEqual(pathsOf(hops(5061, 5062), hops(5062, 5063, 5064)), [
    'added sip.nextHops[pool.contoso.com#2]',
    'changed sip.nextHops[pool.contoso.com].port',
  ]);
});

test('options of the gateway, the edge and the document', () => {
  const after: Partial<FederationConfigProps> = {
    environment: 'other',
    accessEdgeConfiguration: { allowFederatedUsers: false },
    xmppGatewayConfiguration: { keepAliveInterval: 60 },
    domains: [{ domain: 'contoso.com', certificate: 'other' }, { domain: 'contoso.net' }],
  };
  assert.deepEqual(pathsOf({}, after), [
    'changed accessEdgeConfiguration.allowFederatedUsers',
    'changed domains[contoso.com].certificate',
    'added domains[contoso.net]',
    'changed environment',
    'changed xmppGatewayConfiguration.keepAliveInterval',
  ]);
});
