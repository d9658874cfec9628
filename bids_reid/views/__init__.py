"""The 81 views as numbers, and a surface seen from them."""
