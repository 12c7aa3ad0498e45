"""What the measurements of pages are made of; each runs in a process of its own."""
