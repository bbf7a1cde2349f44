"""What the collector's operator looks for first when something is wrong: alarms, sources, quarantine. No sign-in."""
