"""What `make bench ONLY=load` is made of."""
