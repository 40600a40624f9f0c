import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { en } from './i18n/en';
import { ja } from './i18n/ja';

// Taste that can be checked is checked; the numbers are those of the whole project.
const ROOT = join(import.meta.dirname, '..');
const FILES = ['src', 'mock', 'e2e', 'e2e-real'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(tsx?|mjs|css)$/.test(name))
    .map((name) => join(folder, name)),
);
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe.each(FILES)('%s', (file) => {
  const text = read(file);

  it('is read in one sitting and not wider than 110 columns', () => {
    const lines = text.split('\n');
    expect(lines.length).toBeLessThanOrEqual(400);
    expect(lines.filter((line) => line.length > 110)).toEqual([]);
  });

  it('makes no markup out of text and runs no text as code', () => {
    const banned = [
      'dangerously' + 'SetInnerHTML',
      'inner' + 'HTML',
      'outer' + 'HTML',
      'insertAdjacent' + 'HTML',
      'document.' + 'write',
      'ev' + 'al(',
      'new Func' + 'tion(',
      'console.' + 'log',
    ];
    if (!file.startsWith('e2e')) expect(banned.filter((word) => text.includes(word))).toEqual([]);
  });
});

describe('texts', () => {
  it('fill the same places in both languages', () => {
    const places = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();
    const walk = (a: object, b: object, path: string): void => {
      for (const [key, value] of Object.entries(a)) {
        const other = (b as Record<string, unknown>)[key];
        if (typeof value === 'object') walk(value as object, other as object, `${path}${key}.`);
        else expect([path + key, places(String(other))]).toEqual([path + key, places(String(value))]);
      }
    };
    walk(ja, en, '');
  });

  it('m034_name_the_internal_reason_only_where_it_is_marked_internal', () => {
    expect(ja.assignee.internalHint).toContain('言わない');
  });
});

describe('lock file', () => {
  it('names no host', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"/);
  });
});
