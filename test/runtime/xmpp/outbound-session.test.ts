import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuthMethod } from '../../../src/policy/index.ts';
import { dialbackKey } from '../../../src/runtime/xmpp/dialback.ts';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';
import { NEGOTIATION_ROWS } from '../../support/negotiation-rows.ts';
import {
  channel,
  elementsIn,
  FEATURE,
  headerOf,
  indexWith,
  LENIENT,
  OURS,
  OutboundPlay,
  type PartnerSettings,
  reasonOf,
  SECRET,
  streamErrorIn,
  THEIRS,
  uncheckedIndexWith,
} from '../../support/stream-sessions.ts';

const EXTERNAL_ONLY: PartnerSettings = { supportDialbackNegotiation: false };
const SUCCESS = `<success xmlns='${NS.sasl}'/>`;
const FAILURE = `<failure xmlns='${NS.sasl}'><not-authorized/></failure>`;
const PROCEED = `<proceed xmlns='${NS.tls}'/>`;
const TLS_REQUIRED = `<starttls xmlns='${NS.tls}'><required/></starttls>`;
const answer = (type: string, from = THEIRS, to = OURS) => `<db:result from='${from}' to='${to}' type='${type}'/>`;
const header = (id: string) => ({ type: 'header', header: headerOf({ from: THEIRS, id, version: '1.0' }) }) as const;

/** A stream proved by EXTERNAL, with these features at the end. */
function external(features = '', settings: PartnerSettings = LENIENT): OutboundPlay {
  const play = new OutboundPlay(indexWith(settings)).open(channel(THEIRS), FEATURE.external).hear(SUCCESS);
  return play.tell(header('after-sasl')).hear(`<stream:features>${features}</stream:features>`);
}

describe('the start', () => {
  test('says who speaks to whom, and nothing before the policy agrees', () => {
    const play = new OutboundPlay(indexWith(LENIENT)).tell({ type: 'opened', security: undefined });
    assert.match(play.said, / from='contoso\.com' to='fabrikam\.com' version='1\.0'/);
    for (const changes of [{ xmppAllowedPartners: [] }, { accessEdgeConfiguration: {} }]) {
      const refused = new OutboundPlay(indexWith({}, changes)).tell({ type: 'opened', security: undefined });
      assert.equal(refused.did, 'close');
      assert.equal(refused.said, '');
    }
  });

  test('a header must come from the domain we called, with an id', () => {
    const open = (fields: Parameters<typeof headerOf>[0]) => {
      const play = new OutboundPlay(indexWith(LENIENT)).tell({ type: 'opened', security: undefined });
      return reasonOf(play.tell({ type: 'header', header: headerOf(fields) }).ending);
    };
    assert.equal(open({ from: 'litware.com', id: 'x', version: '1.0' }), 'invalid-from');
    assert.equal(open({ from: THEIRS, version: '1.0' }), 'bad-format');
    assert.equal(open({ from: THEIRS, id: '', version: '1.0' }), 'bad-format');
    assert.equal(open({ from: THEIRS, id: 'x'.repeat(1_025), version: '1.0' }), 'bad-format');
    assert.equal(open({ from: THEIRS, id: 'x', version: '1.0', defaultNs: NS.client }), 'invalid-namespace');
    assert.equal(open({ from: 'FABRIKAM.com.', id: 'x', version: '1.0' }), undefined);
    assert.equal(open({ id: 'x', version: '1.0' }), undefined, 'a missing sender is the domain we called');
  });

  test('features come first', () => {
    const play = new OutboundPlay(indexWith(LENIENT)).open(undefined).hear(answer('valid'));
    assert.equal(reasonOf(play.ending), 'unsupported-stanza-type');
  });
});

/** What comes of it when the peer offers exactly one method. */
function offered(settings: PartnerSettings, method: AuthMethod): OutboundPlay {
  const play = new OutboundPlay(uncheckedIndexWith(settings));
  switch (method) {
    case 'sasl-over-tls':
      play.open(undefined, TLS_REQUIRED).hear(PROCEED).secured(channel(THEIRS), FEATURE.external).hear(SUCCESS);
      return play.tell(header('after-sasl')).hear('<stream:features/>');
    case 'tls-dialback':
      play.open(undefined, TLS_REQUIRED).hear(PROCEED).secured(channel(), FEATURE.dialback);
      return play.hear(answer('valid'));
    case 'tcp-dialback':
      return play.open(undefined, FEATURE.dialback).hear(answer('valid'));
  }
}

describe('the 18 negotiation rows, outbound', () => {
  for (const { tls, sasl, dialback, methods } of NEGOTIATION_ROWS) {
    const settings = { tlsNegotiation: tls, saslNegotiation: sasl, supportDialbackNegotiation: dialback };

    test(`TLS ${tls}, SASL ${sasl}, dialback ${dialback}: ${methods.join(', ') || 'no method'} taken`, () => {
      for (const method of ['sasl-over-tls', 'tls-dialback', 'tcp-dialback'] as const) {
        const play = offered(settings, method);
        const admitted = play.effects.find((effect) => effect.do === 'admitted');
        assert.equal(
          admitted?.do === 'admitted' ? admitted.proof.method : undefined,
          methods.includes(method) ? method : undefined,
        );
        if (methods.includes(method)) continue;
        assert.equal(play.ending?.why, 'refused', method);
        const said = play.effects.map((effect) => (effect.do === 'send' ? effect.xml : '')).join('');
        assert.doesNotMatch(said, /<db:result|<auth/, 'no key and no identity for a method that is not allowed');
      }
    });

    test(`TLS ${tls}, SASL ${sasl}, dialback ${dialback}: of everything offered, the strongest is taken`, () => {
      const play = new OutboundPlay(uncheckedIndexWith(settings));
      play.open(undefined, FEATURE.starttls + FEATURE.dialback);
      const [strongest] = methods;
      if (tls === 'NotSupported') {
        assert.equal(play.state.at, strongest === 'tcp-dialback' ? 'awaiting-dialback' : 'closed');
        return;
      }
      assert.equal(play.state.at, 'awaiting-proceed');
      play.hear(PROCEED).secured(channel(THEIRS), FEATURE.external + FEATURE.dialback);
      const expected = { 'sasl-over-tls': 'awaiting-sasl', 'tls-dialback': 'awaiting-dialback', 'tcp-dialback': '' };
      assert.equal(play.state.at, strongest === undefined ? 'closed' : expected[strongest]);
    });
  }
});

describe('T2: what the partner must offer', () => {
  test('T2: STARTTLS is gone from the features and TLS is required: abort', () => {
    for (const features of [FEATURE.dialback, FEATURE.external + FEATURE.dialback, '']) {
      const play = new OutboundPlay(indexWith({})).open(undefined, features);
      assert.equal(play.did, 'close');
      assert.deepEqual(play.ending, {
        why: 'refused',
        reason: 'tls-required',
        path: 'xmppAllowedPartners[0].tlsNegotiation',
        detail: 'the peer offers no STARTTLS',
      });
    }
  });

  test('T2: EXTERNAL without TLS is not used', () => {
    const play = new OutboundPlay(indexWith(LENIENT)).open(undefined, FEATURE.external + FEATURE.dialback);
    assert.equal(play.state.at, 'awaiting-dialback');
    const settings = { ...LENIENT, supportDialbackNegotiation: false };
    const refused = new OutboundPlay(indexWith(settings)).open(undefined, FEATURE.external);
    assert.equal(reasonOf(refused.ending), 'tls-required');
  });

  test('T2: STARTTLS was offered and something else comes', () => {
    for (const xml of [`<failure xmlns='${NS.tls}'/>`, FEATURE.dialback, answer('valid')]) {
      const play = new OutboundPlay(indexWith(LENIENT)).open(undefined, FEATURE.starttls).hear(xml);
      assert.equal(play.did, 'close');
      assert.ok(!play.everDid('start-tls') && !play.everDid('admitted'));
    }
  });

  test('the peer insists on TLS and we do not speak it with this partner', () => {
    const settings = { tlsNegotiation: 'NotSupported', saslNegotiation: 'NotSupported' } as const;
    const play = new OutboundPlay(indexWith(settings)).open(undefined, TLS_REQUIRED + FEATURE.dialback);
    assert.equal(reasonOf(play.ending), 'tls-not-supported');
  });

  test('no method in common: the reason tells what to look at', () => {
    const reason = (settings: PartnerSettings, names: string[], features: string) =>
      reasonOf(new OutboundPlay(indexWith(settings)).open(channel(...names), features).ending);
    assert.equal(reason(EXTERNAL_ONLY, [], FEATURE.external), 'certificate-not-valid');
    assert.equal(reason(EXTERNAL_ONLY, ['litware.com'], FEATURE.external), 'certificate-name-mismatch');
    assert.equal(reason(EXTERNAL_ONLY, [THEIRS], FEATURE.dialback), 'method-not-allowed');
    assert.equal(reason({ saslNegotiation: 'Optional' }, [], FEATURE.external), 'method-not-allowed');
    const detail = new OutboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(), FEATURE.external).ending;
    assert.equal(detail?.why === 'refused' ? detail.detail : '', 'certificate: self-signed');
  });
});

describe('SASL EXTERNAL', () => {
  test('as the domain itself, then a new stream', () => {
    const play = new OutboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS), FEATURE.external);
    assert.match(play.said, new RegExp(`>${Buffer.from(OURS).toString('base64')}</auth>`));
    play.hear(SUCCESS);
    assert.equal(play.did, 'restart send');
    assert.match(play.said, /^<\?xml/);
    assert.equal(play.tell(header('new')).did, '', 'the features come first');
    assert.equal(play.hear('<stream:features/>').did, 'admitted');
  });

  test('is not used with a server whose certificate does not prove its domain', () => {
    const play = new OutboundPlay(indexWith(LENIENT)).open(channel(), FEATURE.external + FEATURE.dialback);
    assert.equal(play.state.at, 'awaiting-dialback');
  });

  test('refused: dialback on the same stream where it is allowed (XEP-0178)', () => {
    const play = new OutboundPlay(indexWith(LENIENT)).open(channel(THEIRS), FEATURE.external).hear(FAILURE);
    assert.equal(play.state.at, 'awaiting-dialback');
    assert.match(play.said, new RegExp(dialbackKey(SECRET, THEIRS, OURS, 'D60000229F')));
    assert.equal(play.hear(answer('valid')).did, 'admitted');
  });

  test('refused, and nothing else is allowed: it was the peer who said no', () => {
    const play = new OutboundPlay(indexWith(EXTERNAL_ONLY)).open(channel(THEIRS), FEATURE.external).hear(FAILURE);
    assert.deepEqual(play.ending, {
      why: 'peer-error',
      condition: 'not-authorized',
      detail: 'the peer does not accept our certificate (SASL EXTERNAL)',
    });
  });

  test('success without TLS, or before it was asked for, is nothing', () => {
    for (const play of [
      new OutboundPlay(indexWith(LENIENT)).open(undefined, FEATURE.dialback),
      new OutboundPlay(indexWith(LENIENT)).open(channel(THEIRS)),
    ]) {
      play.hear(SUCCESS);
      assert.equal(play.did, 'close');
    }
  });

  test('challenges are not for EXTERNAL', () => {
    const play = new OutboundPlay(indexWith(LENIENT)).open(channel(THEIRS), FEATURE.external);
    assert.equal(reasonOf(play.hear(`<challenge xmlns='${NS.sasl}'/>`).ending), 'policy-violation');
  });

  test('the policy is asked again at the end', () => {
    const play = new OutboundPlay(indexWith(LENIENT)).open(channel(THEIRS), FEATURE.external).hear(SUCCESS);
    play.index = indexWith({ saslNegotiation: 'NotSupported' });
    play.tell(header('new')).hear('<stream:features/>');
    assert.equal(reasonOf(play.ending), 'method-not-allowed');
    assert.ok(!play.everDid('admitted'));
  });

  test('T10: after an interruption nothing counts', () => {
    const play = new OutboundPlay(indexWith(EXTERNAL_ONLY)).open(undefined, FEATURE.starttls).hear(PROCEED);
    play.tell({ type: 'disconnected', detail: 'reset' }, { type: 'secured', security: channel(THEIRS) });
    assert.equal(play.did, '');
    assert.equal(play.state.at, 'closed');
  });
});

describe('dialback', () => {
  const asking = () => new OutboundPlay(indexWith(LENIENT)).open(undefined, FEATURE.dialback);

  test('sends the key of the stream (XEP-0185)', () => {
    const key = dialbackKey(SECRET, THEIRS, OURS, 'D60000229F');
    assert.equal(asking().said, `<db:result from='${OURS}' to='${THEIRS}'>${key}</db:result>`);
  });

  test('a server of 1.0 need not announce it unless it offers something else', () => {
    assert.equal(new OutboundPlay(indexWith(LENIENT)).open(undefined, '').state.at, 'awaiting-dialback');
    const other = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>";
    assert.equal(reasonOf(new OutboundPlay(indexWith(LENIENT)).open(undefined, other).ending), 'method-not-allowed');
  });

  test('a 0.9 server needs the namespace of dialback in its header', () => {
    const open = (namespaces: ReadonlyMap<string, string>) =>
      new OutboundPlay(indexWith(LENIENT)).tell(
        { type: 'opened', security: undefined },
        { type: 'header', header: headerOf({ from: THEIRS, id: 'old', namespaces }) },
      );
    assert.equal(open(new Map([['db', NS.dialback]])).state.at, 'awaiting-dialback');
    assert.equal(reasonOf(open(new Map()).ending), 'method-not-allowed');
  });

  test('valid, for exactly our pair: admitted', () => {
    assert.equal(asking().hear(answer('valid', 'FABRIKAM.com.', 'Contoso.com')).did, 'admitted');
  });

  test('D2: a valid answer for another pair closes the stream', () => {
    for (const [from, to] of [
      ['victim.example', OURS],
      [THEIRS, 'victim.example'],
      [OURS, THEIRS],
      ['', ''],
    ] as const) {
      const play = asking().hear(answer('valid', from, to));
      assert.equal(play.did, 'close');
      assert.ok(!play.everDid('admitted'));
    }
  });

  test('D1: an answer to a verification never asked for, at any stage', () => {
    const forged = `<db:verify type='valid' from='victim.example' to='${OURS}' id='X'/>`;
    for (const play of [asking(), external(), new OutboundPlay(indexWith(LENIENT), 'verify').open(undefined, '')]) {
      play.hear(forged);
      assert.equal(play.did, 'close');
      assert.ok(!play.everDid('verified'));
    }
  });

  test('D2, D8: a peer says nothing on a stream that we opened: no stanza, no request, no bidi', () => {
    for (const xml of [
      `<message from='a@${THEIRS}' to='b@${OURS}'/>`,
      `<db:result from='${THEIRS}' to='${OURS}'>key</db:result>`,
      answer('valid'),
      `<bidi xmlns='${NS.bidi}'/>`,
    ]) {
      const play = external().hear(xml);
      assert.equal(streamErrorIn(play.said), 'unsupported-stanza-type', xml);
    }
    assert.equal(external().hear('<stream:features/>').did, '', 'features may be announced again');
  });

  test('invalid, or an error: refused, with the condition for the operator', () => {
    const invalid = asking().hear(answer('invalid')).ending;
    assert.deepEqual(
      [reasonOf(invalid), invalid?.why === 'refused' && invalid.detail],
      ['dialback-failed', 'the peer says the key is invalid'],
    );
    const error = (name: string) =>
      asking().hear(
        `<db:result from='${THEIRS}' to='${OURS}' type='error'><error type='cancel'><${name} xmlns='${NS.stanzas}'/></error></db:result>`,
      ).ending;
    const policy = error('policy-violation');
    assert.equal(policy?.why === 'refused' && policy.detail, 'policy-violation');
    const made = error('made-up');
    assert.equal(made?.why === 'refused' && made.detail, 'undefined-condition');
  });
});

describe('questions about keys', () => {
  const verifying = (settings: PartnerSettings = LENIENT) =>
    new OutboundPlay(indexWith(settings), 'verify').open(undefined, FEATURE.dialback);
  const ask = (streamId: string) => ({ type: 'verify', streamId, key: '<key>' }) as const;
  const verified = (type: string, id: string, from = THEIRS, to = OURS) =>
    `<db:verify from='${from}' to='${to}' id='${id}' type='${type}'/>`;

  test('are asked once the stream is ready, and answered by id', () => {
    const play = verifying();
    assert.equal(play.did, 'ready');
    play.tell(ask('s1'), ask('s2'));
    assert.equal(play.said, `<db:verify from='${OURS}' to='${THEIRS}' id='s2'>&lt;key&gt;</db:verify>`);
    assert.deepEqual(play.hear(verified('valid', 's2')).last, [
      { do: 'verified', streamId: 's2', answer: { type: 'valid' } },
    ]);
    assert.deepEqual(play.hear(verified('invalid', 's1')).last, [
      { do: 'verified', streamId: 's1', answer: { type: 'invalid' } },
    ]);
  });

  test('D3: the right pair with another id, or answered twice, closes the stream', () => {
    assert.equal(reasonOf(verifying().tell(ask('s1')).hear(verified('valid', 's2')).ending), 'policy-violation');
    const twice = verifying().tell(ask('s1')).hear(verified('valid', 's1')).hear(verified('valid', 's1'));
    assert.equal(reasonOf(twice.ending), 'policy-violation');
    assert.equal(twice.effects.filter((effect) => effect.do === 'verified').length, 1);
  });

  test('D3: the right triple on another stream is no answer there', () => {
    const [asked, other] = [verifying().tell(ask('s1')), verifying()];
    assert.equal(other.hear(verified('valid', 's1')).did, 'close');
    assert.ok(!asked.everDid('verified'));
  });

  test('D3: the right id for another pair closes the stream', () => {
    for (const [from, to] of [
      ['victim.example', OURS],
      [THEIRS, 'victim.example'],
    ] as const) {
      const play = verifying()
        .tell(ask('s1'))
        .hear(verified('valid', 's1', from, to));
      assert.equal(play.did, 'close');
      assert.ok(!play.everDid('verified'));
    }
  });

  test('never make a stream for stanzas', () => {
    const play = verifying().tell(ask('s1')).hear(verified('valid', 's1'));
    assert.ok(!play.everDid('admitted'));
    assert.equal(play.hear(answer('valid')).did, 'close');
  });

  test('go over TLS where the partner must encrypt, whatever its certificate', () => {
    const settings = { saslNegotiation: 'Optional' } as const;
    assert.equal(reasonOf(verifying(settings).ending), 'tls-required');
    const play = new OutboundPlay(indexWith(settings), 'verify').open(undefined, FEATURE.starttls).hear(PROCEED);
    assert.equal(play.secured(channel(), '').did, 'ready');
  });

  test('in clear end when the configuration starts to require TLS', () => {
    const play = verifying();
    play.index = indexWith({ saslNegotiation: 'Optional' });
    assert.equal(reasonOf(play.tell({ type: 'reconsider' }).ending), 'tls-required');
  });

  test('cannot be asked before', () => {
    const play = new OutboundPlay(indexWith(LENIENT), 'verify').tell(ask('s1'));
    assert.deepEqual(play.last, [
      { do: 'verified', streamId: 's1', answer: { type: 'error', condition: 'remote-connection-failed' } },
    ]);
  });
});

describe('limits of the peer (XEP-0478)', () => {
  const limits = (bytes: string) => `<limits xmlns='${NS.streamLimits}'><max-bytes>${bytes}</max-bytes></limits>`;
  const maxBytes = (play: OutboundPlay) => (play.state.at === 'open' ? play.state.peerMaxBytes : undefined);

  test('are those of the last features', () => {
    assert.equal(maxBytes(external(limits('10000'))), 10_000);
    const play = new OutboundPlay(indexWith(LENIENT)).open(undefined, FEATURE.dialback + limits(' 20000 '));
    assert.equal(maxBytes(play.hear(answer('valid'))), 20_000);
  });

  test('are unknown when they are not a positive whole number', () => {
    for (const bytes of ['', '0', '-1', '1e3', '9'.repeat(30), 'x']) {
      assert.equal(maxBytes(external(limits(bytes))), Number.POSITIVE_INFINITY, bytes);
    }
    assert.equal(maxBytes(external()), Number.POSITIVE_INFINITY);
  });
});

describe('a changed configuration', () => {
  test('closes what is not allowed any more, at every stage', () => {
    const stages = [
      new OutboundPlay(indexWith(LENIENT)),
      new OutboundPlay(indexWith(LENIENT)).open(undefined),
      new OutboundPlay(indexWith(LENIENT)).open(undefined, FEATURE.starttls),
      new OutboundPlay(indexWith(LENIENT)).open(undefined, FEATURE.dialback),
      external(),
    ];
    for (const play of stages) {
      play.index = indexWith({}, { xmppAllowedPartners: [] });
      assert.equal(reasonOf(play.tell({ type: 'reconsider' }).ending), 'partner-not-allowed', play.state.at);
    }
  });

  test('leaves the rest alone', () => {
    const play = external();
    play.index = indexWith({ ...EXTERNAL_ONLY, description: 'changed' });
    assert.equal(play.tell({ type: 'reconsider' }).did, '');
    play.index = indexWith({ saslNegotiation: 'NotSupported' });
    assert.equal(reasonOf(play.tell({ type: 'reconsider' }).ending), 'method-not-allowed');
  });

  test('T8: closes a stream whose server proves nothing under the new trust anchors', () => {
    let names = [THEIRS];
    const security = { ...channel(), judge: (domain: string) => channel(...names).judge(domain) };
    const play = new OutboundPlay(indexWith(EXTERNAL_ONLY)).open(security, FEATURE.external).hear(SUCCESS);
    play.tell(header('new')).hear('<stream:features/>');
    names = [];
    assert.equal(reasonOf(play.tell({ type: 'reconsider' }).ending), 'certificate-not-valid');
  });
});

describe('the end', () => {
  test('idle streams are closed without an error, stuck ones with', () => {
    assert.equal(external().tell({ type: 'timeout', what: 'inactivity' }).said, '</stream:stream>');
    const stuck = new OutboundPlay(indexWith(LENIENT)).open(undefined).tell({ type: 'timeout', what: 'establishment' });
    assert.equal(streamErrorIn(stuck.said), 'connection-timeout');
    const connecting = new OutboundPlay(indexWith(LENIENT)).tell({ type: 'timeout', what: 'establishment' });
    assert.equal(connecting.said, '');
  });

  test('by the peer, by its error, by broken XML, by us', () => {
    assert.equal(external().tell({ type: 'stream-end' }).said, '</stream:stream>');
    const error = `<stream:error><host-unknown xmlns='${NS.streamErrors}'/></stream:error>`;
    assert.equal(reasonOf(new OutboundPlay(indexWith(LENIENT)).open(undefined).hear(error).ending), 'host-unknown');
    const broken = { type: 'broken', condition: 'policy-violation', text: 'stanza too long' } as const;
    assert.equal(streamErrorIn(external().tell(broken).said), 'policy-violation');
    assert.equal(external().tell({ type: 'shutdown' }).said, '</stream:stream>');
  });

  test('every closed stream stays closed', () => {
    const play = external().tell({ type: 'shutdown' });
    const [element] = elementsIn(answer('valid'));
    assert.ok(element);
    play.tell(
      { type: 'element', element },
      header('x'),
      { type: 'opened', security: undefined },
      { type: 'reconsider' },
    );
    assert.equal(play.did, '');
  });
});
