"""What actors do with PolyAgent; also its library API."""
