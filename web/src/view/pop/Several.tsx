import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Pop, State } from '../../state/model';
import { isPending } from '../../state/selectors';
import { Outside } from '../Outside';
import { Reading } from '../people';

interface Props {
  state: State;
  pop: Pop;
  onChoose: (customer: string) => void;
}

/** As many as have a key. */
const KEYED = 5;

/** Several customers have this number. Only names are shown until the agent has asked and chosen. */
export function Several({ state, pop, onChoose }: Props) {
  const { t } = useTranslation();
  const { candidates, count } = pop.data.match;
  const busy = isPending(state, 'pop.choose', pop.call);
  return (
    <ol className="several">
      {candidates.slice(0, KEYED).map((candidate, index) => (
        <li key={candidate.id}>
          <kbd>{index + 1}</kbd>
          <span className="several-name">
            <small>
              <Reading kana={candidate.kana} name={candidate.name} limit={64} />
            </small>
            <strong>
              <Outside text={candidate.name} limit={64} />
            </strong>{' '}
            {t('who.honorific')}
          </span>
          <Outside text={candidate.org} limit={64} className="several-org" />
          <Button size="compact-md" variant="default" disabled={busy} onClick={() => onChoose(candidate.id)}>
            {t('several.choose')}
          </Button>
        </li>
      ))}
      {count > KEYED && <li className="quiet">{t('several.more', { n: count - KEYED })}</li>}
    </ol>
  );
}
