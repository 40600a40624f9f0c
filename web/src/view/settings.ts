/** A yes-or-no of this browser's user; kept locally because it concerns this screen and not the person. */
function setting(key: string, initial: boolean) {
  return {
    get: (): boolean => (localStorage.getItem(key) ?? String(initial)) === 'true',
    set: (value: boolean): void => localStorage.setItem(key, String(value)),
  };
}

export const focusOnPop = setting('toritsugi.focus-on-pop', true);
