import assert from 'node:assert/strict';
import test from 'node:test';
import { type ExplainOptions, explainCommand, runExplain } from '../../src/cli/explain.ts';
import type { FederationConfigProps } from '../../src/config/index.ts';
import { sampleProps } from '../support/federations.ts';
import { recordedTerminal } from '../support/terminal.ts';

const INBOUND = { from: 'joe@fabrikam.com/desk', to: 'Ann@contoso.com', kind: 'message' } as const;

async function explain(options: Partial<ExplainOptions> = {}, changes: Partial<FederationConfigProps> = {}) {
  const terminal = recordedTerminal({ stdin: JSON.stringify(sampleProps(changes)) });
  const status = await runExplain({ config: '-', ...INBOUND, ...options }, terminal);
  return { status, out: terminal.out(), err: terminal.err() };
}

async function explainJson(options: Partial<ExplainOptions> = {}, changes: Partial<FederationConfigProps> = {}) {
  const { status, out } = await explain({ ...options, json: true }, changes);
  return { status, ...JSON.parse(out) };
}

const policy = { identity: 'XmppUsers', enableFederationAccess: true };

test('allowed: every gate with the setting that let the stanza pass', async () => {
  const { status, out, err } = await explain();
  assert.deepEqual([status, err], [0, '']);
  assert.match(out, /^allowed \(inbound message, ann@contoso\.com and fabrikam\.com\)\n/);
  assert.equal(out.match(/^ {2}pass /gm)?.length, 7);
  assert.match(out, /externalAccessPolicies\[0\]\.enableXmppAccess = true/);
});

test('refused: the gate, the path, the value, and the answer on the wire', async () => {
  const { status, out } = await explain({}, { externalAccessPolicies: [policy] });
  assert.equal(status, 3);
  assert.match(out, /^refused: user-xmpp-denied /);
  assert.match(out, /refuse {2}user-xmpp {10}externalAccessPolicies\[0\]\.enableXmppAccess = false\n/);
  assert.match(out, /the partner is answered item-not-found \(cancel\)\n$/);
  const own = await explain({ from: INBOUND.to, to: INBOUND.from }, { externalAccessPolicies: [policy] });
  assert.match(own.out, /our user is answered 403\n$/);
});

test('the direction follows from the served domain', async () => {
  assert.equal((await explainJson()).direction, 'inbound');
  assert.equal((await explainJson({ from: INBOUND.to, to: INBOUND.from })).direction, 'outbound');
});

test('both addresses ours, or neither, is bad input', async () => {
  for (const from of ['zoe@contoso.com', 'contoso.com']) {
    const { status, out, err } = await explain({ from });
    assert.deepEqual([status, out], [1, '']);
    assert.match(err, /expected exactly one of --from and --to in a served domain \(contoso\.com\), got both/);
  }
  assert.match((await explain({ to: 'ann@litware.com' })).err, /got neither/);
});

test('an address is taken apart as on a stream', async () => {
  // Read naively this is somebody at fabrikam.com.
  const { decision: _, ...trick } = await explainJson({ from: 'adatum.com/x@fabrikam.com' });
  assert.deepEqual([trick.status, trick.reason, trick.remoteDomain], [3, 'partner-not-allowed', 'adatum.com']);
  for (const from of ['@fabrikam.com', 'joe@', 'joe@*.com', '']) {
    const { status, err } = await explain({ from });
    assert.equal(status, 1);
    assert.match(err, /^--from: expected an XMPP address/);
  }
  assert.match((await explain({ to: 'ann@' })).err, /^--to: /);
});

test('the contact list matters for PublicUnverified', async () => {
  const changes = { xmppAllowedPartners: [{ domain: 'fabrikam.com' }] };
  const refused = await explainJson({ kind: 'subscribe' }, changes);
  assert.deepEqual(
    [refused.status, refused.reason, refused.path],
    [3, 'contact-not-listed', 'xmppAllowedPartners[0].partnerType'],
  );
  assert.equal((await explainJson({ kind: 'subscribe', contactListed: true }, changes)).status, 0);
});

test('the stream is judged when anything is said about it', async () => {
  const methodOf = (result: { readonly gates: readonly { readonly gate: string; readonly sentence: string }[] }) =>
    /used (\S+)\.$/.exec(result.gates.find(({ gate }) => gate === 'stream-method')?.sentence ?? '')?.[1];
  const partner = { domain: 'fabrikam.com', partnerType: 'Federated' } as const;
  const flexible = {
    xmppAllowedPartners: [{ ...partner, tlsNegotiation: 'Optional', saslNegotiation: 'Optional' } as const],
  };
  const noSasl = { xmppAllowedPartners: [{ ...partner, saslNegotiation: 'NotSupported' } as const] };
  assert.equal(methodOf(await explainJson({}, flexible)), undefined);
  assert.equal(methodOf(await explainJson({ tls: 'yes' }, flexible)), 'sasl-over-tls');
  assert.equal(methodOf(await explainJson({ tls: 'no' }, flexible)), 'tcp-dialback');
  assert.equal(methodOf(await explainJson({ certificate: 'invalid' }, flexible)), 'tls-dialback');
  assert.equal(methodOf(await explainJson({ tls: 'yes' }, noSasl)), 'tls-dialback');
  assert.equal((await explainJson({ method: 'tcp-dialback' })).reason, 'tls-required');
  assert.equal((await explainJson({ tls: 'no' })).reason, 'tls-required');
  assert.equal(
    (await explainJson({ method: 'sasl-over-tls', certificate: 'invalid' })).reason,
    'certificate-not-valid',
  );
  assert.equal((await explainJson({ certificate: 'invalid' })).reason, 'certificate-not-valid');
  assert.equal((await explainJson({ tls: 'yes', from: 'joe@litware.com' })).reason, 'partner-not-allowed');
});

test('a contradiction about the stream is bad input', async () => {
  const contradictions: readonly Partial<ExplainOptions>[] = [
    { tls: 'no', method: 'sasl-over-tls' },
    { tls: 'yes', method: 'tcp-dialback' },
    { tls: 'no', certificate: 'valid' },
  ];
  for (const options of contradictions) assert.equal((await explain(options)).status, 1);
});

test('a configuration with errors is bad input', async () => {
  const { status, out, err } = await explain({}, { environment: '' });
  assert.deepEqual([status, out], [1, '']);
  assert.match(err, /^error {4}environment: /);
});

test('--json tells the same', async () => {
  const result = await explainJson({}, { externalAccessPolicies: [policy] });
  assert.equal(result.verdict, 'refuse');
  assert.equal(result.reason, 'user-xmpp-denied');
  assert.equal(result.path, 'externalAccessPolicies[0].enableXmppAccess');
  assert.match(result.digest, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(
    result.gates.map(({ gate, passed }: { readonly gate: string; readonly passed: boolean }) => `${gate} ${passed}`),
    [
      'federation-switch true',
      'served-domain true',
      'partner true',
      'stanza-kind true',
      'user-federation true',
      'user-xmpp false',
    ],
  );
});

test('the command refuses values it does not know', async () => {
  const command = explainCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const needed = ['--config', '-', '--from', 'a@b.c', '--to', 'd@e.f'];
  await assert.rejects(command.parseAsync([...needed, '--kind', 'call'], { from: 'user' }), /Allowed choices/);
  await assert.rejects(command.parseAsync(needed, { from: 'user' }), /--kind/);
});
