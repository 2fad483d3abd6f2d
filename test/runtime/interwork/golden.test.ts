// One folder per case. `in` is what arrives; next to it stands what comes out: the translation, the refusal in the
// protocol of the sender, or an empty file `nothing`. UPDATE_GOLDEN=1 writes the outcomes anew: read the diff.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stanzaErrorReply } from '../../../src/runtime/interwork/errors.ts';
import { messageToStanza, type ReceivedPageMessage } from '../../../src/runtime/interwork/sip-to-xmpp.ts';
import { messageToSip } from '../../../src/runtime/interwork/xmpp-to-sip.ts';
import type { SipRequest } from '../../../src/runtime/sip/message.ts';
import { parseJid } from '../../../src/runtime/xmpp/jid.ts';
import { served } from './served.ts';
import { parseElement, parseMessage, readRequest, renderMessage, renderRefusal } from './wire.ts';

const GOLDEN = join(import.meta.dirname, '../../golden');

type Outcome = readonly [file: 'out.sip' | 'out.xml' | 'nothing', content: string];

function toSip(name: string, file: Buffer): Outcome {
  const stanza = parseElement(file);
  const from = parseJid(stanza.attr('from') ?? '');
  const to = parseJid(stanza.attr('to') ?? '');
  assert(from !== undefined && to !== undefined, 'the session refuses such addresses');
  const limit = name.startsWith('limit-') ? { maxRequestBytes: 1300 } : {};
  const outcome = messageToSip(stanza, from, to, { served, ...limit });
  if (outcome.ok === 'ignore') return ['nothing', ''];
  if (!outcome.ok) return ['out.xml', `${stanzaErrorReply(stanza, outcome.condition, outcome.text)}\n`];
  parseMessage(outcome.message);
  return ['out.sip', renderMessage(outcome.message)];
}

function toStanza(name: string, file: Buffer): Outcome {
  const request = readRequest(file);
  if (request.kind === 'failure') return ['out.sip', `SIP/2.0 ${request.status} ${request.message}\n`];
  assert(request.kind === 'request');
  const limit = name.startsWith('limit-') ? { maxStanzaBytes: 1300 } : {};
  const outcome = messageToStanza(received(request), { id: 'id-1', served, ...limit });
  if (outcome.ok === 'ignore') return ['nothing', ''];
  if (!outcome.ok) return ['out.sip', renderRefusal(outcome)];
  parseElement(outcome.xml);
  return ['out.xml', `${outcome.xml}\n`];
}

function received(request: SipRequest): ReceivedPageMessage {
  const subject = request.headers.first('subject');
  const contentLanguage = request.headers.first('content-language');
  return {
    requestUri: request.uri,
    from: request.from.uri,
    to: request.to.uri,
    callId: request.callId,
    contentType: request.headers.first('content-type') ?? '',
    body: request.body,
    ...(subject === undefined ? {} : { subject }),
    ...(contentLanguage === undefined ? {} : { contentLanguage }),
  };
}

function check(direction: string, input: string, translate: (name: string, file: Buffer) => Outcome): void {
  describe(direction, () => {
    const folder = join(GOLDEN, direction);
    for (const name of readdirSync(folder).sort()) {
      it(name, () => {
        const [file, content] = translate(name, readFileSync(join(folder, name, input)));
        if (process.env.UPDATE_GOLDEN === '1') {
          for (const old of readdirSync(join(folder, name))) if (old !== input) rmSync(join(folder, name, old));
          writeFileSync(join(folder, name, file), content);
        }
        assert.deepEqual(readdirSync(join(folder, name)).sort(), [input, file].sort());
        assert.equal(readFileSync(join(folder, name, file), 'utf8'), content);
      });
    }
  });
}

check('xmpp-to-sip', 'in.xml', toSip);
check('sip-to-xmpp', 'in.sip', toStanza);
