import assert from 'node:assert/strict';
import test from 'node:test';
import { refusalOf } from '../../src/policy/index.ts';
import { AuditLog } from '../../src/runtime/audit.ts';
import { createLogger } from '../../src/runtime/log.ts';
import type { LogLevel } from '../../src/runtime/settings.ts';
import type { StreamObservation } from '../../src/runtime/streams/stream-services.ts';
import type { StreamEnding } from '../../src/runtime/xmpp/session.ts';

interface Line {
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

function auditLog(level: LogLevel = 'debug') {
  const lines: Line[] = [];
  const clock = { now: 0 };
  const audit = new AuditLog(createLogger(level, { write: (line) => lines.push(JSON.parse(line)) }), () => clock.now);
  return { audit, lines, clock };
}

/** A line without what is the same in all. */
function shown({ time, ...rest }: Line): object {
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  return rest;
}

const stream = {
  direction: 'inbound',
  streamId: 's1',
  peerAddress: '192.0.2.9',
  localDomain: 'contoso.com',
  remoteDomain: 'fabrikam.com',
} as const;

function ended(ending: StreamEnding): StreamObservation {
  return { type: 'stream-ended', ...stream, wasAdmitted: false, ending };
}

test('an admitted stream is one line', () => {
  const { audit, lines } = auditLog();
  const { localDomain, remoteDomain, ...rest } = stream;
  const proof = { localDomain, remoteDomain, method: 'tls-dialback', certificateProves: false } as const;
  audit.onStream({ type: 'stream-admitted', ...rest, proof, tls: 'TLSv1.3 x' });
  assert.deepEqual(lines.map(shown), [
    {
      level: 'info',
      event: 'stream-admitted',
      audit: true,
      ...stream,
      method: 'tls-dialback',
      certificateProves: false,
      tls: 'TLSv1.3 x',
      msg: 'stream admitted',
    },
  ]);
});

test('a refused stream, pair, stanza, connection and peer are one line each, with reason and place', () => {
  const { audit, lines } = auditLog();
  const ending = { why: 'refused', reason: 'partner-not-allowed', path: 'xmppAllowedPartners', detail: 'd' } as const;
  audit.onStream(ended(ending));
  audit.onStream({ type: 'pair-refused', ...stream, ending });
  audit.onStream({ type: 'connection-refused', peerAddress: '192.0.2.9', reason: 'address-limit' });
  audit.onBridge({
    type: 'stanza-refused',
    direction: 'inbound',
    partner: 'fabrikam.com',
    from: 'juliet@fabrikam.com',
    to: 'ann@contoso.com',
    kind: 'message',
    streamId: 's1',
    refused: { verdict: 'refuse', reason: 'user-xmpp-denied', path: 'externalAccessPolicies[0].enableXmppAccess' },
  });
  audit.onBridge({ type: 'pool-message-refused', from: 'sip:a', to: 'sip:b', status: 403, reason: 'Forbidden' });
  audit.onSip({ event: 'peer-refused', peer: 'tls:192.0.2.7:1', reason: 'no' });

  const refusal = { level: 'warn', audit: true };
  const why = { reason: 'partner-not-allowed', path: 'xmppAllowedPartners', detail: 'd' };
  const msg = refusalOf('partner-not-allowed').sentence;
  assert.deepEqual(lines.map(shown), [
    { ...refusal, event: 'stream-refused', ...stream, ...why, msg },
    { ...refusal, event: 'pair-refused', ...stream, ...why, msg },
    {
      ...refusal,
      event: 'connection-refused',
      peerAddress: '192.0.2.9',
      reason: 'address-limit',
      msg: 'connection refused',
    },
    {
      ...refusal,
      event: 'stanza-refused',
      direction: 'inbound',
      partner: 'fabrikam.com',
      from: 'juliet@fabrikam.com',
      to: 'ann@contoso.com',
      kind: 'message',
      streamId: 's1',
      reason: 'user-xmpp-denied',
      path: 'externalAccessPolicies[0].enableXmppAccess',
      msg: refusalOf('user-xmpp-denied').sentence,
    },
    {
      ...refusal,
      event: 'pool-message-refused',
      from: 'sip:a',
      to: 'sip:b',
      status: 403,
      reason: 'Forbidden',
      msg: 'message of the pool refused',
    },
    { ...refusal, event: 'sip-peer-refused', peer: 'tls:192.0.2.7:1', reason: 'no', msg: 'SIP peer refused' },
  ]);
});

test('the end of a stream says why, and is no audit line', () => {
  const endings: [StreamEnding, level: string, fields: object][] = [
    [{ why: 'peer-closed' }, 'info', {}],
    [{ why: 'shutdown' }, 'info', {}],
    [{ why: 'disconnected', detail: 'reset' }, 'info', { detail: 'reset' }],
    [{ why: 'timeout', what: 'inactivity' }, 'info', { what: 'inactivity' }],
    [{ why: 'protocol', condition: 'bad-format', detail: 'x' }, 'info', { condition: 'bad-format', detail: 'x' }],
    [{ why: 'peer-error', condition: 'reset', detail: '' }, 'info', { condition: 'reset', detail: '' }],
    [{ why: 'unreachable', code: 'dns-timeout', detail: 'x' }, 'warn', { code: 'dns-timeout', detail: 'x' }],
    [{ why: 'fault', detail: 'Error: x\n at y' }, 'error', { detail: 'Error: x\n at y' }],
  ];
  for (const [ending, level, fields] of endings) {
    const { audit, lines } = auditLog();
    audit.onStream(ended(ending));
    const [line] = lines;
    assert(line !== undefined);
    const { msg, ...rest } = shown(line) as { readonly msg: string };
    assert.deepEqual(rest, { level, event: 'stream-ended', ...stream, why: ending.why, ...fields });
  }
});

test('text of a peer is cut, and cannot begin a line of its own', () => {
  const { audit, lines } = auditLog();
  const detail = `"}\n{"audit":true,"event":"stream-admitted"}${'x'.repeat(10_000)}`;
  audit.onStream(ended({ why: 'peer-error', condition: 'y'.repeat(1_000), detail }));
  audit.onStream(ended({ why: 'fault', detail: 'z'.repeat(100_000) }));
  audit.onBridge({
    type: 'pool-message-refused',
    from: 'f'.repeat(9_000),
    to: 't'.repeat(9_000),
    status: 400,
    reason: '',
  });
  audit.onSip({ event: 'next-hop-down', nextHop: 'tls:pool', reason: 'r'.repeat(9_000) });
  assert.equal(lines.length, 4);
  for (const line of lines) assert.ok(JSON.stringify(line).length < 4_500);
  assert.equal(lines[0]?.event, 'stream-ended');
});

test('a message body is a line of its own, only when it is observed', () => {
  const { audit, lines } = auditLog();
  const ends = { partner: 'fabrikam.com', from: 'juliet@fabrikam.com', to: 'ann@contoso.com' };
  audit.onBridge({ type: 'message-failed', direction: 'inbound', ...ends, cause: '480 Away (response)' });
  audit.onBridge({ type: 'message-passed', direction: 'outbound', ...ends, body: 'secret' });
  assert.deepEqual(lines.map(shown), [
    {
      level: 'info',
      event: 'message-failed',
      direction: 'inbound',
      ...ends,
      cause: '480 Away (response)',
      msg: 'message not delivered',
    },
    { level: 'info', event: 'message-passed', direction: 'outbound', ...ends, body: 'secret', msg: 'message' },
  ]);
});

test('events of the SIP side have their levels', () => {
  const { audit, lines } = auditLog();
  audit.onSip({ event: 'message-received', peer: 'p', transport: 'tls' });
  audit.onSip({ event: 'next-hop-down', nextHop: 'tls:pool:5061', reason: 'gone' });
  audit.onSip({ event: 'next-hop-up', nextHop: 'tls:pool:5061' });
  audit.onSip({ event: 'overload', direction: 'to-sip' });
  audit.onSip({ event: 'resolution-failed', nextHop: 'pool', reason: 'no' });
  audit.onSip({ event: 'response-unmatched', peer: 'p' });
  audit.onSip({ event: 'handler-failed', error: new Error('oops') });
  assert.deepEqual(
    lines.map(({ level, event, msg }) => `${level} ${event}: ${msg}`),
    [
      'warn sip-next-hop-down: SIP next hop down',
      'info sip-next-hop-up: SIP next hop up',
      'warn sip-overload: SIP overload',
      'warn sip-resolution-failed: SIP resolution failed',
      'debug sip-response-unmatched: SIP response unmatched',
      'error sip-handler-failed: SIP handler failed',
    ],
  );
  assert.match(String(lines.at(-1)?.detail), /^Error: oops\n/);
});

test('a flood of one event is bounded, said, and hides no other event', () => {
  const { audit, lines, clock } = auditLog();
  const refuse = (): void =>
    audit.onStream({ type: 'connection-refused', peerAddress: '192.0.2.9', reason: 'address-limit' });
  for (let i = 0; i < 5_000; i++) refuse();
  assert.equal(lines.length, 100);
  audit.onStream(ended({ why: 'peer-closed' }));
  assert.equal(lines.at(-1)?.event, 'stream-ended');

  audit.tick();
  assert.equal(lines.length, 101);
  clock.now = 1_000;
  audit.tick();
  assert.deepEqual(shown(lines.at(-1) as Line), {
    level: 'warn',
    event: 'lines-left-out',
    of: 'connection-refused',
    count: 4_900,
    msg: 'log lines left out',
  });
  for (let i = 0; i < 150; i++) refuse();
  clock.now = 9_000;
  refuse();
  assert.deepEqual(
    lines.slice(-2).map(({ event, count }) => [event, count]),
    [
      ['lines-left-out', 50],
      ['connection-refused', undefined],
    ],
  );
  audit.tick();
  assert.equal(lines.at(-1)?.event, 'connection-refused');
});

test('bodies that were asked for are never left out', () => {
  const { audit, lines } = auditLog();
  for (let i = 0; i < 1_000; i++) {
    audit.onBridge({ type: 'message-passed', direction: 'inbound', partner: 'p', from: 'f', to: 't', body: 'b' });
  }
  assert.equal(lines.length, 1_000);
});

test('what the level leaves out costs no budget', () => {
  const { audit, lines, clock } = auditLog('warn');
  for (let i = 0; i < 1_000; i++) audit.onStream(ended({ why: 'peer-closed' }));
  clock.now = 2_000;
  audit.tick();
  assert.deepEqual(lines, []);
});
