"""What `make bench ONLY=soak` is made of."""
