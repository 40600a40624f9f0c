import { Button, Menu } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { DeskClient } from '../../hub/client';
import type { Pop, State } from '../../state/model';
import { finishBlocked, hasComplaint, isPending } from '../../state/selectors';
import { type Action, type ActionName, actionsFor, commandOf, declineReasons } from './action_list';

interface Props {
  desk: DeskClient;
  state: State;
  pop: Pop;
  declining: boolean;
  onDeclining: (open: boolean) => void;
  onAction: (name: ActionName) => void;
}

export function Actions({ desk, state, pop, declining, onDeclining, onAction }: Props) {
  const { t } = useTranslation();
  const actions = actionsFor(pop);
  if (actions.length === 0) {
    // The row stays where it is: nothing jumps when the phone is answered.
    return (
      <footer className="actions">
        {!pop.callEnded && <span className="hint">{t('action.onPhone')}</span>}
      </footer>
    );
  }
  return (
    <footer className="actions">
      {actions.map((action) =>
        action.name === 'decline' ? (
          <Decline
            key={action.name}
            action={action}
            pop={pop}
            opened={declining}
            onOpened={onDeclining}
            busy={isPending(state, 'pop.decline', pop.call)}
            onReason={(reason) => desk.popCommand('pop.decline', pop, { reason })}
          />
        ) : (
          <ActionButton
            key={action.name}
            action={action}
            label={labelKey(action, pop)}
            onClick={() => onAction(action.name)}
            busy={isPending(state, commandOf(action.name), pop.call)}
            disabled={action.name === 'finish' && finishBlocked(pop)}
          />
        ),
      )}
      {pop.phase === 'wrapup' && finishBlocked(pop) && (
        <span className="hint">{t('action.finishBlocked')}</span>
      )}
    </footer>
  );
}

function labelKey(action: Action, pop: Pop): string {
  return action.name === 'assist' && hasComplaint(pop) ? 'action.assistFirst' : `action.${action.name}`;
}

interface ButtonProps {
  action: Action;
  label: string;
  busy: boolean;
  disabled: boolean;
  onClick: () => void;
}

function ActionButton({ action, label, busy, disabled, onClick }: ButtonProps) {
  const { t } = useTranslation();
  return (
    <Button
      variant={action.primary ? 'filled' : 'default'}
      loading={busy}
      disabled={disabled}
      onClick={onClick}
    >
      {t(label)} <kbd>{action.key}</kbd>
    </Button>
  );
}

interface DeclineProps {
  action: Action;
  pop: Pop;
  opened: boolean;
  busy: boolean;
  onOpened: (open: boolean) => void;
  onReason: (reason: string) => void;
}

/** Declining always names a reason: "by policy" is not counted as a miss (M014). */
function Decline({ action, pop, opened, busy, onOpened, onReason }: DeclineProps) {
  const { t } = useTranslation();
  return (
    <Menu opened={opened} onChange={onOpened} position="top-start" shadow="md" withinPortal>
      <Menu.Target>
        <Button variant="default" loading={busy}>
          {t('action.decline')} <kbd>{action.key}</kbd>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('action.declineTitle')}</Menu.Label>
        {declineReasons(pop).map((reason) => (
          <Menu.Item key={reason} onClick={() => onReason(reason)}>
            {t(`action.declineReason.${reason}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
