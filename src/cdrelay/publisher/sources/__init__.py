"""Where call records come from beside the intake endpoint: folders, files that grow, providers, platforms."""
