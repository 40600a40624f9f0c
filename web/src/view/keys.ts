import { useEffect } from 'react';
import { useLatest } from './hooks';

/**
 * What a key press asks for, by `KeyboardEvent.key`; a missing or false entry leaves the key to the browser.
 */
export type KeyMap = Record<string, (() => void) | false | undefined>;

/** The part of a key press that decides whether it is ours. */
export interface KeyPress {
  key: string;
  isComposing: boolean;
  keyCode: number;
  repeat: boolean;
  modified: boolean;
  focus: Focus;
}

/** Where the focus is: in a field being edited, on another control, or nowhere in particular. */
export type Focus = 'editing' | 'control' | 'free';

/**
 * Function keys work everywhere. Keys that also mean something to a control or a field (Enter, digits) work
 * only when no such thing has the focus. Nothing works while an input method is converting (`isComposing`,
 * keyCode 229).
 */
export function isOurs(press: KeyPress): boolean {
  if (press.isComposing || press.keyCode === 229 || press.repeat || press.modified) return false;
  if (/^F\d{1,2}$/.test(press.key)) return true;
  if (press.key === 'Enter') return press.focus === 'free';
  return press.focus !== 'editing';
}

/** Listens for the whole page. */
export function useKeys(keys: KeyMap): void {
  const latest = useLatest(keys);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const run = latest.current[event.key];
      if (!run || event.defaultPrevented) return;
      const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
      const { key, isComposing, keyCode, repeat } = event;
      const focus = focusOf(document.activeElement);
      if (!isOurs({ key, isComposing, keyCode, repeat, modified, focus })) return;
      event.preventDefault();
      run();
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, [latest]);
}

const CONTROLS =
  'button, a[href], summary, [role="menuitem"], [role="button"], [role="option"], [role="switch"]';
const EDITED = 'input, textarea, select, [contenteditable=""], [contenteditable="true"], [role="textbox"]';

export function focusOf(element: Element | null): Focus {
  if (element === null) return 'free';
  if (element.matches(EDITED)) return 'editing';
  return element.matches(CONTROLS) || element.closest('[role="dialog"], [role="menu"]') !== null
    ? 'control'
    : 'free';
}
