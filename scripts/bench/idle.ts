/** Does nothing: its pauses are the machine's. */
import { watchPauses } from "./pauses.ts";

watchPauses();
