import { useCallback, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Session } from '../api/client';
import type { DeskClient } from '../hub/client';
import type { Lang } from '../protocol/payload';
import type { Ringer } from '../sound/ringer';
import type { Pop, Presence } from '../state/model';
import {
  anyRings,
  finishBlocked,
  firstUnacked,
  needsChoice,
  popsInOrder,
  recentlyEnded,
  returnDue,
} from '../state/selectors';
import { Announcer } from './Announcer';
import { Help } from './Help';
import { Idle, type WayBack } from './Idle';
import { LinkBanner } from './LinkBanner';
import { focusOnLot } from './Lot';
import { Messages } from './Messages';
import { TopBar } from './TopBar';
import { useNow, useView } from './hooks';
import { focusOf, useKeys } from './keys';
import { PopCard } from './pop/PopCard';
import { type ActionName, actionsFor, sendAction } from './pop/action_list';
import { focusOnPop } from './settings';
import { usePainted } from './use_painted';
import { useRing } from './use_ring';

interface Props {
  desk: DeskClient;
  ringer: Ringer;
  session: Session;
  onLogOut: () => void;
}

/** The agent's page after log-in. */
export function Desk({ desk, ringer, session, onLogOut }: Props) {
  const { t } = useTranslation();
  const { state, sounds } = useView(desk);
  const now = useNow();
  const [help, setHelp] = useState(false);
  const [presenceOpen, setPresenceOpen] = useState(false);
  const [declining, setDeclining] = useState<string | null>(null);
  const [scripts, setScripts] = useState<Record<string, Lang>>({});
  const pops = popsInOrder(state);
  const first = pops[0];
  const ringing = anyRings(state, now);
  useRing(ringer, sounds && ringing);
  useFocusOnNewPop(first);
  // A screen that was late for its card says so as soon as it paints again.
  const stale = state.presence?.overlays.some((overlay) => overlay.kind === 'client_stale') ?? false;
  usePainted(desk, stale ? state.lastRender?.id : undefined);

  useEffect(() => {
    document.title = ringing ? `● ${t('call.title')} – ${t('app')}` : t('app');
  }, [ringing, t]);

  const act = useCallback(
    (pop: Pop, name: ActionName) => {
      if (name === 'decline') setDeclining(pop.call);
      else sendAction(desk, pop, name);
    },
    [desk],
  );
  const ack = (pop: Pop, id: string) => desk.popCommand('notice.ack', pop, { id });
  const choose = (pop: Pop, customer: string) => desk.popCommand('pop.choose', pop, { customer });
  const back = wayBack(state.presence, now);
  const backToWork = () => desk.command('presence.set', { state: 'available' });

  useKeys({
    F1: () => setHelp((open) => !open),
    ...(first === undefined ? { F8: focusOnLot } : {}),
    ...(back === 'key' && first === undefined ? { Enter: backToWork } : {}),
    ...(first === undefined ? {} : popKeys(first, act, ack, choose)),
  });

  return (
    <div className="desk">
      <Announcer state={state} pop={first} now={now} />
      <TopBar
        desk={desk}
        ringer={ringer}
        session={session}
        state={state}
        sounds={sounds}
        now={now}
        pop={first}
        presenceOpen={presenceOpen}
        onPresenceOpen={setPresenceOpen}
        onHelp={() => setHelp(true)}
        onLogOut={onLogOut}
      />
      <LinkBanner state={state} now={now} onReconnect={() => desk.reconnect()} />
      <main className="desk-main">
        {pops.map((pop) => (
          <PopCard
            key={pop.call}
            desk={desk}
            state={state}
            pop={pop}
            now={now}
            me={session.agent}
            script={scripts[pop.call]}
            onScript={(lang) => setScripts({ ...scripts, [pop.call]: lang })}
            declining={declining === pop.call}
            onDeclining={(open) => setDeclining(open ? pop.call : null)}
            onAction={(name) => act(pop, name)}
            onAck={(id) => ack(pop, id)}
            onChoose={(id) => choose(pop, id)}
          />
        ))}
        <Idle
          state={state}
          now={now}
          busy={first !== undefined}
          ended={recentlyEnded(state, now)}
          back={back}
          onBack={backToWork}
          mayRetrieve={session.agent !== null}
          onRetrieve={(call) => desk.callCommand('call.retrieve', call)}
        />
      </main>
      <Messages state={state} onDismiss={(id) => desk.dismiss(id)} />
      <Help opened={help} onClose={() => setHelp(false)} ringer={ringer} />
    </div>
  );
}

/**
 * Absent by the system's doing, or longer than was said: back with one key. By choice: only by a button, so
 * that no stray key ends a break.
 */
function wayBack(presence: Presence | null, now: number): WayBack {
  if (presence === null || presence.status === 'available') return null;
  if (returnDue(presence, now) !== null) return 'key';
  return presence.reason === 'rona' || presence.status === 'offline' ? 'key' : 'button';
}

/** Every action of the card in front has one key. */
function popKeys(
  pop: Pop,
  act: (pop: Pop, name: ActionName) => void,
  ack: (pop: Pop, id: string) => void,
  choose: (pop: Pop, id: string) => void,
) {
  const unacked = needsChoice(pop) ? null : firstUnacked(pop);
  const keys: Record<string, (() => void) | undefined> = {};
  if (unacked !== null) keys.F2 = () => ack(pop, unacked.id);
  for (const action of actionsFor(pop)) {
    if (action.name !== 'finish' || !finishBlocked(pop)) keys[action.key] = () => act(pop, action.name);
  }
  if (needsChoice(pop)) {
    pop.data.match.candidates.slice(0, 5).forEach((candidate, index) => {
      keys[String(index + 1)] = () => choose(pop, candidate.id);
    });
  }
  return keys;
}

/** A new card may take the focus, but never from a field being edited, a menu or a dialogue. */
function useFocusOnNewPop(pop: Pop | undefined): void {
  const known = useRef<string | null>(null);
  const call = pop?.call ?? null;
  const offered = pop?.phase === 'offered';
  useEffect(() => {
    if (call === known.current) return;
    known.current = call;
    if (call === null || !offered || !focusOnPop.get()) return;
    const focus = document.activeElement;
    if (focusOf(focus) === 'editing' || focus?.closest('[role="dialog"], [role="menu"]')) return;
    document.getElementById(`pop-${call}`)?.focus({ preventScroll: true });
  }, [call, offered]);
}
