import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { type Session, api } from '../api/client';
import type { DeskClient } from '../hub/client';
import type { Ringer } from '../sound/ringer';
import { Desk } from './Desk';
import { LogIn } from './LogIn';

interface Props {
  desk: DeskClient;
  ringer: Ringer;
}

/** Log-in or desk, by whether the cookie's session holds. */
export function App({ desk, ringer }: Props) {
  const queries = useQueryClient();
  const session = useQuery({ queryKey: ['session'], queryFn: api.currentSession, staleTime: Infinity });

  useEffect(() => {
    // Any tab's log-out, or the server's word, ends it for all tabs, and nothing of the customers stays
    // behind.
    desk.onSignedOut = () => {
      queries.setQueryData(['session'], null);
      queries.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
    };
  }, [desk, queries]);

  const present: Session | null | undefined = session.data;
  useEffect(() => {
    // A person at a desk, not one session: a reload or a second log-in keeps what is on the screen.
    if (present) desk.start(`${present.name} ${present.agent ?? ''}`);
  }, [desk, present]);

  if (session.isPending) return null;
  if (!present) {
    return (
      <LogIn
        unreachable={session.isError}
        ringer={ringer}
        onLoggedIn={(fresh) => queries.setQueryData(['session'], fresh)}
      />
    );
  }
  return (
    <Desk
      desk={desk}
      ringer={ringer}
      session={present}
      onLogOut={() => {
        // The screen is cleared even when the server cannot be told.
        void api
          .logOut(present.csrf)
          .catch(() => undefined)
          .finally(() => {
            desk.stop();
            desk.onSignedOut();
          });
      }}
    />
  );
}
