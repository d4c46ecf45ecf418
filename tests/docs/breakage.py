def breakages(before, after): return []
