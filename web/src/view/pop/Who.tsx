import { useTranslation } from 'react-i18next';
import { inLanguage, named } from '../../i18n';
import type { Customer } from '../../protocol/payload';
import type { Pop, State } from '../../state/model';
import { degraded, needsChoice } from '../../state/selectors';
import { visible } from '../../text/visible';
import { Outside } from '../Outside';
import { useLang } from '../hooks';
import { Reading } from '../people';
import { CallStatus } from './CallStatus';

interface Props {
  state: State;
  pop: Pop;
  now: number;
}

/** Who calls, from which number, on which line, and for how long it has been ringing. */
export function Who({ state, pop, now }: Props) {
  const { caller, match } = pop.data;
  return (
    <div className="who">
      <div className="who-person">
        {match.customer === null ? (
          <Stranger pop={pop} />
        ) : (
          <Known customer={match.customer} level={match.level} />
        )}
        <Numbers pop={pop} />
        {match.customer === null && caller.displayName !== null && <SentName name={caller.displayName} />}
      </div>
      <CallStatus state={state} pop={pop} now={now} />
    </div>
  );
}

function Known({ customer, level }: { customer: Customer; level: string }) {
  const { t } = useTranslation();
  return (
    <>
      <div className="kana">
        <Reading kana={customer.kana} name={customer.name} />
      </div>
      <h2 className="name">
        <span className="name-text">
          <Outside text={customer.name} />
        </span>
        {t('who.honorific') !== '' && <small> {t('who.honorific')}</small>}
        {customer.org !== '' && (
          <span className="org">
            <Outside text={customer.org} />
          </span>
        )}
        {customer.rank !== '' && (
          <span className="chip">{t('who.rank', { rank: visible(customer.rank, 12) })}</span>
        )}
        {level === 'likely' && (
          <span className="chip" data-tone="warn">
            {t('who.likely')}
          </span>
        )}
      </h2>
    </>
  );
}

/** Nobody we know, for one of four different reasons which must not look alike. */
function Stranger({ pop }: { pop: Pop }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { caller } = pop.data;
  if (degraded(pop)) {
    return <Headline title={t('who.degraded')} hint={t('who.degradedHint')} tone="warn" />;
  }
  if (caller.presentation !== 'number') {
    const label = inLanguage(caller.label, lang) || named(t, 'who.label', caller.presentation);
    return <Headline title={label} hint={t('who.withheldHint')} tone="plain" />;
  }
  if (needsChoice(pop)) return <Headline title={t('several.title')} hint={t('several.hint')} tone="plain" />;
  return <Headline title={t('who.unknown')} hint={t('who.unknownHint')} tone="plain" />;
}

function Headline({ title, hint, tone }: { title: string; hint: string; tone: 'plain' | 'warn' }) {
  return (
    <>
      <h2 className="name" data-tone={tone}>
        {tone === 'warn' && <span aria-hidden="true">⚠ </span>}
        <Outside text={title} limit={60} />
      </h2>
      <div className="who-hint">{hint}</div>
    </>
  );
}

function Numbers({ pop }: { pop: Pop }) {
  const { t } = useTranslation();
  const { caller, dialled, sources } = pop.data;
  const number = caller.national ?? caller.e164;
  return (
    <div className="numbers">
      {number !== null && <Outside text={number} limit={32} className="number" />}
      {number === null && pop.data.match.customer !== null && (
        <span>{named(t, 'who.label', caller.presentation)}</span>
      )}
      {number !== null && caller.kind !== null && caller.kind !== 'unknown' && (
        <span className="quiet">{named(t, 'who.kind', caller.kind)}</span>
      )}
      {caller.verified === false && (
        <span className="chip" data-tone="warn">
          {t('who.unverified')}
        </span>
      )}
      <span aria-hidden="true">→</span>
      <Outside text={dialled.number} limit={32} className="number" />
      {dialled.clientName !== '' && (
        <span>
          (<Outside text={dialled.clientName} limit={60} />)
        </span>
      )}
      {caller.divertedBy !== null && (
        <Outside text={t('who.diverted', { number: caller.divertedBy })} limit={48} className="quiet" />
      )}
      {sources.local === 'pending' && <span className="quiet">{t('who.pending')}</span>}
    </div>
  );
}

function SentName({ name }: { name: string }) {
  const { t } = useTranslation();
  return (
    <div className="sent-name">
      {t('who.display')}: <Outside text={name} limit={64} />
    </div>
  );
}
