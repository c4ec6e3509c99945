"""What the tests stand on: a step at work, a browser to visit it with, tables of bad input."""
