import { optionLines } from './option-lines.ts';
import { printable, shortDigest } from './printable.ts';
import { type Direction, RISKS, type Risk } from './rating.ts';
import type { ReviewedEnvironment } from './report.ts';
import { resourceText } from './resource-lines.ts';
import { approvalInWords, blastInWords, changesInWords } from './summary.ts';
import { resourceTitle } from './text.ts';
import { counted, numeral } from './words.ts';

/** GitHub refuses comments of more than 65 536 characters; some room is left for what others put around. */
export const MAX_MARKDOWN_LENGTH = 64_000;

/** By this comment in the text, which is not shown, a script finds the one to update. `key` is one for each comment. */
export function commentMarker(key: string): string {
  return `<!-- xmpp-federation-review: ${key.replace(/[^A-Za-z0-9._*-]/g, '_')} -->`;
}

/**
 * One comment for a pull request. Empty when nothing changed: then there is nothing to say. Longer than allowed, it
 * keeps the riskiest lines and says how many are left out.
 */
export function renderMarkdown(
  environments: readonly ReviewedEnvironment[],
  key: string,
  maxLength: number = MAX_MARKDOWN_LENGTH,
): string {
  const changed = environments.filter(({ review }) => !review.isEmpty);
  if (changed.length === 0) return '';
  const parts = [commentMarker(key)];
  let room = maxLength - commentMarker(key).length - environmentsLeftOut(changed.length).length;
  let leftOut = 0;
  byRisk(changed).forEach((environment, i) => {
    const part = environmentMarkdown(environment, Math.floor(room / (changed.length - i)) - 1);
    if (part.length + 1 > room) {
      leftOut++;
      return;
    }
    room -= part.length + 1;
    parts.push(part);
  });
  return `${parts.join('\n')}${leftOut === 0 ? '' : environmentsLeftOut(leftOut)}`;
}

function environmentsLeftOut(count: number): string {
  return `\n**Cut short: ${counted(count, 'more environment')} did not fit into this comment.** The JSON report has all of them.\n`;
}

// The riskiest first, so that they are there even when not everything is.
function byRisk(environments: readonly ReviewedEnvironment[]): readonly ReviewedEnvironment[] {
  return [...environments].sort((a, b) => RISKS.indexOf(b.review.risk) - RISKS.indexOf(a.review.risk));
}

interface Section {
  readonly open: string;
  readonly rows: readonly string[];
  readonly close: string;
}

function environmentMarkdown({ review, approval }: ReviewedEnvironment, room: number): string {
  const head = [
    `## Federation review of ${code(review.name)}`,
    '',
    `**${capitalized(review.risk)} risk**, ${review.direction}: ${changesInWords(review)}.`,
    '',
    '',
  ].join('\n');
  const alarms = review.blastRadius.alarms.map(
    ({ risk, sentence, reason }) => `> **${risk}**: ${prose(sentence)} ${reason}\n`,
  );
  const foot = [
    '',
    `Blast radius: ${blastInWords(review)}.`,
    '',
    ...approvalInWords(approval).map((sentence) => `- ${prose(sentence)}`),
    ...(approval.outcome === 'needed'
      ? [`- To approve, write \`approve ${review.digest}\` in an approving review.`]
      : []),
    '',
    `<sub>${code(review.base.label)} to ${code(review.head.label)}, configuration \`${shortDigest(review.base.digest)}\` to \`${shortDigest(review.head.digest)}\`, review \`${review.digest}\`</sub>`,
    '',
  ].join('\n');
  const sections: readonly Section[] = [
    {
      open: table('Risk', '', 'Who can reach whom, and how strongly it is proved', 'Rule'),
      rows: review.exposures.map(({ risk, direction, sentence, rule }) =>
        row(strong(risk), MARKS[direction], prose(sentence), `\`${rule}\``),
      ),
      close: '\n',
    },
    {
      open: details(
        `${counted(review.options.length, 'option')} changed`,
        table('Risk', '', 'Option', 'Before', 'After', 'Why'),
      ),
      rows: optionLines(review.options).map(({ risk, direction, what, before, after, reason }) =>
        row(strong(risk), MARKS[direction], code(what), code(before), code(after), reason),
      ),
      close: '\n</details>\n\n',
    },
    {
      open: details(
        `${counted(review.resources.length, 'resource')} changed (${resourceTitle(review)})`,
        table('Risk', '', 'Resource', 'What happens', 'Why'),
      ),
      rows: review.resources.map((resource) =>
        row(
          strong(resource.risk),
          MARKS[resource.direction],
          code(resource.address),
          code(resourceText(resource)),
          resource.reason,
        ),
      ),
      close: '\n</details>\n\n',
    },
  ];
  const notice = (left: number, all: number) =>
    `\n**Cut short: ${numeral(left)} of ${counted(all, 'line')} did not fit into this comment.** The JSON report has all of them.\n`;
  const frame = head.length + alarms.join('').length + foot.length + notice(10_000_000, 10_000_000).length;
  const { text, left, all } = fill(sections, room - frame);
  return `${head}${alarms.join('')}${alarms.length > 0 ? '\n' : ''}${left > 0 ? `${notice(left, all)}\n` : ''}${text}${foot}`;
}

/** As many rows as fit, the first sections first; a section of which nothing fits is left out. */
function fill(
  sections: readonly Section[],
  room: number,
): { readonly text: string; readonly left: number; readonly all: number } {
  let text = '';
  let left = 0;
  let all = 0;
  for (const { open, rows, close } of sections) {
    all += rows.length;
    let free = room - text.length - open.length - close.length;
    const kept: string[] = [];
    for (const line of rows) {
      if (line.length > free) break;
      kept.push(line);
      free -= line.length;
    }
    left += rows.length - kept.length;
    if (kept.length > 0) text += open + kept.join('') + close;
  }
  return { text, left, all };
}

function table(...titles: readonly string[]): string {
  return `| ${titles.join(' | ')} |\n|${' --- |'.repeat(titles.length)}\n`;
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`;
}

function details(summary: string, content: string): string {
  return `<details><summary>${escapeHtml(summary)}</summary>\n\n${content}`;
}

const MARKS: Readonly<Record<Direction, string>> = { broadening: '+', narrowing: '-', neutral: '~' };

function strong(risk: Risk): string {
  return risk === 'critical' || risk === 'high' ? `**${risk}**` : risk;
}

/** A text from outside as it is, in a code span that it cannot leave; nothing of it is a link, a mention or HTML. */
function code(text: string): string {
  if (text === '') return '';
  // Table cells end at a bar before code spans are seen. A backslash before it would escape the escape.
  const shown = printable(text).replace(/(\\*)\|/g, '$1$1\\|');
  const longest = Math.max(0, ...Array.from(shown.matchAll(/`+/g), ([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const pad = shown.startsWith('`') || shown.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${shown}${pad}${fence}`;
}

/** A sentence of ours with names in it: what looks like a name, or could be markup, becomes code. */
function prose(sentence: string): string {
  return sentence.split(' ').map(proseWord).join(' ');
}

function proseWord(word: string): string {
  const [, open = '', middle = '', close = ''] = /^(\(*)(.*?)([),.:;…]*)$/.exec(word) ?? [];
  return /^[A-Za-z0-9'%-]*$/.test(middle) ? word : `${open}${code(middle)}${close}`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
