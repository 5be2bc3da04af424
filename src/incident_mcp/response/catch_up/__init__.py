"""What changed in both services since an earlier call, each change once."""
