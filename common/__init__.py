"""Code that all steps share and no lesson teaches."""
