"""What every step shares and no lesson teaches."""
