import { Button, SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { inLanguage } from '../../i18n';
import type { Lang, LocalText, Step } from '../../protocol/payload';
import type { Pop } from '../../state/model';
import { Outside } from '../Outside';

interface Props {
  pop: Pop;
  lang: Lang;
  onLang: (lang: Lang) => void;
  greetingOnly: boolean;
}

/**
 * The first words, then the three steps in their order (M008). The language is the customer's, not the
 * page's.
 */
export function SayPanel({ pop, lang, onLang, greetingOnly }: Props) {
  const { t } = useTranslation();
  const { greeting, steps } = pop.data.guidance;
  const shown = greetingOnly ? [] : steps;
  const first = inLanguage(greeting, lang);
  return (
    <section className="panel say">
      <header>
        <h3>{t('say.title')}</h3>
        <span className="say-tools">
          {first !== '' && <Copy key={first} text={first} />}
          <SegmentedControl
            size="xs"
            value={lang}
            aria-label={t('say.language')}
            onChange={(value) => onLang(value as Lang)}
            data={[
              { value: 'ja', label: '日本語' },
              { value: 'en', label: 'English' },
            ]}
          />
        </span>
      </header>
      {first === '' && shown.length === 0 && <p className="none">{t('say.none')}</p>}
      {first !== '' && (
        <p className="greeting" lang={lang}>
          <Line text={greeting} lang={lang} />
        </p>
      )}
      {shown.length > 0 && (
        <ol className="steps">
          {shown.map((step) => (
            <GuidedStep key={step.id} step={step} lang={lang} />
          ))}
        </ol>
      )}
    </section>
  );
}

function GuidedStep({ step, lang }: { step: Step; lang: Lang }) {
  const { t } = useTranslation();
  const title = t(`say.step.${step.id}`, { defaultValue: step.id });
  return (
    <li data-step={step.id} data-locked={step.locked !== null} aria-label={title}>
      {step.locked !== null && <Lock />}
      <span lang={lang}>
        <Line text={step.text} lang={lang} />
      </span>
      {step.locked !== null && <span className="lock">{t('say.locked')}</span>}
    </li>
  );
}

/** Drawn, because not every desk has a font with a padlock. */
function Lock() {
  return (
    <svg className="padlock" viewBox="0 0 16 16" width="15" height="15" aria-hidden="true">
      <rect x="2.5" y="7" width="11" height="7.5" rx="1.5" fill="currentColor" />
      <path d="M5 7V5a3 3 0 0 1 6 0v2" fill="none" stroke="currentColor" strokeWidth="1.6" />
    </svg>
  );
}

/** The line in the script's language; if there is only the other one, that is shown and said to be so. */
function Line({ text, lang }: { text: LocalText; lang: Lang }) {
  const other: Lang = lang === 'ja' ? 'en' : 'ja';
  if (text[lang] !== undefined) return <Outside text={text[lang]} limit={600} />;
  return (
    <>
      <span lang={other}>
        <Outside text={text[other] ?? ''} limit={600} />
      </span>{' '}
      <small className="quiet">{other === 'ja' ? '(日本語のみ)' : '(English only)'}</small>
    </>
  );
}

function Copy({ text }: { text: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  if (navigator.clipboard === undefined) return null;
  return (
    <Button
      size="compact-xs"
      variant="subtle"
      color="gray"
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      {copied ? t('say.copied') : t('say.copy')}
    </Button>
  );
}
