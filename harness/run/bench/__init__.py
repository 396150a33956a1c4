"""What operations cost: kernels side by side, counted in exact guests, and what is said of the difference."""
