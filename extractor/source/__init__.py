"""Files to chunks of whole lines: find files, know them again, follow them through everything that happens to them."""
