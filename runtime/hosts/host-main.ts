// Entry of a host process.
import { startSupervisor } from "./supervisor.ts";

startSupervisor();
