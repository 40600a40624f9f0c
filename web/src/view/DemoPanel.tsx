import { Button, Menu } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, type Scenario, api } from '../api/client';
import { inLanguage } from '../i18n';
import { Outside } from './Outside';
import { useLang, useLatest } from './hooks';

interface Props {
  csrf: string;
  /** A card is shown: callers who come by themselves wait until the agent is free. */
  busy: boolean;
}

/** Between callers who come by themselves, in milliseconds. */
const EVERY_MS = 5_000;
/** How long the word about a call that was placed stays, in milliseconds. */
const SAID_MS = 4_000;

/** Calls to try. It exists only where the server has them, which is in the demonstration. */
export function DemoPanel({ csrf, busy }: Props) {
  const scenarios = useQuery({
    queryKey: ['demo'],
    queryFn: api.demoScenarios,
    retry: false,
    staleTime: Infinity,
  });
  const list = scenarios.data ?? [];
  return list.length === 0 ? null : <Panel csrf={csrf} busy={busy} scenarios={list} />;
}

function Panel({ csrf, busy, scenarios }: Props & { scenarios: Scenario[] }) {
  const { t } = useTranslation();
  const lang = useLang();
  const [auto, setAuto] = useState(false);
  const [said, say] = useSaid();
  const call = useCallback(
    (scenario: string) =>
      api.demoCall(scenario, csrf).then(
        () => say('demo.placed'),
        (error: unknown) =>
          say(error instanceof ApiError && error.status === 429 ? 'demo.limited' : 'demo.failed'),
      ),
    [csrf, say],
  );
  useCallers(auto, busy, scenarios, call);
  return (
    <div className="demo" data-testid="demo">
      <span role="status" className="demo-said" data-testid="demo-said">
        {said !== null && t(said)}
      </span>
      <Menu position="bottom-end" shadow="md" withinPortal>
        <Menu.Target>
          <Button size="compact-sm" variant="default" className="demo-button" data-auto={auto}>
            {t(auto ? 'demo.autoOn' : 'demo.button')}
            <span aria-hidden="true" className="more-mark">
              ▾
            </span>
          </Button>
        </Menu.Target>
        <Menu.Dropdown className="demo-list">
          <Menu.CheckboxItem
            checked={auto}
            onChange={setAuto}
            rightSection={<strong>{t(auto ? 'demo.on' : 'demo.off')}</strong>}
          >
            {t('demo.auto')}
          </Menu.CheckboxItem>
          <Menu.Divider />
          <Menu.Label>{t('demo.list')}</Menu.Label>
          {scenarios.map((scenario) => (
            <Menu.Item key={scenario.id} onClick={() => void call(scenario.id)}>
              <Outside text={inLanguage(scenario.text, lang)} limit={120} />
              <small className="quiet">
                <Outside text={`${scenario.from} → ${scenario.line}`} limit={64} />
              </small>
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

/** A word that goes by itself. */
function useSaid(): [string | null, (text: string) => void] {
  const [said, setSaid] = useState<{ text: string } | null>(null);
  const say = useCallback((text: string) => setSaid({ text }), []);
  useEffect(() => {
    if (said === null) return undefined;
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return [said?.text ?? null, say];
}

/** One caller after the other, the list over and over, each only when nobody is being served here. */
function useCallers(
  on: boolean,
  busy: boolean,
  scenarios: Scenario[],
  call: (scenario: string) => Promise<void>,
): void {
  const next = useRef(0);
  const latest = useLatest({ busy, scenarios, call });
  useEffect(() => {
    if (!on) return undefined;
    const place = () => {
      const { busy: waits, scenarios: all, call: dial } = latest.current;
      const scenario = all[next.current % all.length];
      if (waits || scenario === undefined) return;
      next.current += 1;
      void dial(scenario.id);
    };
    place();
    const timer = setInterval(place, EVERY_MS);
    return () => clearInterval(timer);
  }, [on, latest]);
}
