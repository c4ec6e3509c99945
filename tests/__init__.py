"""One suite for all six steps, and for the app that a learner writes."""
