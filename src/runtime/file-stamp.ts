import { stat } from 'node:fs/promises';

/** Changes whenever a file is written, replaced, or a link to it turned; never rejects. */
export async function fileStamp(path: string): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
  } catch {
    return 'missing';
  }
}
