import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { State } from '../state/model';
import { lostSeconds } from '../state/selectors';

interface Props {
  state: State;
  now: number;
  onReconnect: () => void;
}

/**
 * After three seconds without a connection the agent must know that cards may be missing, but calls are not.
 */
const SILENT_S = 3;

export function LinkBanner({ state, now, onReconnect }: Props) {
  const { t } = useTranslation();
  const { phase, closeCode } = state.link;
  if (phase !== 'refused' && lostSeconds(state, now) < SILENT_S) return null;
  return (
    <div className="link-banner" role="alert">
      <strong>{t('link.lost')}</strong>
      {phase === 'refused' ? (
        <Refused code={closeCode} onReconnect={onReconnect} />
      ) : (
        <span>{t('link.retrying')}</span>
      )}
    </div>
  );
}

function Refused({ code, onReconnect }: { code: number | null; onReconnect: () => void }) {
  const { t } = useTranslation();
  const why = code === 4409 ? 'superseded' : code === 4406 ? 'version' : 'forbidden';
  return (
    <>
      <span>{t(`link.${why}`)}</span>
      {code === 4406 ? (
        <Button size="compact-sm" color="dark" onClick={() => window.location.reload()}>
          {t('link.reload')}
        </Button>
      ) : (
        <Button size="compact-sm" color="dark" onClick={onReconnect}>
          {t('link.useHere')}
        </Button>
      )}
    </>
  );
}
