import { computed, ref, watchEffect } from "vue";
import { keep, kept } from "../storage.ts";
import { en, type Messages } from "./en.ts";
import { es } from "./es.ts";

export const LOCALES = { en: "English", es: "Español" } as const;
export type Locale = keyof typeof LOCALES;
export type MessageKey = keyof Messages;

const CATALOGUES: Readonly<Record<Locale, Messages>> = { en, es };

function firstLocale(): Locale {
  const wanted = [kept<string>("locale") ?? "", ...navigator.languages];
  const found = wanted.map((tag) => tag.slice(0, 2)).find((tag) => tag in CATALOGUES);
  return (found ?? "en") as Locale;
}

/** The language of the page. A change of it changes the page at once, and is kept. */
export const locale = ref<Locale>(firstLocale());

watchEffect(() => {
  document.documentElement.lang = locale.value;
});

export function chooseLocale(chosen: Locale): void {
  locale.value = chosen;
  keep("locale", chosen);
}

/** What the messages' parameters may be. Numbers are written as the language writes them. */
export type Parameters = Readonly<Record<string, string | number>>;

/** A message in the page's language, with `{name}` replaced by the parameter of that name. */
export function t(key: MessageKey, parameters: Parameters = {}): string {
  return CATALOGUES[locale.value][key].replace(
    /\{(\w+)\}/g,
    (whole, name: string) => {
      const value = parameters[name];
      if (value === undefined) return whole;
      return typeof value === "number" ? number(value) : value;
    },
  );
}

type PluralKey = {
  [K in MessageKey]: K extends `${infer Stem}.one` ? Stem : never;
}[MessageKey];

/** A message that depends on a number, which is its parameter `count`. */
export function plural(
  stem: PluralKey,
  count: number,
  parameters: Parameters = {},
): string {
  const form = new Intl.PluralRules(locale.value).select(count) === "one" ? "one" : "other";
  return t(`${stem}.${form}` as MessageKey, { ...parameters, count });
}

/** The reader's own kind of the language, such as `en-GB`: dates differ. */
const tag = computed(() =>
  navigator.languages.find((one) => one.slice(0, 2) === locale.value) ?? locale.value
);

const format = computed(() => ({
  number: new Intl.NumberFormat(tag.value, { maximumFractionDigits: 1 }),
  percent: new Intl.NumberFormat(tag.value, {
    style: "percent",
    maximumFractionDigits: 1,
  }),
  date: new Intl.DateTimeFormat(tag.value, { dateStyle: "medium" }),
  dateTime: new Intl.DateTimeFormat(tag.value, {
    dateStyle: "medium",
    timeStyle: "medium",
  }),
  time: new Intl.DateTimeFormat(tag.value, { timeStyle: "medium" }),
  relative: new Intl.RelativeTimeFormat(tag.value, { numeric: "auto" }),
  collator: new Intl.Collator(tag.value, {
    numeric: true,
    sensitivity: "base",
  }),
}));

export const number = (value: number): string => format.value.number.format(value);
export const percent = (share: number): string => format.value.percent.format(share);
export const dateTime = (ms: number): string => format.value.dateTime.format(ms);
export const clockTime = (ms: number): string => format.value.time.format(ms);
/** Order of two texts for readers of the page's language, `Track 2` before `Track 10`. */
export const compare = (one: string, other: string): number =>
  format.value.collator.compare(one, other);

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB"];

/** A size in bytes, in decimal units. */
export function bytes(count: number): string {
  let power = 0;
  let value = count;
  while (value >= 1000 && power < SIZES.length - 1) {
    value /= 1000;
    power++;
  }
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${number(Number(value.toFixed(digits)))} ${SIZES[power]}`;
}

/** A duration in seconds as `3:07` or `1:02:03`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–:––";
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** How long ago a time was, or its date if that is more than a week. */
export function ago(ms: number, nowMs: number = Date.now()): string {
  const age = nowMs - ms;
  if (age > 7 * 86_400_000) return format.value.date.format(ms);
  for (const [unit, unitMs] of UNITS) {
    if (age >= unitMs) {
      return format.value.relative.format(-Math.floor(age / unitMs), unit);
    }
  }
  return t("time.now");
}
