// Passes of the simplify phase.
