import { Button, Popover, Radio, Stack, TextInput } from '@mantine/core';
import type { TFunction } from 'i18next';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type Session, api } from '../api/client';
import type { DeskClient } from '../hub/client';
import { named } from '../i18n';
import type { Presence, State } from '../state/model';
import { nextClock, timeOf, when } from '../text/time';
import { useLang } from './hooks';

interface Props {
  desk: DeskClient;
  session: Session;
  state: State;
  now: number;
  opened: boolean;
  onOpened: (open: boolean) => void;
}

/** The reasons a person can choose (`rona` and `logged_out` are the system's). */
const REASONS = ['break', 'meeting', 'out', 'other_case', 'left_for_day', 'day_off', 'sick'] as const;

export function PresenceMenu({ desk, session, state, now, opened, onOpened }: Props) {
  const { t } = useTranslation();
  const lang = useLang();
  const { presence } = state;
  const label = presenceLabel(presence, t);
  const until = timeOf(presence?.until ?? null);
  const tone = presence?.status === 'available' ? 'ready' : 'away';
  return (
    <Popover
      opened={opened}
      onChange={onOpened}
      position="bottom-start"
      shadow="md"
      trapFocus
      returnFocus
      withinPortal
    >
      <Popover.Target>
        <Button
          size="compact-md"
          variant="default"
          className="presence"
          data-tone={tone}
          onClick={() => onOpened(!opened)}
          aria-label={`${t('presence.set')}: ${label}`}
          aria-expanded={opened}
        >
          <span aria-hidden="true" className="dot" />
          {label}
          {until !== null && (
            <span className="presence-until">
              {t('presence.untilShort', { time: when(until, lang, now) })}
            </span>
          )}
          {presence !== null && presence.state !== 'idle' && (
            <span className="presence-state">{named(t, 'presence.state', presence.state)}</span>
          )}
          {presence?.overlays.map((overlay) => (
            <span key={overlay.kind} className="chip overlay" data-tone="danger">
              {named(t, 'presence.overlay', overlay.kind)}
            </span>
          ))}
          <span aria-hidden="true" className="more-mark">
            ▾
          </span>
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        {opened && (
          <PresenceForm
            presence={presence}
            session={session}
            desk={desk}
            connected={state.link.phase === 'open'}
            onDone={() => onOpened(false)}
          />
        )}
      </Popover.Dropdown>
    </Popover>
  );
}

function presenceLabel(presence: Presence | null, t: TFunction): string {
  if (presence === null) return '–';
  if (presence.status === 'available' || presence.reason === null)
    return named(t, 'presence', presence.status);
  return named(t, 'presence.reason', presence.reason);
}

interface FormProps {
  presence: Presence | null;
  session: Session;
  desk: DeskClient;
  connected: boolean;
  onDone: () => void;
}

function PresenceForm({ presence, session, desk, connected, onDone }: FormProps) {
  const { t } = useTranslation();
  const [choice, setChoice] = useState(
    presence?.status === 'away' ? (presence.reason ?? 'break') : 'available',
  );
  const [until, setUntil] = useState('');
  const [fault, setFault] = useState<string | null>(null);
  const locked = presence?.setBy === 'supervisor' && presence.status !== 'available';

  async function apply(event: FormEvent) {
    event.preventDefault();
    const back = until.trim() === '' ? null : nextClock(until, Date.now());
    if (choice !== 'available' && until.trim() !== '' && back === null)
      return setFault(t('presence.badTime'));
    const wish: Record<string, string> = choice === 'available' ? {} : { reason: choice };
    if (choice !== 'available' && back !== null) wish.until = back;
    const status = choice === 'available' ? 'available' : 'away';
    if (connected) {
      desk.command('presence.set', { state: status, ...wish });
      return onDone();
    }
    // Without the socket the same wish goes by REST: a person leaving the desk must not wait for a reconnect.
    try {
      await api.setPresence(session.agent ?? '', { status, ...wish }, session.csrf);
      return onDone();
    } catch {
      return setFault(t('presence.unreachable'));
    }
  }

  return (
    <form onSubmit={(event) => void apply(event)}>
      <Radio.Group value={choice} onChange={setChoice} label={t('presence.set')}>
        <Stack gap={6} mt={6}>
          <Radio
            value="available"
            label={t('presence.available')}
            data-autofocus={choice === 'available' || undefined}
          />
          {REASONS.map((reason) => (
            <Radio
              key={reason}
              value={reason}
              label={t(`presence.reason.${reason}`)}
              data-autofocus={choice === reason || undefined}
            />
          ))}
        </Stack>
      </Radio.Group>
      <TextInput
        mt="sm"
        size="xs"
        label={t('presence.until')}
        placeholder={t('presence.untilHint')}
        value={until}
        disabled={choice === 'available'}
        error={fault}
        inputMode="numeric"
        onChange={({ currentTarget }) => setUntil(currentTarget.value)}
      />
      {locked && <p className="hint">{t('presence.setBySupervisor')}</p>}
      <Button type="submit" size="compact-md" mt="sm" fullWidth>
        {t('presence.apply')}
      </Button>
    </form>
  );
}
