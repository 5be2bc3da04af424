"""What must survive a lost reply or a crash."""
