import type { TFunction } from 'i18next';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { named } from '../i18n';
import type { Pop, State } from '../state/model';
import { degraded, firstUnacked, needsChoice, ringSeconds } from '../state/selectors';
import { visible } from '../text/visible';

interface Props {
  state: State;
  pop: Pop | undefined;
  now: number;
}

/** What a screen reader hears: one short sentence per new card, and the milestones of the countdown. */
export function Announcer({ state, pop, now }: Props) {
  const { t } = useTranslation();
  const [sentence, setSentence] = useState('');
  const announced = useRef<string | null>(null);

  useEffect(() => {
    if (pop === undefined || pop.phase !== 'offered' || announced.current === pop.call) return;
    announced.current = pop.call;
    const text = t('call.announce', { who: whoIs(pop, t), line: visible(pop.data.dialled.clientName, 40) });
    setSentence(firstUnacked(pop) === null ? text : `${text}。${t('call.announceNotice')}`);
  }, [pop, t]);

  return (
    <>
      <div className="unseen" aria-live="assertive" role="status" data-testid="announcer">
        {sentence}
      </div>
      <div className="unseen" aria-live="polite">
        {milestone(state, pop, now, t)}
      </div>
    </>
  );
}

function whoIs(pop: Pop, t: TFunction): string {
  const { caller, match } = pop.data;
  if (caller.presentation !== 'number') return named(t, 'who.label', caller.presentation);
  if (needsChoice(pop)) return t('several.title');
  if (match.customer !== null) return visible(`${match.customer.name} ${t('who.honorific')}`, 40);
  return degraded(pop) ? t('who.degraded') : t('who.unknown');
}

function milestone(state: State, pop: Pop | undefined, now: number, t: TFunction): string {
  if (pop === undefined || pop.phase !== 'offered') return '';
  const limit = pop.data.offer.ringLimitS;
  const seconds = ringSeconds(state, pop, now);
  if (seconds >= limit || pop.ringLate) return t('call.milestoneLate', { s: limit });
  return seconds >= limit - 5 ? t('call.milestone', { s: 5 }) : '';
}
