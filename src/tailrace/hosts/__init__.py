"""Where the loop runs: `once` carries what there is and ends."""
