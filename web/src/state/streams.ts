import type { EventFrame, StreamPosition, WelcomeFrame } from '../protocol/frames';
import type { StreamState } from './model';

export type Verdict = 'apply' | 'duplicate' | 'gap';

type Streams = Record<string, StreamState>;

/**
 * Decides by stream, epoch and seq whether an event is next, known already, or proof that something was lost.
 */
export function admit(streams: Streams, frame: EventFrame): { verdict: Verdict; streams: Streams } {
  const { stream, epoch, seq } = frame;
  // `lead.changed` and the like belong to a socket, not to a stream.
  if (stream === null || epoch === null || seq === null) return { verdict: 'apply', streams };
  const known = streams[stream];
  const at = (live: boolean): Streams => ({ ...streams, [stream]: { stream, epoch, seq, live } });

  // These two carry the stream's present seq (not +1) and begin or end a resume.
  if (frame.type === 'snapshot') return { verdict: 'apply', streams: at(false) };
  if (frame.type === 'sync.done') return { verdict: 'apply', streams: at(true) };
  if (frame.type === 'stream.closed') {
    const { [stream]: _closed, ...others } = streams;
    return { verdict: 'apply', streams: others };
  }

  // A stream we never saw the beginning of: what it holds before this event is unknown, but nothing was lost
  // here.
  if (known === undefined) return { verdict: 'apply', streams: at(true) };
  if (known.epoch !== epoch) return { verdict: 'gap', streams };
  if (seq <= known.seq) return { verdict: 'duplicate', streams };
  // Folding leaves gaps only among replayed frames.
  const gapAllowed = frame.replay || !known.live;
  if (seq > known.seq + 1 && !gapAllowed) return { verdict: 'gap', streams };
  return { verdict: 'apply', streams: at(known.live) };
}

/**
 * After a welcome: resumed streams keep our position (the replay follows), others wait for their snapshot.
 */
export function streamsAfterWelcome(streams: Streams, offered: WelcomeFrame['streams']): Streams {
  const next: Streams = {};
  for (const { stream, epoch, seq, resumed } of offered) {
    const known = streams[stream];
    next[stream] =
      resumed && known?.epoch === epoch ? { ...known, live: false } : { stream, epoch, seq, live: false };
  }
  return next;
}

/** What `hello` asks to resume. Streams without an epoch cannot be resumed. */
export function resumePositions(streams: Streams): StreamPosition[] {
  return Object.values(streams)
    .filter((known) => known.epoch !== '')
    .map(({ stream, epoch, seq }) => ({ stream, epoch, seq }));
}
