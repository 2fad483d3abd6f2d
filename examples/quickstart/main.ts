import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type FederationConfig, readFederation } from '../../src/config/index.ts';
import { explainStanza, indexFederation, refusalOf } from '../../src/policy/index.ts';
import { createLogger, DEFAULT_SETTINGS, Gateway } from '../../src/runtime/index.ts';
import type { PartnerEvent, PartnerStandIn } from './partner-stand-in.ts';
import { PoolStandIn } from './pool-stand-in.ts';
import { GATEWAY_FQDN, OUR_DOMAIN, POOL_FQDN, partner, prepare, publish, type Surroundings } from './surroundings.ts';

const HELP = `Shows the whole chain on this machine: a federation declared in TypeScript, synthesized, and enforced.

usage: npm run quickstart [-- --keep] [-- --verbose]

  --keep     leave everything running afterwards, until Ctrl-C
  --verbose  show the gateway's log

Needs no root, no terraform and no network. Partners, pool and name server are stand-ins in this process.
Exit status: 0 when everything happened as declared, 1 otherwise.`;

type Admitted = Extract<PartnerEvent, { type: 'stream-admitted' }>;
type Stanza = Extract<PartnerEvent, { type: 'stanza' }>;
type Ended = Extract<PartnerEvent, { type: 'stream-ended' }>;
const isAdmitted = (event: PartnerEvent): event is Admitted =>
  event.type === 'stream-admitted' && event.direction === 'outbound';
const isStanza = (event: PartnerEvent): event is Stanza => event.type === 'stanza';
const isEnded = (event: PartnerEvent): event is Ended => event.type === 'stream-ended';

let failures = 0;
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const step = (number: number, title: string): void => say(`\n${number}. ${title}`);
const note = (label: string, text: string): void => say(`   ${label.padEnd(12)} ${text}`);
function check(isRight: boolean, what: string): void {
  say(`   ${isRight ? '✓' : '✗'} ${what}`);
  if (!isRight) failures += 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { keep: { type: 'boolean' }, verbose: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help === true) return say(HELP);
  const folder = await mkdtemp(join(tmpdir(), 'xmpp-federation-'));
  const started = performance.now();

  step(1, 'Synthesize examples/contoso (dev) and make throw-away certificates');
  const around = await prepare(folder);
  const config = await currentConfig(around);
  note('wrote', around.federationFile);
  note('serves', config.domains.map(({ domain }) => domain).join(', '));
  for (const {
    domain,
    partnerType,
    tlsNegotiation,
    saslNegotiation,
    supportDialbackNegotiation,
  } of config.xmppAllowedPartners) {
    note(
      'partner',
      `${domain}: ${partnerType}, TLS ${tlsNegotiation}, SASL ${saslNegotiation}, dialback ${supportDialbackNegotiation ? 'allowed' : 'off'}`,
    );
  }

  step(2, 'Start the gateway on it, with stand-ins for two partners, a stranger and the SIP pool');
  const fabrikam = await partner(around, 'fabrikam.com', 'fabrikam', 'Required');
  const adatum = await partner(around, 'adatum.com', 'adatum', 'Optional');
  const northwind = await partner(around, 'northwindtraders.com', 'northwind', 'Optional');
  const [xmppPort, sipPort] = [await freePort(), await freePort()];
  publish(around.dns, {
    [OUR_DOMAIN]: xmppPort,
    'fabrikam.com': fabrikam.port,
    'adatum.com': adatum.port,
    'northwindtraders.com': northwind.port,
  });
  const pool = new PoolStandIn(
    [`alice@${OUR_DOMAIN}`, `bob@${OUR_DOMAIN}`],
    { fqdn: GATEWAY_FQDN, port: sipPort },
    around.poolCertificate,
    around.authority,
    around.resolver,
  );
  const poolPort = await pool.start();
  const gateway = await Gateway.start({
    settings: {
      ...DEFAULT_SETTINGS,
      configFile: around.federationFile,
      xmppListen: [{ address: '127.0.0.1', port: xmppPort }],
      sipListen: [{ transport: 'tls', address: '127.0.0.1', port: sipPort }],
      sipNextHops: [{ transport: 'tls', fqdn: POOL_FQDN, port: poolPort }],
      sipHost: GATEWAY_FQDN,
      resolvers: [around.dns.address],
      certificatesFolder: around.certificatesFolder,
      caFile: around.caFile,
      adminListen: { address: '127.0.0.1', port: 0 },
      allowPrivateAddresses: true,
    },
    logger: createLogger(values.verbose === true ? 'info' : 'silent'),
  });
  await pool.connected();
  note(
    'gateway',
    `127.0.0.1:${xmppPort} (XMPP), ${sipPort} (SIP over mutual TLS), admin http://127.0.0.1:${gateway.ports.admin}/status`,
  );
  note('running', gateway.digest);

  step(3, 'A partner with a certificate: SASL EXTERNAL over TLS, and a message each way');
  await messageIn(fabrikam.standIn, pool, `juliet@fabrikam.com/garden`, `alice@${OUR_DOMAIN}`, 'sasl-over-tls');
  await messageOut(pool, fabrikam.standIn, `alice@${OUR_DOMAIN}`, 'juliet@fabrikam.com');

  step(4, 'A partner whose certificate proves nothing: Server Dialback inside TLS');
  await messageIn(adatum.standIn, pool, 'kim@adatum.com/desk', `alice@${OUR_DOMAIN}`, 'tls-dialback');

  step(5, 'A stranger');
  const stranger = northwind.standIn;
  const failure = await stranger.send(
    OUR_DOMAIN,
    `<message from='eve@northwindtraders.com' to='alice@${OUR_DOMAIN}'><body>hi</body></message>`,
  );
  const ended = await stranger.next(isEnded);
  note('peer sees', ended.ending.why === 'peer-error' ? `stream error ${ended.ending.condition}` : ended.ending.why);
  explain(await currentConfig(around), 'eve@northwindtraders.com', `alice@${OUR_DOMAIN}`);
  check(
    failure !== undefined && ended.ending.why === 'peer-error' && ended.ending.condition === 'policy-violation',
    'refused before it could say anything',
  );

  step(6, 'A user without the policy');
  const refusedBefore = await messageToBob(fabrikam.standIn);
  note('peer sees', refusedBefore);
  explain(await currentConfig(around), 'juliet@fabrikam.com', `bob@${OUR_DOMAIN}`);
  check(refusedBefore === 'item-not-found', 'answered exactly like a user who does not exist');

  step(7, 'Grant bob the policy, and the running gateway takes the new configuration');
  const edited: FederationConfig = {
    ...config,
    grants: [...config.grants, { policyName: 'FederatedSales', users: [`bob@${OUR_DOMAIN}`] }],
  };
  await writeFile(around.federationFile, JSON.stringify(edited));
  const isReloaded = await gateway.reload();
  note('running', gateway.digest);
  explain(await currentConfig(around), 'juliet@fabrikam.com', `bob@${OUR_DOMAIN}`);
  await fabrikam.standIn.send(
    OUR_DOMAIN,
    messageXml('juliet@fabrikam.com/garden', `bob@${OUR_DOMAIN}`, 'Welcome, Bob.', 'm4'),
  );
  const forBob = await pool.next();
  check(isReloaded && forBob.to === `sip:bob@${OUR_DOMAIN}`, 'the same message reaches bob now, on the same stream');

  step(8, 'A broken configuration');
  await writeFile(around.federationFile, '{"version": 1, "xmppAllowedPartner": []}');
  const isBrokenTaken = await gateway.reload();
  check(
    !isBrokenTaken && (await pool.send(`alice@${OUR_DOMAIN}`, 'juliet@fabrikam.com', 'Still here.')).status === 200,
    'refused whole; the old one stays in force and messages pass',
  );

  say(
    `\n${failures === 0 ? 'Everything happened as declared' : `${failures} checks failed`}, in ${((performance.now() - started) / 1_000).toFixed(1)} s.`,
  );
  say(
    'Stand-ins took the places of partners, pool and DNS; the gateway, the policy and the configuration are the real ones.',
  );
  const stop = async (): Promise<void> => {
    for (const { standIn } of [fabrikam, adatum, northwind]) standIn.stop();
    await gateway.stop();
    await pool.stop();
    around.resolver.close();
    await around.dns.close();
    await rm(folder, { recursive: true });
  };
  process.exitCode = failures === 0 ? 0 : 1;
  if (values.keep !== true) return stop();
  await writeFile(around.federationFile, JSON.stringify(edited));
  say(
    `\nLeft running. Edit ${around.federationFile} and watch http://127.0.0.1:${gateway.ports.admin}/status; Ctrl-C ends it.`,
  );
  process.once('SIGINT', () => void stop());
}

async function messageIn(
  from: PartnerStandIn,
  pool: PoolStandIn,
  sender: string,
  recipient: string,
  method: string,
): Promise<void> {
  const xml = messageXml(sender, recipient, 'Wherefore art thou?', 'm1');
  await from.send(OUR_DOMAIN, xml);
  const { proof, tls } = await from.next(isAdmitted);
  const received = await pool.next();
  note('stream', `${proof.method}, ${tls}`);
  note('XMPP in', xml);
  note('SIP out', `MESSAGE ${received.to} from ${received.from}: ${received.body}`);
  check(proof.method === method, `proved by ${method}`);
  check(received.body === 'Wherefore art thou?' && received.to === `sip:${recipient}`, 'delivered to the pool');
}

async function messageOut(pool: PoolStandIn, to: PartnerStandIn, sender: string, recipient: string): Promise<void> {
  const outcome = await pool.send(sender, recipient, 'Here & now <3');
  const { xml, stanza } = await to.next(isStanza);
  note('SIP in', `MESSAGE sip:${recipient} from sip:${sender}, answered ${outcome.status}`);
  note('XMPP out', xml);
  check(outcome.status === 200 && stanza.child('body')?.text() === 'Here & now <3', 'delivered to the partner');
}

async function messageToBob(from: PartnerStandIn): Promise<string> {
  await from.send(OUR_DOMAIN, messageXml('juliet@fabrikam.com/garden', `bob@${OUR_DOMAIN}`, 'Hello Bob', 'm3'));
  const { stanza } = await from.next(isStanza);
  return stanza.child('error')?.elements()[0]?.name ?? 'no error';
}

function messageXml(from: string, to: string, body: string, id: string): string {
  return `<message from='${from}' to='${to}' id='${id}' type='chat'><body>${body}</body></message>`;
}

/** The same judgement the gateway makes, with the line of configuration that decides. */
function explain(config: FederationConfig, from: string, to: string): void {
  const facts = {
    direction: 'inbound',
    localUser: to,
    localDomain: OUR_DOMAIN,
    remoteDomain: from.slice(from.indexOf('@') + 1),
    kind: 'message',
    contactListed: false,
  } as const;
  const { decision } = explainStanza(facts, indexFederation(config));
  if (decision.verdict === 'allow') {
    note('explain', 'allowed: every gate passed');
    return;
  }
  note('explain', `${decision.reason}: ${refusalOf(decision.reason).sentence}`);
  note('decided by', decision.path);
}

async function currentConfig({ federationFile }: Surroundings): Promise<FederationConfig> {
  const read = readFederation(await readFile(federationFile, 'utf8'));
  if (!read.ok) throw new Error(read.errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
  return read.value;
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`quickstart: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
