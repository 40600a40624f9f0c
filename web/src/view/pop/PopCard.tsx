import { useTranslation } from 'react-i18next';
import type { DeskClient } from '../../hub/client';
import type { Lang } from '../../protocol/payload';
import type { Pop, State } from '../../state/model';
import { needsChoice, scriptLanguage } from '../../state/selectors';
import { Actions } from './Actions';
import { AssigneePanel } from './AssigneePanel';
import { ContactsPanel } from './ContactsPanel';
import { Flags } from './Flags';
import { Notices } from './Notices';
import { OpenPanel, nothingOpen } from './OpenPanel';
import { SayPanel } from './SayPanel';
import { Several } from './Several';
import { Who } from './Who';
import { usePainted } from '../use_painted';
import type { ActionName } from './action_list';

export interface PopCardProps {
  desk: DeskClient;
  state: State;
  pop: Pop;
  now: number;
  /** Own agent id. */
  me: string | null;
  script: Lang | undefined;
  onScript: (lang: Lang) => void;
  declining: boolean;
  onDeclining: (open: boolean) => void;
  onAction: (name: ActionName) => void;
  onAck: (notice: string) => void;
  onChoose: (customer: string) => void;
}

/** One call, in the order of `screens.md` §6.1; the order of the DOM is the order of reading. */
export function PopCard(props: PopCardProps) {
  const { desk, state, pop, now, me } = props;
  const { t } = useTranslation();
  usePainted(desk, pop.renderAck?.id);
  const choosing = needsChoice(pop);
  const script = scriptLanguage(pop, props.script);
  return (
    <article
      id={`pop-${pop.call}`}
      className="pop"
      data-phase={pop.phase}
      tabIndex={-1}
      aria-label={t('call.title')}
      data-testid="pop"
    >
      {!choosing && <Notices state={state} pop={pop} now={now} onAck={props.onAck} />}
      <Who state={state} pop={pop} now={now} />
      {choosing ? (
        <Several state={state} pop={pop} onChoose={props.onChoose} />
      ) : (
        <Flags flags={pop.data.flags} />
      )}
      <div className="pop-grid">
        {!choosing && <AssigneePanel pop={pop} now={now} me={me} script={script} />}
        <SayPanel pop={pop} lang={script} onLang={props.onScript} greetingOnly={choosing} />
        {!choosing && !nothingOpen(pop) && <OpenPanel pop={pop} now={now} />}
        {!choosing && <ContactsPanel pop={pop} now={now} wide={nothingOpen(pop)} />}
      </div>
      <Actions
        desk={desk}
        state={state}
        pop={pop}
        declining={props.declining}
        onDeclining={props.onDeclining}
        onAction={props.onAction}
      />
    </article>
  );
}
