import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import type { Flag } from '../../protocol/payload';
import { visible } from '../../text/visible';

/** Four chips say enough at a glance; the number of the others is the fifth. */
const SHOWN = 4;
const GRAVE = ['complaint', 'heavy_complaint', 'harassment'];

export function Flags({ flags }: { flags: Flag[] }) {
  const { t } = useTranslation();
  if (flags.length === 0) return null;
  const rest = flags.slice(SHOWN);
  return (
    <ul className="flags">
      {flags.slice(0, SHOWN).map((flag) => (
        <li key={flag.code} className="chip" data-tone={GRAVE.includes(flag.code) ? 'danger' : 'warn'}>
          {flagText(flag, t)}
        </li>
      ))}
      {rest.length > 0 && (
        <li className="chip" title={rest.map((flag) => flagText(flag, t)).join(' ')}>
          {t('flag.more', { n: rest.length })}
        </li>
      )}
    </ul>
  );
}

/** Word and number, never colour alone. */
function flagText(flag: Flag, t: TFunction): string {
  const { code, level, count, windowH } = flag;
  if (code === 'frequent' && count !== null && windowH !== null) {
    return t('flag.frequent', { count, window: windowH });
  }
  if (code === 'frequent') return t('flag.frequentPlain');
  if (code === 'chase') return count === null ? t('flag.chasePlain') : t('flag.chase', { count });
  const text = t(`flag.${code}`, { level: level ?? '', defaultValue: '' }).trim();
  return text === '' ? visible(level === null ? code : `${code} ${level}`, 24) : text;
}
