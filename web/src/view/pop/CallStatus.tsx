import { useTranslation } from 'react-i18next';
import { named } from '../../i18n';
import type { Pop, State } from '../../state/model';
import { ringSeconds } from '../../state/selectors';
import { duration } from '../../text/time';
import { Outside } from '../Outside';

interface Props {
  state: State;
  pop: Pop;
  now: number;
}

/** The clock of the call. Silent for screen readers: Announcer tells the milestones. */
export function CallStatus({ state, pop, now }: Props) {
  const { t } = useTranslation();
  const { transfer, offer } = pop.data;
  return (
    <div className="call-status" aria-live="off" data-testid="call-status">
      {pop.phase === 'offered' || pop.phase === 'claimed' ? (
        <Ringing state={state} pop={pop} now={now} />
      ) : (
        <Running state={state} pop={pop} now={now} />
      )}
      <div className="quiet">
        {offer.reason !== '' && <span>{named(t, 'call.offerReason', offer.reason)}</span>}
        <span>{t('call.transfer', { n: transfer.count, limit: transfer.limit })}</span>
        {transfer.note !== undefined && <span data-testid="transfer-note">{transfer.note}</span>}
        {offer.others > 0 && <span>{t('call.others', { n: offer.others })}</span>}
      </div>
    </div>
  );
}

function Ringing({ state, pop, now }: Props) {
  const { t } = useTranslation();
  const limit = pop.data.offer.ringLimitS;
  const seconds = ringSeconds(state, pop, now);
  const late = pop.ringLate || seconds >= limit;
  const expired = pop.expires !== null && now + state.clockSkewMs >= pop.expires;
  const share = Math.min(100, (seconds / limit) * 100);
  return (
    <>
      <div className="clock" data-late={late}>
        <span className="clock-word">{pop.phase === 'claimed' ? t('call.claimed') : t('call.ringing')}</span>
        <strong>{t('call.seconds', { s: seconds })}</strong>
        <span>{late ? t('call.late', { s: limit }) : t('call.limit', { s: limit })}</span>
      </div>
      <div className="meter" data-late={late} aria-hidden="true">
        <div style={{ width: `${share}%` }} />
      </div>
      {pop.claimedBy !== null && (
        <div>
          <Outside text={t('call.claimedBy', { by: pop.claimedBy })} />
        </div>
      )}
      {expired && <div>{t('call.expired')}</div>}
    </>
  );
}

function Running({ state, pop, now }: Props) {
  const { t } = useTranslation();
  const serverNow = now + state.clockSkewMs;
  if (pop.phase === 'wrapup') {
    return (
      <div className="clock">
        <span className="clock-word">{t('call.wrapup')}</span>
        {pop.wrapupUntil !== null && <strong>{duration(pop.wrapupUntil - serverNow)}</strong>}
      </div>
    );
  }
  if (pop.callEnded)
    return (
      <div className="clock">
        <span className="clock-word">{t('call.ended')}</span>
      </div>
    );
  return (
    <div className="clock">
      <span className="clock-word">{t('call.taken')}</span>
      {pop.answeredAt === null ? (
        <span>{t('call.waitingPhone')}</span>
      ) : (
        <strong>{t('call.talk', { time: duration(serverNow - pop.answeredAt) })}</strong>
      )}
    </div>
  );
}
