import { imageOf, type Session, type SessionImage } from "./session.ts";

/**
 * All sessions as they were when the view began. A session that is about to change is copied first,
 * unless it has been read by then.
 */
export class SessionsView {
  readonly #id: number;
  #sessions: readonly Session[];
  readonly #images = new Map<Session, SessionImage>();
  #next = 0;

  /** @param id higher than that of each view before */
  constructor(id: number, sessions: readonly Session[]) {
    this.#id = id;
    this.#sessions = sessions;
  }

  get size(): number {
    return this.#sessions.length;
  }

  /** To be called before a session changes. */
  keep(session: Session): void {
    if (session.viewId === this.#id) return;
    session.viewId = this.#id;
    this.#images.set(session, imageOf(session));
  }

  /** The next session, in the order in which they were opened; `null` after the last. */
  read(): SessionImage | null {
    const session = this.#sessions[this.#next];
    if (session === undefined) return null;
    this.#next++;
    const image = this.#images.get(session) ?? imageOf(session);
    this.#images.delete(session);
    session.viewId = this.#id;
    return image;
  }
}
