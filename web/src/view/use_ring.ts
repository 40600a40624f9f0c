import { useEffect } from 'react';
import type { Ringer } from '../sound/ringer';

/** Sounds while told to, and takes the first gesture on the page as the browser's leave to sound at all. */
export function useRing(ringer: Ringer, sounding: boolean): void {
  useEffect(() => {
    const unlock = () => void ringer.unlock().catch(() => undefined);
    window.addEventListener('pointerdown', unlock);
    window.addEventListener('keydown', unlock);
    return () => {
      window.removeEventListener('pointerdown', unlock);
      window.removeEventListener('keydown', unlock);
    };
  }, [ringer]);

  useEffect(() => {
    // Readable from outside (tests, support): whether this tab is the one that rings.
    document.body.dataset.sounding = String(sounding);
    if (!sounding) return undefined;
    ringer.start();
    return () => ringer.stop();
  }, [ringer, sounding]);
}
