import assert from 'node:assert/strict';
import { before, type TestContext, test } from 'node:test';
import { GatewayError } from '../../../src/runtime/net/gateway-error.ts';
import { type DialbackQuestion, DialbackVerifier } from '../../../src/runtime/streams/dialback-verifier.ts';
import { createAuthority, issue, type ThrowawayCertificate } from '../../support/certificates.ts';
import { type RawPeer, RawServer, STREAM_HEADER } from '../../support/raw-peer.ts';
import { Site } from '../../support/xmpp-site.ts';

let authority: ThrowawayCertificate;
let certificate: ThrowawayCertificate;

before(async () => {
  authority = await createAuthority('Root');
  certificate = await issue(authority, { dnsNames: ['contoso.com'] });
});

const IN_CLEAR = {
  tlsNegotiation: 'NotSupported',
  saslNegotiation: 'NotSupported',
  supportDialbackNegotiation: true,
} as const;

interface Question {
  readonly from: string;
  readonly to: string;
  readonly id: string;
  readonly key: string;
}

/** A verifier of contoso.com, and an authoritative server of fabrikam.com that answers what the test says. */
class Stage {
  readonly site: Site;
  readonly verifier: DialbackVerifier;
  /** What was answered, by id of the inbound stream. */
  readonly answers = new Map<string, string>();
  readonly peers: RawPeer[] = [];
  readonly questions: Question[] = [];

  static async set(context: TestContext, partners = 1): Promise<Stage> {
    const domains = Array.from({ length: partners }, (_, i) => (i === 0 ? 'fabrikam.com' : `p${i}.example`));
    const site = await Site.start(context, {
      domains: ['contoso.com'],
      partners: domains.map((domain) => ({ domain, ...IN_CLEAR })),
      certificate,
      authority,
    });
    const stage = new Stage(site);
    const server = await RawServer.start(context, (peer) => stage.#serve(peer));
    for (const domain of domains) site.route(domain, server.port);
    context.after(() => stage.verifier.shutdown());
    return stage;
  }

  /** Answers each question; silent when it returns undefined. */
  answer: (question: Question) => string | undefined = ({ from, to, id }) => verified(to, from, id, 'valid');

  private constructor(site: Site) {
    this.site = site;
    this.verifier = new DialbackVerifier(site.services);
  }

  ask(streamId: string, remoteDomain = 'fabrikam.com', key = `key of ${streamId}`): void {
    const question: DialbackQuestion = { localDomain: 'contoso.com', remoteDomain, streamId, key };
    let isSync = true;
    this.verifier.ask(question, (answer) => {
      assert.ok(!isSync, 'never before ask returns');
      assert.ok(!this.answers.has(streamId), 'answered once');
      this.answers.set(streamId, answer.type === 'error' ? answer.condition : answer.type);
    });
    isSync = false;
  }

  answered(...streamIds: string[]): Promise<unknown> {
    return this.site.until(() => streamIds.every((id) => this.answers.has(id)), `answers for ${streamIds.join(', ')}`);
  }

  advance(seconds: number): void {
    this.site.now += seconds * 1_000;
    this.verifier.tick(this.site.now);
  }

  #serve(peer: RawPeer): void {
    this.peers.push(peer);
    let position = 0;
    let hasHeader = false;
    peer.socket.on('data', () => {
      if (!hasHeader) {
        hasHeader = true;
        const from = / to='([^']*)'/.exec(peer.text)?.[1] ?? '';
        peer.write(`${STREAM_HEADER} from='${from}' id='raw' version='1.0'><stream:features/>`);
      }
      const pattern = /<db:verify from='([^']*)' to='([^']*)' id='([^']*)'>([^<]*)<\/db:verify>/g;
      pattern.lastIndex = position;
      for (const [whole, from = '', to = '', id = '', key = ''] of peer.text.matchAll(pattern)) {
        position = peer.text.indexOf(whole, position) + whole.length;
        this.questions.push({ from, to, id, key });
        const answer = this.answer({ from, to, id, key });
        if (answer !== undefined) peer.write(answer);
      }
    });
  }
}

function verified(from: string, to: string, id: string, type: string): string {
  return `<db:verify from='${from}' to='${to}' id='${id}' type='${type}'/>`;
}

test('asks over one stream per pair, and tells each answer to who asked', async (t) => {
  const stage = await Stage.set(t);
  stage.answer = ({ from, to, id }) => verified(to, from, id, id === 's2' ? 'invalid' : 'valid');
  for (const id of ['s1', 's2', 's3']) stage.ask(id);
  await stage.answered('s1', 's2', 's3');
  assert.deepEqual([...stage.answers.values()].sort(), ['invalid', 'valid', 'valid']);
  assert.equal(stage.answers.get('s2'), 'invalid');
  stage.ask('s4');
  await stage.answered('s4');
  assert.equal(stage.peers.length, 1);
  assert.deepEqual(stage.questions[0], { from: 'contoso.com', to: 'fabrikam.com', id: 's1', key: 'key of s1' });
});

test('D3: answers out of order find their questions, answers to none end the stream', async (t) => {
  const stage = await Stage.set(t);
  stage.answer = () => undefined;
  stage.ask('s1');
  stage.ask('s2');
  await stage.site.until(() => stage.questions.length === 2);
  stage.peers[0]?.write(verified('fabrikam.com', 'contoso.com', 's2', 'valid'));
  await stage.answered('s2');
  assert.equal(stage.answers.get('s1'), undefined);
  stage.peers[0]?.write(verified('fabrikam.com', 'contoso.com', 'made-up', 'valid'));
  await stage.answered('s1');
  assert.equal(stage.answers.get('s1'), 'remote-connection-failed');
});

test('20 questions per pair: the next are told so, and cost no connection', async (t) => {
  const stage = await Stage.set(t);
  stage.answer = () => undefined;
  for (let i = 0; i < 30; i++) stage.ask(`s${i}`);
  await stage.answered('s20', 's29');
  assert.equal(stage.answers.size, 10);
  assert.equal(stage.answers.get('s29'), 'resource-constraint');
  await stage.site.until(() => stage.questions.length === 20);
  assert.equal(stage.peers.length, 1);
});

test('500 questions, 200 connections, whoever is claimed to ask', async (t) => {
  const stage = await Stage.set(t, 250);
  stage.site.services.connect = (domain) => {
    stage.site.dialled.push(domain);
    return new Promise(() => undefined);
  };
  for (let i = 1; i < 250; i++) stage.ask(`a${i}`, `p${i}.example`);
  await stage.answered('a201', 'a249');
  assert.equal(stage.answers.size, 49);
  for (let round = 0; round < 2; round++) for (let i = 1; i < 250; i++) stage.ask(`${round}-${i}`, `p${i}.example`);
  await stage.site.until(() => stage.answers.size === 49 + 2 * 249 - 300);
  assert.equal(stage.site.dialled.length, 200);
  assert.ok([...stage.answers.values()].every((answer) => answer === 'resource-constraint'));
});

test('a connection that nobody waits for makes room', async (t) => {
  const stage = await Stage.set(t, 201);
  for (let i = 0; i < 200; i++) stage.ask(`s${i}`, i === 0 ? 'fabrikam.com' : `p${i}.example`);
  await stage.site.until(() => stage.answers.size === 200);
  stage.ask('late', 'p200.example');
  await stage.answered('late');
  assert.equal(stage.answers.get('late'), 'valid');
});

test('a server that is down is dialled once, not for every claim', async (t) => {
  const stage = await Stage.set(t);
  stage.site.services.connect = (domain) => {
    stage.site.dialled.push(domain);
    return Promise.reject(new GatewayError('connect-refused'));
  };
  stage.ask('s0');
  await stage.answered('s0');
  for (let i = 1; i < 50; i++) stage.ask(`s${i}`);
  await stage.answered('s49');
  assert.equal(stage.site.dialled.length, 1);
  assert.deepEqual(new Set(stage.answers.values()), new Set(['remote-connection-failed']));
  stage.advance(6);
  stage.ask('later');
  await stage.answered('later');
  assert.equal(stage.site.dialled.length, 2);
});

test('a domain without server, and a silent one', async (t) => {
  const stage = await Stage.set(t);
  stage.site.services.connect = () => Promise.reject(new GatewayError('dns-no-service'));
  stage.ask('s1');
  await stage.answered('s1');
  assert.equal(stage.answers.get('s1'), 'remote-server-not-found');
  const silent = await Stage.set(t);
  silent.answer = () => undefined;
  silent.ask('s1');
  await silent.site.until(() => silent.questions.length === 1);
  silent.advance(29);
  silent.ask('s2');
  await silent.site.until(() => silent.questions.length === 2);
  silent.advance(1);
  await silent.answered('s1');
  assert.equal(silent.answers.get('s1'), 'remote-server-timeout');
  assert.equal(silent.answers.get('s2'), undefined, 'each question has its own time');
  silent.peers[0]?.write(verified('fabrikam.com', 'contoso.com', 's1', 'valid'));
  silent.peers[0]?.write(verified('fabrikam.com', 'contoso.com', 's2', 'valid'));
  await silent.answered('s2');
  assert.equal(silent.answers.get('s1'), 'remote-server-timeout', 'too late');
});

test('idle connections close, a removed partner is not asked, and nothing is asked after the end', async (t) => {
  const stage = await Stage.set(t);
  stage.ask('s1');
  await stage.answered('s1');
  stage.advance(31);
  await stage.peers[0]?.closed();
  stage.answer = () => undefined;
  stage.ask('s2');
  await stage.site.until(() => stage.questions.length === 2);
  stage.site.services.index = stage.site.indexOf([]);
  stage.verifier.reconsider();
  await stage.answered('s2');
  assert.equal(stage.answers.get('s2'), 'policy-violation');
  stage.verifier.shutdown();
  stage.advance(10);
  stage.ask('s3');
  await stage.answered('s3');
  assert.equal(stage.peers.length, 2);
  await stage.site.until(() => stage.site.services.ledger.total === 0);
});
