"""What the pages of chats, search and pins show. They read; nothing here writes."""
