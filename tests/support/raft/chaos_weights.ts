import { type Random, randomInteger } from "../../../src/base/random.ts";

/** Weight of each kind of step among all steps, drawn from the seed. */
export interface Weights {
  readonly deliver: number;
  readonly persist: number;
  readonly tick: number;
  readonly propose: number;
  readonly read: number;
  readonly drop: number;
  readonly repeat: number;
  readonly crash: number;
  readonly restart: number;
  readonly partition: number;
  readonly heal: number;
  readonly pause: number;
  readonly unreachable: number;
  readonly campaign: number;
  readonly configure: number;
  readonly compact: number;
  readonly transfer: number;
}

/** Draws the weights. About half of the faults happen in a run, each more or less often. */
export function drawWeights(random: Random): Weights {
  const seldom = (most: number) => randomInteger(random, 2) * random() * most;
  return {
    deliver: 60,
    persist: 4 + random() * 20,
    tick: 2 + random() * 12,
    propose: 1 + random() * 8,
    read: random() * 4,
    drop: seldom(6),
    repeat: seldom(6),
    crash: seldom(0.6),
    restart: 0.6,
    partition: seldom(0.4),
    heal: 0.3,
    pause: seldom(0.6),
    unreachable: seldom(0.5),
    campaign: seldom(1),
    configure: seldom(8),
    compact: seldom(2),
    transfer: seldom(1),
  };
}
