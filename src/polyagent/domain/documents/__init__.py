"""What people upload: read, cut to chunks, found again and quoted."""
