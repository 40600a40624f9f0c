import { Notification } from '@mantine/core';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { named } from '../i18n';
import type { State } from '../state/model';
import { Outside } from './Outside';
import { useLang } from './hooks';

interface Props {
  state: State;
  onDismiss: (id: string) => void;
}

/** How long a refusal stays, in milliseconds. */
const SHOWN_MS = 8_000;

/** Refusals, in the server's words where it gave some in this language. */
export function Messages({ state, onDismiss }: Props) {
  const { t } = useTranslation();
  const lang = useLang();
  const oldest = state.messages[0]?.id;

  useEffect(() => {
    if (oldest === undefined) return undefined;
    const timer = setTimeout(() => onDismiss(oldest), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [oldest, onDismiss]);

  return (
    <div className="messages" role="status" aria-live="polite">
      {state.messages.map((message) => (
        <Notification
          key={message.id}
          color="red"
          withBorder
          title={t('error.title')}
          onClose={() => onDismiss(message.id)}
          closeButtonProps={{ 'aria-label': t('contacts.close') }}
        >
          {message[lang] ? <Outside text={message[lang]} limit={200} /> : named(t, 'error', message.code)}
        </Notification>
      ))}
    </div>
  );
}
