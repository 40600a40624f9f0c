/** A run that proves nothing must say so. */
export default function announce(): void {
  if (process.env.TORITSUGI_BIN === undefined) process.stdout.write('skipped: needs TORITSUGI_BIN\n');
}
