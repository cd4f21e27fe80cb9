import type { ClusterState, Member } from "../api/cluster.ts";

/** Something that has happened in the cluster. */
export interface ClusterNews {
  readonly id: number;
  readonly ms: number;
  readonly kind:
    | "leads"
    | "election"
    | "silent"
    | "back"
    | "joined"
    | "left"
    | "fault"
    | "healed";
  /** The member's id; empty for an election. */
  readonly member: string;
  readonly term: number;
  /** The fault. */
  readonly detail: string;
}

let lastId = 0;

/** What has happened from one look at the cluster to the next. */
export function newsBetween(
  before: ClusterState | null,
  after: ClusterState,
  ms: number,
): ClusterNews[] {
  const found: ClusterNews[] = [];
  const add = (
    kind: ClusterNews["kind"],
    { id, term }: Pick<Member, "id" | "term">,
    detail = "",
  ) => found.push({ id: ++lastId, ms, kind, member: id, term, detail });
  const leads = leaderOf(after);
  if (before === null) {
    if (leads !== null) add("leads", leads);
    return found;
  }
  const old = new Map(before.members.map((member) => [member.id, member]));
  for (const member of after.members) {
    const was = old.get(member.id);
    old.delete(member.id);
    if (was === undefined) {
      add("joined", member);
      continue;
    }
    if (was.isAlive !== member.isAlive) {
      add(member.isAlive ? "back" : "silent", member);
    }
    const known = was.faults.map(withoutTime);
    for (const fault of member.faults.map(withoutTime)) {
      if (!known.includes(fault)) add("fault", member, fault);
    }
    if (was.faults.length > 0 && member.faults.length === 0 && member.isAlive) {
      add("healed", member);
    }
  }
  for (const member of old.values()) add("left", member);
  const led = leaderOf(before);
  if (leads === null && led !== null) {
    add("election", { id: "", term: termOf(after) });
  }
  if (leads !== null && (led?.id !== leads.id || led.term !== leads.term)) {
    add("leads", leads);
  }
  return found.reverse();
}

function leaderOf({ members }: ClusterState): Member | null {
  const leaders = members.filter(({ role, isAlive }) => role === "leader" && isAlive);
  return leaders.sort((one, other) => other.term - one.term)[0] ?? null;
}

function termOf({ members }: ClusterState): number {
  return Math.max(0, ...members.map(({ term }) => term));
}

/** A fault without the time that is left of it, which changes all the time. */
function withoutTime(fault: string): string {
  return fault.replace(/, \d+ ms left$/, "");
}
