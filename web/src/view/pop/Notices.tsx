import { Button } from '@mantine/core';
import { useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Notice } from '../../protocol/payload';
import type { Pop, State } from '../../state/model';
import { firstUnacked, isPending, noticeAcked, noticesInOrder } from '../../state/selectors';
import { date, timeOf } from '../../text/time';
import { Outside } from '../Outside';
import { useLang } from '../hooks';

interface Props {
  state: State;
  pop: Pop;
  now: number;
  onAck: (notice: string) => void;
}

/** M022: the first thing read. It stays after it was confirmed, only quieter. */
export function Notices({ state, pop, now, onAck }: Props) {
  const next = firstUnacked(pop);
  return noticesInOrder(pop).map((notice) => (
    <NoticeBar
      key={notice.id}
      notice={notice}
      now={now}
      acked={noticeAcked(pop, notice)}
      hasKey={next?.id === notice.id}
      busy={isPending(state, 'notice.ack', pop.call)}
      onAck={() => onAck(notice.id)}
    />
  ));
}

interface BarProps {
  notice: Notice;
  now: number;
  acked: boolean;
  hasKey: boolean;
  busy: boolean;
  onAck: () => void;
}

/** Level and state are words as well; the sign is for the eye that has no time. */
function sign(notice: Notice, acked: boolean): string {
  if (acked) return '✓';
  return notice.level === 'info' ? 'ℹ' : '⚠';
}

/** Two lines of forty full-width characters; what is longer can be opened. */
const SHORT = 80;

/** The author the server names for a notice that came with the customer file. */
const IMPORTED = 'import';

function NoticeBar({ notice, now, acked, hasKey, busy, onAck }: BarProps) {
  const { t } = useTranslation();
  const lang = useLang();
  const [whole, setWhole] = useState(false);
  const label = useId();
  const at = timeOf(notice.at);
  const long = notice.text.length > SHORT;
  return (
    <div
      className="notice"
      data-level={notice.level}
      data-acked={acked}
      role={acked ? 'note' : 'alertdialog'}
      aria-modal={acked ? undefined : false}
      aria-labelledby={label}
    >
      <strong className="notice-level">
        <span aria-hidden="true">{sign(notice, acked)}</span> {t(`notice.${notice.level}`)}
      </strong>
      <p id={label} className="notice-text" data-clamped={long && !whole}>
        <Outside text={notice.text} limit={2000} />
      </p>
      {long && !whole && (
        <Button size="compact-xs" variant="subtle" color="dark" onClick={() => setWhole(true)}>
          {t('notice.more')}
        </Button>
      )}
      <span className="notice-by">
        <Outside text={notice.by === IMPORTED ? t('notice.imported') : notice.by} limit={24} />{' '}
        {at !== null && <time>{date(at, lang, now)}</time>}
      </span>
      {acked ? (
        <span className="notice-acked">{t('notice.acked')}</span>
      ) : (
        <Button
          size="compact-md"
          color={notice.level === 'danger' ? 'red.9' : 'dark'}
          loading={busy}
          onClick={onAck}
        >
          {t('notice.ack')}
          {hasKey && <kbd>F2</kbd>}
        </Button>
      )}
    </div>
  );
}
