"""The measurements: speed and memory as ratios to a limit or a peer in the same run. `./dev bench [NAME …]`."""
