import type { Operation } from "./operation.ts";
import { transitionOf } from "./register_model.ts";
import type { DeadEnd } from "./search.ts";

const TEXT_MAX = 200;

/** A dead end of the search, as readable lines. */
export function explain(
  key: string,
  count: number,
  { order, state, stuck, unused }: DeadEnd,
): string[] {
  const lines = [`key ${quote(key)}: no order explains its ${count} operations`];
  if (order.length > 0) lines.push("the longest order found ends with (what the key then holds):");
  for (const { operation, after } of order) {
    lines.push(`  ${describe(operation)}  (${quote(after)})`);
  }
  lines.push(`the key holds ${quote(state)}; one of these must come next, and none can:`);
  for (const operation of stuck) {
    const { reply } = transitionOf(operation.args)(state);
    lines.push(`  ${describe(operation)}, but would be answered ${quote(reply)}`);
  }
  if (unused.length > 0) lines.push("even with these earlier operations of unknown outcome:");
  for (const operation of unused) lines.push(`  ${describe(operation)}`);
  return lines;
}

/** One operation in a line: its times, client, request and outcome. */
function describe(operation: Operation): string {
  const { client, args, invokedMs, completedMs, outcome } = operation;
  const [name = "", ...rest] = args;
  const request = [name, ...rest.map((text) => clip(text))].join(" ");
  const end = outcome.kind === "ok" ? time(completedMs) : "…";
  const reply = outcome.kind === "ok" ? quote(outcome.reply) : "unknown";
  return `[${time(invokedMs)}, ${end}] ${
    client === undefined ? "" : `${client}: `
  }${request} → ${reply}`;
}

function time(ms: number | null): string {
  return ms === null ? "…" : Number.isInteger(ms) ? String(ms) : ms.toFixed(3);
}

function quote(value: string | number | null): string {
  if (value === null) return "nothing";
  return typeof value === "number" ? String(value) : JSON.stringify(clip(value));
}

/** The end of a long text, where growing values differ. */
function clip(text: string): string {
  return text.length <= TEXT_MAX ? text : `…${text.slice(-TEXT_MAX)}`;
}
