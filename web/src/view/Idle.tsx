import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { AgentRow } from '../api/client';
import { named } from '../i18n';
import type { Caller } from '../protocol/payload';
import type { Ended, Missed, Presence, State } from '../state/model';
import { returnDue } from '../state/selectors';
import { clock, dateTime, daysAway, duration, timeOf, when } from '../text/time';
import { Lot } from './Lot';
import { Outside } from './Outside';
import { useLang } from './hooks';
import { useAgents, useColleagueName } from './people';

/** How an absent agent becomes available again: with a key, with the button alone, or there is no need. */
export type WayBack = 'key' | 'button' | null;

interface Props {
  state: State;
  now: number;
  /** A card is shown above: only the short lists are wanted. */
  busy: boolean;
  ended: Ended | null;
  back: WayBack;
  onBack: () => void;
  /** The person has a desk: who has none sees who waits, and takes nobody. */
  mayRetrieve: boolean;
  onRetrieve: (call: string) => void;
}

/** What is there when nothing rings, and below the card what was missed meanwhile. */
export function Idle({ state, now, busy, ended, back, onBack, mayRetrieve, onRetrieve }: Props) {
  const { t } = useTranslation();
  const blocked = (state.presence?.overlays.length ?? 0) > 0;
  const due = returnDue(state.presence, now);
  const lang = useLang();
  const ready = state.presence?.status === 'available' && !blocked;
  return (
    <section className="idle" data-busy={busy}>
      {!busy && (
        <div className="idle-head" data-ready={ready}>
          <h2>{t(ready ? 'idle.ready' : 'idle.notReady')}</h2>
          {ended !== null && (
            <p data-testid="ended">
              {t('idle.ended')}: {named(t, 'call.cause', ended.cause)}
            </p>
          )}
          {due !== null && (
            <p className="rona" role="status" data-testid="return-due">
              {t('presence.returnDue', { time: when(due, lang, now) })}
            </p>
          )}
          {state.presence?.reason === 'rona' && <p className="rona">{t('presence.rona')}</p>}
          {state.presence?.overlays.map((overlay) => (
            <p key={overlay.kind} className="rona" role="status">
              {named(t, 'presence.overlayHint', overlay.kind)}
            </p>
          ))}
          {back === null ? (
            !blocked && <p>{t('idle.hint')}</p>
          ) : (
            <p>
              <Button variant={back === 'key' ? 'filled' : 'default'} onClick={onBack}>
                {t('presence.back')} {back === 'key' && <kbd>Enter</kbd>}
              </Button>
            </p>
          )}
        </div>
      )}
      <Lot state={state} now={now} mayRetrieve={mayRetrieve} onRetrieve={onRetrieve} />
      {(!busy || state.missed.length > 0) && <MissedList missed={state.missed} now={now} />}
      {!busy && <Team colleagues={state.colleagues} me={state.agent} now={now} />}
    </section>
  );
}

function MissedList({ missed, now }: { missed: Missed[]; now: number }) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <div className="panel missed">
      <h3>
        {t('idle.missed')} {missed.length > 0 && <span className="count">{missed.length}</span>}
      </h3>
      {missed.length === 0 && <p className="none">{t('idle.noMissed')}</p>}
      <ul>
        {missed.slice(0, 10).map((item) => (
          <li key={item.call}>
            <time>{daysAway(item.at, now) === 0 ? clock(item.at) : dateTime(item.at, lang, now)}</time>
            {item.customer !== null && <Outside text={item.customer.name} limit={40} />}
            <MissedNumber caller={item.caller} />
            {item.clientName !== '' && <Outside text={item.clientName} limit={40} className="quiet" />}
          </li>
        ))}
      </ul>
    </div>
  );
}

function MissedNumber({ caller }: { caller: Caller | null }) {
  const { t } = useTranslation();
  if (caller === null) return null;
  const number = caller.national ?? caller.e164;
  return (
    <Outside text={number ?? named(t, 'who.label', caller.presentation)} limit={32} className="number" />
  );
}

function Team({
  colleagues,
  me,
  now,
}: {
  colleagues: Record<string, Presence>;
  me: string | null;
  now: number;
}) {
  const { t } = useTranslation();
  const agents = useAgents(15_000);
  const others = (agents.data ?? []).filter((agent) => agent.id !== me);
  return (
    <div className="panel team">
      <h3>{t('idle.team')}</h3>
      {agents.isError && <p className="none">{t('idle.teamFailed')}</p>}
      <ul>
        {others.slice(0, 30).map((agent) => (
          <Colleague
            key={agent.id}
            agent={agent}
            presence={colleagues[agent.id] ?? agent.presence}
            now={now}
          />
        ))}
      </ul>
    </div>
  );
}

function Colleague({ agent, presence, now }: { agent: AgentRow; presence: Presence; now: number }) {
  const { t } = useTranslation();
  const lang = useLang();
  const colleague = useColleagueName();
  const ready = presence.status === 'available';
  const until = timeOf(presence.until);
  const busy = presence.state === 'idle' ? null : named(t, 'presence.state', presence.state);
  const blocked = presence.overlays.length > 0;
  const tone = ready && busy === null && !blocked ? 'ready' : presence.status === 'offline' ? 'off' : 'away';
  const reason = presence.reason === null ? named(t, 'presence', presence.status) : null;
  return (
    <li data-tone={tone}>
      <span aria-hidden="true" className="dot" />
      <Outside text={colleague(agent.name)} limit={24} />
      <Overlays presence={presence} now={now} />
      <span className="quiet">
        {busy ?? reason ?? named(t, 'presence.reason', presence.reason ?? '')}
        {until !== null && ` ${t('presence.untilShort', { time: when(until, lang, now) })}`}
      </span>
    </li>
  );
}

/** What keeps calls from them, in words, and for how long already. */
function Overlays({ presence, now }: { presence: Presence; now: number }) {
  const { t } = useTranslation();
  return presence.overlays.map((overlay) => {
    const since = timeOf(overlay.since);
    return (
      <span key={overlay.kind} className="chip overlay" data-tone="danger">
        ⚠ {named(t, 'presence.overlay', overlay.kind)} {since !== null && duration(now - since)}
      </span>
    );
  });
}
