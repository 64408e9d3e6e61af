// Entry of a slot thread.
import { startSlot } from "./slot.ts";

startSlot();
