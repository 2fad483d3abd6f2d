import assert from 'node:assert/strict';
import test from 'node:test';
import { renderText, resourceTitle } from '../../src/review/text.ts';
import { REVIEW_SCENARIOS, reviewed } from '../support/review-scenarios.ts';

test('colours are asked for by risk, and are all that differs', () => {
  const environments = REVIEW_SCENARIOS.map(reviewed);
  const plain = renderText(environments, (_colour, text) => text);
  const painted = renderText(environments, (colour, text) => `<${colour}>${text}</${colour}>`);
  assert.equal(painted.replace(/<\/?(?:red|yellow|green|dim)>/g, ''), plain);
  assert.match(painted, /<red>critical<\/red> \+ xmppAllowedPartners/);
  assert.match(painted, /<yellow>medium {2}<\/yellow>/);
  assert.match(painted, /<green>low {5}<\/green>/);
});

test('nothing unprintable reaches the terminal', () => {
  const [scenario] = REVIEW_SCENARIOS.filter(({ name }) => name === 'rename');
  assert.ok(scenario);
  const { review, approval } = reviewed(scenario);
  const odd = { ...review, name: 'a\u001b[2Jb', base: { ...review.base, label: '\u202e' } };
  const text = renderText([{ review: odd, approval }], (_colour, part) => part);
  assert.ok(!text.includes('\u001b') && !text.includes('\u202e'));
  assert.match(text, /^a\\u\{1b\}\[2Jb: /);
});

test('where resources come from', () => {
  assert.equal(resourceTitle({ resourceSource: 'plan' }), 'Terraform plan');
  assert.equal(resourceTitle({ resourceSource: 'synthesis' }), 'synthesized code, without a plan');
});
