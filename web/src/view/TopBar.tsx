import { Button } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Session } from '../api/client';
import type { DeskClient } from '../hub/client';
import type { Ringer } from '../sound/ringer';
import type { Pop, State } from '../state/model';
import { parkedInOrder, waited } from '../state/selectors';
import { duration } from '../text/time';
import { DemoPanel } from './DemoPanel';
import { LanguageSwitch } from './LanguageSwitch';
import { Outside } from './Outside';
import { PresenceMenu } from './PresenceMenu';
import { useAgents, useColleagueName } from './people';

interface Props {
  desk: DeskClient;
  ringer: Ringer;
  session: Session;
  state: State;
  sounds: boolean;
  now: number;
  pop: Pop | undefined;
  presenceOpen: boolean;
  onPresenceOpen: (open: boolean) => void;
  onHelp: () => void;
  onLogOut: () => void;
}

export function TopBar({ session, state, pop, onHelp, onLogOut, ...rest }: Props) {
  const { t } = useTranslation();
  // People are shown by their name; what they log in with says nothing to anybody else.
  const own = useAgents().data?.find((agent) => agent.id === session.agent);
  const colleague = useColleagueName();
  const client = pop?.data.dialled.clientName ?? '';
  return (
    <header className="bar">
      <span className="bar-app">{t('app')}</span>
      {session.agent === null ? (
        <span className="bar-item">{t('bar.noAgent')}</span>
      ) : (
        <PresenceMenu
          desk={rest.desk}
          session={session}
          state={state}
          now={rest.now}
          opened={rest.presenceOpen}
          onOpened={rest.onPresenceOpen}
        />
      )}
      <span className="bar-item bar-name">
        <Outside text={own === undefined ? session.name : colleague(own.name)} limit={24} />
      </span>
      {client !== '' && (
        <span className="bar-item bar-client">
          <Outside text={t('bar.line', { client })} limit={60} />
        </span>
      )}
      <Waiting state={state} now={rest.now} />
      <span className="bar-space" />
      <DemoPanel csrf={session.csrf} busy={pop !== undefined} />
      {state.degraded.length > 0 && (
        <span className="chip" data-tone="warn" role="status">
          <Outside text={t('bar.degraded', { parts: state.degraded.join(', ') })} limit={60} />
        </span>
      )}
      <SoundState ringer={rest.ringer} sounds={rest.sounds} connected={state.link.phase === 'open'} />
      <span className="bar-item link-state" data-phase={state.link.phase} role="status">
        <span aria-hidden="true" className="dot" />
        {t(`link.${state.link.phase}`)}
      </span>
      <LanguageSwitch />
      <Button size="compact-sm" variant="subtle" color="gray" aria-label={t('bar.help')} onClick={onHelp}>
        ?
      </Button>
      <Button size="compact-sm" variant="subtle" color="gray" onClick={onLogOut}>
        {t('bar.logout')}
      </Button>
    </header>
  );
}

/** How many wait and how long the first of them has: one line for agents and supervisors alike. */
function Waiting({ state, now }: { state: State; now: number }) {
  const { t } = useTranslation();
  const parked = parkedInOrder(state);
  const [first] = parked;
  if (first === undefined) return <span className="bar-item bar-quiet">{t('lot.none')}</span>;
  const time = duration(waited(state, first, now));
  const tone = parked.some((one) => one.warned) ? 'danger' : 'warn';
  return (
    <span className="chip" data-tone={tone} data-testid="waiting">
      {t('lot.waiting', { n: parked.length, time })}
    </span>
  );
}

/** Whether a call would be heard here; browsers need one gesture first. */
function SoundState({ ringer, sounds, connected }: { ringer: Ringer; sounds: boolean; connected: boolean }) {
  const { t } = useTranslation();
  const [, redraw] = useState(0);
  if (!connected) return null;
  if (!sounds) return <span className="bar-item bar-quiet">{t('bar.soundOff')}</span>;
  if (ringer.unlocked) return <span className="bar-item bar-quiet">{t('bar.soundOn')}</span>;
  return (
    <Button
      size="compact-sm"
      variant="light"
      color="orange.9"
      onClick={() => void ringer.test().then(() => redraw((n) => n + 1))}
    >
      {t('bar.soundLocked')}
    </Button>
  );
}
