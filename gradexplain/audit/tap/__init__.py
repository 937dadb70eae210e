"""What taps read in a step, whatever the framework → the weights of its losses → a report."""
