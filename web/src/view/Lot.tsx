import { Button } from '@mantine/core';
import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import { named } from '../i18n';
import type { Parked, State } from '../state/model';
import { canRetrieve, isPending, parkedInOrder, placeOf, waitLeft, waited } from '../state/selectors';
import { duration } from '../text/time';
import { visible } from '../text/visible';
import { Outside } from './Outside';
import { useColleagueName } from './people';

/** Rows that are shown; the line above says how many there are. */
const SHOWN = 20;

const RETRIEVE = 'retrieve';

interface Props {
  state: State;
  now: number;
  mayRetrieve: boolean;
  onRetrieve: (call: string) => void;
}

/** Who waits, the longest first, with a way to take one of them. Nothing when nobody does. */
export function Lot({ state, now, mayRetrieve, onRetrieve }: Props) {
  const { t } = useTranslation();
  const parked = parkedInOrder(state);
  if (parked.length === 0) return null;
  const free = canRetrieve(state);
  const warned = parked.filter((one) => one.warned);
  return (
    <div className="panel lot" data-testid="lot">
      <header>
        <h3 id="lot-title">{t('lot.title')}</h3>
        {mayRetrieve && !free && <span className="quiet">{t('lot.notFree')}</span>}
      </header>
      <div className="unseen" aria-live="polite">
        {warned.map((one) => t('lot.announce', { who: nameOf(one, t) })).join(' ')}
      </div>
      <ul aria-labelledby="lot-title">
        {parked.slice(0, SHOWN).map((one) => (
          <Row key={one.call} parked={one} place={placeOf(one, parked)} state={state} now={now}>
            {mayRetrieve && (
              <Button
                size="compact-md"
                variant="default"
                className={RETRIEVE}
                disabled={!free}
                loading={isPending(state, 'call.retrieve', one.call)}
                aria-label={t('lot.retrieveOf', { who: nameOf(one, t) })}
                onClick={() => onRetrieve(one.call)}
              >
                {t('lot.retrieve')}
              </Button>
            )}
          </Row>
        ))}
      </ul>
    </div>
  );
}

interface RowProps {
  parked: Parked;
  place: number | null;
  state: State;
  now: number;
  children: React.ReactNode;
}

function Row({ parked, place, state, now, children }: RowProps) {
  const { t } = useTranslation();
  const colleague = useColleagueName();
  const left = waitLeft(state, parked, now);
  const { assignee } = parked;
  return (
    <li data-call={parked.call} data-warned={parked.warned}>
      <span className="lot-place">{place === null ? t('lot.personal') : t('lot.place', { n: place })}</span>
      <span className="lot-time" title={t('lot.waited')}>
        {duration(waited(state, parked, now))}
      </span>
      <Outside text={nameOf(parked, t)} limit={48} className="lot-who" />
      <Outside text={parked.clientName} limit={32} />
      <span className="quiet">
        {assignee === null ? (
          t('lot.noAssignee')
        ) : (
          <Outside text={t('lot.assignee', { name: colleague(assignee.name, assignee.id) })} limit={32} />
        )}
      </span>
      <span className="quiet">{named(t, 'lot.mode', parked.mode)}</span>
      <span>
        {parked.warned && (
          <span className="chip" data-tone="danger">
            ⚠ {t('lot.warning', { time: duration(left ?? 0) })}
          </span>
        )}
      </span>
      {children}
    </li>
  );
}

/** Name, or number in groups, or why there is none. */
function nameOf(parked: Parked, t: TFunction): string {
  const { caller, customer } = parked;
  if (customer !== null) return visible(`${customer} ${t('who.honorific')}`.trim(), 48);
  const number = caller.national ?? caller.e164;
  return number ?? named(t, 'who.label', caller.presentation);
}

/** Moves to the first caller who can be taken. */
export function focusOnLot(): void {
  document.querySelector<HTMLButtonElement>(`.${RETRIEVE}:not(:disabled)`)?.focus();
}
