// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en");
const DAY = 86_400_000;

export const count = (number) => whole.format(number ?? 0);

/** `1 router`, `2 routers` */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Something per second. */
export function rate(number) {
  if (!number) return "0";
  if (number < 10) return number < 0.1 ? "<0.1" : number.toFixed(1);
  return number < 10_000 ? whole.format(Math.round(number)) : `${(number / 1000).toFixed(number < 100_000 ? 1 : 0)}k`;
}

/** A share from 0 to 1. */
export function percent(share) {
  if (!share) return "0 %";
  if (share < 0.001) return "<0.1 %";
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** Milliseconds. */
export function duration(ms) {
  if (ms === undefined || ms === null || Number.isNaN(ms)) return "–";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** Whole days from now until a time; less than 0 once it has passed. */
export const daysUntil = (time) => Math.floor((Date.parse(time) - Date.now()) / DAY);

export function date(time) {
  const parsed = new Date(time);
  if (Number.isNaN(parsed.getTime())) return String(time ?? "–");
  return parsed.toISOString().slice(0, 16).replace("T", " ") + " UTC";
}

export function since(time) {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return "–";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** `passHostHeader` as `Pass host header` */
export function words(key) {
  const spaced = key.replace(/([a-z\d])([A-Z])/g, "$1 $2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2");
  return spaced
    .split(" ")
    .map((word, index) => (/^[A-Z]{2,}s?$/.test(word) ? word : index ? word.toLowerCase() : word[0].toUpperCase() + word.slice(1)))
    .join(" ");
}
