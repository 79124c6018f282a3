// Passes of the schedule phase.
