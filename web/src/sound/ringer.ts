const VOLUME = 'toritsugi.volume';

/**
 * The ring, made of tones rather than of a file: 400 Hz broken at 16 Hz, one second on and two off, as a
 * Japanese exchange rings. Browsers allow sound only after a gesture, so `unlock` is called from one.
 */
export class Ringer {
  private context: AudioContext | null = null;
  private next: ReturnType<typeof setInterval> | null = null;
  volume = storedVolume();

  /** True when a gesture has let us make sound. */
  get unlocked(): boolean {
    return this.context?.state === 'running';
  }

  async unlock(): Promise<void> {
    this.context ??= new AudioContext();
    if (this.context.state === 'suspended') await this.context.resume();
  }

  setVolume(volume: number): void {
    this.volume = Math.min(1, Math.max(0, volume));
    localStorage.setItem(VOLUME, String(this.volume));
  }

  async test(): Promise<void> {
    await this.unlock();
    this.burst();
  }

  start(): void {
    if (this.next !== null) return;
    this.burst();
    this.next = setInterval(() => this.burst(), 3_000);
  }

  stop(): void {
    if (this.next !== null) clearInterval(this.next);
    this.next = null;
  }

  private burst(): void {
    const context = this.context;
    if (context === null || context.state !== 'running') return;
    const tone = new OscillatorNode(context, { frequency: 400 });
    const beat = new OscillatorNode(context, { frequency: 16, type: 'square' });
    const level = new GainNode(context, { gain: this.volume * 0.2 });
    const depth = new GainNode(context, { gain: this.volume * 0.2 });
    beat.connect(depth).connect(level.gain);
    tone.connect(level).connect(context.destination);
    const end = context.currentTime + 1;
    for (const node of [tone, beat]) {
      node.start();
      node.stop(end);
    }
  }
}

function storedVolume(): number {
  const stored = Number(localStorage.getItem(VOLUME) ?? '0.6');
  return stored >= 0 && stored <= 1 ? stored : 0.6;
}
