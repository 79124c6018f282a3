// Passes of the plan phase.
