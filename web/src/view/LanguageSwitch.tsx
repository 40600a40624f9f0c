import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { switchLanguage } from '../i18n';
import { useLang } from './hooks';

/** Names the other language in that language, so that whoever needs it can read it. */
export function LanguageSwitch() {
  const { t } = useTranslation();
  const other = useLang() === 'ja' ? 'en' : 'ja';
  return (
    <Button
      size="compact-sm"
      variant="subtle"
      color="gray"
      lang={other}
      aria-label={`${t('bar.language')}: ${t('bar.other')}`}
      onClick={() => switchLanguage(other)}
    >
      {t('bar.other')}
    </Button>
  );
}
