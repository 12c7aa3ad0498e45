"""What the measurement of search is made of; it runs in a process of its own, with Django."""
