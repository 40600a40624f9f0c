import { useEffect } from 'react';
import type { DeskClient } from '../hub/client';

/** The server waits two seconds for the word that a card is painted. */
const AT_LAST_MS = 1_000;

/**
 * Tells the server that what it waits to see painted is: after the frame that shows it, not when it was
 * received. Nothing to tell without an id.
 */
export function usePainted(desk: DeskClient, id: string | undefined): void {
  useEffect(() => {
    if (id === undefined) return undefined;
    // A tab in the background paints nothing, but its card is laid out and rings; the ack says "hidden".
    // Not by a timer: those of such a tab come late, and the server waits two seconds at most.
    if (document.visibilityState === 'hidden') {
      desk.rendered(id);
      return undefined;
    }
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => desk.rendered(id));
    });
    // A tab that goes into the background just now has no more frames to wait for.
    const timer = setTimeout(() => desk.rendered(id), AT_LAST_MS);
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [desk, id]);
}
