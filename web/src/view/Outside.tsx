import { SHOWN_LENGTH, visible } from '../text/visible';

interface Props {
  text: string;
  limit?: number;
  className?: string;
}

/**
 * The one way text from outside reaches the screen: a text node, isolated in its direction, with controls
 * made visible. There is no other path, and none that takes markup.
 */
export function Outside({ text, limit = SHOWN_LENGTH, className }: Props) {
  return (
    <bdi className={className === undefined ? 'outside' : `outside ${className}`}>{visible(text, limit)}</bdi>
  );
}
