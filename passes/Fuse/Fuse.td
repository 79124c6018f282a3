// Passes of the fuse phase.
