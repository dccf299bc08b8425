// Something that is loaded again and again, while anybody looks.

let paused = false;
const tickers = new Set();

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) for (const ticker of tickers) ticker.wake();
});

/** Stop all of them, or let them go on. */
export function pauseAll(stop) {
  paused = stop;
  if (!stop) for (const ticker of tickers) ticker.wake();
}

export const isPaused = () => paused;

/** Load everything now. */
export function wakeAll() {
  for (const ticker of tickers) ticker.wake();
}

export class Ticker {
  /** `load(signal)` is called every `every` milliseconds; `tell(error)` after each, with null if it went well. */
  constructor(load, every, tell) {
    this.load = load;
    this.every = every;
    this.tell = tell;
    this.failures = 0;
    this.ended = false;
  }

  start() {
    tickers.add(this);
    this.wake();
    return this;
  }

  stop() {
    this.ended = true;
    tickers.delete(this);
    clearTimeout(this.timer);
    this.loading?.abort();
  }

  /** Now, and what is under way is out of date. */
  async wake() {
    clearTimeout(this.timer);
    this.loading?.abort();
    const loading = (this.loading = new AbortController());
    const left = () => this.ended || loading.signal.aborted;
    try {
      await this.load(loading.signal);
      if (left()) return;
      this.failures = 0;
      this.tell(null);
    } catch (error) {
      if (left()) return;
      this.failures += 1;
      this.tell(error);
    }
    this.wait();
  }

  wait() {
    const delay = Math.min(this.every * 2 ** Math.min(this.failures, 4), 30_000);
    this.timer = setTimeout(() => (document.hidden || paused ? this.wait() : this.wake()), delay);
  }
}
