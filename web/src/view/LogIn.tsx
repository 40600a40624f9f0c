import { Alert, Button, Group, Paper, PasswordInput, TextInput, Title } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, type Session, api } from '../api/client';
import type { Ringer } from '../sound/ringer';
import { LanguageSwitch } from './LanguageSwitch';

interface Props {
  unreachable: boolean;
  ringer: Ringer;
  onLoggedIn: (session: Session) => void;
}

export function LogIn({ unreachable, ringer, onLoggedIn }: Props) {
  const { t } = useTranslation();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [fault, setFault] = useState<string | null>(unreachable ? 'login.failed' : null);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setFault(null);
    // The log-in is a gesture: the one moment to be allowed to ring later.
    void ringer.unlock().catch(() => undefined);
    try {
      onLoggedIn(await api.logIn(name, password));
    } catch (error) {
      setFault(faultText(error));
      setBusy(false);
    }
  }

  return (
    <main className="login">
      <Paper component="form" withBorder shadow="sm" p="xl" className="login-card" onSubmit={submit}>
        <Group justify="space-between" mb="md">
          <Title order={1} size="h3">
            {t('app')}
          </Title>
          <LanguageSwitch />
        </Group>
        {fault !== null && (
          <Alert color="red" role="alert" mb="sm" py="xs">
            {t(fault)}
          </Alert>
        )}
        <TextInput
          label={t('login.name')}
          value={name}
          autoFocus
          required
          autoComplete="username"
          name="name"
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label={t('login.password')}
          value={password}
          required
          mt="sm"
          autoComplete="current-password"
          name="password"
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Group mt="lg" justify="space-between">
          <Button type="submit" loading={busy}>
            {t('login.submit')}
          </Button>
          <Button type="button" variant="subtle" color="gray" onClick={() => void ringer.test()}>
            {t('login.sound')}
          </Button>
        </Group>
      </Paper>
    </main>
  );
}

function faultText(error: unknown): string {
  if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) return 'login.failed';
  return error.status === 429 ? 'login.limited' : 'login.wrong';
}
