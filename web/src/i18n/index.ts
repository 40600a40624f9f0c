import i18next, { type TFunction } from 'i18next';
import { initReactI18next } from 'react-i18next';
import type { Lang, LocalText } from '../protocol/payload';
import { visible } from '../text/visible';
import { en } from './en';
import { ja } from './ja';

const STORED = 'toritsugi.language';

/** Starts in the language chosen last, else the browser's, else Japanese. */
export function startI18n(): void {
  const stored = localStorage.getItem(STORED);
  const browser = navigator.language.startsWith('en') ? 'en' : 'ja';
  const lng: Lang = stored === 'ja' || stored === 'en' ? stored : browser;
  void i18next.use(initReactI18next).init({
    lng,
    fallbackLng: 'ja',
    resources: { ja: { translation: ja }, en: { translation: en } },
    initAsync: false,
    // React makes text nodes of everything, so escaping here would only show entities.
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  document.documentElement.lang = lng;
}

export function switchLanguage(lang: Lang): void {
  localStorage.setItem(STORED, lang);
  document.documentElement.lang = lang;
  void i18next.changeLanguage(lang);
}

/** The reader's language if there is such a text, else the other one. */
export function inLanguage(text: LocalText, lang: Lang): string {
  return text[lang] ?? text.ja ?? text.en ?? '';
}

/** Longest unknown code shown, in characters: it stands in a chip or a table cell. */
const CODE_LENGTH = 32;

/** The name of a code from the server, or the code itself when this page has no word for it. */
export function named(t: TFunction, area: string, code: string): string {
  // A reason the centre made itself is its own name (`custom:NAME`).
  if (code.startsWith('custom:')) return visible(code.slice('custom:'.length), CODE_LENGTH);
  const name = t(`${area}.${code}`, { defaultValue: '' });
  return name === '' ? visible(code, CODE_LENGTH) : name;
}
